"""What a flow is once it is loaded: steps with named outcomes, slots with limits, prompts per language.

A flow is data. This file knows its shape and nothing of YAML, devices or banks; `engine.py` walks it, `prove.py`
proves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kiosk.values import DEFAULT_CURRENCY, Lang, Money


class Kind(StrEnum):
    """What a step does. The words are the keys that an operator writes."""

    SAY = "say"
    ASK = "ask"
    CONFIRM = "confirm"
    VERIFY = "verify"
    PLAN = "plan"
    CALL = "call"
    DISPENSE = "dispense"
    ACCEPT = "accept"
    PRINT = "print"
    CASE = "case"
    BRANCH = "branch"
    GOTO = "goto"
    LINK = "link"
    END = "end"


#: outcomes that every step of a kind must answer; `then` is the good way. A `call`'s outcomes come from the bank's map,
#: a `branch`'s from itself, and a `link`'s are the ends of the flow that it names
TALKING = ("timeout", "cancel", "no_match", "other_voice")
OUTCOMES: dict[Kind, tuple[str, ...]] = {
    Kind.SAY: ("then",),
    Kind.ASK: ("then", *TALKING),
    Kind.CONFIRM: ("then", "no", *TALKING),
    Kind.VERIFY: (),
    Kind.PLAN: ("ok", "not_payable", "error"),
    Kind.CALL: (),
    Kind.DISPENSE: ("paid", "partial", "none", "unknown"),
    Kind.ACCEPT: (),
    Kind.PRINT: ("then", "error"),
    Kind.CASE: ("then",),
    Kind.BRANCH: (),
    Kind.GOTO: ("then",),
    Kind.LINK: (),
    Kind.END: (),
}
VERIFIES: dict[str, tuple[str, ...]] = {"face": ("ok", "refused", "no_face", "error"), "voice": ("ok", "error")}
#: notes that a customer puts in: counted into escrow, then stored for good or handed back
ACCEPTS: dict[str, tuple[str, ...]] = {
    "count": ("counted", "nothing", "error", "unknown"),
    "store": ("stored", "unknown"),
    "return": ("returned", "unknown"),
}
#: outcomes that `compensate` never answers: the deed was done as it was meant
GOOD = ("then", "ok", "approved", "done", "found", "due", "paid", "counted", "stored", "returned")
#: how a `branch` compares: money with a limit (main units) or with another value
COMPARES = ("over", "under", "at_least", "at_most", "equals")
#: what a money slot's value may be wrong about; each is the name of a prompt
REFUSALS = ("too_little", "too_much", "not_multiple")
#: facts that the world gives back beside the bank's: name → the step kind that gives it
DEVICE_FACTS = {
    "payable": Kind.PLAN,
    "presented": Kind.DISPENSE,
    "unknown_amount": Kind.DISPENSE,
    "accepted": Kind.ACCEPT,
    "stored": Kind.ACCEPT,
    "case": Kind.CASE,
}
#: begins a word that is meant as it stands, under `with`: `service: =passbook`
LITERAL = "="


@dataclass(frozen=True)
class Slot:
    """A value that the customer gives. Limits are in minor units and only for `money`; the others have `choices`.

    A choice is what the customer's own words must name: its key (what the bank is told) → the words for it.
    """

    name: str
    type: str
    currency: str = DEFAULT_CURRENCY
    min: int = 1
    max: int = 0
    multiple: int = 1
    choices: dict[str, dict[Lang, tuple[str, ...]]] = field(default_factory=dict)

    def shown(self, key: str, lang: Lang) -> str:
        """A choice in the words that a person sees: the first that stand for it."""
        words = self.choices.get(key, {}).get(lang)
        return words[0] if words else key

    def refusal(self, money: Money) -> str | None:
        """Which of `REFUSALS` holds against this amount, or None."""
        if money.currency != self.currency or money.minor > self.max:
            return "too_much"
        if money.minor < self.min:
            return "too_little"
        return "not_multiple" if money.minor % self.multiple else None


@dataclass(frozen=True)
class Step:
    """One step. `what` is its main word: the prompt, slot, verb, factor or reason that the kind wants."""

    name: str
    kind: Kind
    what: str
    #: prompts: one for `say` and `confirm`, up to three variants for the tries of `ask`
    prompts: tuple[str, ...] = ()
    #: outcome → next step
    on: dict[str, str] = field(default_factory=dict)
    #: bank field → slot, fact or `customer`
    fields: dict[str, str] = field(default_factory=dict)
    timeout_s: float = 8.0
    #: of a `branch`: one of `COMPARES` with its operand, or ("in", "")
    test: tuple[str, str] = ("", "")
    #: where outcomes lead that the step does not name and that are not `GOOD`
    compensate: str = ""
    line: int = 0
    column: int = 1
    #: the file, where the step was linked from another flow
    file: str = ""


@dataclass(frozen=True)
class Verb:
    """A bank verb as the mapping describes it to flows."""

    name: str
    fields: tuple[str, ...]
    outcomes: tuple[str, ...]
    #: everything that it may give, and what it surely gives with each outcome
    facts: tuple[str, ...] = ()
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)


#: the verbs that mean money to the proof: the one that opens a hold, and the advices that close one
HOLDS = "authorise"
CAPTURES = "capture"
RELEASES = ("release", "reverse")
#: the advice that credits notes which were stored
CREDITS = "deposit"
#: the verbs that move money from one account to another at once
MOVES = ("transfer", "pay_bill")
#: advices are repeated until the bank acknowledged them; a flow goes on when they are `queued`
ADVICES = (CAPTURES, *RELEASES, CREDITS)


@dataclass(frozen=True)
class Flow:
    """A whole flow, with a digest of its files: an open session keeps the version that it began with.

    A flow without an intent is only there for others to `link`.
    """

    name: str
    version: int
    digest: str
    intent: str
    title: dict[Lang, str]
    slots: dict[str, Slot]
    start: str
    steps: dict[str, Step]
    prompts: dict[Lang, dict[str, str]]
    receipts: dict[str, dict[Lang, tuple[str, ...]]] = field(default_factory=dict)
    file: str = ""

    def money(self, name: str) -> bool:
        """Is this a slot or fact that holds money?"""
        return self.slots[name].type == "money" if name in self.slots else name in MONEY_FACTS


#: facts that are amounts
MONEY_FACTS = ("payable", "presented", "unknown_amount", "accepted", "stored", "balance", "amount_due", "pension")


@dataclass(frozen=True)
class House:
    """All that a session may do: the flows by intent, the prompts that belong to none, and the bank's verbs."""

    flows: dict[str, Flow]
    prompts: dict[Lang, dict[str, str]]
    verbs: dict[str, Verb]

    def named(self, flow: str) -> Flow:
        """The flow of that name (KeyError if there is none)."""
        return next(f for f in self.flows.values() if f.name == flow)
