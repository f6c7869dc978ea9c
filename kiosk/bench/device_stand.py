"""A dispenser, its driver and the cable between them in memory, in virtual time: an hour of faults in seconds.

The simulator is the one of `devices.sim` and the driver the one that pays; only the cable and the clock are ours. The
simulator runs on its own thread, but one of the two sides runs at a time and hands over when it waits, so a run depends
on its seed alone. Time stands still while somebody works and jumps to the next deadline when both wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from devices.errors import OperatorError
from devices.sim.base import Cable, Memory
from devices.sim.lcdm import Lcdm2000
from devices.transport import Line, LineLost

NOTE_SECONDS = 0.28
UNITS = ("upper", "lower")


class PowerCut(Exception):
    """The device loses power; it will be back."""


class _Stop(BaseException):
    """The stand is taken down."""


class Wire:
    """Two queues of bytes, one clock, and whose turn it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.to_host = bytearray()
        self.to_device = bytearray()
        self.plugged_at = 0.0
        #: frames or pieces that went over, both ways
        self.sent = 0
        self.stopped = False
        self._device = threading.Semaphore(0)
        self._host = threading.Semaphore(0)
        #: until when the device waits (None = for ever), and whether bytes wake it
        self._until: float | None = 0.0
        self._deaf = True
        self.broken: BaseException | None = None

    @property
    def plugged(self) -> bool:
        return self.now >= self.plugged_at

    def pull(self, seconds: float) -> None:
        """The cable comes out, and is back after `seconds`."""
        self.plugged_at = self.now + seconds
        self.to_host.clear()
        self.to_device.clear()

    # --- the device's side, on its thread ---

    def wait(self, until: float | None, deaf: bool) -> None:
        """Until the time comes or, unless deaf, a byte."""
        while not (until is not None and self.now >= until) and (deaf or not self.to_device):
            self._until, self._deaf = until, deaf
            self._host.release()
            self._device.acquire()
            if self.stopped:
                raise _Stop

    # --- the host's side ---

    def step(self, until: float | None) -> bool:
        """Let the device work, then time pass to the next deadline; False when `until` came first."""
        if not (self.to_device and not self._deaf) and not (self._until is not None and self._until <= self.now):
            if self._until is None or (until is not None and until < self._until):
                if until is None:
                    raise RuntimeError("both sides wait for ever")
                self.now = max(self.now, until)
                return False
            self.now = self._until
        self._device.release()
        self._host.acquire()
        if self.broken:
            raise RuntimeError("the simulator fell over") from self.broken
        return True

    def stop(self) -> None:
        self.stopped = True
        self._device.release()


class _DeviceEnd(Cable):
    """The simulator's end. `harm` is what the line does to bytes on their way, either way."""

    def __init__(self, wire: Wire, harm: Callable[[bytes], bytes]) -> None:
        super().__init__(None)
        self.wire = wire
        self._harm = harm  # type: ignore[method-assign]

    @property
    def plugged(self) -> bool:
        return True

    def read(self, timeout: float | None) -> bytes:
        if self._back:
            data, self._back = self._back, b""
            return data
        self.wire.wait(None if timeout is None else self.wire.now + timeout, deaf=False)
        data = bytes(self.wire.to_device)
        self.wire.to_device.clear()
        return self._harm(data) if data else b""

    def write(self, data: bytes) -> None:
        self.wire.sent += 1
        if self.wire.plugged:
            self.wire.to_host += self._harm(data)


class Machine(Lcdm2000):
    """The simulator with motion in virtual time, and with accidents counted in notes: `cut`, `pull`, `hang`."""

    cable: _DeviceEnd

    def __init__(self, wire: Wire, memory: Memory, harm: Callable[[bytes], bytes]) -> None:
        super().__init__(memory, _DeviceEnd(wire, harm), {}, fast=True)
        self.wire = wire
        self.accident: tuple[str, int] | None = None
        #: notes asked for by each command that moved some: what really reached the machine
        self.asked: list[dict[str, int]] = []

    def move(self, source: str, target: str, unit: str) -> None:
        super().move(source, target, unit)
        if target != "path":
            self.wire.wait(self.wire.now + NOTE_SECONDS, deaf=True)
        elif self.accident is not None:
            name, left = self.accident
            self.accident = (name, left - 1) if left else None
            if left == 0:
                getattr(self, f"_{name}")()

    def run_notes(self, asked: dict[str, int], done: dict[str, dict[str, int]]) -> int:
        self.asked.append(dict(asked))
        return super().run_notes(asked, done)

    def _cut(self) -> None:
        raise PowerCut

    def _pull(self) -> None:
        self.wire.pull(1.0)

    def _hang(self) -> None:
        self.wire.wait(self.wire.now + 90, deaf=True)

    def live(self) -> None:
        """The thread's work."""
        try:
            self.wire.wait(None, deaf=False)
            while True:
                try:
                    self.loop()
                except PowerCut:
                    self.faults.clear()
                    self.wire.to_device.clear()
                    self.wire.wait(self.wire.now + 3.0, deaf=True)
                    self.wire.to_device.clear()
        except _Stop:
            pass
        except BaseException as e:
            self.wire.broken = e
            self.wire._host.release()
            raise

    def clear_path(self) -> None:
        """The operator opens the machine: what sticks goes to the tray, and faults are mended."""
        for unit in UNITS:
            self.memory["rejected"][unit] += self.memory["path"][unit]
            self.memory["path"][unit] = 0
        self.faults.clear()
        self.accident = None

    def out(self, values: dict[str, int]) -> int:
        """Money (minor units) that ever left at the exit."""
        return sum(self.memory["presented"][u] * values[u] for u in UNITS)


class VirtualLine(Line):
    """The driver's end. `dies(what)` may raise, to end this process in the middle."""

    def __init__(self, wire: Wire, dies: Callable[[str], None] = lambda what: None) -> None:
        super().__init__("virtual")
        self.wire = wire
        self.dies = dies
        self._open = False

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        if not self.wire.plugged:
            raise OperatorError("there is no such port", where=self.path)
        self.wire.to_host.clear()
        self._open = True

    def close(self) -> None:
        self._open = False

    def _there(self) -> None:
        if not self._open:
            raise LineLost("not open")
        if not self.wire.plugged:
            self.close()
            raise LineLost("pulled out")

    async def read(self, timeout: float | None) -> bytes:
        self.dies("read")
        until = None if timeout is None else self.wire.now + timeout
        while True:
            self._there()
            if self.wire.to_host:
                data = bytes(self.wire.to_host)
                self.wire.to_host.clear()
                return data
            if not self.wire.step(until):
                self._there()
                return b""

    async def write(self, data: bytes, timeout: float = 5.0) -> None:
        self.dies("write")
        self._there()
        self.wire.sent += 1
        self.wire.to_device += data


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def time(self) -> float:
        return self._wire.now


class Stand:
    """A machine on its wire, and a loop whose clock is the wire's."""

    def __init__(self, harm: Callable[[bytes], bytes], notes: int) -> None:
        none = dict.fromkeys(UNITS, 0)
        loaded = dict.fromkeys(UNITS, notes)
        fresh: dict[str, Any] = {"device": "lcdm2000", "busy": False, "loaded": loaded, "cassettes": dict(loaded)}
        fresh |= {"presented": dict(none), "rejected": dict(none), "path": dict(none), "dispenses": 0}
        self.wire = Wire()
        self.machine = Machine(self.wire, Memory(None, fresh), harm)
        self.loop = _Loop(self.wire)

    def pass_time(self, seconds: float) -> None:
        until = self.wire.now + seconds
        while self.wire.step(until):
            pass


@contextmanager
def stand(harm: Callable[[bytes], bytes], notes: int = 2000) -> Iterator[Stand]:
    one = Stand(harm, notes)
    thread = threading.Thread(target=one.machine.live, daemon=True)
    thread.start()
    one.wire._host.acquire()
    try:
        yield one
    finally:
        one.wire.stop()
        thread.join(5)
        one.loop.close()
