"""SDT/SAM readers of the second-generation resident card (PROTOCOLS A 3.1).

    host      AA AA AA 96 69  LEN 2  CMD PARA [data]        XOR        LEN high byte first, counts what follows it
    reader    AA AA AA 96 69  LEN 2  SW1 SW2 SW3 [data]     XOR        XOR of LEN..last data

SW1 and SW2 are 00 00, which no command is: so the sides are told apart. What the reader sends after 30 01 is a person's
data; it may be shown to the person who typed it in for decoding, and is never logged or kept.
"""

from __future__ import annotations

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed
from devices.framing.checks import xor

PREAMBLE = b"\xaa\xaa\xaa\x96\x69"
LONGEST = 2400
COMMANDS = {
    b"\x10\xff": "reset",
    b"\x11\xff": "status",
    b"\x12\xff": "module-id",
    b"\x20\x01": "find",
    b"\x20\x02": "select",
    b"\x30\x01": "read",
    b"\x30\x10": "read-with-fingerprint",
    b"\x30\x03": "read-extra-address",
}
SW3 = {
    0x90: "done",
    0x9F: "card found",
    0x91: "field empty on card",
    0x80: "no card",
    0x81: "select failed",
    0x10: "checksum of the host's frame wrong",
    0x11: "length of the host's frame wrong",
    0x21: "command wrong",
    0x31: "card and module did not authenticate",
    0x32: "card and module did not authenticate",
    0x33: "data check failed",
    0x60: "module self-test failed",
}


class SamCodec(Codec):
    def scan(self, buffer: bytes) -> Took | None:
        head = buffer[: len(PREAMBLE)]
        if head != PREAMBLE[: len(head)]:
            return Took(1, None)
        if len(buffer) < 7:
            return None
        length = int.from_bytes(buffer[5:7], "big")
        if not 3 <= length <= LONGEST:
            return Took(5, Fault(buffer[:5], f"no frame: length {length:04X}"))
        size = 7 + length
        if len(buffer) < size:
            return None
        raw = buffer[:size]
        if xor(raw[5:-1]) != raw[-1]:
            return Took(size, Fault(raw, f"XOR is {raw[-1]:02X}, not {xor(raw[5:-1]):02X}"))
        return Took(size, Frame(raw, _fields(raw[7:-1])))

    def encode(self, fields: Fields) -> bytes:
        """From `code` (hex) and `data` (hex)."""
        return self.wrap(unhexed(fields.get("code")) + unhexed(fields.get("data", "")), "host")

    def wrap(self, body: bytes, side: Side) -> bytes:
        if not 2 <= len(body) < LONGEST:
            raise ValueError("a SAM frame has two bytes of command or three of status, and at most 2399 in all")
        inside = (len(body) + 1).to_bytes(2, "big") + body
        return PREAMBLE + inside + bytes([xor(inside)])


def _fields(body: bytes) -> Fields:
    if body[:2] == b"\x00\x00" and len(body) >= 3:
        words = SW3.get(body[2], "failure")
        return {
            "kind": "reply",
            "code": hexed(body[:3]),
            "sw3": f"{body[2]:02X}",
            "words": words,
            "data": hexed(body[3:]),
        }
    name = COMMANDS.get(body[:2], "unknown")
    return {"kind": "command", "code": hexed(body[:2]), "name": name, "data": hexed(body[2:])}
