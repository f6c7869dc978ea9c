"""Prompts as a voice must say them."""

from __future__ import annotations

import pytest

from kiosk.core.spoken import pieces, spoken


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("取1,000元，对吗？", "取一千元，对吗？"),
        ("取2,500.50元，对吗？", "取两千五百元五角，对吗？"),
        ("余额￥0.05", "余额五分"),
        ("￥２０００", "两千元"),
        ("10000元", "一万元"),
        ("1.234元", "一点二三四元"),
        ("2026-11-22", "二零二六年十一月二十二日"),
        ("2026年1月2日", "二零二六年一月二日"),
        ("单号12，尾号6789", "单号一二，尾号六七八九"),
        ("电话13800138000", "电话一三八零零一三八零零零"),
        ("占5%，共3.14", "占百分之五，共三点一四"),
        ("一次一百到五千元，要多少？", "一次一百到五千元，要多少？"),
        ("100,000,000,000,000元", "一零零零零零零零零零零零零零零元"),
    ],
)
def test_mandarin(text: str, words: str) -> None:
    assert spoken(text, "zh") == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Withdraw 1,000 yuan. Is that right?", "Withdraw one thousand yuan. Is that right?"),
        ("£2,500.50 today", "two thousand five hundred pounds and fifty pence today"),
        ("$1", "one dollar"),
        ("2026-11-22", "the twenty-second of November twenty twenty-six"),
        ("1905-01-21", "the twenty-first of January nineteen oh five"),
        ("2006-08-03", "the third of August two thousand and six"),
        ("1900-12-12", "the twelfth of December nineteen hundred"),
        ("card ending in 6789", "card ending in six seven eight nine"),
        ("case 12", "case twelve"),
        ("5%, 3.14 and 1,250", "five percent, three point one four and one thousand two hundred and fifty"),
        ("007", "zero zero seven"),
        ("2026-13-40 is no date", "two thousand and twenty-six-thirteen-forty is no date"),
    ],
)
def test_english(text: str, words: str) -> None:
    assert spoken(text, "en") == words


def test_pieces_are_cut_at_marks_but_not_within_figures() -> None:
    assert pieces("取1,000元，对吗？", "zh") == ["取1,000元，", "对吗？"]
    assert pieces("好的。", "zh") == ["好的。"]
    assert pieces("Withdraw 2.50 yuan, now. Is that right?", "en") == ["Withdraw 2.50 yuan, now.", "Is that right?"]


def test_marks_alone_are_no_piece() -> None:
    assert pieces("……。", "zh") == []
    assert pieces("", "en") == []
