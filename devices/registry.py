"""The devices by name: class, protocol, line, simulator and driver. `python -m devices sim NAME` and the contract tests
read it; a new device is one entry here. Modules are named, not imported, so that a simulator never loads a driver.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Device:
    """One kind of device."""

    words: str
    #: XFS4IoT's class
    kind: str
    #: a codec of `devices.framing.CODECS`
    protocol: str
    #: module of `devices.sim`; its `main` runs it
    sim: str
    #: `module:Class` of `devices.driver`, made with a `Line` (and `fixed_driver`)
    driver: str
    baud: int = 9600
    #: bits, parity, stop bits
    form: str = "8N1"
    #: options of the simulator: name → default, what it is
    options: dict[str, tuple[Any, str]] = field(default_factory=dict)
    #: what this device always gives to the simulator's `main`
    fixed: dict[str, Any] = field(default_factory=dict)
    #: what this device always gives to the driver
    fixed_driver: dict[str, Any] = field(default_factory=dict)

    def simulator(self) -> Callable[..., None]:
        """The `main` of the simulator's module."""
        main: Callable[..., None] = importlib.import_module(f"devices.sim.{self.sim}").main
        return main

    def open(self, line: Any) -> Any:
        """The driver on `line`; nothing is sent yet."""
        module, name = self.driver.split(":")
        return getattr(importlib.import_module(f"devices.driver.{module}"), name)(line, **self.fixed_driver)


_FEED = ("", "Main units of the notes that the customer feeds, as 100,20.")
_CHECK = ("sum", "How packets are checked: sum or crc.")
DEVICES: dict[str, Device] = {
    "lcdm2000": Device(
        "Puloon LCDM-2000, a cash dispenser with two cassettes.",
        "CashDispenser",
        "lcdm",
        "lcdm",
        "lcdm:CashDispenser",
        options={
            "upper": (500, "Notes loaded in the upper cassette of a new state."),
            "lower": (500, "Notes loaded in the lower cassette of a new state."),
            "power-loss-after": (-1, "The same as --fault power-loss-after=K."),
            "rom": ("T01T1A2B", "What it says it is: eight characters."),
        },
    ),
    "escpos": Device(
        "A receipt printer that speaks ESC/POS.",
        "Printer",
        "escpos-status",
        "escpos",
        "escpos:ReceiptPrinter",
        options={"paper": (2000, "Lines left on the roll of a new state.")},
    ),
    "nv9": Device(
        "ITL NV9, a note acceptor that speaks plain SSP.",
        "CashAcceptor",
        "ssp",
        "ssp",
        "ssp:CashAcceptor",
        form="8N2",
        options={"feed": _FEED},
        fixed={"model": "nv9", "load": 0},
    ),
    "nv200": Device(
        "ITL NV200, a note acceptor that speaks eSSP.",
        "CashAcceptor",
        "essp",
        "ssp",
        "ssp:CashAcceptor",
        form="8N2",
        options={"feed": _FEED},
        fixed={"model": "nv200", "load": 0},
    ),
    "smartpayout": Device(
        "ITL SMART Payout, a note recycler that speaks eSSP.",
        "CashAcceptor",
        "essp",
        "ssp",
        "ssp:CashAcceptor",
        form="8N2",
        options={"feed": _FEED, "load": (10, "Notes of each value loaded in the recycler of a new state.")},
        fixed={"model": "smartpayout"},
    ),
    "coin-acceptor": Device(
        "A ccTalk coin acceptor at address 2.",
        "CashAcceptor",
        "cctalk",
        "cctalk",
        "cctalk:CoinAcceptor",
        options={"feed": ("", "Minor units of the coins that the customer feeds, as 100,50."), "check": _CHECK},
        fixed={"device": "coin-acceptor"},
    ),
    "hopper": Device(
        "A ccTalk hopper at address 3, opened by its serial number.",
        "CashDispenser",
        "cctalk",
        "cctalk",
        "cctalk:Hopper",
        options={"load": (500, "Coins loaded in a new state."), "check": _CHECK},
        fixed={"device": "hopper"},
    ),
}
