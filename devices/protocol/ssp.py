"""The link of an SSP device: a sequence flag that makes a repeated command harmless, and eSSP's keys (PROTOCOLS B 1).

    host     SEQ s COMMAND        (same bytes, same SEQ, after silence)      SEQ !s NEXT
    device               REPLY s                                    REPLY s

The device acts once on one SEQ and repeats its reply to the same again, so within a session a resend moves nothing
twice. SYNC, a reset and new keys destroy that filter: after `NoAnswer` the link takes nothing but SYNC, and what a
money command did must be asked (events, levels, counters). Only hosts protocol versions 6 to 8 are read.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from devices.framing.base import Fault, Frame, hexed, unhexed
from devices.framing.essp import DEFAULT_FIXED_KEY, EsspCodec, Seal, shared_key
from devices.framing.ssp import ENCRYPTED

SYNC, OK, NO_KEY = 0x11, 0xF0, 0xFA


@dataclass(frozen=True)
class Timing:
    """Seconds. Defaults: GA138 p10 (timeout, 20 retries), GA973 p27 (poll)."""

    reply: float = 1.0
    sends: int = 21
    poll: float = 0.2


@dataclass(frozen=True)
class Send:
    """To do: put these bytes on the wire."""

    data: bytes


@dataclass(frozen=True)
class Replied:
    """News: generic code and data. `sends` > 1: a refusal does not prove that the first sending was not acted on."""

    data: bytes
    sends: int = 1

    @property
    def ok(self) -> bool:
        return self.data[0] == OK


@dataclass(frozen=True)
class NoAnswer:
    """News: nothing usable came. What the command did is not known, and SYNC must come next."""

    why: str


@dataclass(frozen=True)
class Note:
    """For the log."""

    text: str


Act = Send | Replied | NoAnswer | Note


class Link:
    """The host's end for one device address. Each call returns what is to be done and what became known."""

    def __init__(self, address: int = 0, timing: Timing | None = None) -> None:
        self.address = address
        self.timing = timing or Timing()
        self.seal: Seal | None = None
        self.deadline: float | None = None
        self.synced = False
        self._codec = EsspCodec()
        self._sequence = 1
        self._count = 0
        self._raw = b""
        self._sealed = False
        self._sends = 0

    def use_key(self, key: bytes) -> None:
        """From now on commands are encrypted; counts begin at 0 (GA138 p11)."""
        self.seal, self._count = Seal(key), 0

    def start(self, data: bytes, now: float) -> list[Act]:
        """Send a command: encrypted when there is a key, but for SYNC, which begins a session and drops the key.

        Raises:
            RuntimeError: a command is open, or the session was lost and this is no SYNC.
        """
        if self.deadline is not None:
            raise RuntimeError("one command at a time")
        if data[0] == SYNC:
            self._sequence, self.seal, self.synced = 1, None, True
        elif not self.synced:
            raise RuntimeError("SYNC first: the device may have lost its duplicate filter")
        left: list[Act] = [Note(f"left over on the line: {hexed(i.raw)}") for i in self._codec.end()]
        self._sealed = self.seal is not None
        body = self.seal.close(data, self._count) if self.seal else data
        self._raw = self._codec.encode({"sequence": self._sequence, "address": self.address, "data": hexed(body)})
        self._sends = 0
        return [*left, *self._send(now)]

    def feed(self, data: bytes, now: float) -> list[Act]:
        """Bytes came."""
        acts: list[Act] = []
        for item in self._codec.feed(data):
            acts += [Note(f"{item.error}: {hexed(item.raw)}")] if isinstance(item, Fault) else self._frame(item)
        return acts

    def tick(self, now: float) -> list[Act]:
        """Time passed."""
        if self.deadline is None or now < self.deadline:
            return []
        acts: list[Act] = [Note(f"no frame: {hexed(i.raw)}") for i in self._codec.end()]
        if self._sends < self.timing.sends:
            return acts + self._send(now)
        self.deadline, self.synced = None, False
        return [*acts, NoAnswer(f"no usable answer to {self._sends} sendings")]

    def _send(self, now: float) -> list[Act]:
        self._sends += 1
        self.deadline = now + self.timing.reply
        return [Send(self._raw)]

    def _frame(self, item: Frame) -> list[Act]:
        data = unhexed(item.fields["data"])
        mine = (item.fields["sequence"], item.fields["address"]) == (self._sequence, self.address)
        if self.deadline is None or not mine or not data or (data[0] < OK and data[0] != ENCRYPTED):
            return [Note(f"an answer to nothing: {hexed(item.raw)}")]
        if self._sealed and data[0] != NO_KEY:
            assert self.seal is not None
            opened = self.seal.open(data, self._count + 1)
            if isinstance(opened, str) or not opened:
                return [Note(f"not believed: {opened or 'an empty answer'}")]
            data, self._count = opened, self._count + 1
        elif data[0] == ENCRYPTED:
            return [Note("an encrypted answer to a plain command")]
        self.deadline = None
        self._sequence ^= 1
        return [Replied(data, self._sends)]


# --- keys (GA138 p11-12, p126-128) ---


class KeyExchange:
    """Our half of a Diffie-Hellman exchange with fresh 64-bit primes; G is the larger (GA973 p11)."""

    def __init__(self, bits: Callable[[int], int] = secrets.randbits) -> None:
        one, other = _prime(bits), _prime(bits)
        while other == one:
            other = _prime(bits)
        self.generator, self.modulus = max(one, other), min(one, other)
        self._secret = bits(64)

    @property
    def commands(self) -> tuple[bytes, bytes, bytes]:
        """4A, 4B and 4C, in this order."""
        inter = pow(self.generator, self._secret, self.modulus)
        numbers = (self.generator, self.modulus, inter)
        first, second, third = (
            bytes([code]) + n.to_bytes(8, "little") for code, n in zip(b"\x4a\x4b\x4c", numbers, strict=True)
        )
        return first, second, third

    def key(self, slave_inter: bytes, fixed: int = DEFAULT_FIXED_KEY) -> bytes:
        """The AES key, from the 8 bytes that 4C answered."""
        shared = pow(int.from_bytes(slave_inter, "little"), self._secret, self.modulus)
        return shared_key(fixed, shared)


#: enough witnesses for every 64-bit number (Sorenson and Webster)
_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def is_prime(n: int) -> bool:
    """Miller-Rabin, exact below 2^64."""
    if n < 2 or any(n % w == 0 for w in _WITNESSES):
        return n in _WITNESSES
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for w in _WITNESSES:
        x = pow(w, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def _prime(bits: Callable[[int], int]) -> int:
    n = bits(64) | 1 << 63 | 1
    while not is_prime(n):
        n = n + 2 if n + 2 < 1 << 64 else (1 << 63) + 1
    return n


# --- events of a poll (PROTOCOLS B 1.7, note devices, versions 6 to 8) ---

#: code → name and layout: bytes of it, `money` (n × value, currency), `two` (n × done, requested, currency),
#: `one` (value, currency), `error` (money and an error byte)
EVENTS: dict[int, tuple[str, int | str]] = {
    0xF1: ("reset", 0),
    0xEF: ("read", 1),
    0xEE: ("credit", 1),
    0xED: ("rejecting", 0),
    0xEC: ("rejected", 0),
    0xCC: ("stacking", 0),
    0xEB: ("stacked", 0),
    0xDB: ("stored", 0),
    0xEA: ("safe-jam", 0),
    0xE9: ("unsafe-jam", 0),
    0xE8: ("disabled", 0),
    0xE7: ("stacker-full", 0),
    0xE6: ("fraud", 1),
    0xE5: ("ticket", 0),
    0xD1: ("ticket-stacked", 0),
    0xE4: ("cashbox-back", 0),
    0xE3: ("cashbox-removed", 0),
    0xE2: ("cleared-to-cashbox", 1),
    0xE1: ("cleared-to-front", 1),
    0xE0: ("path-open", 0),
    0xDD: ("incomplete-float", "two"),
    0xDC: ("incomplete-payout", "two"),
    0xDA: ("dispensing", "money"),
    0xD2: ("dispensed", "money"),
    0xD5: ("jammed", "money"),
    0xD6: ("halted", "money"),
    0xD7: ("floating", "money"),
    0xD8: ("floated", "money"),
    0xD9: ("timeout", "money"),
    0xCE: ("in-bezel", "one"),
    0xCD: ("dispensed-at-reset", "one"),
    0xCB: ("stored-at-reset", "one"),
    0xCA: ("stacked-at-reset", "one"),
    0xC9: ("to-stacker", "one"),
    0xCF: ("full", 0),
    0xC2: ("emptying", 0),
    0xC3: ("emptied", 0),
    0xB3: ("smart-emptying", "money"),
    0xB4: ("smart-emptied", "money"),
    0xB6: ("initialising", 0),
    0xB5: ("channels-disabled", 0),
    0xB1: ("payout-error", "error"),
    0xB0: ("jam-recovery", 0),
}
#: events that a poll-with-ack holds until 57
HELD = frozenset({0xEE, 0xE6, 0xD1, 0xE2, 0xE1, 0xDD, 0xDC, 0xD2, 0xD8, 0xD9, 0xCD, 0xCB, 0xCA, 0xC9, 0xB4, 0xB6, 0xB1})


@dataclass(frozen=True)
class Event:
    """One event of a poll. `money` and `requested`: currency → minor units."""

    code: int
    name: str
    channel: int = 0
    money: dict[str, int] = field(default_factory=dict)
    requested: dict[str, int] = field(default_factory=dict)
    error: int = 0
    #: of an unreadable one: all that was left of the poll
    raw: bytes = b""


def events(data: bytes) -> list[Event]:
    """The events after F0. The length of an unknown one is not known, so it is the last: named `unreadable`."""
    found: list[Event] = []
    place = 0
    while place < len(data):
        event, size = _event(data[place:])
        found.append(event)
        if event.name == "unreadable":
            break
        place += size
    return found


def _event(data: bytes) -> tuple[Event, int]:
    code = data[0]
    name, layout = EVENTS.get(code, ("unreadable", 0))
    unreadable = Event(code, "unreadable", raw=data), len(data)
    if isinstance(layout, int):
        if len(data) < 1 + layout:
            return unreadable
        return Event(code, name, channel=data[1] if layout else 0), 1 + layout
    if layout == "one":
        rows, step, start = 1, 7, 1
    else:
        if len(data) < 2:
            return unreadable
        rows, step, start = data[1], 11 if layout == "two" else 7, 2
    size = start + rows * step + (layout == "error")
    if len(data) < size:
        return unreadable
    money: dict[str, int] = {}
    requested: dict[str, int] = {}
    for at in range(start, start + rows * step, step):
        row = data[at : at + step]
        currency = row[-3:].decode("ascii", "backslashreplace")
        money[currency] = money.get(currency, 0) + int.from_bytes(row[:4], "little")
        if layout == "two":
            requested[currency] = requested.get(currency, 0) + int.from_bytes(row[4:8], "little")
    return Event(code, name, 0, money, requested, data[size - 1] if layout == "error" else 0), size


@dataclass(frozen=True)
class Setup:
    """Answer to 05 of a note device: what it is, and minor units and currency of each channel (from 1)."""

    type: int
    firmware: str
    version: int
    channels: dict[int, tuple[int, str]]


def setup(data: bytes) -> Setup | None:
    """Read the bytes after F0 (PROTOCOLS B 1.6); None when they are too short for what they say."""
    if len(data) < 12 or len(data) < 16 + 2 * data[11]:
        return None
    n = data[11]
    version = data[15 + 2 * n]
    real = int.from_bytes(data[12 + 2 * n : 15 + 2 * n], "big")
    multiplier = int.from_bytes(data[8:11], "big")
    channels: dict[int, tuple[int, str]] = {}
    expanded = version >= 6
    if expanded and len(data) < 16 + 9 * n:
        return None
    for i in range(n):
        value, currency = data[12 + i] * multiplier, data[5:8]
        if expanded:
            currency = data[16 + 2 * n + 3 * i :][:3]
            value = int.from_bytes(data[16 + 5 * n + 4 * i :][:4], "little")
        if value:
            channels[i + 1] = value * real, currency.decode("ascii", "backslashreplace")
    return Setup(data[0], data[1:5].decode("ascii", "backslashreplace"), version, channels)


def levels(data: bytes) -> dict[tuple[int, str], int] | None:
    """The bytes after F0 of 22: (minor units, currency) → notes; None when too short."""
    if not data or len(data) < 1 + 9 * data[0]:
        return None
    found = {}
    for at in range(1, 1 + 9 * data[0], 9):
        value, currency = int.from_bytes(data[at + 2 : at + 6], "little"), data[at + 6 : at + 9]
        found[value, currency.decode("ascii", "backslashreplace")] = int.from_bytes(data[at : at + 2], "little")
    return found


@dataclass(frozen=True)
class Counters:
    """Lifetime notes of a validator (58)."""

    stacked: int
    stored: int
    dispensed: int
    transferred: int
    rejected: int


def counters(data: bytes) -> Counters | None:
    """The bytes after F0 of 58; None when they are not a validator's five."""
    if len(data) < 21 or data[0] != 5:
        return None
    return Counters(*(int.from_bytes(data[i : i + 4], "little") for i in range(1, 21, 4)))
