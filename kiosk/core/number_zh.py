"""Mandarin number words, digits and mixtures, read as numbers: the grammar alone, without a thought for money.

A bare digit after a unit is one unit lower (两千五 2500, 一万五 15000); after 零 it is ones (两千零五 2005).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from kiosk.core.amount_mention import Kind

DIGIT = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"幺": 1, "两": 2}
_UNIT = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_TENS = {"廿": 20, "卅": 30}

_TOKEN = re.compile(r"\d[\d,]*(?:\.\d+)?|.")


@dataclass(frozen=True)
class Parsed:
    """A run of number words: its value, or why it has none; `elided` when a last unit was left out (两千五)."""

    kind: Kind
    value: Decimal = Decimal(0)
    elided: bool = False
    digits: bool = False


_VAGUE = Parsed(Kind.VAGUE)
BAD = Parsed(Kind.UNREADABLE)
_OTHER = Parsed(Kind.NOT_MONEY)


_Token = tuple[str, Decimal]  #: ("d" digit word | "n" written number | "t" 廿 | "u" unit, value)


def number(run: str) -> Parsed:
    """The number that a whole run of number characters says."""
    if "几" in run:
        return _VAGUE
    if "兆" in run:
        return BAD
    head, point, tail = run.partition("点")
    tokens = _tokens(head)
    if point:
        return _decimal(tokens, _tokens(tail))
    half = len(run) // 2
    if len(run) % 2 == 0 and half >= 2 and run[:half] == run[half:] and not run.isdigit():
        return number(run[:half])  # 五百五百: said twice
    if all(kind == "d" for kind, _ in tokens) and len(tokens) > 1:
        return _digits(run, tokens)
    return _whole(tokens)


def _tokens(run: str) -> list[_Token]:
    tokens: list[_Token] = []
    for m in _TOKEN.finditer(run):
        c = m[0]
        if c in DIGIT:
            tokens.append(("d", Decimal(DIGIT[c])))
        elif c in _UNIT:
            tokens.append(("u", Decimal(_UNIT[c])))
        elif c in _TENS:
            tokens.append(("t", Decimal(_TENS[c])))
        else:
            tokens.append(("n", Decimal(c.replace(",", ""))))
    return tokens


def _digits(run: str, tokens: list[_Token]) -> Parsed:
    """五零零: an amount when it ends in 零; 七八 and 三五 are ranges; the rest are other numbers."""
    values = [int(v) for _, v in tokens]
    if len(values) == 2 and values[1] and _ascending(values[0], values[1]):
        return _VAGUE
    if values[0] == 0 or values[-1] != 0 or len(values) > 6:
        return _OTHER
    return Parsed(Kind.VALUE, Decimal("".join(map(str, values))), digits=True)


def _ascending(a: int, b: int) -> bool:
    """Two digits that name a range: 五六, 三五."""
    return a > 0 and (b == a + 1 or (a, b) == (3, 5))


def _decimal(head: list[_Token], tail: list[_Token]) -> Parsed:
    """一点五万, 三十点二五; 三点二十 is a time."""
    whole = _whole(head)
    if whole.kind is not Kind.VALUE or whole.elided or not head:
        return BAD if whole.kind is not Kind.VAGUE else whole
    scale = Decimal(1)
    if tail[-1] == ("u", Decimal(10)) or any(kind == "u" for kind, _ in tail[:-1]) or any(k == "t" for k, _ in tail):
        return _OTHER if whole.value <= 24 else BAD
    if tail[-1][0] == "u":
        scale = tail.pop()[1]
    if not tail or (len(tail) > 1 and any(kind != "d" for kind, _ in tail)) or tail[0][1] != int(tail[0][1]):
        return BAD
    # a written number keeps its leading zeros only as text; "5" and "05" differ, so only one written token is read
    fraction = "".join(str(int(v)) for _, v in tail)
    return Parsed(Kind.VALUE, (whole.value + Decimal(f"0.{fraction}")) * scale)


def _whole(tokens: list[_Token]) -> Parsed:
    """A whole number in words, digits or both: sections of 亿 and 万, each below ten thousand."""
    total, elided = Decimal(0), False
    for unit in (Decimal(100_000_000), Decimal(10_000)):
        places = [i for i, t in enumerate(tokens) if t == ("u", unit)]
        if not places:
            continue
        if len(places) > 1:
            return BAD
        head, tokens = tokens[: places[0]], tokens[places[0] + 1 :]
        if not head:
            return _VAGUE  # 万把块, 百万
        high = _whole(head) if unit > 10_000 else _section(head, leading_zero=total > 0)
        if high.kind is not Kind.VALUE or high.elided or high.value == 0:
            return high if high.kind is not Kind.VALUE else BAD
        total += high.value * unit
        if not tokens:
            return Parsed(Kind.VALUE, total)
        if len(tokens) == 1 and tokens[0][1] < 10:
            if tokens[0][1] == 0 or tokens[0][0] in "ut" or tokens[0][1] != int(tokens[0][1]):
                return BAD
            return Parsed(Kind.VALUE, total + tokens[0][1] * unit / 10, elided=True)
        if high.value != int(high.value):
            return BAD  # 1.5万三百
        if len(tokens) == 2 and all(k == "d" for k, _ in tokens) and _ascending(int(tokens[0][1]), int(tokens[1][1])):
            return _VAGUE
        if len(tokens) == 1 and tokens[0][1] >= unit:
            return BAD
    low = _section(tokens, leading_zero=total > 0)
    if low.kind is not Kind.VALUE or (total and low.value == 0):
        return low if low.kind is not Kind.VALUE else BAD
    return Parsed(Kind.VALUE, total + low.value, elided or low.elided)


def _section(tokens: list[_Token], *, leading_zero: bool) -> Parsed:
    """A number of 千 百 十 and digits, units falling."""
    if len(tokens) == 1 and tokens[0][0] in "nd":
        return Parsed(Kind.VALUE, tokens[0][1])
    total, last, pending, zero = Decimal(0), Decimal(10_000), Decimal(-1), False
    words = False
    for i, (kind, value) in enumerate(tokens):
        if kind == "d" and value == 0:
            if pending >= 0 or zero or (i == 0 and not leading_zero):
                return BAD
            zero = True
        elif kind == "t":
            if pending >= 0 or last <= 10:
                return BAD
            total, last, zero = total + value, Decimal(10), False
        elif kind in "dn":
            if pending >= 0:
                both = words and kind == "d" and _ascending(int(pending), int(value))
                return _VAGUE if both else BAD
            if value != int(value) and i + 1 == len(tokens):
                return BAD
            pending, words = value, kind == "d"
        else:
            if pending < 0:
                if value != 10 or (total and last < 100):
                    return _VAGUE if not total else BAD
                if tokens[i - 1 : i] and total == 0 and not zero:
                    return BAD
                pending = Decimal(1)
            if value >= last or pending >= 10 or pending == 0:
                return BAD
            if value > 10 and pending != int(pending) and i + 1 < len(tokens):
                return BAD
            total, last, pending, zero = total + pending * value, value, Decimal(-1), False
    if pending < 0:
        return BAD if zero else Parsed(Kind.VALUE, total)
    if total == 0:
        return Parsed(Kind.VALUE, pending)
    if zero or last == 10 or pending >= 10:
        return Parsed(Kind.VALUE, total + pending) if pending < last else BAD
    return Parsed(Kind.VALUE, total + pending * last / 10, elided=True)
