"""The amount in an utterance, or the reason why it has none. The only way from words to money.

No guess is made here: whatever is vague, said in two ways, taken back or malformed has no amount, and the flow asks.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from kiosk.core import amount_en, amount_zh
from kiosk.core.amount_mention import MINOR_PER_MAJOR, Folded, Kind, Mention
from kiosk.events import Span
from kiosk.values import DEFAULT_CURRENCY, Lang

#: characters of one utterance; nobody says more before the endpointer cuts
LONGEST = 2000


@dataclass(frozen=True)
class Amount:
    """An exact amount: `minor` in hundredths (fen, pence), `span` of its words in the text.

    `flags` ask for a confirmation in so many words: `approximate` (三千左右), `ambiguous` (twelve fifty), `currency`
    (a currency was named that is not the kiosk's). `currency` is the ISO code when one was named.
    """

    minor: int
    span: Span
    flags: tuple[str, ...] = ()
    currency: str = ""


@dataclass(frozen=True)
class Reading:
    """`amount`, or None and `why`. `spans` are the words of the amount, `weighed` those of every amount that was named.

    `why` is empty with an amount, else one of: `no number`, `not money`, `vague`, `everything`, `several`,
    `taken back`, `notes only`, `unreadable`, `too long`.
    """

    amount: Amount | None
    why: str = ""
    spans: tuple[Span, ...] = ()
    weighed: tuple[Span, ...] = ()


def read(text: str, lang: Lang, currency: str = DEFAULT_CURRENCY) -> Amount | None:
    """The one amount that `text` asks for, or None. `currency` is the kiosk's own."""
    return reading(text, lang, currency).amount


def reading(text: str, lang: Lang, currency: str = DEFAULT_CURRENCY) -> Reading:
    """`read` with the reason. Takes time in proportion to the text's length, which is at most `LONGEST`."""
    if len(text) > LONGEST:
        return Reading(None, "too long")
    if any(unicodedata.category(c) == "Me" for c in text):
        return Reading(None, "unreadable")  # key caps: 5️⃣0️⃣0️⃣ would be three numbers
    words = amount_zh if lang == "zh" else amount_en
    folded = words.fold(text)
    found = words.mentions(folded.text)
    money = [m for m in found if m.kind is not Kind.NOT_MONEY]
    spans = tuple(folded.original(m.start, m.end) for m in money)
    if words.everything(folded.text):
        return Reading(None, "everything", weighed=spans)
    if not money:
        return Reading(None, "not money" if found else "no number")
    end = money[-1].end
    later = [m for m in found if m.start >= end]
    if words.retracted(folded.text[end:]) or (
        later and words.corrects(folded.text[end : later[0].start], folded.text[later[0].end :])
    ):
        return Reading(None, "taken back", weighed=spans)

    kept: list[Mention] = []
    for i, m in enumerate(money):
        if i:
            gap = folded.text[money[i - 1].end : m.start]
            if words.corrects(gap, folded.text[m.end :]):
                wrong = kept[-1].minor
                if _elliptic(wrong, m.minor):
                    return Reading(None, "several", weighed=spans)
                kept = [k for k in kept[:-1] if k.minor != wrong]
            elif words.ranges(gap) and m.kind is not Kind.DENOMINATION:
                return Reading(None, "vague", weighed=spans)
            elif words.adds(gap) and Kind.VALUE is m.kind is kept[-1].kind:
                return Reading(None, "several", weighed=spans)
            elif not gap.strip(" -") and Kind.NOTES not in (m.kind, kept[-1].kind):
                return Reading(None, "unreadable", weighed=spans)
        kept.append(m)
    return _settle(kept, folded, spans, currency)


def _elliptic(wrong: int | None, right: int | None) -> bool:
    """Might a correction name only the part that was wrong? "four hundred and fifty, no, sixty"."""
    if wrong is None or right is None or wrong < 100 * MINOR_PER_MAJOR:
        return False
    return right < 10 * MINOR_PER_MAJOR or (right < 100 * MINOR_PER_MAJOR and wrong % (100 * MINOR_PER_MAJOR) != 0)


def _settle(kept: list[Mention], folded: Folded, spans: tuple[Span, ...], currency: str) -> Reading:
    """One amount of the mentions that still stand."""
    for kind, why in ((Kind.UNREADABLE, "unreadable"), (Kind.VAGUE, "vague")):
        if any(m.kind is kind for m in kept):
            return Reading(None, why, weighed=spans)
    if kept[-1].kind is Kind.NEGATED:
        # 「六百，不是五百」 sounds like 「六百，不是，五百」
        return Reading(None, "taken back" if len(kept) == 1 else "several", weighed=spans)
    notes = [m for m in kept if m.kind is Kind.NOTES]
    said = [m for m in kept if m.kind is Kind.VALUE]
    if not notes and not said:
        return Reading(None, "notes only", weighed=spans)
    totals = {m.minor for m in said}
    if notes:
        totals.add(sum(m.minor or 0 for m in notes))
    if len(totals) != 1:
        return Reading(None, "several", weighed=spans)
    used = said or notes
    (minor,) = totals
    assert minor is not None, "exact mentions carry their value"
    if minor == 0:
        return Reading(None, "not money", weighed=spans)
    flags = list(dict.fromkeys(flag for m in used for flag in m.flags))
    named = {m.currency for m in used if m.currency}
    if len(named) > 1:
        return Reading(None, "several", weighed=spans)
    if named - {currency}:
        flags.append("currency")
    shown = tuple(folded.original(m.start, m.end) for m in (used if used is notes else used[-1:]))
    span = (shown[0][0], shown[-1][1])
    return Reading(Amount(minor, span, tuple(flags), next(iter(named), "")), "", shown, spans)
