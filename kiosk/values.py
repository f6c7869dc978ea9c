"""The smallest words of the house: money, languages, errors. All may import this file; it imports nothing of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")

#: Digits after the decimal point of a currency (ISO 4217). A currency that is not here is refused, never guessed.
EXPONENTS: dict[str, int] = {"CNY": 2, "GBP": 2, "EUR": 2, "USD": 2, "HKD": 2, "JPY": 0}
DEFAULT_CURRENCY = "CNY"


class OperatorError(Exception):
    """A mistake that a person can mend: a file, a flag, a missing weight.

    `where` names file and line (or the option), `remedy` the thing to do. The command line prints one sentence
    and exits with 2; it never prints a traceback for it.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.remedy}" if self.remedy else head


@dataclass(frozen=True, order=True)
class Money:
    """An amount in the smallest unit of its currency (fen, pence). Never a float.

    Raises:
        ValueError: negative, not an integer, or a currency that is not in `EXPONENTS`.
    """

    minor: int
    currency: str = DEFAULT_CURRENCY

    def __post_init__(self) -> None:
        if type(self.minor) is not int or self.minor < 0:
            raise ValueError(f"money is a whole, non-negative number of the smallest unit, not {self.minor!r}")
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    @property
    def major(self) -> Decimal:
        """The amount in main units, exactly."""
        return Decimal(self.minor).scaleb(-EXPONENTS[self.currency])

    def plus(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def minus(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")

    def decimal(self) -> str:
        """`1000.00`: for tokens, ledgers and receipts."""
        return f"{self.major:.{EXPONENTS[self.currency]}f}"

    def shown(self) -> str:
        """`1,000` or `1,250.50`: for a screen and a prompt."""
        text = f"{self.major:,.{EXPONENTS[self.currency]}f}"
        return re.sub(r"\.0+$", "", text)

    def to_dict(self) -> dict[str, object]:
        return {"minor": self.minor, "currency": self.currency}
