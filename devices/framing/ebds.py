"""EBDS (CPI/MEI bill acceptors): 7-bit frames with an acknowledging toggle (PROTOCOLS A 5.3).

    02  LEN  CTL  data  03  CHK        LEN counts the whole frame; CHK is the XOR of LEN..last data
             CTL: bit 0 toggle, bits 1-3 device (0 acceptor, 1 recycler), bits 4-6 type

The line is 7E1, so no byte has bit 7. The end is found by LEN: data may hold 03.
"""

from __future__ import annotations

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed
from devices.framing.checks import xor

STX, ETX = 0x02, 0x03
TYPES = {1: "command", 2: "reply", 3: "bookmark", 4: "calibrate", 5: "download", 6: "auxiliary", 7: "extended"}
_STATE = ("idle", "accepting", "escrowed", "stacking", "stacked", "returning", "returned")
_STATUS = ("cheated", "rejected", "jam", "stacker-full", "cassette-present", "paused", "calibrating")
_EXCEPTION = {0x01: "power-up", 0x02: "invalid-command", 0x04: "failure", 0x40: "path-open"}


class EbdsCodec(Codec):
    def scan(self, buffer: bytes) -> Took | None:
        if buffer[0] != STX:
            return Took(1, None)
        if len(buffer) < 2:
            return None
        size = buffer[1]
        if not 5 <= size <= 0x7F:
            return Took(1, Fault(buffer[:1], f"no frame: length {size:02X}"))
        if len(buffer) < size:
            return None
        raw = buffer[:size]
        if any(byte & 0x80 for byte in raw):
            return Took(size, Fault(raw, "a byte has bit 7"))
        if raw[-2] != ETX:
            return Took(size, Fault(raw, f"byte {size - 2} is {raw[-2]:02X}, not ETX 03"))
        if xor(raw[1:-2]) != raw[-1]:
            return Took(size, Fault(raw, f"CHK is {raw[-1]:02X}, not {xor(raw[1:-2]):02X}"))
        ctl, data = raw[2], raw[3:-2]
        fields: Fields = {"ctl": f"{ctl:02X}", "toggle": ctl & 1, "device": ctl >> 1 & 7}
        fields |= {"type": TYPES.get(ctl >> 4, "unknown"), "data": hexed(data)}
        return Took(size, Frame(raw, fields | _omnibus(ctl >> 4, data)))

    def encode(self, fields: Fields) -> bytes:
        """From `ctl` (hex) and `data` (hex)."""
        return self.wrap(unhexed(fields.get("ctl")) + unhexed(fields.get("data", "")), "host")

    def wrap(self, body: bytes, side: Side) -> bytes:
        if not 1 <= len(body) <= 0x7F - 4 or any(byte & 0x80 for byte in body):
            raise ValueError("an EBDS frame has 1 to 123 bytes of CTL and data, none above 7F")
        inside = bytes([len(body) + 4]) + body
        return bytes([STX]) + inside + bytes([ETX, xor(inside)])


def _omnibus(kind: int, data: bytes) -> Fields:
    """The bits of an omnibus command or reply, in words."""
    if kind == 1 and len(data) == 3:
        flags = [n for bit, n in ((0x10, "escrow"), (0x20, "stack"), (0x40, "return")) if data[1] & bit]
        return {"enabled": data[0], "flags": flags, "extended": bool(data[2] & 0x10)}
    if kind == 2 and len(data) == 6:
        return {
            "state": [n for i, n in enumerate(_STATE) if data[0] >> i & 1],
            "status": [n for i, n in enumerate(_STATUS) if data[1] >> i & 1],
            "exception": [n for bit, n in _EXCEPTION.items() if data[2] & bit],
            "note_value": data[2] >> 3 & 7,
        }
    return {}
