"""Unplugged and back: found by its path, asked who it is before anything else, and only the known machine pays."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from device_bench import ROOT, Service, Sim, pay, presented

from devices.driver.lcdm import CashDispenser
from devices.framing.lcdm import command
from devices.sim.base import Cable
from kiosk.bench.device_stand import VirtualLine, stand


def test_the_same_machine_is_back_before_the_next_command(
    sim: Callable[..., Sim], service: Callable[[], Service]
) -> None:
    first = sim("lcdm2000", "--fast")
    one = service()
    assert one.ask(lambda c: pay(c, "D1")).outcome == "paid"
    first.stop()
    assert one.ask(lambda c: c.status())["common"]["device"] == "offline"
    again = sim("lcdm2000", "--fast")
    assert one.ask(lambda c: c.status())["common"]["device"] == "online"
    assert one.ask(lambda c: pay(c, "D2")).outcome == "paid"
    assert presented(again) == 20


def test_another_machine_on_the_port_is_refused(
    sim: Callable[..., Sim], service: Callable[[], Service], tmp_path: Path
) -> None:
    first = sim("lcdm2000", "--fast")
    one = service()
    assert one.ask(lambda c: pay(c, "D1")).outcome == "paid"
    first.stop()
    other = sim("lcdm2000", "--fast", "--rom", "T01T9X9X")
    refused = one.ask(lambda c: pay(c, "D2"))
    assert refused.code == "deviceNotReady"
    assert "another machine is on the line: T01T9X9X, not T01T1A2B" in refused.words
    one.end()
    one.start()  # a new start forgets nothing
    assert one.ask(lambda c: pay(c, "D3")).code == "deviceNotReady"
    assert presented(other) == 10
    one.end()
    counted = [*one.command("load"), "--upper", "490", "--lower", "500"]
    assert subprocess.run(counted, cwd=ROOT, check=False).returncode == 0
    one.start()  # somebody counted: these are the notes of this machine
    assert one.ask(lambda c: pay(c, "D4")).outcome == "paid"


@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_after_each_opening_the_first_question_is_who(seconds: float) -> None:
    with stand(Cable(None)._harm) as on:
        line = VirtualLine(on.wire)
        dispenser = CashDispenser(line)
        asked: list[bytes] = []
        write = line.write

        async def recorded(data: bytes, timeout: float = 5.0) -> None:
            asked.append(data)
            await write(data, timeout)

        line.write = recorded  # type: ignore[method-assign]

        async def talk() -> None:
            assert (await dispenser.status()).identity == "T01T1A2B"
            assert (await dispenser.status()).ok
            on.wire.pull(seconds)
            assert not (await dispenser.status()).ok
            on.pass_time(seconds)
            assert (await dispenser.status("T01T1A2B")).ok
            assert not (await dispenser.status("another")).ok

        on.loop.run_until_complete(talk())
        commands = [data for data in asked if data[:1] == b"\x04"]
        who, how = command(0x47), command(0x46)
        assert commands == [who, how, how, who, how]
