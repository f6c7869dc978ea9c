"""Traps of serial lines that others met, each shown first and then stepped around by `Line`."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from devices import transport
from devices.driver.ccnet import CcnetAcceptor
from devices.driver.ebds import EbdsAcceptor
from devices.driver.id003 import Id003Acceptor
from devices.driver.ioboard import IoBoard
from devices.driver.sam import CardReader
from devices.transport import Line, LineLost


@pytest.fixture
def far() -> Iterator[tuple[int, str]]:
    """The device's end of a fresh pty, and the name of the host's."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for fd in (master, slave):
        try:
            os.close(fd)
        except OSError:
            pass  # the test pulled it


@pytest.mark.parametrize("form", ["7E1", "8E1"])
def test_a_pty_is_opened_again_whatever_the_form(far: tuple[int, str], form: str, tmp_path: Path) -> None:
    master, name = far
    link = tmp_path / "port"
    link.symlink_to(name)

    async def talk() -> None:
        for path in (name, str(link)):
            line = Line(path, 9600, form)
            for _ in range(3):
                line.open()
                await line.write(b"\x02\x7f")
                assert os.read(master, 10) == b"\x02\x7f"
                line.close()

    asyncio.run(talk())


def test_the_trap_itself_is_still_there(far: tuple[int, str]) -> None:
    """If this fails, the C library or the kernel has changed, and the way around in `Line` may go."""
    first = serial.Serial(far[1], 9600, bytesize=7, parity="E")
    first.close()
    with pytest.raises((termios.error, serial.SerialException, OSError)):
        serial.Serial(far[1], 9600, bytesize=7, parity="E")


@pytest.mark.parametrize(
    ("line", "baud", "bits", "parity"),
    [
        (CcnetAcceptor("dev").line, 9600, 8, "N"),
        (Id003Acceptor("dev").line, 9600, 8, "E"),
        (EbdsAcceptor("dev").line, 9600, 7, "E"),
        (CardReader("dev").line, 115200, 8, "N"),
        (IoBoard("dev").line, 9600, 8, "N"),
    ],
)
def test_a_true_port_gets_the_settings_of_its_device(
    monkeypatch: pytest.MonkeyPatch, line: Line, baud: int, bits: int, parity: str
) -> None:
    asked: dict[str, Any] = {}

    class Port:
        def __init__(self, path: str, baudrate: int, **settings: Any) -> None:
            asked.update(settings, baud=baudrate)
            self.near, self.far = os.pipe()

        def fileno(self) -> int:
            return self.near

        def close(self) -> None:
            os.close(self.near)
            os.close(self.far)

    monkeypatch.setattr(transport.serial, "Serial", Port)

    async def use() -> None:
        line.open()
        line.close()

    asyncio.run(use())
    assert (asked["baud"], asked["bytesize"], asked["parity"], asked["stopbits"]) == (baud, bits, parity, 1)
    assert asked["write_timeout"]
    assert asked["exclusive"]


def test_flush_of_a_line_that_hung_up_is_no_oserror(far: tuple[int, str]) -> None:
    port = serial.Serial(far[1], 9600, timeout=0, write_timeout=1)
    os.close(far[0])
    with pytest.raises(termios.error) as caught:
        port.flush()
    assert not isinstance(caught.value, OSError)
    port.close()


def test_a_line_that_hung_up_is_lost_and_nothing_else(far: tuple[int, str]) -> None:
    async def talk() -> None:
        line = Line(far[1])
        line.open()
        os.close(far[0])
        with pytest.raises(LineLost):
            await line.read(0.5)
        with pytest.raises(LineLost):
            await line.write(b"x")
        assert not line.is_open
        line.close()

    asyncio.run(talk())


def test_a_write_to_a_full_line_ends(far: tuple[int, str]) -> None:
    """Nobody reads at the other end: raw pyserial without `write_timeout` would wait for ever."""

    async def talk() -> None:
        line = Line(far[1], 9600, "7E1")
        line.open()
        with pytest.raises(LineLost, match="takes no bytes"):
            await line.write(bytes(300_000), timeout=0.2)

    asyncio.run(talk())
