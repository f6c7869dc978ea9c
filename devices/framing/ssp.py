"""ITL SSP: packets with byte stuffing (GA138 p9-10; PROTOCOLS B 1.1).

    7F  SEQ/ID  LEN  DATA[LEN]  CRCL CRCH           SEQ/ID: bit 7 the sequence flag, bits 6-0 the address (at most 7D)
        `-------- stuffed --------------'           each 7F here is sent twice; the leading one is single
        `---- CRC over this -'                      before stuffing; poly 8005, init FFFF, low byte first

A reply carries the request's SEQ and address; its first byte is a generic code from F0 up. A single 7F before another
byte always begins a packet, so a packet that was cut off ends there and only that much is lost.
"""

from __future__ import annotations

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed
from devices.framing.checks import ssp_crc

STX = 0x7F
COMMANDS = {
    0x01: "reset",
    0x02: "set-inhibits",
    0x05: "setup-request",
    0x06: "host-protocol-version",
    0x07: "poll",
    0x08: "reject",
    0x09: "disable",
    0x0A: "enable",
    0x0C: "serial-number",
    0x0D: "unit-data",
    0x0E: "channel-values",
    0x0F: "channel-security",
    0x11: "sync",
    0x17: "last-reject-code",
    0x18: "hold",
    0x20: "firmware-version",
    0x21: "dataset-version",
    0x22: "all-levels",
    0x33: "payout-amount",
    0x34: "add-to-level",
    0x35: "level",
    0x38: "halt-payout",
    0x3B: "set-route",
    0x3C: "get-route",
    0x3D: "float-amount",
    0x3E: "min-payout",
    0x3F: "empty-all",
    0x44: "float-by-denomination",
    0x46: "payout-by-denomination",
    0x4A: "set-generator",
    0x4B: "set-modulus",
    0x4C: "key-exchange",
    0x4D: "baud",
    0x52: "smart-empty",
    0x53: "last-operation-data",
    0x56: "poll-with-ack",
    0x57: "event-ack",
    0x58: "counters",
    0x5B: "payout-disable",
    0x5C: "payout-enable",
}
GENERIC = {
    0xF0: "ok",
    0xF2: "unknown-command",
    0xF3: "wrong-parameters",
    0xF4: "out-of-range",
    0xF5: "cannot-be-processed",
    0xF6: "software-error",
    0xF8: "fail",
    0xFA: "key-not-set",
}
ENCRYPTED = 0x7E


class SspCodec(Codec):
    """Both directions: they look alike but for the first data byte."""

    def scan(self, buffer: bytes) -> Took | None:
        if buffer[0] != STX:
            return Took(1, None)
        plain, place = bytearray(), 1
        while len(plain) < 2 or len(plain) < plain[1] + 4:
            if place >= len(buffer):
                return None
            if buffer[place] == STX:
                if place + 1 >= len(buffer):
                    return None
                if buffer[place + 1] != STX:
                    return Took(place, Fault(buffer[:place], "cut off by the next packet"))
                if place == 1:
                    return Took(1, None)  # no address is 7F: the first 7F was left over from something else
                place += 1
            plain.append(buffer[place])
            place += 1
        raw, body, check = buffer[:place], bytes(plain[:-2]), int.from_bytes(plain[-2:], "little")
        if ssp_crc(body) != check:
            return Took(place, Fault(raw, f"CRC is {check:04X}, not {ssp_crc(body):04X}"))
        fields: Fields = {"sequence": body[0] >> 7, "address": body[0] & 0x7F, "data": hexed(body[2:])}
        return Took(place, Frame(raw, fields | self.read(body[2:])))

    def read(self, data: bytes) -> Fields:
        """What the first data byte says; further ones depend on command and protocol version."""
        if not data:
            return {"kind": "empty"}
        if data[0] == ENCRYPTED and len(data) > 1:
            return {"kind": "encrypted", "blocks": (len(data) - 1) // 16, "whole": (len(data) - 1) % 16 == 0}
        if data[0] >= 0xF0:
            return {"kind": "reply", "name": GENERIC.get(data[0], "unknown")}
        return {"kind": "command", "name": COMMANDS.get(data[0], "unknown")}

    def encode(self, fields: Fields) -> bytes:
        """From `sequence`, `address` and `data` (hex)."""
        sequence, address, data = fields.get("sequence"), fields.get("address"), unhexed(fields.get("data"))
        if sequence not in (0, 1) or not isinstance(address, int) or not 0 <= address <= 0x7D or len(data) > 0xFF:
            raise ValueError("an SSP packet has sequence 0 or 1, an address up to 7D and at most 255 bytes of data")
        body = bytes([sequence << 7 | address, len(data)]) + data
        body += ssp_crc(body).to_bytes(2, "little")
        return bytes([STX]) + body.replace(b"\x7f", b"\x7f\x7f")

    def wrap(self, body: bytes, side: Side) -> bytes:
        """To or from the note device at address 0, with the sequence flag of a SYNC."""
        return self.encode({"sequence": 1, "address": 0, "data": hexed(body)})
