"""CCNET (CashCode bill validators): frames with a length and CRC-16/KERMIT (PROTOCOLS A 5.1).

    02  ADDR  LEN  CODE  [data]  CRCL CRCH        LEN counts the whole frame; ADDR 03 is a bill validator

Frames look alike in both directions, and the device's "illegal command" (30) has the bytes of the host's RESET: what a
code means depends on who sent it, so both readings are given. LEN 0 announces a frame of more than 250 bytes whose
length stands in the data in a way that is unverified: it is refused.
"""

from __future__ import annotations

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed
from devices.framing.checks import kermit

SYNC, VALIDATOR = 0x02, 0x03
COMMANDS = {
    0x00: "ack",
    0x30: "reset",
    0x31: "status",
    0x32: "security",
    0x33: "poll",
    0x34: "enable",
    0x35: "stack",
    0x36: "return",
    0x37: "identification",
    0x38: "hold",
    0x39: "barcode-set",
    0x3A: "barcode-read",
    0x41: "bill-table",
    0x50: "download",
    0x51: "code-crc",
    0x60: "statistics",
    0xFF: "nak",
}
STATES = {
    0x00: "ack",
    0x10: "power-up",
    0x11: "power-up-bill-in-validator",
    0x12: "power-up-bill-in-stacker",
    0x13: "initialise",
    0x14: "idle",
    0x15: "accepting",
    0x17: "stacking",
    0x18: "returning",
    0x19: "disabled",
    0x1A: "holding",
    0x1B: "busy",
    0x1C: "rejecting",
    0x30: "illegal-command",
    0x41: "cassette-full",
    0x42: "cassette-removed",
    0x43: "validator-jam",
    0x44: "cassette-jam",
    0x45: "cheated",
    0x46: "pause",
    0x47: "failure",
    0x80: "escrow",
    0x81: "stacked",
    0x82: "returned",
    0xFF: "nak",
}


class CcnetCodec(Codec):
    def scan(self, buffer: bytes) -> Took | None:
        if buffer[0] != SYNC:
            return Took(1, None)
        if len(buffer) < 3:
            return None
        size = buffer[2]
        if not 1 <= buffer[1] <= 0x0F or size < 6:
            return Took(1, Fault(buffer[:1], f"no frame: address {buffer[1]:02X}, length {size:02X}"))
        if len(buffer) < size:
            return None
        raw, told = buffer[:size], int.from_bytes(buffer[size - 2 : size], "little")
        if kermit(raw[:-2]) != told:
            return Took(size, Fault(raw, f"CRC is {told:04X}, not {kermit(raw[:-2]):04X}"))
        fields: Fields = {"address": raw[1], "code": f"{raw[3]:02X}", "data": hexed(raw[4:-2])}
        return Took(
            size, Frame(raw, fields | {"as_command": COMMANDS.get(raw[3], ""), "as_answer": STATES.get(raw[3], "")})
        )

    def encode(self, fields: Fields) -> bytes:
        """From `address`, `code` (hex) and `data` (hex)."""
        body = unhexed(fields.get("code")) + unhexed(fields.get("data", ""))
        address = fields.get("address")
        if not isinstance(address, int) or not 1 <= address <= 0x0F or not 1 <= len(body) <= 245:
            raise ValueError("a CCNET frame has an address from 1 to 15 and 1 to 245 bytes of code and data")
        raw = bytes([SYNC, address, len(body) + 5]) + body
        return raw + kermit(raw).to_bytes(2, "little")

    def wrap(self, body: bytes, side: Side) -> bytes:
        return self.encode({"address": VALIDATOR, "code": hexed(body[:1]), "data": hexed(body[1:])})
