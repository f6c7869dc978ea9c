"""The ccTalk drivers against the simulators over a real pty, with each fault: a coin is credited once, a dispense goes
on the wire once, and what left the hopper is presented or unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from device_bench import Sim

from devices.driver.cctalk import CoinAcceptor, Coins, Credit, Hopper, HopperIntent, NotReady, coin_value
from devices.protocol.cctalk import Timing
from devices.sim.cctalk import COINS
from devices.transport import Line

QUICK = Timing(reply=0.2, poll=0.05)


def collect(sim: Sim, polls: int, crc: bool = False, known: tuple[int, int] | None = None) -> list[Credit]:
    """What is journalled in so many polls."""
    journal: list[Credit] = []

    async def write(credit: Credit) -> None:
        journal.append(credit)

    async def run() -> None:
        acceptor = CoinAcceptor(Line(sim.link), crc=crc, journal=write, timing=QUICK)
        for _ in range(10):
            try:
                await acceptor.start(known)
                await acceptor.enable()
                break
            except NotReady:
                continue
        for _ in range(polls):
            await asyncio.sleep(0.03)
            try:
                told = await acceptor.poll()
            except NotReady:
                continue
            assert journal[len(journal) - len(told) :] == told
        acceptor.line.close()

    asyncio.run(run())
    return journal


def taken(sim: Sim) -> int:
    return sum(COINS[int(p)][1] * n for p, n in sim.truth["cashbox"].items())


@pytest.mark.parametrize("check", ["sum", "crc"])
def test_coins_are_credited_in_order(sim: Callable[..., Sim], check: str) -> None:
    one = sim("coin-acceptor", "--fast", "--check", check, "--feed", "100,10,50,50")
    credits = collect(one, 12, crc=check == "crc")
    assert [(c.counter, c.minor, c.currency) for c in credits] == [
        (1, 100, "CN"),
        (2, 10, "CN"),
        (3, 50, "CN"),
        (4, 50, "CN"),
    ]


@pytest.mark.parametrize(
    "fault",
    ["lose-reply=2", "lose-reply=4", "corrupt-reply=2", "duplicate-reply=3", "late=1", "late=5", "split=3", "no-echo"],
)
def test_a_bad_answer_credits_nothing_twice(sim: Callable[..., Sim], fault: str) -> None:
    one = sim("coin-acceptor", "--fast", "--feed", "100,100,100", "--fault", fault)
    credits = collect(one, 12)
    assert [c.minor for c in credits] == [100, 100, 100]
    assert taken(one) == 300


def test_a_returned_coin_is_no_credit(sim: Callable[..., Sim]) -> None:
    one = sim("coin-acceptor", "--fast", "--feed", "100,50", "--fault", "reject=1")
    assert [c.minor for c in collect(one, 8)] == [50]
    assert one.truth["returned"]["3"] == 1


def test_events_that_fell_out_of_the_buffer_are_told_and_not_invented(sim: Callable[..., Sim]) -> None:
    one = sim("coin-acceptor", "--fast", "--feed", ",".join(["100"] * 8), "--fault", "burst=8")
    credits = collect(one, 8)
    assert (credits[0].lost, credits[0].minor, credits[0].counter) == (3, 0, 3)
    assert [c.counter for c in credits[1:]] == [4, 5, 6, 7, 8]
    assert sum(c.minor for c in credits) + 100 * credits[0].lost == taken(one) == 800


def test_a_reset_is_told_and_coins_are_taken_again(sim: Callable[..., Sim]) -> None:
    one = sim("coin-acceptor", "--fast", "--feed", "100,100,100,100", "--fault", "reset-after=2")
    credits = collect(one, 20)
    (told,) = [c for c in credits if c.words]
    assert "reset" in told.words
    assert taken(one) - 100 <= sum(c.minor for c in credits) <= taken(one) == 400


def test_a_restarted_host_goes_on_where_its_journal_ended(sim: Callable[..., Sim]) -> None:
    one = sim("coin-acceptor", "--fast", "--feed", "100,100")
    credits = collect(one, 8)
    assert len(credits) == 2
    assert collect(one, 2, known=(credits[0].serial, credits[0].counter)) == credits[1:]
    assert collect(one, 2, known=(credits[0].serial + 1, 0)) == []  # another device: nothing is credited
    assert collect(one, 2) == []


@pytest.mark.parametrize("seed", range(2))
def test_coins_over_a_bad_cable(sim: Callable[..., Sim], seed: int) -> None:
    one = sim("coin-acceptor", "--fast", "--seed", str(seed), "--feed", ",".join(["100"] * 10), "--fault", "chaos=5")
    credits = collect(one, 40)
    assert 100 <= sum(c.minor for c in credits) <= taken(one)


@pytest.mark.parametrize(
    ("code", "minor"),
    [
        ("001", 100),
        (".50", 50),
        ("010", 1000),
        ("1K0", 100000),
        ("2.5", 250),
        ("TK ", 0),
        ("...", 0),
        ("10m", 1),
        ("5m0", 0),
        ("²", 0),
    ],
)
def test_coin_values(code: str, minor: int) -> None:
    assert coin_value(code) == minor


# --- the hopper ---


def pay(sim: Sim, coins: int, crc: bool = False, times: int = 1) -> tuple[list[Coins], list[HopperIntent]]:
    intents: list[HopperIntent] = []

    async def write(intent: HopperIntent) -> None:
        intents.append(intent)

    async def run() -> list[Coins]:
        hopper = Hopper(Line(sim.link), crc=crc, journal=write, timing=QUICK)
        found = [await hopper.dispense(coins) for _ in range(times)]
        hopper.line.close()
        return found

    return asyncio.run(run()), intents


@pytest.mark.parametrize("check", ["sum", "crc"])
def test_two_dispenses(sim: Callable[..., Sim], check: str) -> None:
    one = sim("hopper", "--fast", "--check", check)
    found, intents = pay(one, 3, crc=check == "crc", times=2)
    assert found == [Coins(3, 0, "done")] * 2
    assert [(i.counter, i.lifetime) for i in intents] == [(0, 1000), (1, 1003)]
    assert (one.truth["presented"], one.truth["hopper"]) == (6, 494)


#: fault → of five coins: presented, unknown; stop; dispenses that the hopper began
OUT = {
    "jam-after=2": ((2, 0), True, 1),
    "empty-after=2": ((2, 0), True, 1),
    "reset-after=2": ((2, 1), True, 1),
    "reset-blind-after=2": ((2, 1), True, 1),
    "nak=1": ((0, 0), False, 0),
    "lose-reply=1": ((5, 0), False, 1),
    "corrupt-reply=1": ((5, 0), False, 1),
    "duplicate-reply": ((5, 0), False, 1),
    "late=1": ((5, 0), False, 1),
    "late=5": ((5, 0), False, 1),
    "split": ((5, 0), False, 1),
    "no-echo": ((5, 0), False, 1),
    "silent": ((0, 0), False, 0),
}


@pytest.mark.parametrize("fault", OUT)
def test_fault(sim: Callable[..., Sim], fault: str) -> None:
    expected, stop, dispenses = OUT[fault]
    one = sim("hopper", "--fast", "--fault", fault)
    ((coins,), intents) = pay(one, 5)
    assert (coins.presented, coins.unknown) == expected, coins
    assert coins.stop is stop
    assert one.truth["dispenses"] == dispenses
    assert coins.presented <= one.truth["presented"] <= coins.presented + coins.unknown
    assert len(intents) == (fault != "silent")
    assert one.truth["hopper"] + one.truth["presented"] == one.truth["loaded"]


def test_a_dispense_that_was_not_heard_from_counter_0_is_unknown_and_from_another_one_is_not_done(
    sim: Callable[..., Sim],
) -> None:
    fresh = sim("hopper", "--fast", "--fault", "drop-command=1")
    ((coins,), _) = pay(fresh, 5)
    assert (coins.presented, coins.unknown, coins.stop) == (0, 5, True)
    ((again,), _) = pay(fresh, 5)
    assert again == Coins(5, 0, "done")
    assert fresh.truth["presented"] == 5


def test_power_lost_in_a_payout(sim: Callable[..., Sim]) -> None:
    one = sim("hopper", "--fast", "--fault", "power-loss-after=2")
    ((coins,), (intent,)) = pay(one, 5)
    assert (coins.presented, coins.unknown, coins.stop) == (0, 5, True)
    one.process.wait(5)
    again = sim("hopper", "--fast")
    ((coins,), _) = pay(again, 5)
    assert (coins.presented, coins.stop, coins.words) == (0, True, "power lost in a payout")
    assert again.truth["presented"] == 2

    async def settle() -> Coins:
        hopper = Hopper(Line(again.link), timing=QUICK)
        found = await hopper.settle(intent)
        hopper.line.close()
        return found

    assert asyncio.run(settle()) == Coins(2, 1, "power lost in a payout", stop=True)


@pytest.mark.parametrize("seed", range(3))
def test_coins_out_over_a_bad_cable(sim: Callable[..., Sim], seed: int) -> None:
    one = sim("hopper", "--fast", "--seed", str(seed), "--fault", "chaos=5")
    found, _ = pay(one, 2, times=6)
    presented, unknown = sum(c.presented for c in found), sum(c.unknown for c in found)
    assert presented <= one.truth["presented"] <= presented + unknown
    assert 0 < one.truth["presented"] <= 12
