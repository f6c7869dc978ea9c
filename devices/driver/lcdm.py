"""CashDispenser on a Puloon LCDM-2000: denominate over two cassettes, dispense (it presents by itself), status.

The driver moves notes only in `dispense`, once a call, and always comes back with a `Booking`: what can not be known is
in it as unknown. It keeps no counts; the service's journal does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from devices.errors import OperatorError
from devices.framing.lcdm import MOST_NOTES, command
from devices.protocol.lcdm import Link, NoAnswer, Note, NotTaken, Replied, Send, Stray, Taken, Timing
from devices.protocol.lcdm_booking import UNITS, Booking, book, lost, nothing
from devices.transport import Line, LineLost

log = logging.getLogger("devices.lcdm")

STATUS, ROM = 0x46, 0x47


@dataclass(frozen=True)
class Health:
    """Answer to STATUS. `ok` False: it should not be asked to pay now, for the reason in `words`."""

    ok: bool
    words: str
    error: str = ""
    sensors: tuple[int, ...] = ()
    #: what the machine says it is (its ROM's name); empty when it was not asked or did not say
    identity: str = ""


def denominate(minor: int, values: Mapping[str, int], stock: Mapping[str, int]) -> dict[str, int] | None:
    """The fewest notes that make `minor`: unit → notes, without zeros; None when these cassettes can not.

    `values`: minor units a note; `stock`: notes that may be used.
    """
    best: dict[str, int] | None = None
    first, second = UNITS
    for n in range(min(stock[first], minor // values[first], MOST_NOTES), -1, -1):
        rest = minor - n * values[first]
        m, odd = divmod(rest, values[second])
        if not odd and m <= stock[second] and n + m <= MOST_NOTES and (best is None or n + m < sum(best.values())):
            best = {first: n, second: m}
    return {u: n for u, n in best.items() if n} if best and sum(best.values()) else None


def _health(news: Replied | NotTaken | NoAnswer) -> Health:
    if not isinstance(news, Replied) or "sensors" not in news.fields:
        return Health(False, "no usable answer to STATUS")
    error, sensors = str(news.fields["error"]), news.fields["sensors"]
    assert isinstance(sensors, list)
    blocked = bool(sensors[0] & 0x3F)  # bits 0 to 5 of SENSOR0 are the path's
    words = "a note is in the path" if blocked and error == "30" else str(news.fields["words"])
    return Health(error in ("30", "31") and not blocked, words, error, tuple(sensors))


def wire(counts: Mapping[str, int]) -> bytes:
    """The command that pays `counts` (unit → notes): 45, 55 or 56.

    Raises:
        ValueError: nothing to pay, or more than one command carries.
    """
    upper, lower = counts.get("upper", 0), counts.get("lower", 0)
    if upper and lower:
        return command(0x56, upper, lower)
    if not upper and not lower:
        raise ValueError("nothing to pay")
    return command(0x45, upper) if upper else command(0x55, lower)


class CashDispenser:
    """One dispenser on one line. Calls must not overlap."""

    CAPABILITIES: ClassVar[dict[str, Any]] = {"class": "CashDispenser", "units": UNITS, "most": MOST_NOTES}

    def __init__(self, line: Line, timing: Timing | None = None) -> None:
        self.line = line
        self.timing = timing or Timing()
        self._link = Link(self.timing)
        #: who answers on this line; empty after it was opened, until the machine has said it
        self._identity = ""

    async def identify(self) -> dict[str, str]:
        """Its ROM's name; asks only. Empty when nothing answers."""
        try:
            if not self.line.is_open:
                self.line.open()
                self._link = Link(self.timing)
            news = await self._exchange(command(ROM))
        except (OperatorError, LineLost) as e:
            log.warning("%s", e)
            return {}
        return {"rom": str(news.fields["rom"])} if isinstance(news, Replied) and "rom" in news.fields else {}

    async def status(self, expected: str = "") -> Health:
        """Ask for error byte and sensors; moves nothing. A line that was lost is opened again by its path.

        Whoever then answers is first asked who it is; another one than `expected` is not asked anything else.
        """
        for attempt in (1, 2):
            try:
                if not self.line.is_open:
                    self._identity = ""
                    self.line.open()
                    self._link = Link(self.timing)
                if not self._identity:
                    self._identity = await self._who()
                if not self._identity:
                    return Health(False, "the machine does not say what it is")
                if expected and self._identity != expected:
                    words = f"another machine is on the line: {self._identity}, not {expected}"
                    return Health(False, words, identity=self._identity)
                news = await self._exchange(command(STATUS))
            except OperatorError as e:
                return Health(False, str(e))
            except LineLost as e:
                if attempt == 2:
                    return Health(False, str(e))
                log.warning("%s", e)
                continue
            return replace(_health(news), identity=self._identity)
        raise AssertionError("unreachable")

    async def _who(self) -> str:
        """The ROM's name: an LCDM has no serial number to ask for."""
        news = await self._exchange(command(ROM))
        return str(news.fields.get("rom", "")).strip() if isinstance(news, Replied) else ""

    async def dispense(self, counts: Mapping[str, int], taken: Callable[[], Awaitable[None]] | None = None) -> Booking:
        """Pay `counts` (unit → notes) at once; `taken` is awaited when the device has acknowledged the command.

        Raises:
            ValueError: nothing to pay, or more than one command carries.
        """
        raw = wire(counts)
        try:
            news = await self._exchange(raw, taken)
        except LineLost as e:
            return lost(counts, f"the line was lost: {e}")
        if isinstance(news, Replied):
            return book(counts, news.fields)
        if isinstance(news, NotTaken):
            return nothing(counts, "the device did not take the command")
        return lost(counts, news.why)

    async def late_reply(self, counts: Mapping[str, int], timeout: float) -> Booking | None:
        """After a restart: the answer to a dispense of `counts` that the device had acknowledged, if it still comes.

        A device that answers STATUS has nothing more to say about the dispense: then, and after `timeout`, None.
        """
        cmd = f"{wire(counts)[3]:02X}"
        end = _now() + timeout
        try:
            while _now() < end:
                for fields in await self._listen(min(2.0, end - _now())):
                    if fields.get("cmd") == cmd:
                        return book(counts, fields)
                strays: list[dict[str, object]] = []
                news = await self._exchange(command(STATUS), strays=strays)
                for fields in strays:
                    if fields.get("cmd") == cmd:
                        return book(counts, fields)
                if isinstance(news, Replied):
                    return None
        except LineLost as e:
            log.warning("while waiting for a late answer: %s", e)
        return None

    async def _listen(self, seconds: float) -> list[dict[str, object]]:
        """Answers that come unasked within `seconds`; the first one ends the waiting."""
        end, strays = _now() + seconds, list[dict[str, object]]()
        while _now() < end and not strays:
            data = await self.line.read(max(0.0, end - _now()))
            await self._do(self._link.feed(data, _now()), None, strays)
        return strays

    async def _exchange(
        self,
        raw: bytes,
        taken: Callable[[], Awaitable[None]] | None = None,
        strays: list[dict[str, object]] | None = None,
    ) -> Replied | NotTaken | NoAnswer:
        """One command to its end.

        Raises:
            LineLost: before anything was sent, or in the middle of it.
        """
        while data := await self.line.read(max(0.0, self._link.quiet_until - _now())):
            await self._do(self._link.feed(data, _now()), None, strays)
        news = await self._do(self._link.start(raw, _now()), taken, strays)
        while news is None:
            deadline = self._link.deadline
            data = await self.line.read(None if deadline is None else max(0.0, deadline - _now()))
            acts = self._link.feed(data, _now()) if data else self._link.tick(_now())
            news = await self._do(acts, taken, strays)
        return news

    async def _do(
        self,
        acts: list[Replied | NotTaken | NoAnswer | Send | Taken | Stray | Note],
        taken: Callable[[], Awaitable[None]] | None,
        strays: list[dict[str, object]] | None,
    ) -> Replied | NotTaken | NoAnswer | None:
        """Carry out what the link wants; its news, if the command ended."""
        news: Replied | NotTaken | NoAnswer | None = None
        for act in acts:
            if isinstance(act, Send):
                await self.line.write(act.data)
            elif isinstance(act, Taken):
                if taken is not None:
                    await taken()
            elif isinstance(act, Stray):
                log.warning("an answer to no open command: %s", act.fields)
                if strays is not None:
                    strays.append(act.fields)
            elif isinstance(act, Note):
                log.info("%s", act.text)
            else:
                news = act
        return news


def _now() -> float:
    return asyncio.get_running_loop().time()
