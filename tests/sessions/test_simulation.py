"""Seeded days, and every single point at which the power can fail: the books always agree, and the checks bite."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from click.testing import CliRunner

from kiosk.cli.prove import command
from kiosk.core.books import BankRow, reconcile
from kiosk.core.flow import House
from kiosk.core.phrases import PhraseReader
from kiosk.core.talk import run
from kiosk.events import CallBank, Effect, Event
from kiosk.prove import sim
from kiosk.prove.world import World

#: KIOSK_SEEDS=N plays N days; the long campaign is `kiosk prove sim --seeds N`
SEEDS = int(os.environ.get("KIOSK_SEEDS", "1000"))


def test_days_with_faults_everywhere_lose_no_money() -> None:
    report = sim.campaign(SEEDS, 0, 0.15, 1, lambda _: None)
    assert report.violations == []
    # the campaign must have been everywhere, or it proves nothing
    wanted = {"paid", "paid in part", "nothing paid", "in doubt", "bank silent", "declined", "cancelled", "other voice"}
    assert wanted <= set(report.ends), report.ends
    assert report.books["case"] > 0
    assert report.cuts > SEEDS / 2
    assert report.outage_calls > SEEDS / 10


def test_without_faults_the_customer_is_paid_exactly_once(house: House) -> None:
    paid = 0
    for seed in range(150):
        world = World(house, seed, faults=0.0)
        if world.session() == "paid":
            paid += 1
            assert world.check().books == "agree"
            (one,) = world.legs()
            assert one.presented == one.captured == world.dispenser.left > 0
    assert paid > 75


@pytest.mark.parametrize("faults", [0.0, 0.3])
def test_the_power_fails_at_every_point_of_a_session(house: House, faults: float) -> None:
    cuts = 0
    for seed in range(25):
        whole = World(house, seed, faults)
        whole.session()
        for point in range(1, whole.actions + 1):
            world = World(house, seed, faults, cut_at=point)
            world.session()
            world.settle_advices()
            world.check()
            cuts += world.cuts
    assert cuts > 250


def test_after_a_restart_nobody_is_spoken_to_and_nothing_is_paid(house: House) -> None:
    for seed in range(20):
        whole = World(house, seed, 0.0)
        whole.session()
        for point in range(1, whole.actions + 1):
            world = World(house, seed, 0.0, cut_at=point)
            world.session()
            after = [e for e in world.journal if e.body["event"]["kind"] == "Restarted"]
            if not after:
                continue
            later = world.journal[world.journal.index(after[0]) :]
            kinds = {effect["kind"] for entry in later for effect in entry.body["effects"]}
            assert not kinds & {"Say", "Hear", "Dispense", "VerifyFace", "PrintReceipt"}, (seed, point, kinds)
            assert not [e for x in later[1:] for e in x.body["effects"] if e.get("verb") == "authorise"]


class Outage(World):
    """The bank goes down for hours whenever it was just about to be told of an advice."""

    def do(self, effect: Effect) -> Event | None:
        if isinstance(effect, CallBank):
            self.down_until = self.now + 5 * 3600 if effect.advice else -1.0
        return super().do(effect)


def test_a_bank_that_is_down_for_hours_gets_its_advices_later_and_in_order(house: House) -> None:
    """FAULTS B10: what could not be sent is in the journal, and reaches the bank oldest first."""
    world = Outage(house, 1, faults=0.0)
    for n in range(1, 9):
        world.session(f"S{n}")
    queued = [call.id for one in world.legs() for call in one.pending]
    assert len(queued) > 3
    world.drain()
    assert [call.id for one in world.legs() for call in one.pending] == queued  # still down
    world.settle_advices()
    assert [e.body["effect"] for e in world.journal if e.kind == "acked"] == queued
    assert world.check().books == "agree"


def test_the_same_seed_is_the_same_day_to_the_byte(house: House) -> None:
    for seed in (3, 77):
        days = [sim.play(house, seed, 0.3)[0] for _ in range(2)]
        assert days[0].script == days[1].script
        assert [e.body for e in days[0].journal] == [e.body for e in days[1].journal]


def test_a_session_is_written_as_a_talk_script_that_plays(house: House, phrases: PhraseReader) -> None:
    """Two tellers of one story: what the world saw fits what `kiosk talk` makes of its script, word for word."""
    played = 0
    for seed in range(60):
        world = World(house, seed, faults=0.1)
        world.session()
        if any(mark in line for line in world.script[1:] for mark in ("# the ears", "# a stray", "帮助", "help")):
            continue
        lines = [line.split("  # ")[0] for line in world.script]
        if any("read as withdraw" in line for line in world.script[3:]):
            continue  # a reader that lies cannot be written down as a customer's words
        run("\n".join(lines), house, phrases.read)
        played += 1
    assert played > 20


#: FAULTS B11: what is changed in one of three books after a good day
MISMATCHES = {
    "the bank took too much": lambda rows, left: ([replace(rows[0], captured=rows[0].captured + 1)], left),
    "the bank took too little": lambda rows, left: ([replace(rows[0], captured=rows[0].captured - 1)], left),
    "a hold is open": lambda rows, left: ([replace(rows[0], released=rows[0].released - 1)], left),
    "a note too many left": lambda rows, left: (rows, left + 10_000),
    "a note too few left": lambda rows, left: (rows, left - 10_000),
    "the bank forgot it": lambda rows, left: ([], left),
    "the bank knows one more": lambda rows, left: ([*rows, BankRow("X", 500, 500, 0)], left),
    "the bank holds one more": lambda rows, left: ([*rows, BankRow("X", 500, 0, 0)], left),
}


@pytest.mark.parametrize("what", MISMATCHES)
def test_a_mismatch_of_the_books_is_always_flagged(house: House, what: str) -> None:
    flagged = 0
    for seed in range(60):
        world = World(house, seed, faults=0.0)
        if world.session() != "paid":
            continue
        assert world.books().ok  # no false flag
        rows, left = MISMATCHES[what](
            [replace(r, authorised=r.authorised + 10) for r in world.bank.rows()], world.dispenser.left
        )
        rows = [replace(r, released=r.released + 10) if r.key != "X" else r for r in rows]
        assert not reconcile(world.legs(), rows, left).ok, (what, seed)
        flagged += 1
    assert flagged > 20


def test_the_command_reports_and_replays() -> None:
    result = CliRunner().invoke(command, ["sim", "--seeds", "40", "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["seeds"], summary["violations"]) == (40, 0)
    assert summary["sessions"] == sum(summary["ends"].values())
    result = CliRunner().invoke(command, ["sim", "--seed", "3"])
    assert result.exit_code == 0
    assert "lang: " in result.stdout
    assert result.stdout.rstrip().endswith(("# seed 3: agree", "# seed 3: case"))
