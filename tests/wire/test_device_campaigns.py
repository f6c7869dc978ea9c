"""The campaigns of `kiosk bench devices`, small: nothing that may never happen happens, and each of them can see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from device_bench import ROOT

from devices import framing
from devices.driver.lcdm import CashDispenser
from devices.protocol.lcdm_booking import Booking, Counts
from devices.sim.base import Cable
from kiosk.bench import device_campaigns as campaigns
from kiosk.bench.device_stand import VirtualLine, stand

#: KIOSK_DISPENSES=N: so many chaos dispenses, KIOSK_SEED=N: with this seed
DISPENSES = int(os.environ.get("KIOSK_DISPENSES", "1000"))
SEED = int(os.environ.get("KIOSK_SEED", "1"))


def nothing(count: int) -> None:
    assert count >= 0


def test_chaos_dispenses() -> None:
    row = campaigns.chaos(DISPENSES, SEED, nothing)
    wrong = ("over_dispensed", "under_booked", "over_booked", "repeated", "altered", "paid_again", "unbalanced")
    assert {k: row[k] for k in wrong} == dict.fromkeys(wrong, 0), row
    assert row["booked_minor"] <= row["left_minor"] <= row["booked_minor"] + row["booked_unknown_minor"]
    if DISPENSES >= 1000:  # the campaign reached what it is for
        assert all(row[k] > 20 for k in ("paid", "partial", "unknown", "kills", "resets", "mechanical")), row


def test_the_same_seed_is_the_same_campaign() -> None:
    assert campaigns.chaos(60, 7, nothing) == campaigns.chaos(60, 7, nothing)


def test_the_campaign_sees_a_driver_that_books_nothing_when_an_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistake that production drivers elsewhere make."""

    def nothing_lost(requested: dict[str, int], words: str) -> Booking:
        return Booking({unit: Counts() for unit in requested}, words)

    monkeypatch.setattr("devices.driver.lcdm.lost", nothing_lost)
    assert campaigns.chaos(100, 1, nothing)["under_booked"] > 0


def test_the_campaign_sees_a_driver_that_sends_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one: a dispense without an answer is sent once more."""
    dispense = CashDispenser.dispense

    async def twice(self: CashDispenser, *args: object) -> Booking:
        booking = await dispense(self, *args)  # type: ignore[arg-type]
        if not booking.unknown or not self.line.is_open:
            return booking
        await self.line.read(100.0)
        return await dispense(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(CashDispenser, "dispense", twice)
    row = campaigns.chaos(200, 1, nothing, faults=0.3)
    assert row["repeated"] > 0
    assert row["over_dispensed"] > 0


def test_no_forged_token_pays() -> None:
    row = campaigns.forged(2_000, SEED, nothing)
    assert row["accepted"] == 0
    assert len(row["codes"]) >= 5  # refused for different reasons


def test_a_bad_line_moves_nothing_twice() -> None:
    row = campaigns.noisy_line(20_000, SEED, nothing)
    assert (row["repeated"], row["altered"], row["misbooked"]) == (0, 0, 0)
    assert row["bent"] > 100


@pytest.mark.parametrize("name", framing.CODECS)
def test_fuzz(name: str) -> None:
    row = campaigns.fuzz(name, 10_000, SEED, nothing)
    assert (row["exceptions"], row["differ"], row["lost"]) == (0, 0, 0)
    assert row["frames"] > 0


def test_virtual_time_passes_and_the_simulator_is_the_real_one() -> None:
    with stand(Cable(None)._harm) as on:
        dispenser = CashDispenser(VirtualLine(on.wire))

        async def talk() -> Booking:
            assert (await dispenser.status()).ok
            return await dispenser.dispense({"upper": 20})

        booking = on.loop.run_until_complete(talk())
        assert booking.counts["upper"] == Counts(presented=20)
        assert on.machine.memory["presented"] == {"upper": 20, "lower": 0}
        assert 5 < on.wire.now < 7  # twenty notes


def test_the_command_prints_rows_and_its_seed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "kiosk", "bench", "devices", "tokens", "--size", "small", "--seed", "5", "--json"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    head, row = (json.loads(line) for line in ended.stdout.splitlines())
    assert (ended.returncode, head["seed"], row["tokens"], row["accepted"]) == (0, 5, 2_000, 0)
