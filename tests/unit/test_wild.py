"""The utterances of `wild.*.jsonl` before the readers that need no weights: apart from the examples, and safe.

`held` rows were not looked at while anything was mended (docs/benchmarks-understanding.md).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kiosk.adapters.intentfile import load_intents
from kiosk.adapters.simplified import simplified
from kiosk.adapters.understanding import Reader
from kiosk.core.intents import COMMANDS, EXPECTS
from kiosk.core.phrases import PhraseReader, normal
from kiosk.paths import FLOWS
from kiosk.values import LANGS, Lang, Money

DATA = Path(__file__).resolve().parents[1] / "data"
INTENTS = load_intents(FLOWS)


@cache
def reader() -> Reader:
    return Reader(INTENTS, PhraseReader(INTENTS, simplified=simplified), None)


@cache
def wild(lang: Lang) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"wild.{lang}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("lang", LANGS)
def test_there_are_enough_and_every_intent_is_there(lang: Lang) -> None:
    rows = wild(lang)
    first = (DATA / f"utterances.{lang}.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) >= 450
    assert len(rows) + len(first) >= 600
    assert len({(row["text"], row["expect"]) for row in rows}) == len(rows)
    late = {"language"}  # a command that came after these were written
    assert {row["intent"] for row in rows} | late == {*(spec.name for spec in INTENTS), "none", "ask"}
    assert sum(row.get("held", False) for row in rows) >= len(rows) * 0.3
    for row in rows:
        if row["expect"] != "intent":
            assert row["intent"] in (*EXPECTS[row["expect"]], *COMMANDS, "none", "ask"), row


@pytest.mark.parametrize("lang", LANGS)
def test_they_are_kept_out_of_the_examples(lang: Lang) -> None:
    known = {normal(e.text, lang) for spec in INTENTS for e in spec.examples[lang]}
    assert [row["text"] for row in wild(lang) if normal(row["text"], lang) in known] == []


@pytest.mark.parametrize("lang", LANGS)
def test_no_amount_is_wrong_and_no_consent_is_false(lang: Lang) -> None:
    """On what was looked at."""
    for row in wild(lang):
        if row.get("held"):
            continue
        u = reader().understand(row["text"], lang, row["expect"])
        money = u.slots.get("amount")
        assert not isinstance(money, Money) or money.minor == row["amount"], row
        assert u.intent != "yes" or row["intent"] == "yes", row
