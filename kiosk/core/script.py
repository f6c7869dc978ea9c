"""A path of the proof written as a talk script: what was found by walking can be read as a dialogue, and played.

The engine itself is driven along the path, so every line of the script is what the kiosk really says and does. A path
that no amount can take (two branches that exclude each other) gives no script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kiosk.core.engine import TRIES, VOICE_REFUSALS, advance, choices
from kiosk.core.flow import MONEY_FACTS, Flow, House, Kind, Step
from kiosk.core.grounding import cut_down
from kiosk.core.prove import Move, walk
from kiosk.core.talk import BREAKS, MEANS, meant
from kiosk.events import (
    CallBank,
    CashInEnd,
    Close,
    Denominate,
    Dispense,
    Done,
    Effect,
    Event,
    Hear,
    NotHeard,
    OpenCase,
    Opened,
    Restarted,
    Said,
    Say,
    SlotValue,
    Voice,
)
from kiosk.values import Lang, Money

_WHO = {
    "VerifyFace": "face",
    "KeepVoice": "voice",
    "Denominate": "cassettes",
    "Dispense": "dispenser",
    "AskDispenser": "dispenser asked",
    "CashIn": "acceptor",
    "CashInEnd": "acceptor store",
    "CashInRollback": "acceptor return",
    "AskAcceptor": "acceptor asked",
    "PrintReceipt": "printer",
}
#: what the bank is taken to answer where a fact is text
_TEXT = "X1"


_NO_VALUE = "no value"


class _Lost(Exception):
    """The engine does not go that way."""


def samples(flow: Flow, house: House) -> Iterator[tuple[str, tuple[Move, ...]]]:
    """Every reason for which this flow ends, with a shortest way to it without a restart."""
    seen: set[str] = set()
    for name, facts, way in walk(flow, house):
        step = flow.steps[name]
        if step.kind is Kind.END and step.what not in seen and not facts.gone:
            seen.add(step.what)
            yield step.what, (*way.moves(), Move(name))


def write(flow: Flow, house: House, moves: Sequence[Move], lang: Lang, rule: str = "", opening: str = "") -> str | None:
    """The script of a path, or None where no amount leads along it.

    Args:
        rule: what is broken at the last step; the script then ends in a `breaks` line instead of the session's end.
        opening: an utterance that means the flow's intent, as its examples have it.
    """
    for amount in _amounts(flow):
        try:
            return "\n".join(_Writer(flow, house, lang, amount, opening).lines(moves, rule)) + "\n"
        except _Lost:
            continue
    return None


def _amounts(flow: Flow) -> list[Money]:
    """Amounts worth trying: within the limits of the first money slot, and on both sides of every comparison."""
    slot = next((s for s in flow.slots.values() if s.type == "money"), None)
    if slot is None:
        return [Money(10_000)]
    step = slot.multiple
    edges = [int(s.test[1]) for s in flow.steps.values() if s.test[1].isdigit()]
    tried = [max(slot.min, min(100_000, slot.max)), slot.min, slot.max]
    tried += [e + d for e in edges for d in (-step, 0, step)]
    good = [a // step * step for a in tried if slot.min <= a // step * step <= slot.max]
    return [Money(a, slot.currency) for a in dict.fromkeys(good)]


class _Writer:
    def __init__(self, flow: Flow, house: House, lang: Lang, amount: Money, opening: str) -> None:
        self.flow, self.house, self.lang, self.amount = flow, house, lang, amount
        self.state, _ = advance(house, None, Opened("T1", lang, "customer"))
        self.waiting: Effect | None = None
        self.out = [f"lang: {lang}"]
        self.stuck = ""
        self.opening = opening
        self.ahead: Sequence[Move] = ()

    def lines(self, moves: Sequence[Move], rule: str) -> list[str]:
        if self.opening:
            self.out.append(f"customer: {self.opening}")
            self.play(self.said(self.flow.intent, ""))
        else:
            self.means(self.flow.intent, self.flow.title[self.lang])
        last = moves[-1].step
        for i, move in enumerate(moves[:-1]):
            self.ahead = moves[i + 1 :]
            step = self.flow.steps[move.step]
            if self.stuck or self.state.step != move.step or self.waiting is None:
                continue  # passed without anybody being asked
            self.answer(step, move)
        if rule:
            if self.stuck not in (last, _NO_VALUE) and self.state.step != last:
                raise _Lost
            return [*self.out, f"{BREAKS}{last}: {rule}"]
        if self.state.step != last or not isinstance(self.waiting, Close):
            raise _Lost
        return [*self.out, f"end: {self.waiting.reason}"]

    # --- one move ---

    def answer(self, step: Step, move: Move) -> None:
        if move.restart:
            self.out.append("restart")
            self.play(Restarted())
            if self.state.step != move.step or step.kind not in (Kind.CALL, Kind.DISPENSE, Kind.CASE, Kind.ACCEPT):
                return
        if isinstance(self.waiting, Hear):
            self.talk(step, move.outcome)
        elif self.waiting is not None:
            self.device(step, move.outcome)

    def talk(self, step: Step, outcome: str) -> None:
        words = "对" if self.lang == "zh" else "yes"
        match outcome:
            case "then" if step.kind is Kind.CONFIRM:
                self.means("yes", words)
            case "then":
                slot = self.flow.slots[step.what]
                choice = next(iter(slot.choices.values()), None)
                money = f"{self.amount.decimal()}{'元' if self.lang == 'zh' else ' yuan'}"
                self.means(self.flow.intent if choice else "amount", choice[self.lang][0] if choice else money)
            case "no":
                self.means("no", "不对" if self.lang == "zh" else "no")
            case "cancel":
                self.means("cancel", "取消" if self.lang == "zh" else "cancel")
            case "no_match":
                self.means("attendant", "人工" if self.lang == "zh" else "attendant")
            case "timeout":
                for _ in range(TRIES):
                    if isinstance(self.waiting, Hear) and self.state.step == step.name:
                        self.out.append("silence")
                        self.play(NotHeard("silence"))
            case "other_voice":
                for _ in range(VOICE_REFUSALS):
                    self.means("yes", words, Voice.CHANGED)
            case _:
                raise _Lost

    def means(self, intent: str, words: str, voice: Voice = Voice.KEPT) -> None:
        aside = " (another voice)" if voice is Voice.CHANGED else ""
        self.out.append(f"{MEANS}{intent}{aside}: {words}")
        self.play(self.said(intent, words, voice))

    def said(self, intent: str, words: str, voice: Voice = Voice.KEPT) -> Said:
        u = meant(intent, words, self.state.lang)
        return cut_down(Said(u, voice if self.state.verified else Voice.NEW, 1.0), choices(self.house, self.state, u))

    def device(self, step: Step, outcome: str) -> None:
        effect = self.waiting
        if effect is None or isinstance(effect, Say | Close):
            raise _Lost
        facts: dict[str, SlotValue | int] = {}
        who = _WHO.get(type(effect).__name__, "")
        if isinstance(effect, CallBank):
            who = f"bank {effect.verb}"
            facts = {f: self.fact(f) for f in self.house.verbs[effect.verb].given.get(outcome, ())}
        elif isinstance(effect, OpenCase):
            self.out.append(f"case {effect.reason}: 1")
            return self.play(Done(effect.id, "ok", {"case": 1}))
        elif step.kind is Kind.DISPENSE:
            amount = effect.amount if isinstance(effect, Dispense) else self.state.confirmed or self.amount
            zero = Money(0, amount.currency)
            some = Money(amount.minor // 2, amount.currency)
            facts["presented"] = {"paid": amount, "partial": some}.get(outcome, zero)
            facts["unknown_amount"] = amount if outcome == "unknown" else zero
        elif outcome == "not_payable":
            facts["payable"] = Money(self.amount.minor // 2 // 10_000 * 10_000)
        elif outcome == "counted":
            facts["accepted"] = self.amount
        elif outcome == "stored" and isinstance(effect, CashInEnd):
            facts["stored"] = effect.amount
        elif outcome == "stored":
            facts["stored"] = self.state.confirmed or self.amount
        if step.kind is Kind.CASE or (outcome == "then" and step.kind is Kind.PRINT):
            outcome = "ok"
        money = effect.amount if isinstance(effect, Denominate | Dispense | CashInEnd) else None
        tail = "".join(f" {k}={v.decimal() if isinstance(v, Money) else v}" for k, v in facts.items())
        self.out.append(f"{who}{' ' + money.decimal() if money else ''}: {outcome}{tail}")
        self.play(Done(effect.id, outcome, facts))
        return None

    def fact(self, name: str) -> SlotValue:
        """A value such as the bank could give: what a branch further on wants to see, if there is one."""
        for move in self.ahead:
            step = self.flow.steps[move.step]
            if step.kind is Kind.BRANCH and step.what == name and step.test[0] == "in" and move.outcome != "else":
                return move.outcome

        return self.amount if name in MONEY_FACTS else _TEXT

    def play(self, event: Event) -> None:
        before = self.state
        try:
            self.state, effects = advance(self.house, self.state, event)
        except PermissionError as e:
            self.stuck = str(e).removeprefix("step ").partition(":")[0]
            return
        except KeyError:  # the step speaks of what has no value
            self.stuck = _NO_VALUE
            return
        if self.state is before and not effects:
            raise _Lost
        says = [e for e in effects if isinstance(e, Say)]
        self.out += [f"kiosk: {say.text}" for say in says]
        self.waiting = next((e for e in effects if not isinstance(e, Say)), None)
