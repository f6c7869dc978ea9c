"""ESC/POS status: what a receipt printer answers, and the short commands that ask for it or end a job.

    one byte      0..1..10   answer to DLE EOT n       bits 0 and 7 off, 1 and 4 on        (b & 93 = 12)
    four bytes    0..1..00   automatic status (ASB)    first byte b & 93 = 10, then three with b & 90 = 00
    one byte      0..0....   answer to GS r            b & 90 = 00
    one byte      11 / 13    XON / XOFF, may stand between any two of the others

The one-byte answers do not say to which question they belong: the asker must know (`n` of DLE EOT), so the bits are
given by number here and named by `meaning`. Bit masks: printer manuals SRP-350, CBM1000, TM-T88III (PROTOCOLS A 2).
A host's bytes are a different stream (`10 04 01` asks, while `10 04 01 00` may be an ASB): the side is an argument.
"""

from __future__ import annotations

from devices.framing.base import Codec, Fault, Fields, Frame, Side, Took, hexed, unhexed

XON, XOFF = 0x11, 0x13
#: n of DLE EOT → bit mask → word; several masks of one word are alternatives
DLE_EOT: dict[int, dict[int, str]] = {
    1: {0x04: "drawer", 0x08: "offline", 0x20: "waiting", 0x40: "feed-button"},
    2: {0x04: "cover-open", 0x08: "feed-button", 0x20: "paper-stop", 0x40: "error"},
    3: {0x04: "mechanical", 0x08: "cutter", 0x20: "unrecoverable", 0x40: "recovers"},
    4: {0x04: "near-end", 0x08: "near-end", 0x20: "paper-end", 0x40: "paper-end"},
}
GS_R_PAPER = {0x03: "near-end", 0x0C: "paper-end"}
ASB: tuple[dict[int, str], ...] = (
    {0x04: "drawer", 0x08: "offline", 0x20: "cover-open", 0x40: "feed-button"},
    {0x01: "waiting", 0x02: "feed-switch", 0x04: "mechanical", 0x08: "cutter", 0x20: "unrecoverable", 0x40: "recovers"},
    {0x03: "near-end", 0x0C: "paper-end"},
    {},
)

#: the host's commands of fixed length: prefix → (name, bytes in all)
HOST: dict[bytes, tuple[str, int]] = {
    b"\x10\x04": ("dle-eot", 3),
    b"\x10\x05": ("dle-enq", 3),
    b"\x1d\x72": ("gs-r", 3),
    b"\x1d\x61": ("gs-a", 3),
    b"\x1b\x40": ("initialise", 2),
    b"\x1b\x64": ("feed", 3),
    b"\x1b\x61": ("align", 3),
    b"\x1b\x45": ("bold", 3),
    b"\x1b\x21": ("mode", 3),
    b"\x1b\x63\x35": ("buttons", 4),
    b"\x1c\x26": ("chinese-on", 2),
    b"\x1c\x2e": ("chinese-off", 2),
    b"\x1d\x56\x00": ("cut", 3),
    b"\x1d\x56\x01": ("cut", 3),
    b"\x1d\x56\x41": ("feed-cut", 4),
    b"\x1d\x56\x42": ("feed-cut", 4),
}
_RASTER = b"\x1d\x76\x30"


def meaning(byte: int, masks: dict[int, str]) -> list[str]:
    """The words whose mask has a bit in `byte`, each once."""
    return list(dict.fromkeys(word for mask, word in masks.items() if byte & mask))


class EscposStatusCodec(Codec):
    """One side of the line: `device` (status bytes) or `host` (commands)."""

    def __init__(self, side: Side = "device") -> None:
        super().__init__()
        self.side = side

    def scan(self, buffer: bytes) -> Took | None:
        return _scan_device(buffer) if self.side == "device" else _scan_host(buffer)

    def encode(self, fields: Fields) -> bytes:
        """From what `feed` gave: `data` (hex) and `kind`, which it must fit."""
        data = unhexed(fields.get("data"))
        side: Side = "host" if fields.get("side") == "host" else "device"
        frame = self._one(data, side)
        if fields.get("kind") not in (None, frame.fields["kind"]):
            raise ValueError(f"{hexed(data)} is {frame.fields['kind']}, not {fields['kind']}")
        return data

    def wrap(self, body: bytes, side: Side) -> bytes:
        """ESC/POS has no frame around its bytes: `body` itself, if it is one command or one answer."""
        return self._one(body, side).raw

    @staticmethod
    def _one(data: bytes, side: Side) -> Frame:
        codec = EscposStatusCodec(side)
        items = codec.feed(data) + codec.end()
        if len(items) != 1 or isinstance(items[0], Fault):
            raise ValueError(f"{hexed(data)} is not one ESC/POS status {'command' if side == 'host' else 'answer'}")
        return items[0]


def _frame(raw: bytes, side: Side, kind: str, **more: object) -> Frame:
    return Frame(raw, {"side": side, "kind": kind, "data": hexed(raw), **more})


def _scan_device(buffer: bytes) -> Took | None:
    first = buffer[0]
    if first in (XON, XOFF):
        return Took(1, _frame(buffer[:1], "device", "xon" if first == XON else "xoff"))
    if first & 0x93 == 0x12:
        bits = {f"n{n}": meaning(first, masks) for n, masks in DLE_EOT.items()}
        return Took(1, _frame(buffer[:1], "device", "dle-eot", status=first, **bits))
    if first & 0x93 == 0x10:
        return _scan_asb(buffer)
    if first & 0x90 == 0:
        return Took(1, _frame(buffer[:1], "device", "gs-r", status=first, paper=meaning(first, GS_R_PAPER)))
    return Took(1, None)


def _scan_asb(buffer: bytes) -> Took | None:
    """Four bytes; flow control between them belongs to the line and is passed over (it stays in `raw`)."""
    parts = bytearray()
    for place, byte in enumerate(buffer):
        if byte in (XON, XOFF) and parts:
            continue
        if parts and byte & 0x90:
            return Took(1, Fault(buffer[:1], f"byte {len(parts) + 1} of an automatic status is {byte:02X}"))
        parts.append(byte)
        if len(parts) == 4:
            words = [w for b, masks in zip(parts, ASB, strict=True) for w in meaning(b, masks)]
            return Took(place + 1, _frame(buffer[: place + 1], "device", "asb", status=list(parts), words=words))
    return None


def _scan_host(buffer: bytes) -> Took | None:
    if buffer[0] not in (0x10, 0x1B, 0x1C, 0x1D):
        return Took(1, None)
    if buffer.startswith(_RASTER):
        if len(buffer) < 8:
            return None
        wide, rows = int.from_bytes(buffer[4:6], "little"), int.from_bytes(buffer[6:8], "little")
        size = 8 + wide * rows
        if len(buffer) < size:
            return None
        return Took(size, _frame(buffer[:size], "host", "raster", width=wide * 8, rows=rows))
    for prefix, (name, size) in HOST.items():
        if buffer.startswith(prefix):
            if len(buffer) < size:
                return None
            return Took(size, _frame(buffer[:size], "host", name, parameters=list(buffer[len(prefix) : size])))
    if any(p.startswith(buffer) for p in (*HOST, _RASTER)):
        return None
    return Took(1, Fault(buffer[:1], f"unknown command {hexed(buffer[:2])}"))
