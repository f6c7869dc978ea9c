"""An SDT/SAM reader of resident ID cards: find, select, read, and the text of the answer (PROTOCOLS A 3). Pure.

Only the text block is looked at; the photo is a closed format and is dropped unread. Nothing here writes or keeps what
a card says, and `Identity` shows none of it when it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from devices.framing.base import Fault, Frame
from devices.framing.sam import SW3, SamCodec

SELF_TEST, FIND, SELECT, READ = b"\x11\xff", b"\x20\x01", b"\x20\x02", b"\x30\x01"
DONE, FOUND = 0x90, 0x9F
OUT_OF_SERVICE = (0x60, 0x66)
TRIES = 3
_TEXT, _HEAD = 256, 4
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True)
class Timing:
    """Seconds for an answer, and between two looks for a card."""

    find: float = 1.0
    read: float = 3.0
    poll: float = 0.4


@dataclass(frozen=True)
class Send:
    data: bytes


@dataclass(frozen=True, repr=False)
class Identity:
    """What is printed on the card, as text. Dates are YYYYMMDD; `until` may be the words for long term."""

    name: str
    sex: str
    nation: str
    birth: str
    address: str
    number: str
    authority: str
    since: str
    until: str

    def __repr__(self) -> str:
        return "Identity(…)"

    @property
    def good_number(self) -> bool:
        """The check digit of the number fits (GB 11643; unverified source)."""
        digits = self.number[:17]
        if len(self.number) != 18 or not (digits.isascii() and digits.isdigit()):
            return False
        return "10X98765432"[sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=True)) % 11] == self.number[17]


#: characters of each field, in order
_LENGTHS = (15, 1, 2, 8, 35, 18, 15, 8, 8)


@dataclass(frozen=True)
class Read:
    """News: a card was read."""

    identity: Identity


@dataclass(frozen=True)
class Failed:
    """News: no card was read. `again`: the card should be laid down again; otherwise the reader is out of service."""

    why: str
    again: bool


Act = Send | Read | Failed


def identity(block: bytes) -> Identity | None:
    """The fields of a text block; None when it is no text."""
    try:
        text = block.decode("utf-16-le")
    except UnicodeDecodeError:
        return None
    parts, at = [], 0
    for length in _LENGTHS:
        parts.append(text[at : at + length].rstrip(" \0"))
        at += length
    return Identity(**dict(zip((f.name for f in fields(Identity)), parts, strict=True)))


class Session:
    """Reads one card: looks until one is there, three tries, then news. After the news it rests."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self._codec = SamCodec()
        self._asked = b""
        self._tries = 0
        self._until: float | None = None

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called; None at rest."""
        return self._until

    def start(self, now: float) -> list[Act]:
        """Look for a card from now on, after a self-test."""
        self._codec.end()
        self._tries = 0
        return self._ask(SELF_TEST, now)

    def stop(self) -> None:
        self._codec.end()
        self._asked, self._until = b"", None

    def feed(self, data: bytes, now: float) -> list[Act]:
        """Bytes came."""
        acts: list[Act] = []
        for item in self._codec.feed(data):
            if isinstance(item, Frame) and self._asked and item.fields["kind"] == "reply":
                acts += self._answer(item, now)
            elif isinstance(item, Fault) and item.framed and self._asked:
                acts += self._fail("a bad frame", now)
        return acts

    def tick(self, now: float) -> list[Act]:
        """Time passed."""
        if self._until is None or now < self._until:
            return []
        self._codec.end()
        if not self._asked:
            return self._ask(FIND, now)
        return self._fail("no answer", now)

    def _ask(self, command: bytes, now: float) -> list[Act]:
        self._asked = command
        self._until = now + (self.timing.read if command == READ else self.timing.find)
        return [Send(self._codec.wrap(command, "host"))]

    def _answer(self, item: Frame, now: float) -> list[Act]:
        code, body, asked = item.raw[9], item.raw[10:-1], self._asked
        if code in OUT_OF_SERVICE:
            return self._end(Failed(f"the reader's module answers {code:02X}", again=False))
        if asked == SELF_TEST and code == DONE:
            return self._look(now, 0.0)
        if asked == FIND and code == FOUND:
            return self._ask(SELECT, now)
        if asked == FIND and code == 0x80:
            self._tries = 0
            return self._look(now, self.timing.poll)
        if asked == SELECT and code == DONE:
            return self._ask(READ, now)
        if asked == READ and code == DONE:
            sizes = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
            if sizes[0] == _TEXT and len(body) == _HEAD + sum(sizes):
                found = identity(body[_HEAD : _HEAD + _TEXT])
                if found is not None:
                    return self._end(Read(found))
            return self._fail("the answer has no text block", now)
        return self._fail(SW3.get(code, f"failure {code:02X}"), now)

    def _look(self, now: float, wait: float) -> list[Act]:
        if not wait:
            return self._ask(FIND, now)
        self._asked, self._until = b"", now + wait
        return []

    def _fail(self, why: str, now: float) -> list[Act]:
        """Back to find, three times; a reader that does not even pass its self-test is out of service."""
        self._tries += 1
        if self._tries >= TRIES:
            return self._end(Failed(why, again=self._asked != SELF_TEST))
        if self._asked == SELF_TEST:
            return self._ask(SELF_TEST, now)
        return self._look(now, self.timing.poll)

    def _end(self, news: Act) -> list[Act]:
        self.stop()
        return [news]
