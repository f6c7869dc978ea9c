"""The one place where everything meets: `advance(house, state, event) -> (state, effects)`.

It knows no device, model or bank, reads no clock and draws no lot: the same events always give the same effects, so a
session can be replayed to the byte and every path of a flow can be walked by `prove.py`.

Effects are done in the order given. `Say` is never waited for; the last effect of a batch is the one awaited
(`state.waiting`), and only its answer is taken: a late or foreign `Done` changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from kiosk.core.flow import (
    ACCEPTS,
    ADVICES,
    CREDITS,
    HOLDS,
    LITERAL,
    MOVES,
    OUTCOMES,
    VERIFIES,
    Flow,
    House,
    Kind,
    Slot,
    Step,
)
from kiosk.core.grounding import grounded_amount, grounded_choice
from kiosk.events import (
    AskAcceptor,
    AskDispenser,
    CallBank,
    CashIn,
    CashInEnd,
    CashInRollback,
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
    SlotValue,
    Understood,
    VerifyFace,
    Voice,
)
from kiosk.values import Lang, Money

#: a person who is not understood three times is helped in another way, not asked a fourth time
TRIES = 3
#: no session asks more often than this, whatever its flow says: every loop has a bound
MAX_TURNS = 24
#: a voice that is not the key's is refused this often before the flow's `on_other_voice`
VOICE_REFUSALS = 2
HOME = "@home"
HOME_TIMEOUT_S = 10.0
SLOWER, LOUDER = 0.8, 1.4

Value = SlotValue | int
_NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class State:
    """A session between two events. Everything that decides is in here and in the journal, nothing else."""

    session: str
    lang: Lang
    claimed: str
    flow: str = ""
    step: str = HOME
    slots: dict[str, SlotValue] = field(default_factory=dict)
    facts: dict[str, Value] = field(default_factory=dict)
    #: the effect whose answer is awaited
    waiting: Effect | None = None
    seq: int = 0
    turns: int = 0
    misses: int = 0
    #: doubts about the voice since it was last surely the key's, and refusals of another one
    doubts: int = 0
    voice_refusals: int = 0
    verified: tuple[str, ...] = ()
    #: the very amount that the customer said yes to
    confirmed: Money | None = None
    rate: float = 1.0
    volume: float = 1.0
    #: the kiosk restarted in this session: nobody stands there any more
    gone: bool = False
    closed: str = ""


def advance(house: House, state: State | None, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """One event further.

    Raises:
        ValueError: the first event is not `Opened`, or a second one is: a bug of the caller.
    """
    if isinstance(event, Opened):
        if state is not None:
            raise ValueError("a session is opened once")
        return State(event.session, event.lang, event.claimed), ()
    if state is None:
        raise ValueError("a session begins with Opened")
    if state.closed:
        return state, ()
    walk = _Walk(house, state)
    if isinstance(event, Restarted):
        walk.restarted()
    elif isinstance(event, Done):
        walk.done(event)
    elif isinstance(event, NotHeard):
        walk.not_heard(event)
    else:
        walk.said(event)
    return walk.state, tuple(walk.effects)


def choices(house: House, state: State | None, u: Understood) -> tuple[Slot, ...]:
    """The slots whose words an utterance may name now: what `grounding.cut_down` keeps of it."""
    flow = house.named(state.flow) if state and state.flow else house.flows.get(u.intent)
    return tuple(slot for slot in flow.slots.values() if slot.choices) if flow else ()


class _Walk:
    """One call of `advance`: a state that is replaced and the effects that pile up. Never outlives the call."""

    def __init__(self, house: House, state: State) -> None:
        self.house = house
        self.state = state
        self.effects: list[Effect] = []

    # --- small helpers ---

    def set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    @property
    def flow(self) -> Flow:
        return self.house.named(self.state.flow)

    @property
    def here(self) -> Step:
        return self.flow.steps[self.state.step]

    def new_id(self) -> str:
        self.set(seq=self.state.seq + 1)
        return f"{self.state.session}.{self.state.seq}"

    def value(self, name: str) -> Value:
        """A slot, a fact, `customer`, or a literal. The checker has proven that it is there."""
        if name.startswith(LITERAL):
            return name.removeprefix(LITERAL)
        if name == "customer":
            return self.state.claimed
        return self.state.slots[name] if name in self.state.slots else self.state.facts[name]

    def say(self, prompt: str) -> None:
        if self.state.gone:
            return
        s = self.state
        text = (self.flow.prompts[s.lang] if s.flow else {}).get(prompt) or self.house.prompts[s.lang][prompt]
        self.effects.append(Say(self.new_id(), prompt, text.format_map(self.words()), s.lang, s.rate, s.volume))

    def words(self) -> dict[str, str]:
        """Slots and facts as a person reads them."""
        lang = self.state.lang
        words = {"flow": self.flow.title[lang]} if self.state.flow else {}
        for name, v in {**self.state.facts, **self.state.slots}.items():
            slot = self.flow.slots.get(name) if self.state.flow else None
            words[name] = v.shown() if isinstance(v, Money) else slot.shown(str(v), lang) if slot else str(v)
        return words

    def paper(self, receipt: str) -> tuple[str, ...]:
        """A receipt's lines; one that names what nobody gave (a statement's fifth entry) is left out."""
        words = self.words()
        lines = self.flow.receipts[receipt][self.state.lang]
        return tuple(line.format_map(words) for line in lines if all(n in words for n in _NAMED.findall(line)))

    def wait(self, effect: Effect) -> None:
        self.effects.append(effect)
        self.set(waiting=effect)

    def go(self, outcome: str) -> None:
        self.enter(self.here.on[outcome])

    # --- walking ---

    def enter(self, name: str) -> None:
        self.set(step=name, waiting=None, misses=0)
        step = self.here
        match step.kind:
            case Kind.SAY:
                self.say(step.what)
                self.go("then")
            case Kind.ASK | Kind.CONFIRM:
                self.begin_talk(step)
            case Kind.VERIFY if self.state.gone:
                self.go("error")
            case Kind.VERIFY if step.what == "face":
                for prompt in step.prompts:
                    self.say(prompt)
                self.wait(VerifyFace(self.new_id(), self.state.claimed, step.timeout_s))
            case Kind.VERIFY:
                self.wait(KeepVoice(self.new_id()))
            case Kind.PLAN:
                self.wait(Denominate(self.new_id(), self.money(step.what)))
            case Kind.CALL:
                self.begin_call(step)
            case Kind.DISPENSE:
                self.begin_dispense(step)
            case Kind.ACCEPT:
                self.begin_accept(step)
            case Kind.BRANCH:
                self.go(self.branch(step))
            case Kind.GOTO:
                self.go("then")
            case Kind.PRINT if self.state.gone:
                self.go("error")
            case Kind.PRINT:
                self.wait(PrintReceipt(self.new_id(), self.paper(step.what)))
            case Kind.CASE:
                bound = self.state.facts.get("unknown_amount")
                self.wait(OpenCase(self.new_id(), step.what, bound if isinstance(bound, Money) else Money(0)))
            case Kind.END:
                self.wait(Close(self.new_id(), step.what))

    def money(self, slot: str) -> Money:
        value = self.value(slot)
        if not isinstance(value, Money):
            raise TypeError(f"{slot} is not money")
        return value

    def begin_talk(self, step: Step) -> None:
        if self.state.gone:
            self.go("cancel")
        elif step.kind is Kind.ASK and step.what in self.state.slots:
            self.take(step, self.state.slots[step.what])
        else:
            self.ask(step)

    def ask(self, step: Step, instead: str | None = None) -> None:
        """Say the prompt of this try (or `instead`, the reason why we ask again) and open the ears.

        A read-back is always the last thing said before a yes can come, whatever had to be said before it.
        """
        if self.state.turns >= MAX_TURNS:
            return self.go("no_match")
        self.set(turns=self.state.turns + 1)
        if instead:
            self.say(instead)
        if not instead or step.kind is Kind.CONFIRM:
            self.say(step.prompts[min(self.state.misses, len(step.prompts) - 1)])
        expect = "yes_no" if step.kind is Kind.CONFIRM else self.flow.slots[step.what].type
        return self.wait(Hear(self.new_id(), expect, self.state.lang, step.timeout_s))

    def begin_call(self, step: Step) -> None:
        if step.what in (HOLDS, *MOVES):
            # Words carry no authority: whatever the flow says, no money without face, voice and this very amount's yes.
            if self.state.gone:
                self.set(facts={**self.state.facts, "reason": "gone"})
                return self.go("declined")
            if (
                not {"face", "voice"} <= set(self.state.verified)
                or self.money(step.fields["amount"]) != self.state.confirmed
            ):
                raise PermissionError(f"step {step.name}: {step.what} needs face, voice and the confirmed amount")
            self.set(facts={**self.state.facts, "hold_key": f"{self.state.session}.{self.state.seq + 1}"})
        if step.what == CREDITS and step.fields["amount"] != "stored":
            raise PermissionError(f"step {step.name}: only notes that were stored are credited")
        values: dict[str, SlotValue] = {}
        for name, source in step.fields.items():
            value = self.value(source)
            values[name] = str(value) if isinstance(value, int) else value
        return self.wait(CallBank(self.new_id(), step.what, values, advice=step.what in ADVICES))

    def begin_dispense(self, step: Step) -> None:
        if self.state.gone:
            return self.go("none")
        amount = self.money(step.what)
        if amount != self.state.confirmed or "authorisation" not in self.state.facts:
            raise PermissionError(f"step {step.name}: cash needs a hold over the confirmed amount")
        return self.wait(Dispense(self.new_id(), amount))

    def begin_accept(self, step: Step) -> None:
        for prompt in step.prompts:
            self.say(prompt)
        if step.what == "count":
            return self.go("nothing") if self.state.gone else self.wait(CashIn(self.new_id(), step.timeout_s))
        if step.what == "return":
            return self.wait(CashInRollback(self.new_id()))
        amount = self.money("accepted")
        if amount != self.state.confirmed:
            raise PermissionError(f"step {step.name}: notes are stored after the customer agreed to their count")
        return self.wait(CashInEnd(self.new_id(), amount))

    def branch(self, step: Step) -> str:
        """Which way: the value itself (`in`), or how it compares."""
        value, (how, operand) = self.value(step.what), step.test
        if how == "in":
            return str(value) if str(value) in step.on else "else"
        other: Value = (
            Money(int(operand), value.currency if isinstance(value, Money) else "CNY")
            if (operand.isdigit())
            else self.value(operand)
        )
        if not isinstance(value, Money) or not isinstance(other, Money) or value.currency != other.currency:
            return "else"
        a, b = value.minor, other.minor
        holds = {"over": a > b, "under": a < b, "at_least": a >= b, "at_most": a <= b, "equals": a == b}
        return "then" if holds[how] else "else"

    # --- events ---

    def restarted(self) -> None:
        """Power came back. The customer is gone; what was in the air is asked, never done again."""
        waiting = self.state.waiting
        self.set(gone=True)
        match waiting:
            case Dispense(id=id_, amount=amount):
                self.wait(AskDispenser(id_, amount))
            case CashIn(id=id_):
                self.wait(AskAcceptor(id_, "count"))
            case CashInEnd(id=id_):
                self.wait(AskAcceptor(id_, "store"))
            case CashInRollback(id=id_):
                self.wait(AskAcceptor(id_, "return"))
            case CallBank() | AskDispenser() | AskAcceptor() | OpenCase() | Close():
                self.wait(waiting)
            case Hear() if self.state.step != HOME:
                self.go("cancel")
            case VerifyFace() | KeepVoice() | Denominate() | PrintReceipt():
                self.go("error")
            case _:
                self.wait(Close(self.new_id(), "restarted"))

    def done(self, event: Done) -> None:
        waiting = self.state.waiting
        if waiting is None or isinstance(waiting, Hear) or event.effect != waiting.id:
            return
        if isinstance(waiting, Close):
            self.set(waiting=None, closed=waiting.reason)
            return
        if isinstance(waiting, Dispense) and event.outcome == "lost":
            self.wait(AskDispenser(waiting.id, waiting.amount))
            return
        if isinstance(waiting, CashIn | CashInEnd | CashInRollback) and event.outcome == "lost":
            deed = {CashIn: "count", CashInEnd: "store", CashInRollback: "return"}[type(waiting)]
            self.wait(AskAcceptor(waiting.id, deed))  # type: ignore[arg-type]
            return
        self.set(facts={**self.state.facts, **event.facts})
        step = self.here
        if step.kind is Kind.PLAN and event.outcome == "not_payable":
            # The amount is asked for anew, before any hold; `payable` is what the cassettes could pay instead.
            nothing = Money(0, self.money(step.what).currency)
            self.set(facts={**self.state.facts, "payable": event.facts.get("payable", nothing)})
            self.forget(step.what)
        if step.kind is Kind.VERIFY and event.outcome == "ok":
            self.set(verified=(*self.state.verified, step.what))
        # What the flow has no answer for is the least certain thing that it has an answer for.
        names = (event.outcome, "then" if event.outcome == "ok" else "error", "unknown", "then")
        self.go(next(name for name in names if name in step.on))

    def not_heard(self, event: NotHeard) -> None:
        if not isinstance(self.state.waiting, Hear):
            return
        if self.state.step == HOME or event.why == "ears" or self.state.misses + 1 >= TRIES:
            self.give_up("timeout" if event.why == "silence" else "no_match")
        else:
            self.miss()

    def said(self, event: Said) -> None:
        u = event.understood
        if self.state.step == HOME:
            return self.at_home(u)
        if not isinstance(self.state.waiting, Hear):
            return None
        if self.command(u):
            return None
        step = self.here
        if self.refused_voice(event, step):
            return None
        if step.kind is Kind.CONFIRM:
            return self.confirm(step, u)
        slot = self.flow.slots[step.what]
        if slot.choices:
            self.pick_up(u, besides=step.what)
            named = grounded_choice(u, slot)
            return self.take(step, named[0]) if named else self.miss()
        amount = grounded_amount(u)
        if amount is not None and u.intent in ("amount", self.flow.intent):
            return self.take(step, amount)
        return self.miss()

    def confirm(self, step: Step, u: Understood) -> None:
        amount, value = grounded_amount(u), self.money(step.what)
        if u.intent == "yes" and (amount is None or amount == value):
            self.set(confirmed=value)
            return self.go("then")
        if u.intent == "no" and amount is None:
            for slot in self.flow.slots:  # whatever was wrong in what was read back is asked again
                self.forget(slot)
            return self.go("no")
        if amount is not None and step.what in self.flow.slots and u.intent in ("amount", "no", self.flow.intent):
            # "No, six hundred": a new amount is read back again; it is never a yes.
            return self.take(step, amount)
        return self.miss()

    def pick_up(self, u: Understood, besides: str = "") -> None:
        """What was said besides what was asked for: 转五百给儿子 fills both. Limits are checked where it is asked."""
        slots: dict[str, SlotValue] = {}
        amount = grounded_amount(u)
        for name, slot in self.flow.slots.items():
            named = grounded_choice(u, slot)
            value: SlotValue | None = named[0] if named else amount if slot.type == "money" else None
            if value is not None and name not in (*self.state.slots, besides):
                slots[name] = value
        if slots:
            self.set(slots={**self.state.slots, **slots}, confirmed=None)

    # --- parts of a turn ---

    def command(self, u: Understood) -> bool:
        """The words that work in every state. True when one was said."""
        step = self.here
        match u.intent:
            case "cancel":
                self.go("cancel")
            case "attendant":
                self.go("no_match")
            case "repeat":
                self.ask(step)
            case "slower":
                self.set(rate=max(0.6, self.state.rate * SLOWER))
                self.ask(step)
            case "louder":
                self.set(volume=min(2.0, self.state.volume * LOUDER))
                self.ask(step)
            case "help":
                self.say("help")
                self.ask(step)
            case "language":
                self.set(lang="en" if self.state.lang == "zh" else "zh")
                self.ask(step)
            case _:
                return False
        return True

    def refused_voice(self, event: Said, step: Step) -> bool:
        """Every money turn is compared with the session's key. Unsure once is taken, twice running is not."""
        doubts = {Voice.KEPT: 0, Voice.UNSURE: self.state.doubts + 1}.get(event.voice, 2)
        if doubts < 2:
            self.set(doubts=doubts, voice_refusals=0)
            return False
        refusals = self.state.voice_refusals + 1
        self.set(voice_refusals=refusals)
        if refusals >= VOICE_REFUSALS:
            self.go("other_voice")
        else:
            self.ask(step, instead="other_voice")
        return True

    def take(self, step: Step, value: SlotValue) -> None:
        """A grounded value arrived for `step`'s slot: check its limits, then go on (or read it back anew)."""
        slot = self.flow.slots[step.what]
        why = slot.refusal(value) if isinstance(value, Money) else None
        if why is not None:
            self.forget(step.what)
            if step.kind is Kind.CONFIRM:
                self.say(why)
                return self.go("no")
            if self.state.misses + 1 >= TRIES:
                return self.go("no_match")
            self.set(misses=self.state.misses + 1)
            return self.ask(step, instead=why)
        self.set(slots={**self.state.slots, step.what: value}, confirmed=None)
        if step.kind is Kind.CONFIRM:
            return self.ask(step)
        return self.go("then")

    def forget(self, slot: str) -> None:
        self.set(slots={k: v for k, v in self.state.slots.items() if k != slot}, confirmed=None)

    def miss(self) -> None:
        misses = self.state.misses + 1
        self.set(misses=misses)
        if misses >= TRIES:
            self.go("no_match")
        else:
            step = self.here
            self.ask(step, instead=None if len(step.prompts) > 1 else "not_understood")

    def give_up(self, outcome: str) -> None:
        if self.state.step == HOME:
            self.say("goodbye")
            self.wait(Close(self.new_id(), outcome))
        else:
            self.go(outcome)

    def at_home(self, u: Understood) -> None:
        """Before any flow: an intent opens one, everything else is answered and asked again, at most `TRIES` times."""
        flow = self.house.flows.get(u.intent)
        if flow is not None:
            self.set(flow=flow.name)
            self.pick_up(u)
            return self.enter(flow.start)
        if u.intent == "language":
            self.set(lang="en" if self.state.lang == "zh" else "zh", turns=self.state.turns + 1)
            if self.state.turns < TRIES:
                self.say("what_we_do")
                return self.wait(Hear(self.new_id(), "intent", self.state.lang, HOME_TIMEOUT_S))
        misses = self.state.misses + 1
        self.set(misses=misses)
        if u.intent in ("cancel", "attendant") or misses >= TRIES:
            self.say("attendant" if u.intent != "cancel" else "goodbye")
            return self.wait(Close(self.new_id(), "cancelled" if u.intent == "cancel" else "attendant"))
        self.say("which_one" if u.intent == "ask" else "help" if u.intent == "help" else "what_we_do")
        return self.wait(Hear(self.new_id(), "intent", self.state.lang, HOME_TIMEOUT_S))


def outcomes_of(house: House, step: Step) -> tuple[str, ...]:
    """Every outcome that the world may give for this step, for the loader and the proof."""
    if step.kind is Kind.VERIFY:
        return VERIFIES.get(step.what, ())
    if step.kind is Kind.ACCEPT:
        return ACCEPTS.get(step.what, ())
    if step.kind is Kind.BRANCH:
        return ("then", "else") if step.test[0] != "in" else (*(o for o in step.on if o != "else"), "else")
    if step.kind is Kind.CALL:
        return house.verbs[step.what].outcomes if step.what in house.verbs else ()
    return OUTCOMES[step.kind]
