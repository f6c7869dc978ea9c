"""Modbus RTU, host side: one request, its answer, and how often it may be sent (PROTOCOLS A 4). Pure.

Reading and setting a level may be repeated; a pulse may not: after silence its coil is read back first, by the driver.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from devices.framing.base import Fields, Frame, hexed
from devices.framing.modbus import ModbusCodec

SENDS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds. `gap` ends a frame: 3.5 characters at 9600, and what an adapter adds."""

    reply: float = 0.2
    gap: float = 0.02


class Silence(Enum):
    """News: no good answer came, however often it was asked."""

    NONE = auto()


@dataclass(frozen=True)
class Send:
    data: bytes


Act = Send | Fields | Silence


class Session:
    """One unit on the line. `ask` → `Send`; later the fields of the answer, which may hold `exception`, or silence."""

    def __init__(self, unit: int = 1, timing: Timing | None = None) -> None:
        self.unit = unit
        self.timing = timing or Timing()
        self._codec = ModbusCodec("device")
        self._raw = b""
        self._left = 0
        self._until: float | None = None
        self._quiet = 0.0

    @property
    def deadline(self) -> float | None:
        return self._until

    def ask(self, function: int, data: bytes, now: float, *, pulse: bool = False) -> list[Act]:
        self._raw = ModbusCodec("host").encode({"unit": self.unit, "function": function, "data": hexed(data)})
        self._left = 1 if pulse else SENDS
        return self._send(now)

    def feed(self, data: bytes, now: float) -> list[Act]:
        if self._until is None:
            return []
        if now - self._quiet > self.timing.gap and self._codec.pending:
            self._codec.end()  # what came before the gap was no frame
        self._quiet = now
        for item in self._codec.feed(data):
            if isinstance(item, Frame) and self._fits(item):
                self._until = None
                self._codec.end()
                return [item.fields]
        return []

    def tick(self, now: float) -> list[Act]:
        if self._until is None or now < self._until:
            return []
        self._codec.end()
        if self._left:
            return self._send(now)
        self._until = None
        return [Silence.NONE]

    def _send(self, now: float) -> list[Act]:
        self._codec.end()
        self._left -= 1
        self._until = now + self.timing.reply
        return [Send(self._raw)]

    def _fits(self, item: Frame) -> bool:
        """An answer to this request: a write is echoed, a reading has the size that was asked for."""
        function = self._raw[1]
        if item.raw[0] != self.unit or item.raw[1] & 0x7F != function:
            return False
        if item.raw[1] & 0x80:
            return True
        if function in (5, 6):
            return item.raw == self._raw
        if function == 15:
            return item.raw[2:6] == self._raw[2:6]
        count = int.from_bytes(self._raw[4:6], "big")
        return item.raw[2] == (2 * count if function == 3 else (count + 7) // 8)
