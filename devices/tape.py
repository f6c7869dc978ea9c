"""Wire tapes: every byte with its time and direction, kept for the day somebody asks what was said.

    {"at": 12.345678, "who": "host", "hex": "04 50 02 46 03 13"}      one line a piece, as it was written or read
    {"at": 0, "who": "open", "hex": ""}                                the line was opened

A tape grows to its limit, is then kept as `.1` (an older `.1` goes) and begun anew, so a folder of tapes is bounded. An
LCDM's bytes hold amounts and nothing of a person; a receipt's text is on its printer's tape, so tapes are off unless
somebody asks for them. `replay` plays a tape to today's protocol code and says where that would act otherwise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.errors import OperatorError
from devices.framing.base import Frame, hexed, unhexed
from devices.framing.lcdm import LcdmCodec
from devices.protocol.lcdm import Link, Replied, Send, Timing
from devices.protocol.lcdm_booking import UNITS, book

LIMIT = 8 * 1024 * 1024  #: bytes of one file; two are kept


@dataclass(frozen=True)
class Piece:
    """`who`: host, device or open; `at` in seconds, only differences mean something."""

    at: float
    who: str
    data: bytes


class Tape:
    """Records one line. A tape that cannot be written stops; the money goes on."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        """Go on with the tape that is there, or begin one.

        Raises:
            OperatorError: it cannot be written.
        """
        self.path, self.limit = path, limit
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = path.open("ab", buffering=0)
        except OSError as e:
            raise OperatorError(
                f"the tape cannot be written: {e.strerror}", where=str(path), remedy="Check [service] tapes"
            ) from e
        self._size = self._file.tell()
        self.broken = False

    def add(self, who: str, data: bytes = b"") -> None:
        if self.broken:
            return
        row = {"at": round(time.monotonic(), 6), "who": who, "hex": hexed(data)}
        raw = json.dumps(row).encode() + b"\n"
        try:
            if self._size + len(raw) > self.limit:
                self._file.close()
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._file = self.path.open("ab", buffering=0)
                self._size = 0
            self._file.write(raw)
        except OSError:
            self.broken = True
        self._size += len(raw)

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[Piece]:
    """A tape's pieces; a last line that was cut off by a power cut is left out.

    Raises:
        OperatorError: it is no tape.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise OperatorError(f"cannot be read: {e}", where=str(path), remedy="Give a tape's path") from e
    pieces = []
    for number, text in enumerate(lines, 1):
        try:
            row = json.loads(text)
            piece = Piece(float(row["at"]), row["who"], unhexed(row["hex"]))
            if piece.who not in ("host", "device", "open"):
                raise ValueError(piece.who)
        except (ValueError, KeyError, TypeError) as e:
            if number == len(lines):
                break
            raise OperatorError(f"line {number} is not of a tape", where=str(path), remedy="Give a tape's path") from e
        pieces.append(piece)
    return pieces


def replay(pieces: list[Piece], timing: Timing | None = None) -> Iterator[dict[str, Any]]:
    """Play an LCDM's tape to the link that pays: what each command came to, and whether the same bytes were sent.

    The link gets what the device sent at the times it was sent, and the commands the host gave; what it then sends by
    itself (acknowledgements, repetitions) must be what the tape has.
    """
    link, due, command = Link(timing), list[bytes](), b""
    begun = pieces[0].at if pieces else 0.0

    def done(acts: list[Any], at: float) -> Iterator[dict[str, Any]]:
        for act in acts:
            if isinstance(act, Send):
                due.append(act.data)
            else:
                yield {"at": round(at - begun, 3), "same": True} | _news(act, command)

    for piece in pieces:
        while (deadline := link.deadline) is not None and deadline <= piece.at:
            yield from done(link.tick(deadline), deadline)
        if piece.who == "open":
            link, due = Link(timing), []
        elif piece.who == "device":
            yield from done(link.feed(piece.data, piece.at), piece.at)
        elif due:
            if due[0] == piece.data:
                due.pop(0)
                continue
            words = f"the tape sends {hexed(piece.data)}, the link would send {hexed(due[0])}"
            yield {"at": round(piece.at - begun, 3), "same": False, "event": "Differs", "words": words}
            return
        elif link.deadline is None and piece.data[:1] == b"\x04":
            command = piece.data
            yield from done(link.start(piece.data, piece.at), piece.at)
            due.pop(0)  # the command itself
        else:
            words = f"the tape sends {hexed(piece.data)}, the link would send nothing"
            yield {"at": round(piece.at - begun, 3), "same": False, "event": "Differs", "words": words}
            return
    for data in due:
        words = f"the link would send {hexed(data)}, the tape ends"
        yield {"at": round(pieces[-1].at - begun, 3), "same": False, "event": "Differs", "words": words}


def _news(act: Any, command: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {"event": type(act).__name__, "command": hexed(command)}
    if hasattr(act, "fields"):
        row["fields"] = act.fields
    for name in ("why", "text"):
        if hasattr(act, name):
            row["words"] = getattr(act, name)
    (asked,) = LcdmCodec().feed(command) or (None,)
    if isinstance(act, Replied) and isinstance(asked, Frame) and "dispense" in asked.fields["name"]:
        notes = asked.fields["notes"]
        units = UNITS if len(notes) == 2 else UNITS[:1] if asked.fields["cmd"] == "45" else UNITS[1:]
        booking = book(dict(zip(units, notes, strict=True)), act.fields)
        row["booked"] = {u: [c.presented, c.rejected, c.unknown] for u, c in booking.counts.items()}
    return row
