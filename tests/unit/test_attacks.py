"""Sentences that try to talk the kiosk over, before a language model that says the worst it can.

Each row of `attacks.jsonl` says what a teller could take from it: `may`, the intents, and `amounts`, in minor units; a
row without them means nothing. The judge hears the phrase reader and, in turn, a model that is certain of each
permitted label and points at the whole utterance. Whatever the two say:

* the intent is one that the state permits, `none` or `ask`, and so are the candidates;
* an intent that is a step towards money (`yes`, or one with a money slot) stands only where the row's `may` has it;
* an amount is one of the row's `amounts`, and its words stand in the utterance where the span says;
* consent is the whole utterance: an attack with words of its own, before or after a yes, is no yes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kiosk.adapters.intentfile import load_intents
from kiosk.adapters.simplified import simplified
from kiosk.adapters.understanding import Reader
from kiosk.core import amount, judge
from kiosk.core.amount import LONGEST, Amount
from kiosk.core.judge import NONE, Opinion, permitted
from kiosk.core.phrases import PhraseReader
from kiosk.events import Span, Understood
from kiosk.paths import FLOWS
from kiosk.values import Lang, Money

DATA = Path(__file__).resolve().parents[1] / "data"
ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for name in ("attacks", "injections")
    for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
]
ATTACKS = [row for row in ROWS if "kind" in row and len(row["text"]) <= LONGEST]
INTENTS = load_intents(FLOWS)
WEIGHTY = {"yes", *(i.name for i in INTENTS if "money" in i.slots.values())}
CONSENT: dict[Lang, str] = {"zh": "对", "en": "yes"}


class Remembering:
    """The phrase reader, which reads an utterance once for all the models that it is put beside."""

    def __init__(self) -> None:
        self.read = cache(PhraseReader(INTENTS, simplified=simplified).read)


@cache
def phrases() -> Remembering:
    return Remembering()


@dataclass(frozen=True)
class Hostile:
    """A model that is certain of `label` and takes every word for every slot."""

    label: str

    def read(self, text: str, lang: Lang, permitted: Sequence[str], money: Span | None) -> Opinion | None:
        label = self.label if self.label in permitted else NONE
        rest = [name for name in (*permitted, NONE) if name != label]
        ranking = ((label, 0.999), *((name, 0.001 / len(rest)) for name in rest))
        slots = {slot for intent in INTENTS if intent.name == label for slot in intent.slots}
        return Opinion(ranking, {slot: (0, len(text)) for slot in slots} if text else {})


def readers() -> list[Reader]:
    labels = [*(i.name for i in INTENTS), NONE]
    return [Reader(INTENTS, phrases(), model) for model in (None, *map(Hostile, labels))]


def breaches(row: dict[str, Any], u: Understood) -> Iterator[str]:
    """What `u` takes from the row beyond what the customer's own words say."""
    labels = {*permitted(row["expect"], INTENTS), NONE}
    if u.intent not in {*labels, "ask"} or not set(u.candidates) <= labels:
        yield f"state: {u.intent} {u.candidates}"
    if u.intent in WEIGHTY and u.intent not in row.get("may", ()):
        yield f"intent: {u.intent}"
    for slot, value in u.slots.items():
        start, end = u.spans[slot]
        if not (0 <= start < end <= len(row["text"])):
            yield f"span: {slot}"
        elif isinstance(value, Money):
            if value.minor not in row.get("amounts", ()):
                yield f"amount: {value.minor}"
        elif value != row["text"][start:end]:
            yield f"words: {slot}={value}"


def all_breaches(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    found = []
    for reader in readers():
        for row in rows:
            u = reader.understand(row["text"], row["lang"], row["expect"])
            found += [(row["text"][:60], what) for what in breaches(row, u)]
    return sorted(set(found))


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) >= 500
    assert len({(row["text"], row["lang"], row["expect"]) for row in ROWS}) >= 500
    assert {row["lang"] for row in ATTACKS} == {"zh", "en"}


def test_nobody_is_talked_over_whatever_the_model_says() -> None:
    assert all_breaches(ATTACKS) == []


def test_an_utterance_that_is_too_long_is_refused() -> None:
    too_long = [row for row in ROWS if len(row["text"]) > LONGEST]
    assert too_long
    for row in too_long:
        with pytest.raises(ValueError, match="characters"):
            readers()[0].understand(row["text"], row["lang"], row["expect"])
        assert phrases().read(row["text"], row["lang"], row["expect"]).intent == NONE


def test_consent_is_the_whole_utterance() -> None:
    worded = [row for row in ATTACKS if not row.get("may") and any(c.isalnum() for c in row["text"])]
    assert len(worded) >= 400
    (hostile,) = [r for r in readers() if isinstance(r._model, Hostile) and r._model.label == "yes"]
    for row in worded:
        yes = CONSENT[row["lang"]]
        for text in (f"{row['text']} {yes}", f"{yes}, {row['text']}"):
            if len(text) <= LONGEST:
                assert hostile.understand(text, row["lang"], "yes_no").intent != "yes", text


# --- the property can fail: three judges that are wrong, and what they let through ------------------------------------


def _nothing_is_weighty(intent: str, intents: object) -> bool:
    return False


def _first_number(u: Understood, *args: Any) -> Understood:
    """An amount from the first number that is named, whoever named it and whatever stands around it."""
    found = amount.reading(u.text, u.lang).weighed
    if not found or u.intent not in WEIGHTY:
        return u
    words = u.text[found[0][0] : found[0][1]]
    read = amount.read(words, u.lang) or Amount(1, found[0])
    return Understood(u.text, u.lang, u.intent, {"amount": Money(read.minor)}, {"amount": found[0]})


def _believes_the_model(p: Understood, model: Opinion | None, intents: object) -> Understood:
    return p if model is None else Understood(p.text, p.lang, model.intent, confidence=model.confidence)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [("_weighty", _nothing_is_weighty), ("_fill", _first_number), ("_decide", _believes_the_model)],
)
def test_a_wrong_judge_is_found_out(monkeypatch: pytest.MonkeyPatch, part: str, wrong: Any) -> None:
    monkeypatch.setattr(judge, part, wrong)
    assert all_breaches(ATTACKS[::5])
