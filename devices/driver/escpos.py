"""ReceiptPrinter on ESC/POS: status before a job, the job, and status after it. A job is done when the printer says so.

`GS r` stands in the queue behind the job, so its answer proves that the printer has worked its way through; `DLE EOT`
is answered at once and says what is wrong. Whether `GS r` comes before or after the cut is unverified.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from devices.errors import OperatorError
from devices.framing.base import Frame
from devices.framing.escpos_status import DLE_EOT, EscposStatusCodec, meaning
from devices.transport import Line, LineLost

log = logging.getLogger("devices.escpos")

#: word of a status bit → errorCode of Printer.PrintRaw
ERROR_CODES = {
    "paper-end": "paperOut",
    "paper-stop": "paperOut",
    "cover-open": "shutterFail",
    "cutter": "paperJammed",
    "mechanical": "paperJammed",
    "unrecoverable": "paperJammed",
}
ANSWER = 1.0  #: seconds for an answer to DLE EOT
LINES_A_SECOND = 10  #: slower than any printer: how long a job may take


@dataclass(frozen=True)
class Paper:
    """What the printer says of itself; `words` are the status bits that are on, `error` an XFS4IoT code or empty."""

    answered: bool
    words: tuple[str, ...] = ()
    error: str = ""

    @property
    def level(self) -> str:
        """XFS4IoT's word for the paper supply."""
        if not self.answered:
            return "unknown"
        return "out" if {"paper-end", "paper-stop"} & set(self.words) else "low" if "near-end" in self.words else "full"


@dataclass(frozen=True)
class Printed:
    """Of one job: `ok` only when the printer reached its end; else `error` is an XFS4IoT code and `words` say why."""

    ok: bool
    error: str = ""
    words: str = ""


def job(lines: Sequence[str]) -> bytes:
    """The bytes of a receipt: initialise, the lines in GB18030, feed, cut, and the question that ends it."""
    from escpos.printer import Dummy

    printer = Dummy()
    printer.hw("INIT")
    for line in lines:
        # Text goes in raw: GB18030 is not among the library's single-byte code pages. Control characters would be
        # commands, so none is let through.
        printer._raw("".join(c for c in line if c.isprintable()).encode("gb18030") + b"\n")
    printer.print_and_feed(3)
    printer.cut(feed=False)
    printer._raw(b"\x1d\x72\x01")
    return bytes(printer.output)


class ReceiptPrinter:
    """One printer on one line. Calls must not overlap."""

    CAPABILITIES: ClassVar[dict[str, Any]] = {"class": "Printer", "cut": True, "encoding": "gb18030"}

    def __init__(self, line: Line) -> None:
        self.line = line

    async def identify(self) -> dict[str, str]:
        """What it says of its paper; asks only. Empty when nothing answers."""
        paper = await self.status()
        return {"paper": paper.level} if paper.answered else {}

    async def status(self) -> Paper:
        """Ask the four real-time questions; moves nothing."""
        try:
            self._open()
            words: list[str] = []
            for n, masks in DLE_EOT.items():
                byte = await self._ask(bytes([0x10, 0x04, n]), "dle-eot", ANSWER)
                if byte is None:
                    return Paper(False)
                words += meaning(byte, masks)
        except (LineLost, OperatorError) as e:
            log.warning("%s", e)
            return Paper(False)
        error = next((code for word, code in ERROR_CODES.items() if word in words), "")
        return Paper(True, tuple(dict.fromkeys(words)), error)

    async def print_lines(self, lines: Sequence[str]) -> Printed:
        """Print and cut one receipt."""
        before = await self.status()
        if not before.answered:
            return Printed(False, "deviceNotReady", "the printer does not answer")
        if before.error:
            return Printed(False, before.error, " ".join(before.words))
        try:
            done = await self._ask(job(lines), "gs-r", 3.0 + len(lines) / LINES_A_SECOND)
        except LineLost as e:
            return Printed(False, "deviceNotReady", str(e))
        after = await self.status()
        if done is None or after.error:
            return Printed(False, after.error or "hardwareError", " ".join(after.words) or "the job was not finished")
        return Printed(True)

    def _open(self) -> None:
        if not self.line.is_open:
            self.line.open()

    async def _ask(self, data: bytes, kind: str, timeout: float) -> int | None:
        """Send, and the first answer of this kind within `timeout` seconds of the last byte sent; None = none."""
        codec = EscposStatusCodec("device")
        while await self.line.read(0.0):
            pass
        await self.line.write(data)
        end = asyncio.get_running_loop().time() + timeout
        while (left := end - asyncio.get_running_loop().time()) > 0:
            for item in codec.feed(await self.line.read(left)):
                if isinstance(item, Frame) and item.fields["kind"] == kind:
                    return int(item.fields["status"])
        return None
