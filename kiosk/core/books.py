"""The one checker of the money invariants (DESIGN 4.5): bank ledger, journal and the notes that left the machine.

Unit, simulation, crash and end-to-end tests, the demo and the operator's report all ask this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kiosk.core.fold import Leg


@dataclass(frozen=True)
class BankRow:
    """What the bank's ledger says of one authorisation key, in minor units."""

    key: str
    authorised: int
    captured: int
    released: int

    @property
    def open(self) -> int:
        return self.authorised - self.captured - self.released


@dataclass(frozen=True)
class Verdict:
    """`books`: `agree`, `case` (they differ by no more than numbered cases say), or `differ` with the `reasons`."""

    books: str
    reasons: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.books != "differ"


def reconcile(legs: Sequence[Leg], bank: Sequence[BankRow], left_machine_minor: int) -> Verdict:
    """Compare three books that nobody copied from another.

    Args:
        legs: every session of the journal.
        bank: every authorisation of the bank's ledger.
        left_machine_minor: value of the notes that left the customer's slot, as the machine itself remembers them.
    """
    reasons: list[str] = []
    rows = {row.key: row for row in bank}
    in_case = False
    for leg in legs:
        row = rows.pop(leg.key, BankRow(leg.key, 0, 0, 0)) if leg.key else BankRow("", 0, 0, 0)
        if leg.dispenses > 1:
            reasons.append(f"{leg.session}: {leg.dispenses} dispenses")
        if leg.presented > leg.authorised:
            reasons.append(f"{leg.session}: paid {leg.presented} of {leg.authorised} authorised")
        if leg.pending:
            reasons.append(f"{leg.session}: {len(leg.pending)} advice not acknowledged")
        if leg.unknown or leg.cases:
            if not leg.cases:
                reasons.append(f"{leg.session}: {leg.unknown} in doubt without a case")
            in_case = True
            if row.captured > leg.presented + leg.unknown:
                reasons.append(f"{leg.session}: the bank took {row.captured}, more than may have been paid")
            continue
        if row.captured != leg.presented:
            reasons.append(f"{leg.session}: the bank took {row.captured}, {leg.presented} were paid")
        if row.open:
            reasons.append(f"{leg.session}: {row.open} still held")
    for row in rows.values():
        if row.captured or row.open:
            reasons.append(
                f"bank key {row.key}: {row.captured} taken, {row.open} held, and the journal knows nothing of it"
            )
    sure = sum(leg.presented for leg in legs)
    doubt = sum(leg.unknown for leg in legs)
    if not sure <= left_machine_minor <= sure + doubt:
        reasons.append(f"{left_machine_minor} left the machine, the journal says {sure} and {doubt} in doubt")
    if reasons:
        return Verdict("differ", tuple(reasons))
    return Verdict("case" if in_case else "agree")
