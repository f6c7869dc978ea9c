"""The codecs by name, for the command line and the tests that run over every codec found.

Framing is pure: bytes in, frames and faults out (`base.Codec`). One protocol is one file beside this one.
"""

from __future__ import annotations

import importlib
from typing import cast

from devices.framing.base import Codec

#: protocol → module and class
CODECS: dict[str, tuple[str, str]] = {
    "lcdm": ("lcdm", "LcdmCodec"),
    "ssp": ("ssp", "SspCodec"),
    "essp": ("essp", "EsspCodec"),
    "cctalk": ("cctalk", "CctalkCodec"),
    "cctalk-crc": ("cctalk", "CctalkCrcCodec"),
    "ccnet": ("ccnet", "CcnetCodec"),
    "id003": ("id003", "Id003Codec"),
    "ebds": ("ebds", "EbdsCodec"),
    "sam": ("sam", "SamCodec"),
    "modbus": ("modbus", "ModbusCodec"),
    "escpos-status": ("escpos_status", "EscposStatusCodec"),
}


def codec(protocol: str) -> Codec:
    """A fresh codec.

    Raises:
        KeyError: no such protocol.
    """
    module, name = CODECS[protocol]
    return cast(Codec, getattr(importlib.import_module(f"devices.framing.{module}"), name)())
