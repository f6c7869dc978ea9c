"""The SSP driver against the simulator over a real pty, with each fault. What the simulator's state file says is the
truth: a note is credited once or booked as unknown, and nothing is paid that is neither presented nor unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from device_bench import Sim

from devices.driver.ssp import CashAcceptor, CashIn, Intent, Payout
from devices.protocol.ssp import Event, Timing
from devices.sim.ssp import VALUES
from devices.transport import Line

QUICK = Timing(reply=0.3, sends=3, poll=0.02)
NOTE = 10000  #: channel 4
Entries = list[Intent | Event]
T = TypeVar("T")


def with_device(
    link: Path, act: Callable[[CashAcceptor], Coroutine[Any, Any, T]], timing: Timing = QUICK, start: bool = True
) -> tuple[T, Entries]:
    """Start, act, close; and the journal."""
    entries: Entries = []

    async def write(entry: Intent | Event) -> None:
        entries.append(entry)

    async def run() -> T:
        device = CashAcceptor(Line(link), write, timing)
        if start:
            await device.start()
        try:
            return await act(device)
        finally:
            device.line.close()

    return asyncio.run(run()), entries


def feed(sim: Sim, notes: int = 1, stack: bool = True) -> tuple[list[CashIn], Entries]:
    async def decide(minor: int, currency: str) -> bool:
        assert (minor, currency) == (NOTE, "CNY")
        return stack

    async def act(device: CashAcceptor) -> list[CashIn]:
        return [await device.cash_in(decide, 3) for _ in range(notes)]

    return with_device(sim.link, act)


def pay(sim: Sim, minor: int) -> tuple[Payout, Entries]:
    return with_device(sim.link, lambda device: device.dispense(minor, "CNY"))


def conserved(sim: Sim) -> None:
    truth = sim.truth
    for channel in truth["loaded"]:
        where = sum(truth[place][channel] for place in ("levels", "cashbox", "presented", "returned", "path"))
        assert where == truth["loaded"][channel] + truth["fed"][channel]


def worth(sim: Sim, place: str) -> int:
    return sum(VALUES[int(c)] * n for c, n in sim.truth[place].items())


MODELS = ("nv9", "nv200", "smartpayout")


@pytest.mark.parametrize("model", MODELS)
def test_two_notes_are_credited_once_each(sim: Callable[..., Sim], model: str) -> None:
    one = sim(model, "--fast", "--feed", "100,100")
    notes, entries = feed(one, 2)
    assert [n.outcome for n in notes] == ["stacked"] * 2
    told = [e.act if isinstance(e, Intent) else e.name for e in entries]
    assert [w for w in told if w in ("stack", "credit")] == ["stack", "credit"] * 2
    assert worth(one, "levels" if model == "smartpayout" else "cashbox") - worth(one, "loaded") == 2 * NOTE
    conserved(one)


@pytest.mark.parametrize("model", MODELS)
def test_a_note_that_is_not_wanted_goes_back(sim: Callable[..., Sim], model: str) -> None:
    one = sim(model, "--fast", "--feed", "100")
    notes, entries = feed(one, stack=False)
    assert notes == [CashIn("returned")]
    assert not [e for e in entries if isinstance(e, Intent)]
    assert worth(one, "returned") == NOTE


#: fault → what becomes of the note, and where it is
IN = {
    "reject=1": ("returned", "returned"),
    "safe-jam": ("unknown", "path"),
    "unsafe-jam": ("unknown", "path"),
    "fraud": ("unknown", "cashbox"),
    "reset-in-stacking": ("stacked", "cashbox"),
    "lose-reply=1": ("stacked", "cashbox"),
    "lose-reply=3": ("stacked", "cashbox"),
    "corrupt-reply=1": ("stacked", "cashbox"),
    "corrupt-reply=3": ("stacked", "cashbox"),
    "duplicate-reply": ("stacked", "cashbox"),
    "late=1": ("stacked", "cashbox"),
    "late=5": ("stacked", "cashbox"),
    "split": ("stacked", "cashbox"),
}


#: plain SSP, where it can end otherwise
PLAIN = ("reset-in-stacking", "lose-reply=1", "lose-reply=3", "duplicate-reply", "late=5")


@pytest.mark.parametrize(("model", "fault"), [("nv200", f) for f in IN] + [("nv9", f) for f in PLAIN])
def test_fault_on_the_way_in(sim: Callable[..., Sim], model: str, fault: str) -> None:
    outcome, place = IN[fault]
    if model == "nv9" and fault == "lose-reply=3":
        outcome = "unknown"  # nothing holds an event that a plain poll listed
    one = sim(model, "--fast", "--feed", "100", "--fault", fault)
    notes, entries = feed(one)
    assert [n.outcome for n in notes] == [outcome], notes
    assert worth(one, place) == NOTE
    assert sum(isinstance(e, Event) and e.name == "credit" for e in entries) <= 1
    conserved(one)


#: fault → of 500 asked for: presented, rejected, unknown; stop; payouts the machine began
OUT = {
    "jam-after=2": ((20000, 0, 10000), True, 1),
    "reverse-fail-after=2": ((20000, 10000, 0), True, 1),
    "reset-after=2": ((20000, 10000, 0), True, 1),
    "reset-silent-after=2": ((20000, 0, 10000), True, 1),
    "unplug-after=2": ((50000, 0, 0), False, 1),
    "lose-reply=1": ((50000, 0, 0), False, 1),
    "lose-reply=3": ((50000, 0, 0), False, 1),
    "lose-reply=5": ((50000, 0, 0), False, 1),
    "corrupt-reply=1": ((50000, 0, 0), False, 1),
    "corrupt-reply=3": ((50000, 0, 0), False, 1),
    "duplicate-reply": ((50000, 0, 0), False, 1),
    "late=1": ((50000, 0, 0), False, 1),
    "late=5": ((50000, 0, 0), False, 1),
    "split": ((50000, 0, 0), False, 1),
    "drop-command=1": ((50000, 0, 0), False, 1),
    "drop-command=3": ((0, 0, 0), False, 0),
}


@pytest.mark.parametrize("fault", OUT)
def test_fault_on_the_way_out(sim: Callable[..., Sim], fault: str) -> None:
    expected, stop, payouts = OUT[fault]
    one = sim("smartpayout", "--fast", "--fault", fault)
    payout, entries = pay(one, 50000)
    assert (payout.presented, payout.rejected, payout.unknown) == expected, payout
    assert payout.stop is stop
    assert one.truth["payouts"] == payouts
    assert payout.presented <= worth(one, "presented") <= payout.presented + payout.unknown
    assert [e.act for e in entries if isinstance(e, Intent)] == ["dispense"]
    conserved(one)


def test_what_can_not_be_paid_moves_nothing(sim: Callable[..., Sim]) -> None:
    one = sim("smartpayout", "--fast", "--load", "1")
    assert pay(one, 500)[0].words == "cannot pay exactly"
    payout, entries = pay(one, 50000)
    assert payout == Payout(words="not enough value")
    assert not [e for e in entries if isinstance(e, Intent)]
    assert one.truth["payouts"] == 0


def test_power_lost_in_a_payout(sim: Callable[..., Sim]) -> None:
    first = sim("smartpayout", "--fast", "--fault", "power-loss-after=2")
    payout, entries = pay(first, 50000)
    (intent,) = (e for e in entries if isinstance(e, Intent))
    first.process.wait(5)
    assert (payout.presented, payout.unknown, payout.stop) == (20000, 30000, True)
    again = sim("smartpayout", "--fast")
    assert worth(again, "presented") == 20000
    settled, entries = with_device(again.link, lambda device: device.settle(intent), start=False)
    assert settled == Payout(20000, 10000, 0, "incomplete-payout", stop=True)
    told = {e.name: e.money for e in entries if isinstance(e, Event)}
    assert told["incomplete-payout"] == {"CNY": 20000}
    assert told["stacked-at-reset"] == {"CNY": 10000}
    conserved(again)


def test_a_host_that_forgot_the_answer_asks_and_does_not_pay_again(sim: Callable[..., Sim]) -> None:
    one = sim("smartpayout", "--fast")
    payout, entries = pay(one, 30000)
    (intent,) = (e for e in entries if isinstance(e, Intent))
    settled, _ = with_device(one.link, lambda device: device.settle(intent), start=False)
    assert (settled.presented, settled.unknown) == (payout.presented, 0) == (30000, 0)
    assert one.truth["payouts"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_cable(sim: Callable[..., Sim], seed: int) -> None:
    """A tenth of all that passes is dropped, cut, doubled, bent or preceded by noise, through notes in and out."""
    one = sim("smartpayout", "--fast", "--seed", str(seed), "--fault", "chaos=10", "--feed", "100,100,100")

    async def act(device: CashAcceptor) -> tuple[list[CashIn], list[Payout]]:
        async def yes(minor: int, currency: str) -> bool:
            return True

        notes = [await device.cash_in(yes, 0.5) for _ in range(4)]
        return notes, [await device.dispense(20000, "CNY") for _ in range(3)]

    (_, payouts), entries = with_device(one.link, act, Timing(reply=0.1, sends=12, poll=0.02))
    credits = sum(isinstance(e, Event) and e.name == "credit" for e in entries)
    assert credits == sum(one.truth["credits"].values()), "an event was lost or journalled twice"
    presented, unknown = sum(p.presented for p in payouts), sum(p.unknown for p in payouts)
    assert presented <= worth(one, "presented") <= presented + unknown
    assert worth(one, "presented") <= 60000
    assert presented > 0
    conserved(one)
