"""No authority from words (DESIGN 4.6): an amount counts only if the amount reader finds it in what the customer said.

Whatever a model says, the money that enters a flow is computed here from the transcript. What goes to the journal is
cut down to those words: a transcript may hold a card number or a PIN that someone said aloud, so it is not kept.
"""

from __future__ import annotations

from dataclasses import replace

from kiosk.core.amount import read
from kiosk.events import Said, Understood
from kiosk.values import Money


def grounded_amount(u: Understood) -> Money | None:
    """The amount of this utterance, or None when the words do not hold exactly the amount that the slot claims."""
    claimed = u.slots.get("amount")
    span = u.spans.get("amount")
    if not isinstance(claimed, Money) or span is None:
        return None
    found = read(u.text, u.lang)
    if found is None or found.minor != claimed.minor:
        return None
    start, end = found.span
    overlaps = start < span[1] and span[0] < end
    return claimed if overlaps else None


def cut_down(said: Said) -> Said:
    """The same turn with no more text than its amount's words: what the engine sees and the journal keeps.

    An amount that cannot be read again from those words alone is dropped with them: then the kiosk asks once more.
    """
    u = said.understood
    money = grounded_amount(u)
    if money is None:
        bare = replace(u, text="", slots={}, spans={})
    else:
        found = read(u.text, u.lang)
        words = u.text[found.span[0] : found.span[1]] if found else ""
        bare = replace(u, text=words, slots={"amount": money}, spans={"amount": (0, len(words))})
        if grounded_amount(bare) != money:
            bare = replace(u, text="", slots={}, spans={})
    return replace(said, understood=bare)
