"""The ID-card reader: driver against simulator over a real pty, with each fault; and nothing of the card in any log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from device_bench import Sim
from hypothesis import given
from hypothesis import strategies as st

from devices.driver.sam import CardReader, Identity
from devices.protocol.sam import Failed, Read, Send, Session, Timing

QUICK = Timing(find=0.4, read=0.6, poll=0.05)


def read(sim: Sim, timeout: float = 5.0, times: int = 1) -> list[Identity | Failed]:
    async def run() -> list[Identity | Failed]:
        reader = CardReader(str(sim.link), QUICK)
        got = [await reader.read_text(timeout) for _ in range(times)]
        reader.line.close()
        return got

    return asyncio.run(run())


def test_the_text_and_nothing_of_it_in_the_log(sim: Callable[..., Sim], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    first, second, third = read(sim("sam", "--fast", "--put", "2"), timeout=1.5, times=3)
    assert isinstance(first, Identity)
    assert (first.name, first.sex, first.birth, first.until) == ("虚构人", "2", "19491231", "长期")
    assert first.number == "11010519491231002X"
    assert first.good_number
    assert second == first
    assert third == Failed("no card was laid down in time", again=True)
    assert "bytes" in caplog.text
    number = first.number.encode("utf-16-le").hex(" ")
    for piece in (first.number, first.name, number, first.name.encode("utf-16-le").hex(" ")):
        assert piece not in caplog.text + repr(first) + str(first)


@pytest.mark.parametrize(
    "fault",
    [
        "no-select",
        "no-authentication=1",
        "lose-reply",
        "corrupt-reply",
        "short-reply",
        "corrupt-reply=2",
        "drip",
        "noise",
    ],
)
def test_a_fault_that_is_got_over(sim: Callable[..., Sim], fault: str) -> None:
    (got,) = read(sim("sam", "--fast", "--fault", fault))
    assert isinstance(got, Identity)
    assert got.good_number


@pytest.mark.parametrize(
    ("fault", "again"),
    [("no-authentication=3", True), ("corrupt-reply=3", True), ("self-test", False), ("silent", False)],
)
def test_a_fault_that_is_told(sim: Callable[..., Sim], fault: str, again: bool) -> None:
    (got,) = read(sim("sam", "--fast", "--fault", fault))
    assert isinstance(got, Failed)
    assert got.again is again


def test_the_bytes_of_the_sheet() -> None:
    session = Session()
    assert session.start(0) == [Send(bytes.fromhex("AA AA AA 96 69 00 03 11 FF ED"))]
    find = [Send(bytes.fromhex("AA AA AA 96 69 00 03 20 01 22"))]
    assert session.feed(bytes.fromhex("AA AA AA 96 69 00 04 00 00 90 94"), 0.1) == find
    assert session.feed(bytes.fromhex("AA AA AA 96 69 00 04 00 00 80 84"), 0.2) == []  # no card
    assert session.tick(0.5) == []
    assert session.tick(0.65) == find
    select = session.feed(bytes.fromhex("AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97"), 0.7)
    assert select == [Send(bytes.fromhex("AA AA AA 96 69 00 03 20 02 21"))]
    reading = session.feed(bytes.fromhex("AA AA AA 96 69 00 0C 00 00 90 00 00 00 00 00 00 00 00 9C"), 0.8)
    assert reading == [Send(bytes.fromhex("AA AA AA 96 69 00 03 30 01 32"))]
    assert session.feed(bytes.fromhex("AA AA AA 96 69 00 04 00 00 41 45"), 0.9) == []  # back to find
    assert session.tick(1.3) == find


@given(st.lists(st.tuples(st.binary(max_size=40), st.floats(0, 2))))
def test_any_bytes(steps: list[tuple[bytes, float]]) -> None:
    session, now = Session(), 0.0
    session.start(now)
    for data, wait in steps:
        now += wait
        assert not any(isinstance(a, Read) for a in session.feed(data, now) + session.tick(now))
