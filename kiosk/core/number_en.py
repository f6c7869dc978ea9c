"""English number words, digits and mixtures, read as numbers: the grammar alone, without a thought for money.

A number is read only when its words form one; anything else is `UNREADABLE` or `VAGUE`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from kiosk.core.amount_mention import Kind

UNITS = dict(zip(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], range(1, 10), strict=True))
TEENS = dict(
    zip(
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
        range(10, 20),
        strict=True,
    )
)
TENS = dict(
    zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10), strict=True)
)
TENS["fourty"] = 40
SMALL = UNITS | TEENS | TENS
ZERO = {"zero", "oh", "o", "nought", "nil"}
HUNDRED = {"hundred", "hundreds"}
SCALES = {
    "thousand": 10**3, "thousands": 10**3, "grand": 10**3, "k": 10**3,
    "million": 10**6, "millions": 10**6, "billion": 10**9, "billions": 10**9,
}  # fmt: skip
BEYOND = {"trillion", "quadrillion", "quintillion", "lakh", "crore", "dozen", "score"}
#: notes said in the plural: "ten twenties"
NOTE_WORDS = {"note", "notes", "bill", "bills"}
PLURAL_NOTES = {"fivers": 5, "tenners": 10, "fives": 5, "tens": 10, "twenties": 20, "fifties": 50, "hundreds": 100}
NUMBER = set(SMALL) | ZERO | HUNDRED | set(SCALES) | BEYOND
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d{1,3}(?:,\d{3})++(?!\d)(?:\.\d++)?|\d++(?:\.\d++)?|[£$€¥]|[^\s\w]")


@dataclass(frozen=True)
class Word:
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Parsed:
    """A number read from words `at`…`end` (indices of words): its value, or why it has none."""

    end: int
    kind: Kind
    value: Decimal = Decimal(0)
    flags: tuple[str, ...] = ()
    #: more than a lone small number: it has a hundred, a thousand, or three digits
    strong: bool = False


def word_at(words: list[Word], i: int) -> str:
    return words[i].text if 0 <= i < len(words) else ""


def count_below(words: list[Word], i: int) -> tuple[int | None, int]:
    """A number below a hundred at word `i`, and the word after it."""
    word = word_at(words, i)
    if word.isdigit() and len(word) <= 3:
        return int(word), i + 1
    if word in TENS and word_at(words, i + 1) in UNITS:
        return TENS[word] + UNITS[word_at(words, i + 1)], i + 2
    if word in SMALL:
        return SMALL[word], i + 1
    return None, i


def number_at(words: list[Word], i: int) -> Parsed | None:
    """The longest number at word `i`; None when no number begins there."""
    if i >= len(words):
        return None
    word = words[i].text
    if not (word in NUMBER or word[0].isdigit() or (word in ("a", "an", "half") and _starts_scale(words, i + 1))):
        return None
    if word in UNITS or word in ZERO:
        digits = _digits(words, i)
        if digits:
            return digits
    if word in ("o", "oh", "k") or (word == "half" and word_at(words, i + 1) not in ("a", "an")):
        return None
    if word in BEYOND:
        return Parsed(i + 1, Kind.UNREADABLE)
    if word == "half":
        scale = SCALES.get(word_at(words, i + 2))
        return Parsed(i + 3, Kind.VALUE, Decimal(scale) / 2, (), True) if scale else None
    if word in ("hundreds", "thousands", "millions", "billions"):
        return Parsed(i + 1, Kind.VAGUE)
    total, last, strong = Decimal(0), Decimal(10) ** 12, False
    flags: tuple[str, ...] = ()
    end, any_scale = i, False
    bare_last = ""
    while True:
        group = _group(words, end, joined=any_scale)
        if group is None:
            break
        value, after, has_hundred, first = group
        scale = SCALES.get(word_at(words, after))
        if word_at(words, after) in BEYOND:
            return Parsed(after + 1, Kind.UNREADABLE)
        if scale:
            if scale >= last or (value >= 1000 and scale > 1):
                return Parsed(after + 1, Kind.UNREADABLE) if total == 0 else Parsed(end, Kind.UNREADABLE)
            total, last, end, strong, any_scale = total + value * scale, Decimal(scale), after + 1, True, True
            if value != int(value):
                break
            if word_at(words, end) == "and" and word_at(words, end + 1) == "a" and word_at(words, end + 2) == "half":
                return Parsed(end + 3, Kind.VALUE, total + Decimal(scale) / 2, (), True)
            if word_at(words, end) in SCALES:
                return Parsed(end + 1, Kind.UNREADABLE)
            continue
        if any_scale and value >= last:
            return Parsed(after, Kind.UNREADABLE)
        total += value
        strong = strong or has_hundred or (words[first].text[0].isdigit() and value >= 100)
        bare_last = words[first].text if any_scale and value < 10 and words[first - 1].text != "and" else ""
        end = after
        break
    if end == i:
        return None
    if bare_last and not bare_last.isdigit():
        flags = ("ambiguous",)
    if not any_scale and not strong:
        pair = _pair(words, i, end, total)
        if pair:
            return pair
    if word_at(words, end) in ("point",) and total == int(total):
        return _point(words, end, total)
    return Parsed(end, Kind.VALUE, total, flags, strong)


def _starts_scale(words: list[Word], i: int) -> bool:
    word = word_at(words, i)
    return (
        word == "hundred"
        or word in ("thousand", "grand", "million", "billion")
        or (word in ("a", "an") and word_at(words, i + 1) in ("grand", "thousand", "million"))
    )


def _group(words: list[Word], i: int, *, joined: bool) -> tuple[Decimal, int, bool, int] | None:
    """A number below a thousand (or "fifteen hundred", or written digits): value, next word, has a hundred, first word.

    `joined`: it continues a number after a thousand, so "and" or a comma may stand before it.
    """
    j = i
    if joined and word_at(words, j) in ("and", ","):
        if word_at(words, j) == "," and not (
            words[j - 1].text in SCALES and word_at(words, j + 1) in SMALL and _hundred_soon(words, j + 1)
        ):
            return None
        j += 1
    first, word = j, word_at(words, j)
    if not word:
        return None
    value: Decimal
    if word[0].isdigit():
        value, j = Decimal(word.replace(",", "")), j + 1
    elif word in ("a", "an") and word_at(words, j + 1) in (HUNDRED | set(SCALES)):
        value, j = Decimal(1), j + 1
    elif word == "hundred" or (not joined and word in SCALES and word != "k"):
        value = Decimal(1)
    elif word in SMALL:
        small, j = count_below(words, j)
        value = Decimal(small or 0)
    elif word == "zero" and not joined:
        value, j = Decimal(0), j + 1
        if word_at(words, j) != "point":
            return value, j, False, first
    else:
        return None
    if word_at(words, j) == "point" and not joined:
        pointed = _point(words, j, value)
        if pointed.kind is Kind.VALUE and word_at(words, pointed.end) in SCALES:
            return pointed.value, pointed.end, False, first
        return value, j, False, first
    if (
        word_at(words, j) == "and"
        and word_at(words, j + 1) in ("a", "half")
        and word_at(words, j + 1 + (word_at(words, j + 1) == "a")) == "half"
    ):
        k = j + 2 + (word_at(words, j + 1) == "a")
        if word_at(words, k) in SCALES:
            return value + Decimal("0.5"), k, False, first
        if word_at(words, k) in HUNDRED:
            return (value + Decimal("0.5")) * 100, k + 1, True, first
    if word_at(words, j) not in HUNDRED:
        return value, j, False, first
    if value >= 100 or value == 0 or value != int(value):
        return None
    value, j = value * 100, j + 1
    k = j + (word_at(words, j) == "and")
    word = word_at(words, k)
    small, after = count_below(words, k)
    if (
        small is not None
        and small < 100
        and word_at(words, after) not in HUNDRED | set(PLURAL_NOTES)
        and (word_at(words, after) not in SCALES or k == j or word_at(words, after) in SCALES)
    ):
        if k > j and word_at(words, after) in SCALES and value >= 1000:
            return value, j, True, first
        if word_at(words, after) in NOTE_WORDS:
            return value, j, True, first
        return value + small, after, True, first
    return value, j, True, first


def _hundred_soon(words: list[Word], i: int) -> bool:
    _, after = count_below(words, i)
    return word_at(words, after) == "hundred"


def _point(words: list[Word], i: int, whole: Decimal) -> Parsed:
    """ "point nine nine", "point five", "point twenty five" at word `i`."""
    j, fraction = i + 1, ""
    while (word := word_at(words, j)) and (word in UNITS or word in ZERO or (word.isdigit() and len(word) <= 2)):
        fraction += str(UNITS.get(word, 0)) if not word.isdigit() else word
        j += 1
    if not fraction:
        small, j = count_below(words, j)
        if small is None:
            return Parsed(i + 1, Kind.UNREADABLE)
        fraction = str(small)
    return Parsed(j, Kind.VALUE, whole + Decimal(f"0.{fraction}"), (), True)


def _digits(words: list[Word], i: int) -> Parsed | None:
    """Digits one by one: "five zero zero", "one double two"."""
    j, digits = i, ""
    while True:
        word = word_at(words, j)
        if word in UNITS:
            digits += str(UNITS[word])
        elif word in ZERO:
            digits += "0"
        elif word in ("double", "triple") and (word_at(words, j + 1) in UNITS or word_at(words, j + 1) in ZERO):
            digits += ("0" if word_at(words, j + 1) in ZERO else str(UNITS[word_at(words, j + 1)])) * (
                2 if word == "double" else 3
            )
            j += 1
        else:
            break
        j += 1
    if len(digits) < 2:
        return None
    if word_at(words, j) in HUNDRED or word_at(words, j) in SCALES:
        # "one two hundred", "five six thousand": a range, or a stumble
        return Parsed(j + 1, Kind.VAGUE)
    if word_at(words, j) in SMALL:
        return Parsed(j + 1, Kind.NOT_MONEY if len(digits) > 3 else Kind.UNREADABLE)
    if 3 <= len(digits) <= 6 and digits[0] != "0" and digits.endswith("00"):
        return Parsed(j, Kind.VALUE, Decimal(digits), ("ambiguous",), True)
    if (len(digits) == 2 and digits[0] == "0") or len(digits) > 2:
        return Parsed(j, Kind.NOT_MONEY)
    return Parsed(j, Kind.UNREADABLE)


def _pair(words: list[Word], i: int, end: int, first: Decimal) -> Parsed | None:
    """ "twelve fifty", "three twenty five", "twelve oh five": as a bank reads it, ambiguous."""
    if word_at(words, i)[0].isdigit():
        if word_at(words, end)[:1].isdigit():
            return Parsed(end + 1, Kind.UNREADABLE)
        return None
    word = word_at(words, end)
    if word in ("oh", "o", "zero") and word_at(words, end + 1) in UNITS and first >= 10:
        return Parsed(end + 2, Kind.VALUE, first * 100 + UNITS[word_at(words, end + 1)], ("ambiguous",), True)
    if word not in SMALL and word not in ZERO:
        return None
    second, after = count_below(words, end)
    following = word_at(words, after)
    if second is None or second < 10 or (following in NUMBER and following not in ("k",)):
        if following in HUNDRED or following in SCALES:
            return Parsed(after + 1, Kind.VAGUE)
        while word_at(words, after) in NUMBER:
            after += 1
        return Parsed(max(after, end + 1), Kind.UNREADABLE)
    if first >= 20 and first % 10 == 0:
        return Parsed(after, Kind.VAGUE if second > first else Kind.UNREADABLE)
    if second == first + 1 or (first == 10 and second % 10 == 0):
        return Parsed(after, Kind.VAGUE)
    return Parsed(after, Kind.VALUE, first * 100 + second, ("ambiguous",), True)
