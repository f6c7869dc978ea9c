"""Modbus RTU for an I/O board, with lengths, CRC and meaning from pymodbus (PROTOCOLS A 4).

    ADDR  FUNCTION  data  CRCL CRCH        an exception answers FUNCTION + 80, then its code

Nothing marks the beginning: silence of 3.5 characters does, and the owner of the line calls `end` then. The length
follows from the function and from who sends, so the side is an argument. A function that is not known here has no
length, and its bytes are stray.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed

#: the functions of the I/O map
FUNCTIONS = {
    1: "read-coils",
    2: "read-inputs",
    3: "read-holding",
    5: "write-coil",
    6: "write-register",
    15: "write-coils",
}
EXCEPTIONS = {1: "function", 2: "address", 3: "value", 4: "device-failure", 5: "acknowledged", 6: "busy"}


@cache
def _decoder(side: Side) -> DecodePDU:
    return DecodePDU(side == "host")


@cache
def _framer(side: Side) -> FramerRTU:
    return FramerRTU(_decoder(side))


class ModbusCodec(Codec):
    """One side of the line: `host` (requests) or `device` (answers)."""

    def __init__(self, side: Side = "device") -> None:
        super().__init__()
        self.side = side

    def scan(self, buffer: bytes) -> Took | None:
        if buffer[0] > 247:
            return Took(1, None)
        if len(buffer) < 2:
            return None
        function = buffer[1] & 0x7F
        if function not in FUNCTIONS or (buffer[1] & 0x80 and self.side == "host"):
            return Took(1, None)
        kind: Any = _decoder(self.side).lookupPduClass(buffer)
        size = int(kind.calculateRtuFrameSize(buffer))
        if size == 0 or len(buffer) < size:
            return None
        raw = buffer[:size]
        told, true = int.from_bytes(raw[-2:], "big"), FramerRTU.compute_CRC(raw[:-2])
        if told != true:
            return Took(size, Fault(raw, f"CRC is {hexed(raw[-2:])}, not {hexed(true.to_bytes(2, 'big'))}"))
        return Took(size, Frame(raw, self._fields(raw)))

    def _fields(self, raw: bytes) -> Fields:
        function = raw[1] & 0x7F
        fields: Fields = {"side": self.side, "unit": raw[0], "function": raw[1], "name": FUNCTIONS[function]}
        fields["data"] = hexed(raw[2:-2])
        if raw[1] & 0x80:
            return fields | {"exception": EXCEPTIONS.get(raw[2], f"{raw[2]:02X}")}
        if self.side == "host" or function in (5, 6, 15):
            return fields | {"address": int.from_bytes(raw[2:4], "big"), "value": int.from_bytes(raw[4:6], "big")}
        if function == 3:
            return fields | {"registers": [int.from_bytes(raw[i : i + 2], "big") for i in range(3, len(raw) - 3, 2)]}
        return fields | {"bits": [byte >> i & 1 for byte in raw[3:-2] for i in range(8)]}

    def encode(self, fields: Fields) -> bytes:
        """From `unit`, `function` and `data` (hex)."""
        unit, function = fields.get("unit"), fields.get("function")
        if (
            not isinstance(unit, int)
            or not 0 <= unit <= 247
            or not isinstance(function, int)
            or not 1 <= function <= 255
        ):
            raise ValueError("a Modbus frame has a unit from 0 to 247 and a function from 1 to 255")
        return bytes(_framer("host").encode(bytes([function]) + unhexed(fields.get("data", "")), unit, 0))

    def wrap(self, body: bytes, side: Side) -> bytes:
        """`body` is function and data, for unit 1."""
        if not body:
            raise ValueError("a Modbus frame has a function")
        return self.encode({"unit": 1, "function": body[0], "data": hexed(body[1:])})
