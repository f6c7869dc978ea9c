"""JCM ID-003 bill acceptors: frames with a length and CRC-16/KERMIT (PROTOCOLS A 5.2).

    FC  LEN  CODE  [data]  CRCL CRCH        LEN counts the whole frame

Some codes mean one thing from the host and another from the acceptor (11 asks for the status and answers "idle", 40
resets and says "power up", 50 acknowledges either way): both readings are given.
"""

from __future__ import annotations

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed
from devices.framing.checks import kermit

SYNC = 0xFC
#: set by C0 to C7, asked for by 80 to 87; the acceptor confirms by echo
_SETTINGS = ("denominations", "security", "comm-mode", "inhibit", "direction", "options", "barcode", "barcode-inhibit")
_ECHOES = {0xC0 + i: f"set-{name}" for i, name in enumerate(_SETTINGS)}
_ECHOES |= {0x80 + i: f"get-{name}" for i, name in enumerate(_SETTINGS)}
_ECHOES |= {0x88: "version", 0x89: "boot-version", 0x8A: "currency-table", 0x91: "serial-number"}
COMMANDS = _ECHOES | {
    0x11: "status-request",
    0x40: "reset",
    0x41: "stack-1",
    0x42: "stack-2",
    0x43: "return",
    0x44: "hold",
    0x45: "wait",
    0x50: "ack",
}
STATES = _ECHOES | {
    0x11: "idle",
    0x12: "accepting",
    0x13: "escrow",
    0x14: "stacking",
    0x15: "vend-valid",
    0x16: "stacked",
    0x17: "rejecting",
    0x18: "returning",
    0x19: "holding",
    0x1A: "disabled",
    0x1B: "initialise",
    0x40: "power-up",
    0x41: "power-up-bill-in-acceptor",
    0x42: "power-up-bill-in-stacker",
    0x43: "stacker-full",
    0x44: "stacker-open",
    0x45: "acceptor-jam",
    0x46: "stacker-jam",
    0x47: "pause",
    0x48: "cheated",
    0x49: "failure",
    0x4A: "communication-error",
    0x4B: "invalid-command",
    0x50: "ack",
}


class Id003Codec(Codec):
    def scan(self, buffer: bytes) -> Took | None:
        if buffer[0] != SYNC:
            return Took(1, None)
        if len(buffer) < 2:
            return None
        size = buffer[1]
        if size < 5:
            return Took(1, Fault(buffer[:1], f"no frame: length {size:02X}"))
        if len(buffer) < size:
            return None
        raw, told = buffer[:size], int.from_bytes(buffer[size - 2 : size], "little")
        if kermit(raw[:-2]) != told:
            return Took(size, Fault(raw, f"CRC is {told:04X}, not {kermit(raw[:-2]):04X}"))
        fields: Fields = {"code": f"{raw[2]:02X}", "data": hexed(raw[3:-2])}
        return Took(
            size, Frame(raw, fields | {"as_command": COMMANDS.get(raw[2], ""), "as_answer": STATES.get(raw[2], "")})
        )

    def encode(self, fields: Fields) -> bytes:
        """From `code` (hex) and `data` (hex)."""
        return self.wrap(unhexed(fields.get("code")) + unhexed(fields.get("data", "")), "host")

    def wrap(self, body: bytes, side: Side) -> bytes:
        if not 1 <= len(body) <= 251:
            raise ValueError("an ID-003 frame has 1 to 251 bytes of code and data")
        raw = bytes([SYNC, len(body) + 4]) + body
        return raw + kermit(raw).to_bytes(2, "little")
