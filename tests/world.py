"""A whole world for the engine in memory: bank, dispenser, customer, power. Seeded, so that a failure can be replayed.

It is what the money invariants are checked against: the bank keeps its ledger, the dispenser its notes, and neither
asks the engine what it believes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from kiosk.core.books import BankRow, Verdict, reconcile
from kiosk.core.engine import State, advance
from kiosk.core.flow import House
from kiosk.core.fold import Entry, Leg, digests, fold, leg, turn_body
from kiosk.events import (
    AskDispenser,
    CallBank,
    Close,
    Denominate,
    Dispense,
    Done,
    Effect,
    Event,
    Hear,
    KeepVoice,
    NotHeard,
    OpenCase,
    Opened,
    PrintReceipt,
    Restarted,
    Said,
    Say,
    Understood,
    VerifyFace,
    Voice,
)
from kiosk.values import Money


class PowerCut(Exception):
    """Everything in the box stops here."""


@dataclass
class Bank:
    """Holds by key. An answer may get lost before or after the deed."""

    rng: random.Random
    faults: float
    holds: dict[str, list[int]] = field(default_factory=dict)  # key → [authorised, captured, released]
    dead: set[str] = field(default_factory=set)

    def call(self, call: CallBank) -> tuple[str, dict[str, Money | str | int]]:
        lost = self.rng.random() < self.faults
        if lost and self.rng.random() < 0.5:
            return ("queued" if call.advice else "unknown"), {}
        answer = self.do(call)
        return (("queued" if call.advice else "unknown"), {}) if lost else answer

    def do(self, call: CallBank) -> tuple[str, dict[str, Money | str | int]]:
        if call.verb == "authorise":
            amount = call.fields["amount"]
            assert isinstance(amount, Money)
            if call.id in self.dead:
                return "declined", {"reason": "keyReversed"}
            if call.id not in self.holds:
                if self.rng.random() < 0.1:
                    return "declined", {"reason": "insufficientFunds"}
                self.holds[call.id] = [amount.minor, 0, 0]
            return "approved", {"authorisation": call.id}
        if call.verb == "capture":
            row, amount = self.holds[str(call.fields["authorisation"])], call.fields["amount"]
            assert isinstance(amount, Money)
            assert amount.minor <= row[0]
            row[1:] = [amount.minor, row[0] - amount.minor]
        elif call.verb == "release":
            row = self.holds[str(call.fields["authorisation"])]
            row[2] = row[0] - row[1]
        elif call.verb == "reverse":
            key = str(call.fields["key"])
            self.dead.add(key)
            if key in self.holds:
                self.holds[key][2] = self.holds[key][0]
        elif call.verb == "balance":
            return "ok", {"balance": Money(800_000)}
        return "ok", {}

    def rows(self) -> list[BankRow]:
        return [BankRow(k, *row) for k, row in self.holds.items()]


@dataclass
class Dispenser:
    """Notes of 100.00. Remembers every dispense by id, as the device service does; may lose its memory of a count."""

    rng: random.Random
    faults: float
    left: int = 0
    known: dict[str, tuple[str, int, int]] = field(default_factory=dict)  # id → outcome, presented, unknown

    def pay(self, id_: str, amount: Money, cut: bool) -> Done:
        assert id_ not in self.known, "a dispense came twice"
        notes, kind = amount.minor // 10_000, self.rng.random()
        if cut or kind < self.faults / 3:  # nobody can say: some notes moved
            given = self.rng.randint(0, notes)
            self.known[id_] = ("unknown", 0, notes)
        elif kind < self.faults:
            given = self.rng.randint(0, notes - 1)
            self.known[id_] = ("partial" if given else "none", given, 0)
        else:
            given = notes
            self.known[id_] = ("paid", notes, 0)
        self.left += given * 10_000
        if cut:
            raise PowerCut
        return Done(id_, "lost") if self.rng.random() < self.faults else self.status(id_)

    def status(self, id_: str) -> Done:
        """An id that was never heard of is dead from now on."""
        outcome, presented, unknown = self.known.setdefault(id_, ("none", 0, 0))
        facts = {"presented": Money(presented * 10_000), "unknown_amount": Money(unknown * 10_000)}
        return Done(id_, outcome, dict(facts))


class World:
    """Plays sessions against the engine, with a journal that survives and a memory that does not."""

    def __init__(self, house: House, seed: int, faults: float = 0.15, cut_at: int | None = None) -> None:
        self.house = house
        self.rng = random.Random(seed)
        self.bank = Bank(self.rng, faults)
        self.dispenser = Dispenser(self.rng, faults)
        self.faults = faults
        #: somebody else takes over after the face was verified
        self.impostor = self.rng.random() < faults / 5
        self.journal: list[Entry] = []
        self.state: State | None = None
        #: the power fails before the n-th action of the box (a journal write or an effect)
        self.cut_at = cut_at
        self.actions = 0
        self.spoken: list[str] = []

    # --- running ---

    def session(self, name: str = "S1") -> str:
        """One customer, through power cuts if there are any; the reason of its close."""
        events: list[Event] = [Opened(name, "zh", "grace"), self.first()]
        while True:
            try:
                return self.play(name, events)
            except PowerCut:
                self.cut_at = None
                self.state = fold(self.house, [e for e in self.journal if e.session == name])
                if self.state is None or self.state.closed:
                    return self.state.closed if self.state else "never began"
                events = [Restarted()]

    def play(self, name: str, events: list[Event]) -> str:
        while events:
            effects = self.turn(name, events.pop(0))
            for effect in effects:
                answer = self.do(effect)
                if answer is not None:
                    events.insert(0, answer)
        assert self.state is not None
        return self.state.closed

    def tick(self) -> bool:
        """True when the power fails now."""
        self.actions += 1
        return self.actions == self.cut_at

    def turn(self, name: str, event: Event) -> tuple[Effect, ...]:
        if self.tick():
            raise PowerCut
        state, effects = advance(self.house, self.state, event)
        body = turn_body(event, effects, digests(self.house))
        self.journal.append(Entry(len(self.journal) + 1, name, "", "turn", body))
        self.state = state
        return effects

    def do(self, effect: Effect) -> Event | None:
        cut = self.tick()
        if cut and not isinstance(effect, Dispense):
            if isinstance(effect, CallBank) and self.rng.random() < 0.5:  # it may have been done just before
                self.bank.call(effect)
            raise PowerCut
        match effect:
            case Say():
                self.spoken.append(effect.prompt)
                return None
            case Hear():
                return self.answer(effect)
            case VerifyFace():
                return Done(effect.id, self.rng.choices(["ok", "refused", "no_face", "error"], [20, 1, 1, 1])[0])
            case KeepVoice():
                return Done(effect.id, self.rng.choices(["ok", "error"], [20, 1])[0])
            case CallBank():
                return Done(effect.id, *self.bank.call(effect))
            case Denominate():
                return Done(effect.id, self.rng.choices(["ok", "not_payable", "error"], [20, 1, 1])[0])
            case Dispense():
                return self.dispenser.pay(effect.id, effect.amount, cut)
            case AskDispenser():
                return self.dispenser.status(effect.id)
            case PrintReceipt():
                return Done(effect.id, self.rng.choice(["ok", "error"]))
            case OpenCase():
                return Done(effect.id, "ok", {"case": 1 + sum(len(g.cases) for g in self.legs())})
            case Close():
                return Done(effect.id, "ok")

    # --- the customer ---

    def first(self) -> Said:
        if self.rng.random() < 0.3:
            return said("我要取一千元", "withdraw", Money(100_000), (3, 6))
        return said("我要取款", "withdraw")

    def answer(self, hear: Hear) -> Event:
        if self.impostor:
            return said("取五百元", "amount", Money(50_000), (1, 4), Voice.CHANGED)
        odd = self.rng.random()
        if odd < self.faults:
            return self.rng.choice(
                [
                    NotHeard("silence"),
                    NotHeard("noise"),
                    NotHeard("ears"),
                    said("", "cancel"),
                    said("", "repeat"),
                    said("", "slower"),
                    said("", "none"),
                    said("取九千九百元", "amount", Money(990_000), (1, 5)),
                    said("取一万元", "withdraw", Money(100_000), (1, 4)),
                    said("取五百元", "amount", Money(50_000), (1, 4), Voice.CHANGED),
                    said("对", "yes", voice=Voice.UNSURE),
                ]
            )
        if hear.expect == "yes_no":
            return self.rng.choices(
                [said("对", "yes"), said("不对", "no"), said("不，六百元", "no", Money(60_000), (2, 5))], [8, 1, 1]
            )[0]
        return said("取一千元", "withdraw", Money(100_000), (1, 4))

    # --- the books ---

    def legs(self) -> list[Leg]:
        sessions = dict.fromkeys(e.session for e in self.journal)
        return [leg(s, [e for e in self.journal if e.session == s]) for s in sessions]

    def settle_advices(self) -> None:
        """What was queued reaches the bank at last."""
        for one in self.legs():
            for call in one.pending:
                self.bank.do(call)
                body = {"effect": call.id}
                self.journal.append(Entry(len(self.journal) + 1, one.session, "", "acked", body))

    def books(self) -> Verdict:
        return reconcile(self.legs(), self.bank.rows(), self.dispenser.left)


def said(
    text: str, intent: str, amount: Money | None = None, span: tuple[int, int] = (0, 0), voice: Voice = Voice.KEPT
) -> Said:
    slots = {"amount": amount} if amount else {}
    spans = {"amount": span} if amount else {}
    return Said(Understood(text, "zh", intent, dict(slots), spans), voice, 1.0)
