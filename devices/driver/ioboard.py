"""Lights, Auxiliaries, doors, shutter and proximity on a Modbus I/O board (PROTOCOLS A 4: the map is our own)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import IntEnum

from devices.errors import OperatorError
from devices.framing.base import Fields
from devices.protocol.modbus import Send, Session, Silence, Timing
from devices.transport import Line, LineLost

MAP_VERSION = 1
NO_DISTANCE = 0xFFFF


class Coil(IntEnum):
    SHUTTER_OPEN = 0
    SHUTTER_LOCK = 1
    CLEAR_TAMPER = 2  #: a pulse
    ALARM = 3
    CARD_LAMP = 4
    CASH_LAMP = 5
    RECEIPT_LAMP = 6
    ATTRACT_LAMP = 7
    FAN = 8
    SPARE = 9


class Register(IntEnum):
    MAP_VERSION = 0
    WATCHDOG_MS = 2
    STATUS = 3
    DISTANCE_CM = 6
    LAMP_MODES = 10
    LAMP_LEVEL = 14


#: flashRate of XFS4IoT's Lights → lamp mode
LAMP_MODES = {"off": 0, "continuous": 1, "slow": 2, "quick": 3}
LAMPS = {"cardReader": 0, "notesDispenser": 1, "receiptPrinter": 2, "attract": 3}


class BoardError(Exception):
    """The board does not answer, or refuses: nothing may be concluded about what it did."""


@dataclass(frozen=True)
class Inputs:
    """Inputs 0 to 9, True = so."""

    service_door_open: bool
    safe_door_open: bool
    tamper: bool
    shock: bool
    present: bool
    shutter_open: bool
    shutter_closed: bool
    shutter_object: bool
    note_in_slot: bool
    mains_lost: bool

    @property
    def may_pay(self) -> bool:
        """Not while the safe is open or somebody tampered with it."""
        return not (self.safe_door_open or self.tamper or self.shock)


@dataclass(frozen=True)
class Fault:
    """Bits of the status register."""

    watchdog_fired: bool
    shutter_fault: bool
    supply_low: bool


class IoBoard:
    """One board on one line. Calls must not overlap. Every call raises `BoardError` when it can not be done."""

    CAPABILITIES = {  # noqa: RUF012
        "lights": list(LAMPS),
        "auxiliaries": ["operatorSwitch", "tamperSensor", "proximitySensor", "cabinetDoor", "safeDoor", "ups"],
    }

    def __init__(self, path: str, timing: Timing | None = None, unit: int = 1) -> None:
        self.line = Line(path, 9600, "8N1")
        self._session = Session(unit, timing)

    async def check(self) -> None:
        """The board has the map that this driver knows.

        Raises:
            BoardError: it has another, or does not answer.
        """
        version = (await self._registers(Register.MAP_VERSION, 1))[0]
        if version != MAP_VERSION:
            raise BoardError(f"the board has map version {version}, not {MAP_VERSION}")

    async def inputs(self) -> Inputs:
        answer = await self._ask(2, bytes([0, 0, 0, 10]))
        return Inputs(*(bool(b) for b in answer["bits"][:10]))

    async def fault(self) -> Fault:
        bits = (await self._registers(Register.STATUS, 1))[0]
        return Fault(bool(bits & 1), bool(bits & 2), bool(bits & 4))

    async def distance_cm(self) -> int | None:
        """To the person before it; None when nobody is seen."""
        value = (await self._registers(Register.DISTANCE_CM, 1))[0]
        return None if value == NO_DISTANCE else value

    async def set_light(self, lamp: str, flash_rate: str) -> None:
        """`lamp` and `flash_rate` in the words of `LAMPS` and `LAMP_MODES`."""
        await self._write(Register.LAMP_MODES + LAMPS[lamp], LAMP_MODES[flash_rate])

    async def set_watchdog(self, milliseconds: int) -> None:
        """After so long without a frame the board closes the shutter and puts out the lamps; 0 = never."""
        await self._write(Register.WATCHDOG_MS, milliseconds)

    async def set_coil(self, coil: Coil, on: bool) -> None:
        """A level: may be set again without harm.

        Raises:
            ValueError: a pulse is no level.
        """
        if coil is Coil.CLEAR_TAMPER:
            raise ValueError("clear the tamper latch with clear_tamper")
        await self._ask(5, bytes([0, coil, 0xFF if on else 0, 0]))

    async def clear_tamper(self) -> bool:
        """Clear the latches; True when they are clear afterwards. It is sent once: after silence they are read."""
        try:
            await self._ask(5, bytes([0, Coil.CLEAR_TAMPER, 0xFF, 0]), pulse=True)
        except BoardError:
            if not self.line.is_open:
                raise
        now = await self.inputs()
        return not (now.tamper or now.shock)

    async def move_shutter(self, open_: bool, timeout: float = 5.0) -> bool:
        """True when the end switch says that it is there."""
        await self.set_coil(Coil.SHUTTER_OPEN, open_)
        end = _now() + timeout
        while _now() < end:
            now = await self.inputs()
            if now.shutter_open is open_ and now.shutter_closed is not open_:
                return True
            await asyncio.sleep(0.1)
        return False

    async def _registers(self, start: int, count: int) -> list[int]:
        answer = await self._ask(3, bytes([0, start, 0, count]))
        return [int(r) for r in answer["registers"]]

    async def _write(self, register: int, value: int) -> None:
        await self._ask(6, bytes([0, register]) + value.to_bytes(2, "big"))

    async def _ask(self, function: int, data: bytes, pulse: bool = False) -> Fields:
        session = self._session
        try:
            if not self.line.is_open:
                self.line.open()
            while await self.line.read(0.0):
                pass
            acts = session.ask(function, data, _now(), pulse=pulse)
            while True:
                for act in acts:
                    if isinstance(act, Send):
                        await self.line.write(act.data)
                    elif isinstance(act, Silence):
                        raise BoardError("the board does not answer")
                    elif "exception" in act:
                        raise BoardError(f"the board refuses: {act['exception']}")
                    else:
                        return act
                deadline = session.deadline
                assert deadline is not None
                data_in = await self.line.read(max(0.0, deadline - _now()))
                acts = session.feed(data_in, _now()) if data_in else []
                acts = acts or session.tick(_now())
        except (LineLost, OperatorError) as e:
            raise BoardError(str(e)) from e


def _now() -> float:
    return asyncio.get_running_loop().time()
