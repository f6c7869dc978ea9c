"""A line that is missing, taken, stuck or pulled out: one exception, never a hang, and open again by its path."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.errors import OperatorError
from devices.transport import Line, LineLost


class Cable:
    def __init__(self, link: Path) -> None:
        self.link = link
        self.plug()

    def plug(self) -> None:
        self.far, self.near = pty.openpty()
        tty.setraw(self.near)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self.near))

    def pull(self) -> None:
        os.close(self.far)
        os.close(self.near)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    one = Cable(tmp_path / "port")
    yield one
    one.pull()


def test_bytes_both_ways(cable: Cable) -> None:
    async def talk() -> None:
        line = Line(cable.link)
        line.open()
        assert await line.read(0.0) == b""
        os.write(cable.far, b"\x01\x03")
        assert await line.read(1.0) == b"\x01\x03"
        assert await line.read(0.05) == b""  # silence is not the end of the line
        await line.write(b"\x04\x0a\x0d\x11\x13\xff")
        assert os.read(cable.far, 100) == b"\x04\x0a\x0d\x11\x13\xff"  # nothing is translated on the way
        line.close()
        line.close()

    asyncio.run(talk())


def test_pulled_out_and_back(cable: Cable) -> None:
    async def talk() -> None:
        line = Line(cable.link)
        line.open()
        waiting = asyncio.create_task(line.read(None))
        await asyncio.sleep(0.05)
        cable.pull()
        with pytest.raises(LineLost):
            await waiting
        assert not line.is_open
        with pytest.raises(LineLost, match="not open"):
            await line.write(b"x")
        cable.plug()
        line.open()
        os.write(cable.far, b"x")
        assert await line.read(1.0) == b"x"
        line.close()

    asyncio.run(talk())


def test_a_line_that_takes_nothing_is_given_up(cable: Cable) -> None:
    async def talk() -> None:
        line = Line(cable.link)
        line.open()
        with pytest.raises(LineLost, match="takes no bytes"):
            await line.write(bytes(1_000_000), timeout=0.2)

    asyncio.run(talk())


def test_what_can_not_be_opened(cable: Cable, tmp_path: Path) -> None:
    async def talk() -> None:
        with pytest.raises(OperatorError, match="no such port"):
            Line(tmp_path / "nothing").open()
        (tmp_path / "file").write_text("")
        with pytest.raises(OperatorError, match="serial port"):
            Line(tmp_path / "file").open()
        first = Line(cable.link)
        first.open()
        with pytest.raises(OperatorError, match="in use"):
            Line(cable.link).open()
        first.close()

    asyncio.run(talk())
