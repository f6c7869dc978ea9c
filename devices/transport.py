"""A serial line on the event loop: bytes out, bytes in, and one exception when the line is gone.

Always opened by its path (`/dev/serial/by-id/…`, or a simulator's link), never by a ttyUSB number, so that it is found
again after an unplug. `exclusive` is advisory on Linux; the device service being the sole owner is what really counts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import termios
from collections.abc import Callable
from pathlib import Path

import serial

from devices.errors import OperatorError

log = logging.getLogger("devices.line")


class LineLost(Exception):
    """The cable, the adapter or the device is gone, or takes no bytes any more."""


Record = Callable[[str, bytes], None]


def _nothing(who: str, data: bytes) -> None:
    pass


class Line:
    """One serial port. Not opened by construction; after `LineLost`, `open` may be tried again at any time.

    `form`: bits, parity and stop bits as they are written, `8N1`. `secret`: what passes is never logged or recorded,
    not even for support. `record` is told of every piece: host, device or open, and its bytes (`tape.Tape.add`).
    """

    def __init__(
        self,
        path: str | Path,
        baud: int = 9600,
        form: str = "8N1",
        secret: bool = False,
        record: Record | None = None,
    ) -> None:
        self.path = str(path)
        self.baud = baud
        self.form = form
        self.secret = secret
        self._record = record if record and not secret else _nothing
        self._port: serial.Serial | None = None
        self._readable = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._port is not None

    def open(self) -> None:
        """No flow control; what arrived before is thrown away.

        A pty has neither parity nor 7 bits: Linux drops them silently at the first open and the C library answers
        EINVAL at the second, so a simulator's line is opened as 8N1 whatever `form` says.

        Raises:
            OperatorError: there is no such port, it may not be used, or somebody has it.
        """
        self.close()
        try:
            form = "8N1" if Path(self.path).resolve().is_relative_to("/dev/pts") else self.form
            port = serial.Serial(
                self.path,
                self.baud,
                bytesize=int(form[0]),
                parity=form[1],
                stopbits=int(form[2]),
                timeout=0,
                write_timeout=2,
                exclusive=True,
            )
        except (serial.SerialException, OSError, termios.error) as e:
            raise _explained(self.path, e) from e
        self._port = port
        self._record("open", b"")
        self._readable.clear()
        asyncio.get_running_loop().add_reader(port.fileno(), self._readable.set)

    def close(self) -> None:
        """Let go of the port; twice does no harm."""
        port, self._port = self._port, None
        if port is None:
            return
        try:
            asyncio.get_running_loop().remove_reader(port.fileno())
            port.close()
        except (serial.SerialException, OSError, termios.error) as e:  # a hung-up line complains; it is gone anyway
            log.debug("%s: closing: %s", self.path, e)
        self._readable.set()

    async def read(self, timeout: float | None) -> bytes:
        """What is there, or comes within `timeout` seconds (None = for ever); empty when nothing came.

        Raises:
            LineLost: the line hung up.
        """
        now = asyncio.get_running_loop().time
        end = None if timeout is None else now() + timeout
        # A tty without bytes and a tty that hung up both read as nothing, so readiness is asked for before each read.
        while not select.select([self._fd()], [], [], 0)[0]:
            self._readable.clear()
            left = None if end is None else end - now()
            if left is not None and left <= 0:
                return b""
            try:
                await asyncio.wait_for(self._readable.wait(), left)
            except TimeoutError:
                return b""
        try:
            data = os.read(self._fd(), 4096)
        except OSError as e:
            raise self._lost(e) from e
        if not data:
            raise self._lost("end of file")
        self._record("device", data)
        log.debug("%s < %s", self.path, self._shown(data))
        return data

    async def write(self, data: bytes, timeout: float = 5.0) -> None:
        """All of `data`, waiting for a line that is full.

        Raises:
            LineLost: the line hung up or took nothing for `timeout` seconds.
        """
        self._record("host", data)
        log.debug("%s > %s", self.path, self._shown(data))
        stuck_at = asyncio.get_running_loop().time() + timeout
        while data:
            try:
                sent = os.write(self._fd(), data)
            except BlockingIOError:
                sent = 0
            except OSError as e:
                raise self._lost(e) from e
            if sent:
                data = data[sent:]
                stuck_at = asyncio.get_running_loop().time() + timeout
            elif asyncio.get_running_loop().time() > stuck_at:
                raise self._lost("it takes no bytes")
            else:
                await asyncio.sleep(0.01)

    def _shown(self, data: bytes) -> str:
        return f"{len(data)} bytes" if self.secret else data.hex(" ")

    def _fd(self) -> int:
        if self._port is None:
            raise LineLost(f"{self.path}: not open")
        return int(self._port.fileno())

    def _lost(self, why: object) -> LineLost:
        self.close()
        return LineLost(f"{self.path}: {why}")


def _explained(path: str, e: Exception) -> OperatorError:
    text = str(e)
    if not Path(path).exists():
        return OperatorError(
            "there is no such port", where=path, remedy="Plug the device in, or mend `port` in the config"
        )
    if "exclusively lock" in text or "busy" in text:
        return OperatorError("the port is in use", where=path, remedy="Stop the program that has it (`fuser` names it)")
    if "Permission" in text:
        return OperatorError("the port may not be opened", where=path, remedy="Add this user to the group `dialout`")
    return OperatorError(f"the port can not be opened: {text}", where=path, remedy="Check that it is a serial port")
