"""No authority from words (DESIGN 4.6): an amount counts only if the amount reader finds it in what the customer said.

Whatever a model says, the money that enters a flow is computed here from the transcript. What goes to the journal is
cut down to those words, and to the words that name one of a slot's choices (a payee, a bill): a transcript may hold a
card number or a PIN that someone said aloud, so it is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from kiosk.core.amount import read
from kiosk.core.flow import Slot
from kiosk.events import Said, SlotValue, Span, Understood
from kiosk.values import Lang, Money


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


def grounded_choice(u: Understood, slot: Slot) -> tuple[str, Span] | None:
    """The choice of this slot that the customer's own words name, and where; None when they name none or several.

    A word inside a longer one of another choice does not count: 电话费 is no 电费, "gas" is not in "Vegas".
    """
    text = u.text.lower()
    found: list[tuple[int, int, str]] = []
    for key, words in slot.choices.items():
        for word in words[u.lang]:
            for m in re.finditer(_pattern(word.lower(), u.lang), text):
                found.append((m.start(), m.end(), key))
    whole = [
        (start, end, key)
        for start, end, key in found
        if not any(s <= start and end <= e and e - s > end - start for s, e, _ in found)
    ]
    if len({key for _, _, key in whole}) != 1:
        return None
    start, end, key = whole[0]
    return key, (start, end)


def cut_down(said: Said, choices: Iterable[Slot] = ()) -> Said:
    """The same turn with no more text than its amount's words and those of the `choices` it names: what the engine
    sees and the journal keeps.

    An amount that cannot be read again from those words alone is dropped with them: then the kiosk asks once more.
    """
    u = said.understood
    parts: list[tuple[int, str, str]] = []  # where it stood, slot, words
    for slot in choices:
        named = grounded_choice(u, slot)
        if named:
            parts.append((named[1][0], slot.name, u.text[named[1][0] : named[1][1]]))
    money = grounded_amount(u)
    found = read(u.text, u.lang) if money else None
    if money and found:
        with_money = _joined(u, [*parts, (found.span[0], "amount", u.text[found.span[0] : found.span[1]])], money)
        if grounded_amount(with_money) == money:
            return replace(said, understood=with_money)
        if parts:  # the other words would change the amount: the choices are dropped, and asked for
            return cut_down(said)
    return replace(said, understood=_joined(u, parts, None))


def _joined(u: Understood, parts: list[tuple[int, str, str]], money: Money | None) -> Understood:
    text, slots, spans = "", dict[str, SlotValue](), dict[str, Span]()
    for _, name, words in sorted(parts):
        text += " … " if text else ""
        spans[name] = (len(text), len(text) + len(words))
        slots[name] = money if name == "amount" and money else words
        text += words
    return replace(u, text=text, slots=slots, spans=spans)


def _pattern(word: str, lang: Lang) -> str:
    return re.escape(word) if lang == "zh" else rf"(?<![\w']){re.escape(word)}(?!\w)"
