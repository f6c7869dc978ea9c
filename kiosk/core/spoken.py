"""A prompt as a voice must say it: figures, signs and dates become words, long text is cut where one breathes.

Screens show `1,000元`; synthesizers misread it (`2,500.50` worst of all). Amounts are worded by `speak_amount`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kiosk.core import speak_amount
from kiosk.values import EXPONENTS, Lang, Money

_FULL_WIDTH: dict[int, int | str] = {**{0xFF10 + d: 0x30 + d for d in range(10)}, ord("￥"): "¥", ord("％"): "%"}
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_SIGNS = {"¥": "CNY", "£": "GBP", "€": "EUR", "$": "USD"}
_UNITS: dict[str, str] = {
    **{"港元": "HKD", "美元": "USD", "英镑": "GBP", "欧元": "EUR", "日元": "JPY", "元": "CNY"},
    **{"yuan": "CNY", "pounds": "GBP", "euros": "EUR", "dollars": "USD", "yen": "JPY"},
}
_MONEY = re.compile(rf"([¥£€$]\s*)?(?<![\d.,])({_NUMBER})(?![\d.]*\d)(?:\s*({'|'.join(_UNITS)}))?")
_DATE = re.compile(r"(?<!\d)(\d{4})([-/年])(\d{1,2})([-/月])(\d{1,2})(?!\d)日?")
_PERCENT = re.compile(rf"({_NUMBER})\s*%")
_PLAIN = re.compile(_NUMBER)
#: words after which figures are a name, not a count
_NAMES = re.compile(r"(?:号|号码|number|ending(?: in)?|no\.)[:：\s]*$", re.IGNORECASE)
#: figures that are read one by one because nobody counts that far without commas
_LONG = 5
#: whole parts with more digits have no name that people know
_COUNTABLE = 12
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}
#: where Chinese is cut: each clause can be said by itself
_CLAUSE = re.compile(r"[^，。！？；：,!?;:]+[，。！？；：,!?;:]*")
_SENTENCE = re.compile(r".+?(?:[.!?]+(?=\s|$)|$)", re.DOTALL)


def spoken(text: str, lang: Lang) -> str:
    """`取2,500.50元，对吗？` → `取两千五百元五角，对吗？`; `Withdraw £40.` → `Withdraw forty pounds.`

    Money of a known currency, dates (year first), percentages, decimals and whole numbers become words. Figures are
    read one by one where they begin with 0, have five or more digits without commas, or follow 号, `number`, `ending`.
    """
    text = text.translate(_FULL_WIDTH)
    text = _DATE.sub(lambda m: _date(m, lang), text)
    text = _MONEY.sub(lambda m: _money(m, lang), text)
    percent = "百分之{}" if lang == "zh" else "{} percent"
    text = _PERCENT.sub(lambda m: percent.format(_number(m[1], lang)), text)
    return _PLAIN.sub(
        lambda m: _figures(m[0], lang) if _NAMES.search(m.string[: m.start()]) else _number(m[0], lang), text
    )


def pieces(text: str, lang: Lang) -> list[str]:
    """The parts that may be said one after the other: English sentences, Chinese clauses; each keeps its marks.

    Marks between figures do not cut: `1,000` and `2.50` stay whole. Nothing but white space is lost.
    """
    whole = re.sub(rf"{_NUMBER}", lambda m: m[0].replace(",", "\0"), text)
    found: list[str] = (_CLAUSE if lang == "zh" else _SENTENCE).findall(whole)
    return [p for p in (f.replace("\0", ",").strip() for f in found) if re.search(r"\w", p)]


def _money(m: re.Match[str], lang: Lang) -> str:
    sign, figures, unit = m[1], m[2], m[3]
    currency = _SIGNS[sign.strip()] if sign else _UNITS.get(unit or "", "")
    whole, _, part = figures.replace(",", "").partition(".")
    places = EXPONENTS.get(currency, 0)
    if not currency or len(part) > places or len(whole) > _COUNTABLE:
        return m[0]
    money = Money(int(whole) * 10**places + int((part or "0").ljust(places, "0")), currency)
    return speak_amount.spoken(money, lang)


def _date(m: re.Match[str], lang: Lang) -> str:
    year, month, day = m[1], int(m[3]), int(m[5])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return m[0]
    if lang == "zh":
        return f"{_figures(year, lang)}年{speak_amount.number_zh(month)}月{speak_amount.number_zh(day)}日"
    return f"the {_ordinal(day)} of {_MONTHS[month - 1]} {_year(int(year))}"


def _ordinal(number: int) -> str:
    head, joint, last = re.match(r"(.*?)(-?)([a-z]+)$", speak_amount.number_en(number)).groups()  # type: ignore[union-attr]
    named = _ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return f"{head}{joint}{named}"


def _year(year: int) -> str:
    century, rest = divmod(year, 100)
    if year % 1000 < 10:
        return speak_amount.number_en(year)
    if rest == 0:
        return f"{speak_amount.number_en(century)} hundred"
    return f"{speak_amount.number_en(century)} {'oh ' if rest < 10 else ''}{speak_amount.number_en(rest)}"


def _number(figures: str, lang: Lang) -> str:
    whole, _, part = figures.partition(".")
    plain = whole.replace(",", "")
    long = len(plain) >= _LONG and "," not in whole
    if long or len(plain) > _COUNTABLE or (len(plain) > 1 and plain[0] == "0"):
        words = _figures(plain, lang)
    else:
        count: Callable[[int], str] = speak_amount.number_zh if lang == "zh" else speak_amount.number_en
        words = count(int(plain))
    if not part:
        return words
    return f"{words}点{_figures(part, lang)}" if lang == "zh" else f"{words} point {_figures(part, lang)}"


def _figures(figures: str, lang: Lang) -> str:
    if lang == "zh":
        return "".join("零一二三四五六七八九"[int(d)] for d in figures if d.isdigit())
    return " ".join(speak_amount.number_en(int(d)) for d in figures if d.isdigit())
