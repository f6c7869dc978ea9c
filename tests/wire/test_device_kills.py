"""`kill -9` of the device service at any moment of a dispense: after the restart the books hold against the machine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable

import pytest
from device_bench import ROOT, Service, Sim, pay, presented

from devices.client import DeviceClient

#: seconds from the command to the kill; three notes take about one. KIOSK_KILLS=N spreads N kills over that second
KILLS = int(os.environ.get("KIOSK_KILLS", "2"))


@pytest.mark.parametrize("delay", [round(0.2 + 1.2 * i / KILLS, 3) for i in range(KILLS)])
def test_killed_at_any_moment(sim: Callable[..., Sim], service: Callable[[], Service], delay: float) -> None:
    cash = sim("lcdm2000")
    one = service()

    async def kill(c: DeviceClient) -> None:
        task = asyncio.create_task(pay(c, "D1", 30_000))
        await asyncio.sleep(delay)
        one.end(signal.SIGKILL)
        await asyncio.gather(task, return_exceptions=True)

    one.ask(kill)
    one.start()
    result = one.ask(lambda c: c.present_status("D1"))
    left = presented(cash) * 10_000
    assert result.presented_minor <= left <= result.presented_minor + result.unknown_minor
    assert left <= 30_000
    again = one.ask(lambda c: pay(c, "D1", 30_000))
    assert presented(cash) * 10_000 == left  # the id is spent, whatever became of it
    assert again.presented_minor == result.presented_minor
    if result.outcome == "unknown":
        truth = cash.truth["cassettes"]
        one.end()
        counted = [*one.command("load"), "--upper", str(truth["upper"]), "--lower", str(truth["lower"])]
        assert subprocess.run(counted, cwd=ROOT, check=False).returncode == 0
        one.start()
    assert one.ask(lambda c: pay(c, "D2", 30_000)).outcome == "paid"
    assert presented(cash) * 10_000 == left + 30_000
