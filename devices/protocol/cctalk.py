"""The master's end of a ccTalk wire, the coin acceptor's event counter, and what a hopper's counter proves (B 2).

    master    DEST n SRC HDR data CHK     (heard again by its sender, where one wire carries both ways)
    slave                                 1 n ADDR 0 data CHK       silence to whatever it does not like

There is no sequence number. A question may be asked again; `once` commands (dispense) go on the wire once. Events are
numbered by a counter that only a reset sets to 0, so a lost reply loses nothing and a repeated one credits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.framing.base import Fault, Frame, hexed, unhexed
from devices.framing.cctalk import HOST, CctalkCodec, CctalkCrcCodec

ACK, NAK, BUSY = 0, 5, 6


@dataclass(frozen=True)
class Timing:
    """Seconds. P1 p34-35: 50 ms ends a packet, 1 s for a reply, 3 tries; P2 p15: polls every 200 ms."""

    gap: float = 0.05
    reply: float = 1.0
    sends: int = 3
    poll: float = 0.2


@dataclass(frozen=True)
class Send:
    """To do: put these bytes on the wire."""

    data: bytes


@dataclass(frozen=True)
class Replied:
    """News: header (0 reply or ACK, 5 NAK, 6 BUSY) and data."""

    header: int
    data: bytes

    @property
    def ok(self) -> bool:
        return self.header == ACK


@dataclass(frozen=True)
class NoAnswer:
    """News: no usable answer. What the command did is not known."""

    why: str


@dataclass(frozen=True)
class Note:
    """For the log."""

    text: str


Act = Send | Replied | NoAnswer | Note


class Link:
    """One slave address. `crc`: which check this device uses; both are configuration, for no device says it."""

    def __init__(self, address: int, crc: bool = False, timing: Timing | None = None) -> None:
        self.address, self.crc = address, crc
        self.timing = timing or Timing()
        self.deadline: float | None = None
        self._codec: CctalkCodec = CctalkCrcCodec() if crc else CctalkCodec()
        self._raw = b""
        self._until = 0.0
        self._sends = self._limit = 0

    def start(self, header: int, data: bytes, now: float, once: bool = False) -> list[Act]:
        """Send a command; `once`: never again, whatever comes back.

        Raises:
            RuntimeError: another command is open.
        """
        if self.deadline is not None:
            raise RuntimeError("one command at a time")
        fields = {"destination": self.address, "header": header, "data": hexed(data)}
        self._raw = self._codec.encode(fields if self.crc else fields | {"source": HOST})
        self._sends, self._limit = 0, 1 if once else self.timing.sends
        self._codec.end()
        return self._send(now)

    def feed(self, data: bytes, now: float) -> list[Act]:
        """Bytes came. Our own echo is one of the frames."""
        acts: list[Act] = []
        for item in self._codec.feed(data):
            acts += [Note(f"{item.error}: {hexed(item.raw)}")] if isinstance(item, Fault) else self._frame(item)
        if self.deadline is not None:
            self.deadline = min(self._until, now + self.timing.gap) if self._codec.pending else self._until
        return acts

    def tick(self, now: float) -> list[Act]:
        """Time passed: a gap ends a packet, a longer silence the waiting."""
        if self.deadline is None or now < self.deadline:
            return []
        acts: list[Act] = [Note(f"cut off: {hexed(i.raw)}") for i in self._codec.end()]
        if now < self._until:
            self.deadline = self._until
            return acts
        if self._sends < self._limit:
            return acts + self._send(now)
        self.deadline = None
        return [*acts, NoAnswer(f"no usable answer to {self._sends} sendings")]

    def _send(self, now: float) -> list[Act]:
        self._sends += 1
        self.deadline = self._until = now + self.timing.reply
        return [Send(self._raw)]

    def _frame(self, item: Frame) -> list[Act]:
        fields = item.fields
        if item.raw == self._raw:
            return []  # our own echo
        source = self.address if self.crc else fields["source"]
        if self.deadline is None or (fields["destination"], source) != (HOST, self.address):
            return [Note(f"not for us: {hexed(item.raw)}")]
        if fields["header"] not in (ACK, NAK, BUSY):
            return [Note(f"no reply: {hexed(item.raw)}")]
        self.deadline = None
        return [Replied(fields["header"], unhexed(fields["data"]))]


# --- the event counter of 229 (PROTOCOLS B 2.5) ---


@dataclass(frozen=True)
class Coin:
    """One event: a credit for coin position `a`, by sorter path `b`; or with `a` 0 the error code `b`."""

    a: int
    b: int

    @property
    def credit(self) -> bool:
        return self.a > 0


@dataclass(frozen=True)
class Events:
    """What a poll brought: new events, oldest first; how many were lost; whether the device was reset."""

    counter: int
    coins: tuple[Coin, ...] = ()
    lost: int = 0
    reset: bool = False


def events(last: int | None, data: bytes) -> Events | None:
    """Read the answer to 229 beside the `last` counter that was journalled; None when it is no such answer.

    `last` None: nobody remembers, so the counter is adopted and nothing is credited.
    """
    if len(data) != 11:
        return None
    now = data[0]
    if last is None or now == last:
        return Events(now)
    if now == 0:
        return Events(0, reset=True)
    new = now if last == 0 else (now - last) % 255
    pairs = [Coin(data[i], data[i + 1]) for i in range(1, 11, 2)]
    return Events(now, tuple(reversed(pairs[: min(new, 5)])), max(0, new - 5))


# --- the hopper (PROTOCOLS B 2.7) ---


@dataclass(frozen=True)
class HopperStatus:
    """Answer to 166: event counter, coins to come, and of the last dispense paid and unpaid."""

    counter: int
    remaining: int
    paid: int
    unpaid: int


def hopper_status(data: bytes) -> HopperStatus | None:
    return HopperStatus(*data) if len(data) == 4 else None


def following(counter: int) -> int:
    """The counter after one more dispense: 255 is followed by 1."""
    return counter % 255 + 1


def verdict(before: int, now: int) -> str:
    """Of a 167 that was not answered: `done` (being executed), `not done`, or `unknown` (P4 p20)."""
    if now == 0 or (before == 0 and now != 1):
        return "unknown"
    return "done" if now == following(before) else "not done" if now == before else "unknown"


#: flag registers of 163: (register, bit) → words; these need a reset before the next payout
BLOCKING = {
    (0, 0): "too much current",
    (0, 3): "opto blocked while idle",
    (0, 4): "opto short-circuit while idle",
    (0, 5): "opto blocked in a payout",
    (1, 0): "opto short-circuit in a payout",
    (1, 3): "finger and slider differ",
    (1, 4): "jam",
    (1, 5): "coil fault",
    (2, 0): "power lost in a payout",
    (2, 1): "unknown coin paid",
    (2, 2): "wrong PIN",
    (2, 3): "wrong key",
}


def blocked(registers: bytes) -> list[str]:
    """Why the hopper must not pay, by its flag registers."""
    return [words for (at, bit), words in BLOCKING.items() if at < len(registers) and registers[at] >> bit & 1]
