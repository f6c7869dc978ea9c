"""The scores of `kiosk bench understand`: what counts as right, asked, missed, silent; the numbers that are plain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kiosk.bench import understand
from kiosk.bench.understand import Score
from kiosk.events import Understood
from kiosk.values import Money


def row(intent: str, amount: int | None = None, **more: Any) -> dict[str, Any]:
    return {"text": "", "lang": "zh", "expect": "intent", "intent": intent, "amount": amount, **more}


def test_right_wrong_asked_and_missed() -> None:
    score = Score()
    score.add(row("withdraw", 5000), Understood("", "zh", "withdraw", {"amount": Money(5000)}, {"amount": (0, 1)}))
    score.add(row("withdraw", 5000), Understood("", "zh", "withdraw", {"amount": Money(9000)}, {"amount": (0, 1)}))
    score.add(row("withdraw", 5000), Understood("", "zh", "withdraw"))
    score.add(row("balance"), Understood("", "zh", "ask"))
    score.add(row("balance"), Understood("", "zh", "none"))
    score.add(row("none"), Understood("", "zh", "none"))
    score.add(row("none"), Understood("", "zh", "yes"))
    score.add(row("ask"), Understood("", "zh", "ask"))
    shown = score.shown()
    assert (shown["rows"], score.intent, score.frame) == (8, 5, 3)
    assert (score.scope, score.scope_right, score.asked, score.missed) == (5, 3, 1, 1)
    assert (score.outside, score.outside_right) == (2, 1)
    assert (score.silent, score.wrong_amount, score.false_yes) == (2, 1, 1)


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ({}, {}, True),
        ({"payee": "我儿子"}, {"payee": "我儿子"}, True),
        ({"payee": "我儿子"}, {"payee": "儿子"}, False),
        ({"payee": "我儿子"}, {}, False),
        ({}, {"payee": "我儿子"}, False),
        ({"bill": "electricity"}, {"bill": "电费"}, True),
        ({"bill": "electricity"}, {"bill": "electricity"}, True),
        ({"bill": "electricity"}, {"bill": "电话费"}, False),
    ],
)
def test_a_frame_has_the_same_words(wanted: dict[str, str], found: dict[str, str], same: bool) -> None:
    assert understand._same_words(row("transfer", slots=wanted), Understood("", "zh", "transfer", dict(found))) is same


def test_a_row_that_states_no_slots_is_judged_by_its_amount() -> None:
    assert understand._same_words(row("transfer", slots=None), Understood("", "zh", "transfer", {"payee": "我儿子"}))


def test_which_numbers_are_plain(tmp_path: Path) -> None:
    rows = [
        ("zh", "一百零五", "105"),
        ("zh", "幺幺零", "110"),
        ("zh", "三五百", "300~500"),
        ("zh", "一万", "1万"),
        ("en", "two hundred and fifty four", "254"),
        ("en", "Two hundred and fifty four", "254"),
        ("en", "five zero", "50"),
        ("en", "minus sixty", "-60"),
        ("en", "twenty-five cows", "25"),
    ]
    file = tmp_path / "oracles.jsonl"
    file.write_text(
        "".join(
            json.dumps({"lang": lang, "direction": "spoken->written", "input": text, "expected": value}) + "\n"
            for lang, text, value in rows
        ),
        encoding="utf-8",
    )
    zh, en = understand._numbers(file)
    assert (zh["rows"], zh["right"], en["rows"], en["right"]) == (1, 1.0, 1, 1.0)


def test_an_unknown_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert understand.main("huge", 1, False) == 2
    assert "small or full" in capsys.readouterr().err


def test_the_threshold_keeps_what_is_in_scope() -> None:
    inside = [("a", s / 100, "a") for s in range(1, 101)]
    outside = [("a", s / 1000, "oos") for s in range(100)]
    assert understand._threshold(inside, outside) == pytest.approx(0.06)
    assert understand._threshold([("b", 0.5, "a")], outside) == 0.0
