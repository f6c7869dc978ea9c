"""Two readers with scripted opinions: who decides, when the customer is asked, and what may enter a slot."""

from __future__ import annotations

import pytest

from kiosk.core.amount import read
from kiosk.core.intents import IntentSpec
from kiosk.core.judge import Opinion, judge, permitted
from kiosk.events import Span, Understood
from kiosk.values import Money

SPECS = {
    name: IntentSpec(name, {"zh": "", "en": ""}, slots)
    for name, slots in {
        "withdraw": {"amount": "money"},
        "deposit": {"amount": "money"},
        "transfer": {"amount": "money", "payee": "payee"},
        "amount": {"amount": "money"},
        "balance": {},
        "help": {},
        "yes": {},
        "no": {},
    }.items()
}
THOUSAND = Money(100_000)


def decided(
    phrases: tuple[str, float],
    model: tuple[str, float] | None,
    *,
    text: str = "取一千元",
    spans: dict[str, Span] | None = None,
    words: dict[str, Span] | None = None,
    rest: dict[str, float] | None = None,
    candidates: tuple[str, ...] = (),
) -> Understood:
    p = Understood(text, "zh", phrases[0], {}, spans or {}, phrases[1], "phrases", candidates)
    m = Opinion((model, *(rest or {}).items()), words or {}) if model else None
    return judge(p, m, read(text, "zh"), SPECS)


def test_agreement_stands_with_the_surer_confidence() -> None:
    u = decided(("balance", 0.6), ("balance", 0.9))
    assert (u.intent, u.confidence, u.route) == ("balance", 0.9, "phrases+llm")


@pytest.mark.parametrize("llm", ["none", "balance", "deposit"])
def test_an_operators_own_words_stand_against_the_model(llm: str) -> None:
    u = decided(("withdraw", 1.0), (llm, 0.99))
    assert (u.intent, u.route) == ("withdraw", "phrases")


def test_what_costs_little_stands_on_one_clear_reader() -> None:
    assert decided(("none", 0.6), ("balance", 0.95)).route == "llm"
    assert decided(("none", 0.6), ("balance", 0.8)).intent == "none"
    assert decided(("help", 0.8), ("none", 0.9)).intent == "help"


@pytest.mark.parametrize("weighty", ["withdraw", "transfer", "yes"])
def test_money_and_yes_never_stand_on_the_model_alone(weighty: str) -> None:
    u = decided(("none", 0.6), (weighty, 1.0), words={"amount": (1, 4)})
    assert (u.intent, u.candidates, u.slots) == ("ask", (weighty,), {})


def test_phrases_alone_carry_money_only_where_the_model_half_agrees() -> None:
    assert decided(("withdraw", 0.8), ("none", 0.7), rest={"withdraw": 0.3}).intent == "withdraw"
    u = decided(("withdraw", 0.8), ("none", 0.95), rest={"withdraw": 0.05})
    assert (u.intent, u.candidates) == ("ask", ("withdraw",))


def test_two_meanings_are_asked_about_the_surer_first() -> None:
    assert decided(("withdraw", 0.6), ("deposit", 0.9)).candidates == ("deposit", "withdraw")
    u = decided(("ask", 0.5), ("yes", 0.9), candidates=("yes", "no"))
    assert (u.intent, u.candidates) == ("ask", ("yes", "no"))


def test_the_surer_reader_says_whether_something_cheap_was_meant() -> None:
    assert decided(("help", 0.5), ("none", 0.9)).intent == "none"
    assert decided(("help", 0.7), ("none", 0.6)).intent == "help"
    assert decided(("withdraw", 0.5), ("none", 0.9)).intent == "ask"


def test_one_of_two_candidates_wins_only_with_nearly_all_of_the_model() -> None:
    assert decided(("ask", 0.5), ("no", 0.8), candidates=("yes", "no")).candidates == ("yes", "no")
    assert decided(("ask", 0.5), ("no", 0.95), candidates=("yes", "no")).intent == "no"


def test_two_unsure_readers_mean_nothing() -> None:
    assert decided(("none", 0.6), ("withdraw", 0.5)).intent == "none"


def test_money_is_what_code_reads_where_the_model_points() -> None:
    u = decided(("withdraw", 1.0), ("withdraw", 1.0), spans={"amount": (1, 4)}, words={"amount": (1, 3)})
    assert (u.slots, u.spans) == ({"amount": THOUSAND}, {"amount": (1, 4)})


def test_money_elsewhere_than_the_model_points_is_refused() -> None:
    u = decided(
        ("withdraw", 1.0), ("withdraw", 1.0), text="取一千元现金", spans={"amount": (1, 4)}, words={"amount": (4, 6)}
    )
    assert (u.slots, u.spans) == ({}, {})


def test_no_amount_in_the_words_no_slot_whatever_a_reader_points_at() -> None:
    u = decided(
        ("withdraw", 1.0), ("withdraw", 1.0), text="取很多钱", spans={"amount": (1, 3)}, words={"amount": (1, 3)}
    )
    assert u.slots == {}


def test_a_bare_amount_without_an_amount_is_nothing() -> None:
    assert decided(("amount", 0.9), ("amount", 0.9), text="很多", words={"amount": (0, 2)}).intent == "none"


def test_a_bare_amount_is_no_contradiction_to_moving_it() -> None:
    u = decided(("withdraw", 0.8), ("amount", 0.9), spans={"amount": (1, 4)}, words={"amount": (1, 4)})
    assert (u.intent, u.slots) == ("withdraw", {"amount": THOUSAND})


def test_other_slots_keep_the_customers_words() -> None:
    u = decided(("transfer", 1.0), ("transfer", 1.0), text="转给儿子", words={"payee": (2, 4), "nobody": (0, 1)})
    assert (u.slots, u.spans) == ({"payee": "儿子"}, {"payee": (2, 4)})


def test_an_amount_that_comes_with_a_yes_is_kept_for_the_flow_to_compare() -> None:
    u = decided(("yes", 1.0), ("yes", 1.0), text="对，一千元", spans={"amount": (2, 5)})
    assert u.slots == {"amount": THOUSAND}


def test_without_the_model_the_phrases_decide_and_say_so() -> None:
    u = decided(("withdraw", 0.7), None, spans={"amount": (1, 4)})
    assert (u.intent, u.route, u.slots) == ("withdraw", "phrases", {"amount": THOUSAND})


def test_what_is_expected_narrows_the_labels() -> None:
    specs = list(SPECS.values())
    assert permitted("yes_no", specs) == ("yes", "no", "amount", "help")
    assert permitted("intent", specs) == tuple(SPECS)
    with pytest.raises(ValueError, match="unknown expect"):
        permitted("dinner", specs)
