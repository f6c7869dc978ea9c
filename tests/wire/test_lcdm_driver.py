"""The dispenser's driver against the simulator over a real pty, with each fault: never more than asked, never booked
away. What the simulator remembers is the truth that the booking is held against."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from device_bench import Sim

from devices.driver.lcdm import CashDispenser, Health
from devices.protocol.lcdm import Timing
from devices.protocol.lcdm_booking import Booking
from devices.transport import Line

#: as in the field, but for the longest waits; `quiet` covers what a fast simulator repeats
QUICK = Timing(ack=0.2, reply=1.6, answer=0.6, quiet=0.65, settle=0.3, settle_per_note=0.05)


def pay(sim: Sim, counts: Mapping[str, int], times: int = 1) -> list[Booking]:
    async def run() -> list[Booking]:
        dispenser = CashDispenser(Line(sim.link), QUICK)
        dispenser.line.open()
        bookings = [await dispenser.dispense(counts) for _ in range(times)]
        await asyncio.sleep(0.05)  # the last ACK is on its way
        dispenser.line.close()
        return bookings

    return asyncio.run(run())


def status(sim: Sim) -> Health:
    async def run() -> Health:
        dispenser = CashDispenser(Line(sim.link), QUICK)
        health = await dispenser.status()
        dispenser.line.close()
        return health

    return asyncio.run(run())


def holds(sim: Sim, bookings: list[Booking], asked: Mapping[str, int]) -> None:
    """Never over, never under: presented ≤ what left ≤ presented + unknown, per cassette; and no note is lost."""
    truth = sim.truth
    for unit in asked:
        presented = sum(b.counts[unit].presented for b in bookings)
        unknown = sum(b.counts[unit].unknown for b in bookings)
        assert presented <= truth["presented"][unit] <= presented + unknown
        assert truth["presented"][unit] <= asked[unit] * len(bookings)
    for unit in ("upper", "lower"):
        where = sum(truth[place][unit] for place in ("cassettes", "presented", "rejected", "path"))
        assert where == truth["loaded"][unit]


def test_both_cassettes_with_unequal_counts(sim: Callable[..., Sim]) -> None:
    one = sim("lcdm2000", "--fast")
    asked = {"upper": 3, "lower": 7}
    (booking,) = pay(one, asked)
    assert {u: c.presented for u, c in booking.counts.items()} == asked
    assert booking.unknown == 0
    assert not booking.stop
    holds(one, [booking], asked)


#: fault → (outcome of ten notes asked for: presented, rejected, unknown; stop; dispenses the machine really made)
FAULTS = {
    "jam-after=4": ((4, 0, 1), True, 1),
    "pick-fail-after=4": ((4, 0, 0), False, 1),
    "empty-after=4": ((4, 0, 0), False, 1),
    "reject=2": ((10, 2, 0), False, 1),
    "tray-missing": ((0, 0, 0), False, 1),
    "power-loss-after=4": ((0, 0, 10), True, 1),
    "unplug-after=4": ((0, 0, 10), True, 1),
    "lose-reply=1": ((10, 0, 0), False, 1),
    "lose-reply=3": ((0, 0, 10), True, 1),
    "corrupt-reply=1": ((10, 0, 0), False, 1),
    "corrupt-reply=2": ((10, 0, 0), False, 1),
    "corrupt-reply=3": ((0, 0, 10), True, 1),
    "short-reply=1": ((10, 0, 0), False, 1),
    "duplicate-reply": ((10, 0, 0), False, 1),
    "late=1": ((10, 0, 0), False, 1),
    "drip": ((10, 0, 0), False, 1),
    "noise": ((10, 0, 0), False, 1),
    "lose-ack": ((10, 0, 0), False, 1),
    "nak=1": ((10, 0, 0), False, 1),
    "nak=3": ((0, 0, 0), False, 0),
    "drop-command": ((0, 0, 10), True, 0),
    "silent": ((0, 0, 10), True, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(sim: Callable[..., Sim], fault: str) -> None:
    expected, stop, dispenses = FAULTS[fault]
    one = sim("lcdm2000", "--fast", "--fault", fault)
    (booking,) = pay(one, {"upper": 10})
    counts = booking.counts["upper"]
    assert (counts.presented, counts.rejected, counts.unknown) == expected, booking
    assert booking.stop is stop
    assert one.truth["dispenses"] == dispenses
    holds(one, [booking], {"upper": 10})


def test_notes_survive_the_loss_of_power(sim: Callable[..., Sim]) -> None:
    first = sim("lcdm2000", "--fast", "--power-loss-after", "4")
    pay(first, {"upper": 10})
    first.process.wait(5)
    again = sim("lcdm2000", "--fast")
    truth = again.truth
    assert (truth["presented"]["upper"], truth["path"]["upper"], truth["cassettes"]["upper"]) == (4, 1, 495)
    assert status(again).words == "jam at EXIT or EJT, a note may be in reach"
    (booking,) = pay(again, {"upper": 10})  # a blocked path moves nothing
    assert booking.counts["upper"].presented == 0
    assert again.truth["presented"]["upper"] == 4


@pytest.mark.parametrize("seed", range(2))
def test_a_bad_cable(sim: Callable[..., Sim], seed: int) -> None:
    """A tenth of all that passes is dropped, cut, doubled, bent or preceded by noise, over and over."""
    one = sim("lcdm2000", "--fast", "--seed", str(seed), "--fault", "chaos=10")
    asked = {"upper": 2, "lower": 1}
    bookings = pay(one, asked, times=6)
    holds(one, bookings, asked)
    assert sum(b.counts["upper"].presented for b in bookings) > 0
