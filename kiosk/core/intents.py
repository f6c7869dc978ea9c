"""What can be meant: intents with their slots and example utterances, as the flows state them.

An example marks its slots in place, `取{amount:一千元}`, so that words and slot are written once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kiosk.events import Span
from kiosk.values import LANGS, Lang

#: what a slot may hold; `money` is computed from its words, the others keep the customer's words
SLOT_TYPES = ("money", "payee", "bill", "account", "digits", "date")
_MARK = re.compile(r"\{(\w+):([^{}]+)\}")

#: what the flow may be waiting for, and the intents that can then be meant besides the ever-present commands;
#: `intent` stands for every intent of every flow
EXPECTS: dict[str, tuple[str, ...]] = {
    "intent": (),
    "money": ("amount", "yes", "no"),
    "yes_no": ("yes", "no", "amount"),
    "digits": ("digits",),
    "payee": ("payee", "transfer"),
    "bill": ("pay_bill",),
    "date": ("statement",),
}
#: understood in every state
COMMANDS = ("cancel", "help", "attendant", "repeat", "slower", "louder", "language")


@dataclass(frozen=True)
class Example:
    """One utterance: plain `text` and where its slots stand in it."""

    text: str
    spans: dict[str, Span] = field(default_factory=dict)

    @classmethod
    def parse(cls, marked: str) -> Example:
        """`取{amount:一千元}` → text `取一千元`, spans `{"amount": (1, 4)}`."""
        text, spans, last = "", {}, 0
        for m in _MARK.finditer(marked):
            text += marked[last : m.start()]
            spans[m[1]] = (len(text), len(text) + len(m[2]))
            text += m[2]
            last = m.end()
        return cls(text + marked[last:], spans)


@dataclass(frozen=True)
class IntentSpec:
    """One intent: its one-line description per language, slot name → slot type, examples per language."""

    name: str
    description: dict[Lang, str]
    slots: dict[str, str] = field(default_factory=dict)
    examples: dict[Lang, tuple[Example, ...]] = field(default_factory=lambda: {lang: () for lang in LANGS})
