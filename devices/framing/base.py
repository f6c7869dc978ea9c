"""What every codec has in common: bytes go in, in pieces of any size; frames and faults come out, in order.

A codec owns no port and no clock. It never raises for what is on the wire: a bad check, a short frame and noise are
`Fault` values. What it answers depends on the bytes alone, not on how they were cut into pieces.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

#: who sent it
Side = Literal["host", "device"]
#: values that JSON can hold, so that a frame can be printed and encoded again from what was printed
Fields = dict[str, Any]


@dataclass(frozen=True)
class Frame:
    """A frame whose check is good. `fields` holds all that is needed to encode the same bytes again."""

    raw: bytes
    fields: Fields = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """Bytes that are no good frame, and why."""

    raw: bytes
    error: str
    #: True when these bytes began as a frame does (so the sender may be asked to repeat), False for stray bytes
    framed: bool = True


class Took(NamedTuple):
    """The first `size` bytes of the buffer are settled; `item` None means that they are stray."""

    size: int
    item: Frame | Fault | None


class Codec(ABC):
    """One direction of one line. `feed` as bytes come; `end` when the line fell silent."""

    def __init__(self) -> None:
        self._buffer = b""
        self._stray = b""

    @property
    def pending(self) -> bool:
        """True while a frame has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Fault]:
        """What `data` completes."""
        self._buffer += data
        out: list[Frame | Fault] = []
        while self._buffer:
            took = self.scan(self._buffer)
            if took is None:
                break
            head, self._buffer = self._buffer[: took.size], self._buffer[took.size :]
            if took.item is None:
                self._stray += head
            else:
                out += self._strays()
                out.append(took.item)
        return out

    def end(self) -> list[Frame | Fault]:
        """Give up waiting: what is left is stray, or a frame that was cut off. The codec is empty afterwards."""
        out: list[Frame | Fault] = []
        while self._buffer:
            out += self._strays()
            out.append(Fault(self._buffer, self.short(self._buffer)))
            self._buffer = b""
        return out + self._strays()

    def _strays(self) -> list[Frame | Fault]:
        stray, self._stray = self._stray, b""
        return [Fault(stray, "stray bytes outside a frame", framed=False)] if stray else []

    def short(self, buffer: bytes) -> str:
        """Why `buffer` is too short, in words."""
        return f"short frame: {len(buffer)} bytes and no end"

    @abstractmethod
    def scan(self, buffer: bytes) -> Took | None:
        """Settle the beginning of a non-empty `buffer`, or None while more bytes are needed to decide."""

    @abstractmethod
    def encode(self, fields: Fields) -> bytes:
        """The bytes of a frame.

        Raises:
            ValueError: the fields do not make a frame of this protocol.
        """

    @abstractmethod
    def wrap(self, body: bytes, side: Side) -> bytes:
        """A frame of this protocol around `body` (command and data, without framing and check).

        Raises:
            ValueError: `body` can not be the body of a frame sent by `side`.
        """


def hexed(data: bytes) -> str:
    """`04 50 02`: how bytes are written everywhere in this package."""
    return data.hex(" ").upper()


def unhexed(text: object) -> bytes:
    """The bytes of `04 50 02`, `045002` or an empty string.

    Raises:
        ValueError: not a string of hex digits.
    """
    if not isinstance(text, str):
        raise ValueError(f"bytes are written as hex digits in a string, not {text!r}")
    return bytes.fromhex(text.replace(",", " ").replace("0x", ""))
