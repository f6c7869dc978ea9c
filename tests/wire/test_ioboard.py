"""The I/O board: driver against simulator over a real pty, with each fault; a pulse goes out once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from device_bench import Sim
from hypothesis import given
from hypothesis import strategies as st

from devices.driver.ioboard import BoardError, Coil, IoBoard
from devices.protocol.modbus import Send, Session, Silence

T = TypeVar("T")


def on(sim: Sim, act: Callable[[IoBoard], Awaitable[T]]) -> T:
    async def run() -> T:
        board = IoBoard(str(sim.link))
        try:
            return await act(board)
        finally:
            board.line.close()

    return asyncio.run(run())


def test_doors_lamps_shutter_and_proximity(sim: Callable[..., Sim]) -> None:
    one = sim("ioboard", "--fast", "--put", "1,4")

    async def act(board: IoBoard) -> None:
        await board.check()
        inputs = await board.inputs()
        assert inputs.safe_door_open
        assert inputs.present
        assert not inputs.may_pay
        assert await board.distance_cm() == 60
        await board.set_light("notesDispenser", "quick")
        await board.set_coil(Coil.ALARM, True)
        assert await board.move_shutter(True)
        assert await board.move_shutter(False)
        assert not (await board.fault()).shutter_fault
        with pytest.raises(ValueError, match="clear_tamper"):
            await board.set_coil(Coil.CLEAR_TAMPER, True)

    on(one, act)
    assert one.truth["registers"][11] == 3
    assert one.truth["coils"][3] == 1


@pytest.mark.parametrize("fault", ["lose-reply=2", "corrupt-reply=2", "short-reply=2", "duplicate-reply", "drip"])
def test_a_fault_that_is_got_over(sim: Callable[..., Sim], fault: str) -> None:
    one = sim("ioboard", "--fast", "--put", "4", "--fault", fault)

    async def act(board: IoBoard) -> None:
        assert (await board.inputs()).present
        await board.set_light("attract", "continuous")
        assert (await board.inputs()).present

    on(one, act)
    assert one.truth["registers"][13] == 1


@pytest.mark.parametrize(
    ("fault", "why"),
    [("silent", "does not answer"), ("lose-reply=3", "does not answer"), ("busy", "busy"), ("map", "2")],
)
def test_a_fault_that_is_told(sim: Callable[..., Sim], fault: str, why: str) -> None:
    async def act(board: IoBoard) -> None:
        async def both() -> None:
            await board.check()
            await board.set_coil(Coil.FAN, True)

        with pytest.raises(BoardError, match=why):
            await both()

    on(sim("ioboard", "--fast", "--fault", fault), act)


@pytest.mark.parametrize("fault", ["lose-pulse-reply", "drip"])
def test_a_pulse_goes_out_once_and_is_read_back(sim: Callable[..., Sim], fault: str) -> None:
    one = sim("ioboard", "--fast", "--put", "2,3", "--fault", fault)
    assert on(one, lambda board: board.clear_tamper())
    assert one.truth["pulses"] == 1


def test_a_shutter_that_is_stuck(sim: Callable[..., Sim]) -> None:
    async def act(board: IoBoard) -> None:
        assert not await board.move_shutter(True, 0.5)
        assert (await board.fault()).shutter_fault

    on(sim("ioboard", "--fast", "--fault", "shutter-stuck"), act)


def test_the_watchdog(sim: Callable[..., Sim]) -> None:
    one = sim("ioboard", "--fast")

    async def act(board: IoBoard) -> None:
        await board.set_light("cardReader", "slow")
        assert await board.move_shutter(True)
        await board.set_watchdog(200)
        await asyncio.sleep(0.5)
        assert (await board.fault()).watchdog_fired
        assert (await board.inputs()).shutter_closed

    on(one, act)
    assert one.truth["registers"][10] == 0


def test_the_bytes_of_the_sheet() -> None:
    ask = Session()
    assert ask.ask(2, bytes([0, 0, 0, 16]), 0.0) == [Send(bytes.fromhex("01 02 00 00 00 10 79 C6"))]
    (fields,) = ask.feed(bytes.fromhex("01 02 02 01 00 B8 28"), 0.1)
    assert isinstance(fields, dict)
    assert fields["bits"][:3] == [1, 0, 0]
    assert ask.ask(5, bytes([0, 0, 0xFF, 0]), 1.0, pulse=True) == [Send(bytes.fromhex("01 05 00 00 FF 00 8C 3A"))]
    assert ask.tick(1.3) == [Silence.NONE]  # a pulse is not sent again
    assert ask.ask(6, bytes([0, 16, 0, 3]), 2.0) == [Send(bytes.fromhex("01 06 00 10 00 03 C8 0E"))]
    assert [len(ask.tick(2.3)), len(ask.tick(2.6)), ask.tick(2.9)] == [1, 1, [Silence.NONE]]


@given(st.lists(st.tuples(st.binary(max_size=30), st.floats(0, 0.3))))
def test_any_bytes(steps: list[tuple[bytes, float]]) -> None:
    session, now = Session(), 0.0
    sent = len(session.ask(5, bytes([0, 2, 0xFF, 0]), now, pulse=True))
    for data, wait in steps:
        now += wait
        sent += sum(isinstance(a, Send) for a in session.feed(data, now) + session.tick(now))
    assert sent == 1
