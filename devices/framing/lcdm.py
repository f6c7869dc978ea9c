"""Puloon LCDM-1000 and LCDM-2000: frames, commands, replies, error byte (LCDM-1000T interface specification v3.3T).

    host -> device   04 50 02 CMD [data] 03 BCC        device -> host   01 50 02 CMD [data] 03 BCC
                     |  |  |             |  |                           |
                   EOT ID STX          ETX  XOR of all before           SOH
    either way, alone on the line:      06 ACK    15 NCK

    DISPENSE 45/55   04 50 02 45 t u 03 BCC            reply  C c X x E L R r      (C c = CHK, X x = EXIT, tens, units)
    DISPENSE  56     04 50 02 56 T U t u 03 BCC        reply  CC XX upper, CC XX lower, E, L L, RR RR
    STATUS    46     04 50 02 46 03 13                 reply  30 E S0 S1           (S0, S1 are bits, not digits)
    ROM       47     04 50 02 47 03 12                 reply  8 characters
    PURGE     44     04 50 02 44 03 11                 reply  E
    TEST   76/77     04 50 02 76 03 23                 reply  C c 30 30 E L R r
    any reply may be short:                                   E                    (refused: the counts are missing)
    E = error byte, L = cassette (30 enough, 31 near end), R r = rejected. Numbers are two ASCII digits.

What a cable makes of it: the end can not be found by looking for 03, for SENSOR1 of an LCDM-2000 may be 03 and BCC may
be anything. So the length comes from CMD and direction, and 03 is only checked at its place. Equal BCCs of different
commands (purge and dispense 10 both have 11) identify nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed
from devices.framing.checks import xor

EOT, SOH, ID, STX, ETX, ACK, NCK = 0x04, 0x01, 0x50, 0x02, 0x03, 0x06, 0x15
#: notes in one command (specification p9)
MOST_NOTES = 60


class Command(NamedTuple):
    """One row of the command table: body lengths count CMD and data, without framing."""

    name: str
    body_out: int
    body_back: int
    moves: bool


#: the whole vocabulary; there is no last-result query, no reset, no retract
COMMANDS: dict[int, Command] = {
    0x44: Command("purge", 1, 2, moves=True),
    0x45: Command("dispense", 3, 9, moves=True),
    0x46: Command("status", 1, 5, moves=False),
    0x47: Command("rom", 1, 9, moves=False),
    0x55: Command("dispense-lower", 3, 9, moves=True),
    0x56: Command("dispense-both", 5, 16, moves=True),
    0x76: Command("test", 1, 9, moves=True),
    0x77: Command("test-lower", 1, 9, moves=True),
}
_FRAMING = 5  # EOT/SOH, ID, STX, ETX, BCC


class ErrorClass(StrEnum):
    """What an error byte says about the notes (inferred; PROTOCOLS A 1.6)."""

    REFUSED = "A"  #: nothing moved
    CLEAN = "B"
    STOPPED = "C"  #: stopped early, the counts can be used if they fit together
    DOUBT = "D"  #: notes in the path, or the counts are doubtful


class ErrorByte(NamedTuple):
    kind: ErrorClass
    words: str


_A, _B, _C, _D = ErrorClass
ERRORS: dict[int, ErrorByte] = {
    0x30: ErrorByte(_B, "good"),
    0x31: ErrorByte(_B, "normal stop"),
    0x32: ErrorByte(_C, "pick-up failure"),
    0x33: ErrorByte(_D, "jam at CHK1/2"),
    0x34: ErrorByte(_C, "too many bills"),
    0x35: ErrorByte(_D, "jam at EXIT or EJT, a note may be in reach"),
    0x36: ErrorByte(_D, "jam at DIV"),
    0x37: ErrorByte(_A, "undefined command"),
    0x38: ErrorByte(_C, "upper cassette empty"),
    0x3A: ErrorByte(_D, "count mismatch CHK3/4 to DIV"),
    0x3B: ErrorByte(_A, "bad note request"),
    0x3C: ErrorByte(_D, "count mismatch DIV to EJT"),
    0x3D: ErrorByte(_D, "count mismatch EJT to EXIT"),
    0x3F: ErrorByte(_A, "reject tray not seen"),
    0x40: ErrorByte(_C, "lower cassette empty"),
    0x41: ErrorByte(_D, "motor stopped"),
    0x42: ErrorByte(_D, "jam at DIV"),
    0x43: ErrorByte(_D, "timeout DIV to EJT"),
    0x44: ErrorByte(_C, "too many rejects"),
    0x45: ErrorByte(_A, "upper cassette not seen"),
    0x46: ErrorByte(_A, "lower cassette not seen"),
    0x47: ErrorByte(_D, "dispensing timeout"),
    0x48: ErrorByte(_D, "jam at EJT"),
    0x49: ErrorByte(_D, "diverter solenoid or SOL sensor"),
    0x4A: ErrorByte(_D, "SOL sensor"),
    0x4C: ErrorByte(_D, "jam at CHK3/4"),
    0x4E: ErrorByte(_D, "purge failed, jam at DIV"),
}
#: class D codes after which even the number asked for may have left (the counting sensors themselves disagree)
COUNT_FAILED = frozenset({0x3A, 0x3C, 0x3D, 0x41, 0x43, 0x47})


def error_byte(code: int) -> ErrorByte:
    """Class and words of an error byte; an unknown one is doubtful."""
    return ERRORS.get(code, ErrorByte(ErrorClass.DOUBT, f"unknown error {code:02X}"))


def command(cmd: int, *notes: int) -> bytes:
    """The bytes of a command; `notes` are the numbers it carries (upper, lower).

    Raises:
        ValueError: unknown command, wrong number of numbers, or more than `MOST_NOTES` in all.
    """
    if cmd not in COMMANDS or 1 + 2 * len(notes) != COMMANDS[cmd].body_out:
        raise ValueError(f"command {cmd:02X} does not take {len(notes)} numbers")
    if any(n < 0 for n in notes) or sum(notes) > MOST_NOTES:
        raise ValueError(f"a command moves 0 to {MOST_NOTES} notes, not {sum(notes)}")
    return _framed(EOT, bytes([cmd]) + "".join(f"{n:02}" for n in notes).encode())


def _framed(start: int, body: bytes) -> bytes:
    raw = bytes([start, ID, STX]) + body + bytes([ETX])
    return raw + bytes([xor(raw)])


class LcdmCodec(Codec):
    """Both directions: the first byte says who speaks."""

    def scan(self, buffer: bytes) -> Took | None:
        start = buffer[0]
        if start in (ACK, NCK):
            return Took(1, Frame(buffer[:1], {"kind": "ack" if start == ACK else "nck"}))
        if start not in (EOT, SOH):
            return Took(1, None)
        for place, expected in ((1, ID), (2, STX)):
            if len(buffer) <= place:
                return None
            if buffer[place] != expected:
                return Took(1, Fault(buffer[:1], f"byte {place} is {buffer[place]:02X}, not {expected:02X}"))
        if len(buffer) < 4:
            return None
        cmd = buffer[3]
        if cmd not in COMMANDS:
            return Took(1, Fault(buffer[:1], f"unknown command {cmd:02X}"))
        if start == EOT:
            body = COMMANDS[cmd].body_out
        else:
            if len(buffer) < 6:
                return None
            # at offset 5 stands a digit or an error byte of a full reply, never 03: so 03 there ends a short one
            body = 2 if buffer[5] == ETX else COMMANDS[cmd].body_back
        size = body + _FRAMING
        if len(buffer) < size:
            return None
        raw = buffer[:size]
        if raw[-2] != ETX:
            return _bad(raw, f"byte {size - 2} is {raw[-2]:02X}, not ETX 03")
        if xor(raw[:-1]) != raw[-1]:
            return _bad(raw, f"BCC is {raw[-1]:02X}, not {xor(raw[:-1]):02X}")
        try:
            fields = _read(start, raw[3:-2])
        except ValueError as e:
            return Took(size, Fault(raw, str(e)))
        return Took(size, Frame(raw, fields))

    def encode(self, fields: Fields) -> bytes:
        """From what `feed` gave: `kind` and, but for ack and nck, `cmd` and `data` (hex)."""
        kind = fields.get("kind")
        if kind in ("ack", "nck"):
            return bytes([ACK if kind == "ack" else NCK])
        if kind not in ("command", "reply"):
            raise ValueError(f"kind is one of ack, nck, command, reply, not {kind!r}")
        return self.wrap(unhexed(fields.get("cmd")) + unhexed(fields.get("data", "")), _SIDES[kind])

    def wrap(self, body: bytes, side: Side) -> bytes:
        start = EOT if side == "host" else SOH
        raw = _framed(start, body)
        items = LcdmCodec().feed(raw)
        if len(items) != 1 or isinstance(items[0], Fault):
            why = next((i.error for i in items if isinstance(i, Fault)), "the length does not fit the command")
            raise ValueError(f"{hexed(body)} is no body that a {side} sends: {why}")
        return raw


def _bad(raw: bytes, error: str) -> Took:
    """A frame that is none. If another one begins inside it, it was cut off there and only that much is given up."""
    starts = [raw.find(bytes([start, ID, STX]), 1) for start in (EOT, SOH)]
    end = min((s for s in starts if s > 0), default=len(raw))
    return Took(end, Fault(raw[:end], error if end == len(raw) else f"cut off after {end} bytes"))


_SIDES: dict[str, Side] = {"command": "host", "reply": "device"}


def _number(digits: bytes) -> int:
    if not digits.isdigit():
        raise ValueError(f"{hexed(digits)} are not two digits")
    return int(digits)


def _read(start: int, body: bytes) -> Fields:
    cmd, data = body[0], body[1:]
    base: Fields = {"kind": "command" if start == EOT else "reply", "cmd": f"{cmd:02X}", "name": COMMANDS[cmd].name}
    base["data"] = hexed(data)
    if start == EOT:
        if data:
            base["notes"] = [_number(data[i : i + 2]) for i in range(0, len(data), 2)]
        return base
    if cmd == 0x44 or len(data) == 1:
        return base | {"short": cmd != 0x44} | _error(data[0])
    if cmd == 0x46:
        return base | _error(data[1]) | {"sensors": [data[2], data[3]]}
    if cmd == 0x47:
        return base | {"rom": data.decode("ascii", "backslashreplace")}
    if cmd == 0x56:
        return (
            base
            | _error(data[8])
            | {
                "chk": [_number(data[0:2]), _number(data[4:6])],
                "exit": [_number(data[2:4]), _number(data[6:8])],
                "near_end": [_near_end(data[9]), _near_end(data[10])],
                "rejected": [_number(data[11:13]), _number(data[13:15])],
            }
        )
    return (
        base
        | _error(data[4])
        | {
            "chk": [_number(data[0:2])],
            "exit": [_number(data[2:4])],
            "near_end": [_near_end(data[5])],
            "rejected": [_number(data[6:8])],
        }
    )


def _near_end(byte: int) -> bool:
    if byte not in (0x30, 0x31):
        raise ValueError(f"cassette byte is {byte:02X}, not 30 or 31")
    return byte == 0x31


def _error(code: int) -> Fields:
    known = error_byte(code)
    return {"error": f"{code:02X}", "class": str(known.kind), "words": known.words}
