"""What the amount readers of both languages hand to `amount`: mentions of numbers, judged one by one.

A reader finds every number in an utterance and says what it is. Which mention counts (corrections, repetitions,
several amounts) is decided in one place, `amount`, for both languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

#: hundredths of the main unit: what every currency here but the yen has
MINOR_PER_MAJOR = 100
#: no kiosk, transfer or bill goes beyond this (one hundred thousand million); a longer number was misheard
LIMIT = Decimal(10) ** 13


class Kind(StrEnum):
    VALUE = "value"  #: an exact amount
    NOTES = "notes"  #: so many notes of such a value: an exact amount that may be added to other such counts
    DENOMINATION = "denomination"  #: 一百的, "in twenties": which notes, not how much
    NEGATED = "negated"  #: 不要五百, "not five hundred"
    VAGUE = "vague"  #: 五六百, "a few hundred", 再加一百: no exact value can be known
    UNREADABLE = "unreadable"  #: number words that make no number
    NOT_MONEY = "not money"  #: an age, a time, a card number


@dataclass(frozen=True)
class Mention:
    """One number at `start`…`end` of the folded text, currency words included; `minor` only for exact kinds."""

    start: int
    end: int
    kind: Kind
    minor: int | None = None
    flags: tuple[str, ...] = ()
    #: ISO code when the customer named the currency
    currency: str = ""


@dataclass(frozen=True)
class Folded:
    """Text in one writing (half width, small letters, Simplified), and for each character its place in the original."""

    text: str
    index: tuple[int, ...]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original text of folded characters `start`…`end` (not empty)."""
        return self.index[start], self.index[end - 1] + 1


def to_minor(value: Decimal) -> int | None:
    """Hundredths, or None when the number is negative, too large, or finer than a hundredth."""
    scaled = value * MINOR_PER_MAJOR
    if value < 0 or value >= LIMIT or scaled != scaled.to_integral_value():
        return None
    return int(scaled)
