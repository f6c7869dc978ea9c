"""The engine's own guards, behind the proof: a flow that got past `kiosk check` still moves no money."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kiosk.core.engine import State, advance
from kiosk.core.flow import House
from kiosk.events import CallBank, Close, Dispense, Done, Effect, Event, Hear, NotHeard, Opened, Restarted, Say
from kiosk.prove.world import said
from kiosk.values import Money

OK: tuple[str, dict[str, Any]] = ("ok", {})
ASKED = (said("我要取款", "withdraw"), OK, OK)
NAMED = (*ASKED, said("取一千元", "withdraw", Money(100_000), (1, 4)))
READ_BACK = (*NAMED, OK)
YES = said("对", "yes")


def bent(house: House, step: str, outcome: str, target: str) -> House:
    """The house with one arrow of the withdrawal led elsewhere."""
    flow = house.named("withdraw")
    steps = dict(flow.steps)
    steps[step] = replace(steps[step], on={**steps[step].on, outcome: target})
    return replace(house, flows={**house.flows, flow.intent: replace(flow, steps=steps)})


def play(house: House, *events: Event | tuple[str, dict[str, Any]]) -> tuple[State, list[Effect]]:
    """Feed events; a pair (outcome, facts) answers whatever is awaited."""
    state, effects = advance(house, None, Opened("S1", "zh", "grace"))
    for event in events:
        if isinstance(event, tuple):
            assert state.waiting is not None
            event = Done(state.waiting.id, event[0], event[1])
        state, effects = advance(house, state, event)
    return state, list(effects)


def closes(effects: list[Effect], reason: str) -> bool:
    return len(effects) == 1 and isinstance(effects[0], Close) and effects[0].reason == reason


def test_no_hold_before_the_yes(house: House) -> None:
    with pytest.raises(PermissionError, match="needs face, voice and the confirmed amount"):
        play(bent(house, "plan", "ok", "hold"), *NAMED, OK)


@pytest.mark.parametrize("verified", [(), ("face",), ("voice",)])
def test_no_hold_without_both_factors(house: House, verified: tuple[str, ...]) -> None:
    state, _ = play(house, *READ_BACK)
    with pytest.raises(PermissionError, match="needs face"):
        advance(house, replace(state, verified=verified), YES)


def test_no_cash_without_a_hold(house: House) -> None:
    with pytest.raises(PermissionError, match="cash needs a hold"):
        play(bent(house, "read_back", "then", "wait"), *READ_BACK, YES)


def test_no_cash_over_another_amount_than_was_agreed_to(house: House) -> None:
    state, _ = play(house, *READ_BACK, YES)
    other = replace(state, confirmed=Money(90_000))
    assert state.waiting is not None
    with pytest.raises(PermissionError, match="cash needs a hold"):
        advance(house, other, Done(state.waiting.id, "approved", {"authorisation": "A1"}))


def test_no_hold_for_one_who_is_gone(house: House) -> None:
    _, effects = play(bent(house, "plan", "error", "hold"), *NAMED, Restarted())
    assert closes(effects, "declined")


def test_no_cash_for_one_who_is_gone(house: House) -> None:
    _, effects = play(house, *READ_BACK, YES, Restarted(), ("approved", {"authorisation": "A1"}))
    assert [getattr(e, "verb", type(e).__name__) for e in effects] == ["release"]


def test_a_bank_call_in_the_air_is_repeated_under_its_key(house: House) -> None:
    state, _ = play(house, *READ_BACK, YES)
    _, effects = advance(house, state, Restarted())
    assert effects == (state.waiting,)
    assert isinstance(state.waiting, CallBank)


def test_a_dispense_in_the_air_is_asked_for_under_its_id(house: House) -> None:
    state, _ = play(house, *READ_BACK, YES, ("approved", {"authorisation": "A1"}))
    assert isinstance(state.waiting, Dispense)
    for event in (Restarted(), Done(state.waiting.id, "lost")):
        _, effects = advance(house, state, event)
        assert [(type(e).__name__, getattr(e, "id", "")) for e in effects] == [("AskDispenser", state.waiting.id)]


@pytest.mark.parametrize(("step", "target"), [("face", "voice"), ("face", "face"), ("face", "amount")])
def test_nobody_is_looked_at_or_asked_once_the_customer_is_gone(house: House, step: str, target: str) -> None:
    way = bent(bent(house, step, "error", target), "voice", "error", "no_voice")
    if target == "face":
        way = bent(way, "face", "error", "face_refused")
    _, effects = play(way, said("我要取款", "withdraw"), Restarted())
    assert not any(isinstance(e, Say | Hear) for e in effects)
    assert isinstance(effects[-1], Close)


def test_an_outcome_that_the_flow_does_not_know_is_the_least_certain_one(house: House) -> None:
    told = (*READ_BACK, YES, ("approved", {"authorisation": "A1"}))
    state, _ = play(house, *told, ("exploded", {"unknown_amount": Money(100_000), "presented": Money(0)}))
    assert (state.step, type(state.waiting).__name__) == ("in_doubt", "OpenCase")


def test_what_is_no_money_is_not_paid(house: House) -> None:
    state, _ = play(house, *READ_BACK)
    with pytest.raises(TypeError, match="amount is not money"):
        advance(house, replace(state, slots={"amount": "1000"}), YES)


def test_a_refused_face_is_not_a_verified_one(house: House) -> None:
    state, _ = play(house, said("我要取款", "withdraw"), ("refused", {}))
    assert state.verified == ()


def test_at_home_one_is_asked_again_and_then_let_go(house: House) -> None:
    for word, prompt in (("none", "what_we_do"), ("ask", "which_one"), ("help", "help")):
        state, effects = play(house, said("天气", word))
        assert [getattr(e, "prompt", "") for e in effects if isinstance(e, Say)] == [prompt]
        assert isinstance(state.waiting, Hear)
        _, effects = advance(house, state, NotHeard("silence"))
        assert [type(e).__name__ for e in effects] == ["Say", "Close"]
        assert effects[-1].reason == "timeout"  # type: ignore[union-attr]


def test_three_misses_bring_a_person(house: House) -> None:
    state, effects = play(house, *ASKED, *[said("天气", "none")] * 3)
    assert isinstance(state.waiting, Close)
    assert state.waiting.reason == "attendant"
    assert not any(isinstance(e, CallBank | Dispense) for e in effects)
    too_much = said("九千九百元", "amount", Money(990_000), (0, 5))
    assert play(house, *ASKED, *[too_much] * 3)[0].waiting == state.waiting


def test_an_old_yes_dies_with_its_amount(house: House) -> None:
    state, _ = play(house, *READ_BACK)
    agreed = replace(state, confirmed=Money(60_000))
    after, _ = advance(house, agreed, said("不，六百元", "no", Money(60_000), (2, 5)))
    assert (after.slots["amount"], after.confirmed) == (Money(60_000), None)
