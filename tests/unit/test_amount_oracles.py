"""The amount reader against the test data of three text-normalisation projects, which nobody here wrote.

What counts as a plain number (the filter of the 98 % target), decided from the row alone, never by our reader:

1. `spoken->written` or `spoken->value`;
2. the spoken side consists of number words and currency words only (no sentences, no telephone or card digits read one
   by one, no minus, no ranges, no ordinals, no units beyond 亿 and billion);
3. the written side is one non-negative number with at most two decimals (money has no more), below 10^13; 万, 亿 and
   million left in the written side are multiplied out.
"""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from kiosk.core.amount import read

SHARED = Path(os.environ.get("KIOSK_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ROWS = SHARED / "data" / "numbers" / "oracles.jsonl"
TARGET = 0.98

#: rows on which we differ from them and mean to
SETTLED = {
    # 一百一 is 110 to whoever says it (一百零一 is 101); their row lost a 零
    "一億零一萬一千一百一": Decimal(100_011_110),
}

ZH_WORDS = re.compile(
    r"[零〇一二三四五六七八九十百千万亿两兩萬億壹贰貳叁肆伍陆陸柒捌玖拾佰仟點点块元圆毛角分钱錢塊\d.]+"
    r"(?:人民币|美元|美金|英镑|欧元|日元|韩元|卢布)?"
)
ZH_UNIT = re.compile(r"[十百千万亿萬億拾佰仟點点块元圆毛角塊]|美金|英镑")
EN_WORDS = set(
    [
        "zero",
        "oh",
        "o",
        "a",
        "and",
        "hundred",
        "hundreds",
        "thousand",
        "thousands",
        "million",
        "millions",
        "billion",
        "point",
        "dollar",
        "dollars",
        "cent",
        "cents",
        "pound",
        "pounds",
        "euro",
        "euros",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fourty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "yuan",
    ]
)
DIGIT_WORDS = set(["zero", "oh", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
SCALES = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "million": 10**6, "billion": 10**9}


def value(written: str) -> Decimal | None:
    """The number of the written side, or None when it is not one plain number."""
    m = re.fullmatch(
        r"(?:[¥$£€₩₽₹]|JPY¥|CNY|USD|GBP|EUR)?\s?(\d[\d,]*(?:\.\d{1,2})?)\s?(万|萬|亿|億|million|billion)?(?:元|块)?",
        written,
    )
    if not m:
        return None
    number = Decimal(m[1].replace(",", "")) * SCALES.get(m[2] or "", 1)
    return number if number < 10**13 and number * 100 == int(number * 100) else None


def plain(lang: str, spoken: str) -> bool:
    if lang == "zh":
        words = bool(ZH_WORDS.fullmatch(spoken))
        return words and (len(spoken) == 1 or bool(ZH_UNIT.search(spoken)))
    words = re.sub(r"[-,]", " ", spoken.lower()).split()
    digits = len(words) > 1 and all(w in DIGIT_WORDS for w in words)
    leading = words[:1] and words[0] in ("zero", "o", "oh") and len(words) > 1 and words[1] != "point"
    return bool(words) and set(words) <= EN_WORDS and not digits and not leading


def rows() -> list[tuple[str, str, Decimal]]:
    found = []
    for line in ROWS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["direction"] not in ("spoken->written", "spoken->value"):
            continue
        number = value(row["expected"])
        if number is not None and plain(row["lang"], row["input"].strip()):
            found.append((row["lang"], row["input"], number))
    return sorted(set(found))


@pytest.mark.shared
@pytest.mark.skipif(not ROWS.is_file(), reason="the number rows are outside the project and not here (KIOSK_SHARED)")
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_plain_numbers_of_other_projects(lang: str) -> None:
    chosen = [row for row in rows() if row[0] == lang]
    assert len(chosen) > 100
    wrong, silent = [], []
    for _, spoken, number in chosen:
        amount = read(spoken, lang)
        if amount is None:
            silent.append(spoken)
        elif amount.minor != number * 100:
            assert SETTLED.get(spoken) == Decimal(amount.minor) / 100, f"{spoken} → {amount.minor / 100}, not {number}"
            wrong.append(spoken)
    right = len(chosen) - len(wrong) - len(silent)
    print(f"{lang}: {right} of {len(chosen)} right ({right / len(chosen):.1%}), differ {wrong}, no amount {silent}")
    assert right / len(chosen) >= TARGET
