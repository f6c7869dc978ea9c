"""Two readers read every utterance; this decides what was meant, or that the customer must be asked. It never guesses.

The phrase reader compares with the flows' examples, the language model reads freely inside a grammar. They fail in
different ways, so what both say stands. Where they differ it counts what a mistake would cost: a wrong `help` costs a
sentence, a wrong `yes` or `withdraw` is a step towards money. An intent with a money slot, and `yes`, is *weighty*.

| phrases say | the model says | decided |
|---|---|---|
| X | X | X |
| X, as good as word for word an example (`SURE`) | anything | X |
| X, clearly (`CLEAR`) | something else | X if it is not weighty, or has a `FAIR` share of the model; else `ask` |
| X, not clearly, and not weighty | `none` | whoever is surer |
| X, not clearly | something else | `ask` |
| X or Y (`ask`) | X, and nearly nothing else (`ALONE`) | X if it is not weighty; else `ask` |
| `none`, by the words themselves (`SURE`): negated, told of others, not speakable | anything | `none` |
| `none` | X, and nearly nothing else (`ALONE`) | X if it is not weighty; else `ask` |
| `none` | X, clearly | `none` if it is not weighty; else `ask` |
| `none` | X, not clearly | `none` |

Slots: money is what `amount.read` makes of the customer's words. It enters an intent only if a reader that stands for
the intent put its finger on those very words; the model's words must overlap them. No span, no slot. An intent that is
nothing but its amount (`amount`) does not stand without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kiosk.core.amount import Amount
from kiosk.core.intents import COMMANDS, EXPECTS, IntentSpec
from kiosk.events import SlotValue, Span, Understood
from kiosk.values import DEFAULT_CURRENCY, Money

NONE, ASK = "none", "ask"
#: an answer that is nothing but an amount
_BARE = "amount"
#: 「对，一千」: the flow compares the amount that comes with a yes
_YES_SLOTS = {"amount": "money"}
#: the phrase reader's confidence for words that an operator wrote down as an example
SURE = 0.97
#: a reader that is this confident counts even where the other says nothing
CLEAR = 0.75
#: the model's share that lets it stand alone, for what costs little
ALONE = 0.9
#: the model's share for what the phrases say clearly, below which it counts as contradiction
FAIR = 0.15


@dataclass(frozen=True)
class Opinion:
    """What the language model makes of an utterance.

    `ranking`: every label it was permitted, with its share of the probability (they sum to 1), likeliest first.
    `words`: slot of the first label → where its words stand in the utterance.
    """

    ranking: tuple[tuple[str, float], ...]
    words: dict[str, Span] = field(default_factory=dict)

    @property
    def intent(self) -> str:
        return self.ranking[0][0]

    @property
    def confidence(self) -> float:
        return self.ranking[0][1]

    def share(self, intent: str) -> float:
        return dict(self.ranking).get(intent, 0.0)


def permitted(expect: str, intents: Sequence[IntentSpec]) -> tuple[str, ...]:
    """The labels that can be meant while the flow waits for `expect`, `none` aside, in a fixed order.

    Raises:
        ValueError: `expect` is not one of `EXPECTS`.
    """
    if expect not in EXPECTS:
        raise ValueError(f"unknown expect {expect!r}")
    names = [i.name for i in intents]
    if expect == "intent":
        return tuple(names)
    return tuple(n for n in (*EXPECTS[expect], *COMMANDS) if n in names)


def judge(
    phrases: Understood, model: Opinion | None, amount: Amount | None, intents: Mapping[str, IntentSpec]
) -> Understood:
    """What was meant, after the table above. `model` None: only the phrases were read.

    `amount` is what `kiosk.core.amount.read` found in the same text. Confidence is that of the surer of those readers
    who decided.
    """
    u = _decide(phrases, model, intents)
    if u.intent in (NONE, ASK):
        return replace(u, slots={}, spans={}, flags=())
    u = _fill(u, phrases, model, amount, intents)
    if u.intent == _BARE and not u.slots:
        return replace(u, intent=NONE, slots={}, spans={}, flags=())
    return u


def _decide(p: Understood, model: Opinion | None, intents: Mapping[str, IntentSpec]) -> Understood:
    if model is None:
        return p
    both, alone = f"{p.route}+llm", p.route
    if _same(p.intent, model.intent, intents):
        return replace(p, confidence=max(p.confidence, model.confidence), route=both)
    light = not _weighty(model.intent, intents)
    if p.intent == ASK:
        if light and model.intent in (*p.candidates, NONE) and model.confidence >= ALONE:
            return replace(p, intent=model.intent, confidence=model.confidence, route=both, candidates=())
        return _ask(p, (*p.candidates, model.intent), model.confidence)
    if p.intent == NONE:
        if p.confidence >= SURE:
            return replace(p, route=alone)
        if light and model.confidence >= ALONE:
            return replace(p, intent=model.intent, confidence=model.confidence, route="llm")
        if light or model.confidence < CLEAR:
            return replace(p, route=both)
        return _ask(p, (model.intent,), model.confidence)
    if p.confidence >= SURE:
        return replace(p, route=alone)
    if p.confidence >= CLEAR:
        share = model.share(p.intent)
        if share >= FAIR:
            return replace(p, route=both)
        if not _weighty(p.intent, intents):
            return replace(p, route=alone)
    if model.intent == NONE and not _weighty(p.intent, intents):
        if p.confidence >= model.confidence:
            return replace(p, route=alone)
        return replace(p, intent=NONE, confidence=model.confidence, route="llm")
    order = (p.intent, model.intent) if p.confidence >= model.confidence else (model.intent, p.intent)
    return _ask(p, order, max(p.confidence, model.confidence))


def _ask(p: Understood, candidates: tuple[str, ...], confidence: float) -> Understood:
    named = tuple(dict.fromkeys(c for c in candidates if c not in (NONE, ASK)))
    return replace(p, intent=ASK, candidates=named, confidence=confidence, route=f"{p.route}+llm")


def _weighty(intent: str, intents: Mapping[str, IntentSpec]) -> bool:
    return intent == "yes" or (intent in intents and "money" in intents[intent].slots.values())


def _fill(
    u: Understood, phrases: Understood, model: Opinion | None, amount: Amount | None, intents: Mapping[str, IntentSpec]
) -> Understood:
    """The slots of the decided intent, each with its span; whatever is not in the words falls out."""
    kinds = _YES_SLOTS if u.intent == "yes" else intents[u.intent].slots
    fingers = dict(phrases.spans) if _same(phrases.intent, u.intent, intents) else {}
    if model and _same(model.intent, u.intent, intents) and u.intent != "yes":
        # the model reads every kind of slot; where it saw no amount in the intent it agreed to, the flow asks for one
        fingers = model.words
    slots: dict[str, SlotValue] = {}
    where: dict[str, Span] = {}
    flags: tuple[str, ...] = ()
    for slot, (start, end) in fingers.items():
        kind = kinds.get(slot)
        if kind == "money":
            if amount and start < amount.span[1] and amount.span[0] < end:
                slots[slot], where[slot], flags = Money(amount.minor, DEFAULT_CURRENCY), amount.span, amount.flags
        elif kind and 0 <= start < end <= len(u.text) and u.text[start:end].strip():
            slots[slot], where[slot] = u.text[start:end], (start, end)
    return replace(u, slots=slots, spans=where, flags=flags)


def _same(a: str, b: str, intents: Mapping[str, IntentSpec]) -> bool:
    """The same intent; 取一千元 is as well the bare `amount` as a flow's own intent to move it."""
    if a == b or _BARE not in (a, b):
        return a == b
    return all(name in intents and "money" in intents[name].slots.values() for name in (a, b))
