"""The checker of the books and the fold under it: each lie in one of three books is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kiosk.core.books import BankRow, reconcile
from kiosk.core.engine import advance
from kiosk.core.flow import House
from kiosk.core.fold import Diverged, Entry, Leg, acked_body, digests, fold, leg, steps, turn_body
from kiosk.events import Close, Done, Hear, NotHeard, Opened
from kiosk.values import Money

A = 100_000
PAID = Leg("S1", "K", authorised=A, presented=A, captured=A, dispenses=1)
ROW = BankRow("K", A, A, 0)
DOUBT = replace(PAID, presented=40_000, unknown=60_000, captured=0, cases=(1,))


@pytest.mark.parametrize(
    ("one", "rows", "left", "books"),
    [
        (PAID, [ROW], A, "agree"),
        (Leg("S1"), [], 0, "agree"),
        (Leg("S1", "K"), [], 0, "agree"),  # asked for, never came to the bank
        (replace(PAID, presented=40_000, captured=40_000), [BankRow("K", A, 40_000, 60_000)], 40_000, "agree"),
        (DOUBT, [BankRow("K", A, 0, 0)], 40_000, "case"),
        (DOUBT, [BankRow("K", A, 0, 0)], A, "case"),
        (DOUBT, [BankRow("K", A, A, 0)], 70_000, "case"),  # an operator settled it
        (replace(PAID, cases=(1,)), [ROW], A, "case"),
    ],
)
def test_good_books(one: Leg, rows: list[BankRow], left: int, books: str) -> None:
    assert reconcile([one], rows, left).books == books


@pytest.mark.parametrize(
    ("one", "rows", "left", "why"),
    [
        (replace(PAID, dispenses=2), [ROW], A, "2 dispenses"),
        (replace(PAID, authorised=A - 1), [ROW], A, "paid 100000 of 99999"),
        (replace(PAID, pending=(None,)), [ROW], A, "1 advice not acknowledged"),  # type: ignore[arg-type]
        (replace(DOUBT, cases=()), [BankRow("K", A, 0, 0)], A, "in doubt without a case"),
        (DOUBT, [BankRow("K", A, A + 1, 0)], A, "more than may have been paid"),
        (PAID, [BankRow("K", A, A - 1, 1)], A, "the bank took 99999"),
        (PAID, [BankRow("K", A, A + 1, 0)], A, "the bank took 100001"),
        (PAID, [BankRow("K", A + 5, A, 0)], A, "5 still held"),
        (PAID, [], A, "the bank took 0"),
        (PAID, [ROW, BankRow("X", 7, 7, 0)], A, "bank key X: 7 taken"),
        (PAID, [ROW, BankRow("X", 7, 0, 0)], A, "bank key X: 0 taken, 7 held"),
        (PAID, [ROW], A + 1, "100001 left the machine"),
        (PAID, [ROW], A - 1, "99999 left the machine"),
        (DOUBT, [BankRow("K", A, 0, 0)], A + 1, "60000 in doubt"),
    ],
)
def test_a_lie_is_named(one: Leg, rows: list[BankRow], left: int, why: str) -> None:
    verdict = reconcile([one], rows, left)
    assert verdict.books == "differ"
    assert not verdict.ok
    assert any(why in reason for reason in verdict.reasons), verdict.reasons


def test_a_key_that_the_bank_reversed_is_no_difference() -> None:
    assert reconcile([], [BankRow("X", 7, 0, 7)], 0).books == "agree"


# --- the fold ---


def turn(event: dict[str, Any], *effects: dict[str, Any]) -> Entry:
    return Entry(1, "S1", "", "turn", {"event": event, "effects": list(effects), "flows": {}})


def done(effect: str, outcome: str, **facts: Any) -> dict[str, Any]:
    return {"kind": "Done", "effect": effect, "outcome": outcome, "facts": facts}


def call(id_: str, verb: str, minor: int | None = None, advice: bool = True) -> dict[str, Any]:
    fields: dict[str, Any] = {} if minor is None else {"amount": Money(minor).to_dict()}
    return {"kind": "CallBank", "id": id_, "verb": verb, "fields": fields, "advice": advice}


HELD = [
    turn({"kind": "NotHeard", "why": "silence"}, call("S1.1", "authorise", A, advice=False)),
    turn(done("S1.1", "approved"), {"kind": "Dispense", "id": "S1.2", "amount": Money(A).to_dict()}),
]


def test_a_leg_adds_up() -> None:
    notes = {"presented_notes": 7, "rejected_notes": 1, "unknown_notes": 0}
    part = done("S1.2", "partial", presented=Money(70_000).to_dict(), unknown_amount=Money(0).to_dict(), **notes)
    one = leg("S1", [*HELD, turn(part, call("S1.3", "capture", 70_000))])
    assert (one.key, one.authorised, one.presented, one.dispenses) == ("S1.1", A, 70_000, 1)
    assert (one.captured, one.released, [c.id for c in one.pending]) == (0, 0, ["S1.3"])
    assert one.notes == (7, 1, 0)
    rest = [*HELD, turn(part, call("S1.3", "capture", 70_000)), turn(done("S1.3", "queued"))]
    assert leg("S1", rest).pending
    late = leg("S1", [*rest, Entry(9, "S1", "", "acked", acked_body("S1.3"))])
    assert (late.captured, late.released, late.pending) == (70_000, 30_000, ())
    assert replace(late, notes=(0, 0, 0)) == replace(leg("S1", [*rest[:-1], turn(done("S1.3", "ok"))]), notes=(0, 0, 0))


@pytest.mark.parametrize("verb", ["release", "reverse"])
def test_what_is_given_back_is_released(verb: str) -> None:
    nothing = done("S1.2", "none", presented=Money(0).to_dict(), unknown_amount=Money(0).to_dict())
    one = leg("S1", [*HELD, turn(nothing, call("S1.3", verb)), turn(done("S1.3", "ok"))])
    assert (one.released, one.captured, one.pending) == (A, 0, ())


@pytest.mark.parametrize("outcome", ["declined", "unknown"])
def test_a_hold_that_was_not_approved_is_none(outcome: str) -> None:
    assert leg("S1", [HELD[0], turn(done("S1.1", outcome))]).authorised == 0


def test_a_case_counts_by_its_number() -> None:
    case = {"kind": "OpenCase", "id": "S1.3", "reason": "doubt", "unknown": Money(A).to_dict()}
    doubt = done("S1.2", "unknown", presented=Money(0).to_dict(), unknown_amount=Money(A).to_dict())
    one = leg("S1", [*HELD, turn(doubt, case), turn(done("S1.3", "ok", case=7))])
    assert (one.unknown, one.cases) == (A, (7,))
    assert leg("S1", [*HELD, turn(doubt, case), turn(done("S1.3", "ok", case="?"))]).cases == (0,)


def recorded(house: House) -> list[Entry]:
    state, effects = advance(house, None, Opened("S1", "zh", "grace"))
    events: list[Any] = [Opened("S1", "zh", "grace")]
    entries = [Entry(1, "S1", "", "turn", turn_body(events[0], effects, digests(house)))]
    state, effects = advance(house, state, NotHeard("silence"))
    entries.append(Entry(2, "S1", "", "turn", turn_body(NotHeard("silence"), effects, digests(house))))
    return entries


def test_a_session_folds_to_where_it_was(house: House) -> None:
    assert fold(house, []) is None
    state = fold(house, [*recorded(house)[:1], Entry(5, "S1", "", "acked", acked_body("x")), *recorded(house)[1:]])
    assert state is not None
    assert not isinstance(state.waiting, Hear)


@pytest.mark.parametrize("changed", [False, True])
def test_what_today_cannot_explain_is_said_loudly(house: House, changed: bool) -> None:
    entries = recorded(house)
    forged = {**entries[1].body, "effects": [{"kind": "Close", "id": "S1.9", "reason": "never"}]}
    if changed:
        forged["flows"] = {**forged["flows"], "withdraw": "another version"}
    with pytest.raises(Diverged, match="withdraw changed since" if changed else "something else today") as e:
        list(steps(house, [entries[0], replace(entries[1], body=forged)]))
    assert e.value.seq == 2


def test_the_first_event_opens_and_a_closed_session_stays_closed(house: House) -> None:
    with pytest.raises(ValueError, match="begins with Opened"):
        advance(house, None, NotHeard("silence"))
    state, _ = advance(house, None, Opened("S1", "zh", "grace"))
    with pytest.raises(ValueError, match="opened once"):
        advance(house, state, Opened("S1", "zh", "grace"))
    closed = replace(state, closed="paid", waiting=Close("S1.1", "paid"))
    assert advance(house, closed, Done("S1.1", "ok")) == (closed, ())
