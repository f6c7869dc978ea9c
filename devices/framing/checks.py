"""The checksums of the framings, each with the value it gives for the ASCII digits 1 to 9."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import crcmod

_Crc = Callable[[bytes], int]


def _crc(poly: int, initial: int, reflected: bool) -> _Crc:
    return cast(_Crc, crcmod.mkCrcFun(poly, initCrc=initial, rev=reflected, xorOut=0))


#: SSP: 8005, starts at FFFF, not reflected. AEE7
ssp_crc = _crc(0x18005, 0xFFFF, False)
#: ccTalk: CRC-16/XMODEM. 31C3
xmodem = _crc(0x11021, 0, False)
#: CCNET and ID-003: CRC-16/KERMIT. 2189
kermit = _crc(0x11021, 0, True)


def xor(data: bytes) -> int:
    check = 0
    for byte in data:
        check ^= byte
    return check
