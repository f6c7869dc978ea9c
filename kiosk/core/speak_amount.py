"""Amounts in words, for the read-back: digits are for the screen, a voice says words.

The inverse of `amount`: what is said here is read there as the same amount (tests/property/test_amount.py).
"""

from __future__ import annotations

import re

import cn2an

from kiosk.values import EXPONENTS, Lang, Money

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand"))

#: currency → (one main unit, several, one smallest unit, several)
_EN = {
    "CNY": ("yuan", "yuan", "fen", "fen"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "USD": ("dollar", "dollars", "cent", "cents"),
    "HKD": ("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "JPY": ("yen", "yen", "", ""),
}
#: currency → (main unit, tenth, hundredth); an empty tenth means that hundredths are counted
_ZH = {
    "CNY": ("元", "角", "分"),
    "HKD": ("港元", "角", "分"),
    "GBP": ("英镑", "", "便士"),
    "EUR": ("欧元", "", "欧分"),
    "USD": ("美元", "", "美分"),
    "JPY": ("日元", "", ""),
}


def spoken(money: Money, lang: Lang) -> str:
    """1250.50 yuan → 「一千二百五十元五角」, "one thousand two hundred and fifty yuan and fifty fen"."""
    main, minor = divmod(money.minor, 10 ** EXPONENTS[money.currency])
    return _spoken_zh(main, minor, money.currency) if lang == "zh" else _spoken_en(main, minor, money.currency)


def number_zh(number: int) -> str:
    """A whole number from 0 as people say it: 两千二百五十, 十二, 一万零五十."""
    words: str = cn2an.an2cn(str(number), "low")
    words = re.sub(r"^一十", "十", words)
    words = re.sub(r"(?<!十)二(?=[千万亿])", "两", words)
    words = re.sub(r"^二(?=百)", "两", words)
    return re.sub(r"(?<=[万亿])零(?=[一二两三四五六七八九]千)", "", words)


def number_en(number: int) -> str:
    """A whole number from 0 in British words: "one thousand two hundred and fifty"."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{_ONES[hundreds]} hundred" + (f" and {number_en(rest)}" if rest else "")
    for scale, name in _SCALES:
        if number >= scale:
            head, rest = divmod(number, scale)
            joint = " and " if 0 < rest < 100 else " "
            return f"{number_en(head)} {name}" + (joint + number_en(rest) if rest else "")
    raise AssertionError("every number from 1000 has a scale")


def _spoken_zh(main: int, minor: int, currency: str) -> str:
    unit, tenth, hundredth = _ZH[currency]
    text = f"{'两' if main == 2 else number_zh(main)}{unit}" if main or not minor else ""
    if not minor:
        return text
    if not tenth:
        return f"{text}{'两' if minor == 2 else number_zh(minor)}{hundredth}"
    tenths, hundredths = divmod(minor, 10)
    said = f"{_small_zh(tenths)}{tenth}" if tenths else ("零" if text else "")
    return text + said + (f"{_small_zh(hundredths)}{hundredth}" if hundredths else "")


def _small_zh(digit: int) -> str:
    return "两" if digit == 2 else number_zh(digit)


def _spoken_en(main: int, minor: int, currency: str) -> str:
    one, many, one_minor, many_minor = _EN[currency]
    parts = []
    if main or not minor:
        parts.append(f"{number_en(main)} {one if main == 1 else many}")
    if minor:
        parts.append(f"{number_en(minor)} {one_minor if minor == 1 else many_minor}")
    return " and ".join(parts)
