"""ccTalk: packets on one wire, checked by a sum or by a CRC (generic specification v4.7, part 1; PROTOCOLS B 2.1).

    simple    DEST  n  SOURCE  HEADER  data[n]  CHK        all bytes sum to 0 mod 256
    CRC       DEST  n  CRCL    HEADER  data[n]  CRCH       CRC-16/XMODEM over DEST, n, HEADER, data; replies go to 1

There is no start byte: only silence (50 ms) tells where a packet begins, so after a bad check the whole would-be packet
is given up, and the owner of the line calls `end` when it falls silent. Which check a device uses is configuration.
The host hears its own bytes on one-wire adapters: both directions come through here.
"""

from __future__ import annotations

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed
from devices.framing.checks import xmodem

HOST = 1
#: where `wrap` sends to: a coin acceptor
DEVICE = 2
HEADERS = {
    0: "reply",
    1: "reset",
    2: "comms-status-variables",
    4: "comms-revision",
    5: "nak",
    6: "busy",
    109: "encrypted-status",
    160: "cipher-key",
    161: "pump-rng",
    163: "test-hopper",
    164: "enable-hopper",
    166: "hopper-status",
    167: "dispense-hopper-coins",
    168: "hopper-dispense-count",
    171: "hopper-coin",
    172: "emergency-stop",
    184: "coin-id",
    192: "build-code",
    213: "option-flags",
    216: "data-storage",
    217: "level-status",
    218: "enter-pin",
    219: "new-pin",
    227: "master-inhibit-status",
    228: "modify-master-inhibit",
    229: "read-buffered-credit",
    230: "inhibit-status",
    231: "modify-inhibit-status",
    232: "self-check",
    241: "software-revision",
    242: "serial-number",
    244: "product-code",
    245: "equipment-category",
    246: "manufacturer-id",
    249: "polling-priority",
    254: "simple-poll",
}


class CctalkCodec(Codec):
    """Packets with the 8-bit sum."""

    def scan(self, buffer: bytes) -> Took | None:
        if len(buffer) < 2 or len(buffer) < buffer[1] + 5:
            return None
        raw = buffer[: buffer[1] + 5]
        if error := self.wrong(raw):
            return Took(len(raw), Fault(raw, error))
        return Took(len(raw), Frame(raw, self.fields(raw)))

    def wrong(self, raw: bytes) -> str:
        """Why the check does not fit, or nothing."""
        return "" if sum(raw) % 256 == 0 else f"CHK is {raw[-1]:02X}, not {-sum(raw[:-1]) % 256:02X}"

    def fields(self, raw: bytes) -> Fields:
        fields: Fields = {"destination": raw[0], "source": raw[2], "header": raw[3]}
        return fields | {"name": HEADERS.get(raw[3], "unknown"), "data": hexed(raw[4:-1])}

    def encode(self, fields: Fields) -> bytes:
        """From `destination`, `source`, `header` and `data` (hex)."""
        data = unhexed(fields.get("data", ""))
        head = _bytes(fields, "destination"), len(data), _bytes(fields, "source"), _bytes(fields, "header")
        if len(data) > 255:
            raise ValueError("a packet holds at most 255 bytes of data")
        raw = bytes(head) + data
        return raw + bytes([-sum(raw) % 256])

    def wrap(self, body: bytes, side: Side) -> bytes:
        """`body` is header and data; between the host and a coin acceptor."""
        to, by = (DEVICE, HOST) if side == "host" else (HOST, DEVICE)
        if not body:
            raise ValueError("a packet has a header")
        return self.encode({"destination": to, "source": by, "header": body[0], "data": hexed(body[1:])})


class CctalkCrcCodec(CctalkCodec):
    """Packets with the CRC, in which no source is told."""

    def wrong(self, raw: bytes) -> str:
        told, true = raw[2] | raw[-1] << 8, xmodem(raw[:2] + raw[3:-1])
        return "" if told == true else f"CRC is {told:04X}, not {true:04X}"

    def fields(self, raw: bytes) -> Fields:
        return {k: v for k, v in super().fields(raw).items() if k != "source"}

    def encode(self, fields: Fields) -> bytes:
        """From `destination`, `header` and `data` (hex)."""
        data = unhexed(fields.get("data", ""))
        if len(data) > 255:
            raise ValueError("a packet holds at most 255 bytes of data")
        head, rest = bytes([_bytes(fields, "destination"), len(data)]), bytes([_bytes(fields, "header")]) + data
        crc = xmodem(head + rest)
        return head + bytes([crc & 0xFF]) + rest + bytes([crc >> 8])


def _bytes(fields: Fields, name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or not 0 <= value <= 255:
        raise ValueError(f"{name} is a number from 0 to 255, not {value!r}")
    return value
