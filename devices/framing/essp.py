"""ITL eSSP: SSP packets whose data is encrypted (GA138 p11-12; PROTOCOLS B 1.11).

    SSP DATA      7E  AES-128-ECB( eLEN 1, eCOUNT 4, eDATA[eLEN], packing, eCRC 2 )       all low byte first
    eCRC          SSP's CRC over eLEN..packing; packing fills up to a multiple of 16
    key           8 bytes fixed key, 8 bytes Diffie-Hellman key, each low byte first

On the wire it is SSP: without the key a packet shows its blocks and no more. SYNC and the key exchange are never
encrypted. A count that is not the expected one means that a packet was lost, repeated or forged: it is discarded.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from devices.framing.base import Fault, Frame, Took
from devices.framing.checks import ssp_crc
from devices.framing.ssp import ENCRYPTED, SspCodec

DEFAULT_FIXED_KEY = 0x0123456701234567


def shared_key(fixed: int, negotiated: int) -> bytes:
    """The AES key of the fixed and the negotiated 64-bit halves."""
    return fixed.to_bytes(8, "little") + negotiated.to_bytes(8, "little")


class EsspCodec(SspCodec):
    """SSP, and a packet that claims to be encrypted must have whole blocks."""

    def scan(self, buffer: bytes) -> Took | None:
        took = super().scan(buffer)
        if took and isinstance(took.item, Frame) and took.item.fields.get("whole") is False:
            return Took(took.size, Fault(took.item.raw, "encrypted data is not a whole number of 16-byte blocks"))
        return took


class Seal:
    """Encrypts and opens SSP data under one negotiated key. Counts are the caller's: they rise with each packet."""

    def __init__(self, key: bytes, packing: Callable[[int], bytes] = secrets.token_bytes) -> None:
        # ECB is what the device speaks; the count inside is what keeps equal packets apart.
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())
        self._packing = packing

    def close(self, data: bytes, count: int) -> bytes:
        """The DATA of an SSP packet that carries `data`.

        Raises:
            ValueError: more data than a packet holds.
        """
        if len(data) > 233:
            raise ValueError("an encrypted packet holds at most 233 bytes")
        plain = bytes([len(data)]) + count.to_bytes(4, "little") + data
        plain += self._packing(-(len(plain) + 2) % 16)
        plain += ssp_crc(plain).to_bytes(2, "little")
        encryptor = self._cipher.encryptor()
        return bytes([ENCRYPTED]) + encryptor.update(plain) + encryptor.finalize()

    def open(self, packet: bytes, count: int) -> bytes | str:
        """The data inside the DATA of a packet, or in words why it must be discarded."""
        if packet[:1] != bytes([ENCRYPTED]) or len(packet) < 17 or len(packet) % 16 != 1:
            return "not an encrypted packet"
        decryptor = self._cipher.decryptor()
        plain = decryptor.update(packet[1:]) + decryptor.finalize()
        if ssp_crc(plain[:-2]) != int.from_bytes(plain[-2:], "little") or plain[0] > len(plain) - 7:
            return "the inner CRC is wrong: another key"
        got = int.from_bytes(plain[1:5], "little")
        return plain[5 : 5 + plain[0]] if got == count else f"count is {got}, not {count}"
