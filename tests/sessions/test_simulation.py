"""Thousands of seeded sessions, and every single point at which the power can fail: the books always agree."""

from __future__ import annotations

import pytest
from world import World

from kiosk.core.flow import House
from kiosk.core.fold import steps

SEEDS = 1500


def check(world: World, seed: object) -> None:
    world.settle_advices()
    verdict = world.books()
    assert verdict.ok, (seed, verdict.reasons)
    assert all(row.open == 0 for row in world.bank.rows()) or verdict.books == "case", seed
    list(steps(world.house, world.journal))  # today's engine explains every entry


def test_sessions_with_faults_everywhere_lose_no_money(house: House) -> None:
    ends: dict[str, int] = {}
    for seed in range(SEEDS):
        world = World(house, seed)
        end = world.session()
        ends[end] = ends.get(end, 0) + 1
        check(world, seed)
    # the campaign must have been everywhere, or it proves nothing
    wanted = {"paid", "paid in part", "nothing paid", "in doubt", "bank silent", "declined", "cancelled", "other voice"}
    assert wanted <= set(ends), ends


def test_without_faults_the_customer_is_paid_exactly_once(house: House) -> None:
    paid = 0
    for seed in range(200):
        world = World(house, seed, faults=0.0)
        if world.session() == "paid":
            paid += 1
            assert world.books().books == "agree"
            (one,) = world.legs()
            assert one.presented == one.captured == world.dispenser.left > 0
    assert paid > 100


@pytest.mark.parametrize("faults", [0.0, 0.3])
def test_the_power_fails_at_every_point_of_a_withdrawal(house: House, faults: float) -> None:
    cuts = 0
    for seed in range(25):
        whole = World(house, seed, faults)
        whole.session()
        for point in range(1, whole.actions + 1):
            world = World(house, seed, faults, cut_at=point)
            world.session()
            check(world, (seed, point))
            cuts += 1
    assert cuts > 300


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
