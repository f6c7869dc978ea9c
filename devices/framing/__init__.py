"""The codecs by name, for the command line and the tests that run over every codec found.

Framing is pure: bytes in, frames and faults out (`base.Codec`). One protocol is one file beside this one.
"""

from __future__ import annotations

import importlib
from typing import cast

from devices.framing.base import Codec

#: protocol → module and class; None is named in the contract and not built yet
CODECS: dict[str, tuple[str, str] | None] = {
    "lcdm": ("lcdm", "LcdmCodec"),
    "ssp": None,
    "essp": None,
    "cctalk": None,
    "cctalk-crc": None,
    "ccnet": None,
    "id003": None,
    "ebds": None,
    "sam": None,
    "modbus": None,
    "escpos-status": ("escpos_status", "EscposStatusCodec"),
}


def built() -> list[str]:
    """Names of the protocols that have a codec."""
    return [name for name, where in CODECS.items() if where]


def codec(protocol: str) -> Codec:
    """A fresh codec.

    Raises:
        KeyError: no such protocol.
        NotImplementedError: the protocol is known and has no codec yet.
    """
    where = CODECS[protocol]
    if where is None:
        raise NotImplementedError(protocol)
    module, name = where
    return cast(Codec, getattr(importlib.import_module(f"devices.framing.{module}"), name)())
