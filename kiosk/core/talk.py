"""Talk scripts: a dialogue with the effects between its lines, run against the engine in milliseconds.

    lang: zh
    customer: 我要取款
    kiosk: 好的，请看摄像头。
    face: ok
    voice: ok
    kiosk: 请问您要取多少钱？
    customer: 取1000元
    cassettes 1000.00: ok
    kiosk: 取1,000元，对吗？
    customer: 对
    bank authorise 1000.00: approved
    kiosk: 正在为您点钞，请稍候。
    dispenser 1000.00: paid
    bank capture 1000.00: ok
    printer: ok
    kiosk: 请取走现金和凭条，再见。
    end: paid

`customer (another voice): …`, `customer (unsure voice): …`, `silence`, `noise` and `restart` may stand for the
customer's turn; `dispenser 1000.00: partial presented=400.00` gives facts; `dispenser asked 1000.00: …` is the question
after a lost answer; `acceptor: counted accepted=300.00` is the customer putting notes in, `acceptor store 300.00:
stored` and `acceptor return: returned` what becomes of them; `case REASON: 7` numbers a case. `customer means INTENT:
WORDS` leaves out the reader of words and says what was meant. A script that `kiosk check` printed ends in `breaks STEP:
RULE`: the kiosk came to that step, where it must never come in that way. All that the kiosk says must be in the script,
word for word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from kiosk.core.amount import read
from kiosk.core.engine import HOME, State, advance, choices
from kiosk.core.flow import House
from kiosk.core.grounding import cut_down
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

Reader = Callable[[str, Lang, str], Understood]
_VOICES = {"": Voice.KEPT, "another voice": Voice.CHANGED, "unsure voice": Voice.UNSURE}
_LINE = re.compile(r"(?P<who>[\w. ]+?)(?: \((?P<aside>[a-z ]+)\))?(?: (?P<amount>\d+\.\d\d))?(?:: (?P<rest>.*))?")
_FACT = re.compile(r"(\w+)=(\"[^\"]*\"|\S+)")
MEANS = "customer means "
BREAKS = "breaks "


class TalkFailed(Exception):
    """Line `line` of a script is not what the kiosk does."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line
        self.what = what


@dataclass(frozen=True)
class TalkLine:
    number: int
    who: str
    aside: str
    amount: Money | None
    rest: str


def parse(text: str) -> tuple[Lang, list[TalkLine]]:
    """The language and the lines of a script.

    Raises:
        TalkFailed: a line that cannot be read, or no `lang:` at the top.
    """
    lang: Lang | None = None
    lines: list[TalkLine] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        m = _LINE.fullmatch(line)
        if m is None:
            raise TalkFailed(number, f"`{line}` is no line of a talk")
        if m["who"] == "lang":
            if m["rest"] not in ("zh", "en"):
                raise TalkFailed(number, "`lang:` is zh or en")
            lang = "zh" if m["rest"] == "zh" else "en"
            continue
        amount = Money(int(Decimal(m["amount"]) * 100)) if m["amount"] else None
        lines.append(TalkLine(number, m["who"], m["aside"] or "", amount, m["rest"] or ""))
    if lang is None:
        raise TalkFailed(1, "the script does not begin with `lang: zh` or `lang: en`")
    return lang, lines


def run(text: str, house: House, reader: Reader, on_step: Callable[[Event, State], None] | None = None) -> State:
    """Play a script against the engine.

    Args:
        reader: understands a customer's line: (text, lang, expect).
        on_step: told of every event and the state after it.

    Raises:
        TalkFailed: at the first line that does not fit.
    """
    lang, lines = parse(text)
    state, effects = advance(house, None, Opened("T1", lang, "customer"))
    pending: list[Effect] = list(effects)
    for line in lines:
        if state.closed:
            raise TalkFailed(line.number, "the session is over already")
        if line.who == "kiosk":
            said = pending.pop(0) if pending else None
            if not isinstance(said, Say) or said.text != line.rest:
                raise TalkFailed(line.number, f"the script says the kiosk says `{line.rest}`; {_describe(said)}")
            continue
        if line.who.startswith(BREAKS):
            if state.step != line.who.removeprefix(BREAKS):
                raise TalkFailed(line.number, f"the kiosk is at step {state.step}, not there")
            return state
        if pending and isinstance(pending[0], Say):
            raise TalkFailed(line.number, f"before this line, {_describe(pending[0])}")
        awaited = pending.pop(0) if pending else None
        event = _answer(line, awaited, house, state, reader)
        try:
            state, effects = advance(house, state, event)
        except PermissionError as e:
            last = lines[-1]
            if last.who.startswith(BREAKS) and line is lines[-2] and last.who.removeprefix(BREAKS) in str(e):
                return state
            raise TalkFailed(line.number, str(e)) from e
        except KeyError as e:  # only a flow that is not proven speaks of what has no value
            if lines[-1].who.startswith(BREAKS) and line is lines[-2]:
                return state
            raise TalkFailed(line.number, f"{e} has no value yet") from e
        pending = list(effects)
        if on_step:
            on_step(event, state)
    if not state.closed:
        raise TalkFailed(lines[-1].number if lines else 1, f"the script ends, but {_describe(state.waiting)}")
    return state


def _answer(line: TalkLine, awaited: Effect | None, house: House, state: State, reader: Reader) -> Event:
    """The event that this line gives to the effect that is awaited."""
    if line.who == "restart":
        return Restarted()
    listening = isinstance(awaited, Hear) or (awaited is None and state.step == HOME)
    if line.who in ("customer", "silence", "noise") or line.who.startswith(MEANS):
        if not listening:
            raise TalkFailed(line.number, f"nobody listens here: {_describe(awaited)}")
        if line.who in ("silence", "noise"):
            return NotHeard("silence" if line.who == "silence" else "noise")
        if line.aside not in _VOICES:
            raise TalkFailed(line.number, f"`({line.aside})` is unknown; known: {', '.join(v for v in _VOICES if v)}")
        expect = awaited.expect if isinstance(awaited, Hear) else "intent"
        voice = _VOICES[line.aside] if state.verified else Voice.NEW
        intent = line.who.removeprefix(MEANS)
        u = reader(line.rest, state.lang, expect) if line.who == "customer" else meant(intent, line.rest, state.lang)
        return cut_down(Said(u, voice, 1.0), choices(house, state, u))
    wanted, outcome_facts = _device(line, awaited)
    if awaited is None or wanted is None or not isinstance(awaited, wanted):
        raise TalkFailed(line.number, f"`{line.who}` is not what comes here: {_describe(awaited)}")
    amount = getattr(awaited, "amount", None) or (
        awaited.fields.get("amount") if isinstance(awaited, CallBank) else None
    )
    if line.amount is not None and line.amount != amount:
        raise TalkFailed(line.number, f"the amount is {amount.decimal() if isinstance(amount, Money) else 'none'} here")
    outcome, facts = outcome_facts
    return Done(awaited.id, outcome, facts)


def meant(intent: str, words: str, lang: Lang) -> Understood:
    """These words with this intent, whatever a reader would make of them; an amount in them is still only read."""
    found = read(words, lang)
    slots: dict[str, SlotValue] = {"amount": Money(found.minor)} if found else {}
    return Understood(words, lang, intent, slots, {"amount": found.span} if found else {}, 1.0, "script")


_WHO: dict[str, type[Effect]] = {
    "face": VerifyFace,
    "voice": KeepVoice,
    "cassettes": Denominate,
    "dispenser": Dispense,
    "dispenser asked": AskDispenser,
    "acceptor": CashIn,
    "acceptor store": CashInEnd,
    "acceptor return": CashInRollback,
    "acceptor asked": AskAcceptor,
    "printer": PrintReceipt,
    "end": Close,
}


def _device(
    line: TalkLine, awaited: Effect | None
) -> tuple[type[Effect] | None, tuple[str, dict[str, SlotValue | int]]]:
    """Which effect this line answers, with the outcome and the facts it gives."""
    who, (outcome, _, tail) = line.who, line.rest.partition(" ")
    facts: dict[str, SlotValue | int] = {}
    for name, value in _FACT.findall(tail):
        money = re.fullmatch(r"\d+\.\d\d", value)
        facts[name] = Money(int(Decimal(value) * 100)) if money else value.strip('"')
    if who.startswith("case "):
        if not isinstance(awaited, OpenCase) or awaited.reason != who.removeprefix("case "):
            return None, ("", {})
        return OpenCase, ("ok", {"case": int(line.rest)})
    if who.startswith("bank "):
        verb = who.removeprefix("bank ")
        if not isinstance(awaited, CallBank) or awaited.verb != verb:
            return None, ("", {})
        if outcome == "approved":
            facts.setdefault("authorisation", "A1")
        return CallBank, (outcome, facts)
    if who == "end":
        if not isinstance(awaited, Close) or awaited.reason != line.rest:
            return None, ("", {})
        return Close, ("ok", {})
    if isinstance(awaited, CashInEnd) and outcome == "stored":
        facts.setdefault("stored", awaited.amount)
    if isinstance(awaited, Dispense | AskDispenser) and outcome != "lost":
        zero = Money(0, awaited.amount.currency)
        facts.setdefault("presented", awaited.amount if outcome == "paid" else zero)
        presented = facts["presented"]
        rest = awaited.amount.minus(presented) if isinstance(presented, Money) else zero
        facts.setdefault("unknown_amount", rest if outcome == "unknown" else zero)
    return _WHO.get(who), (outcome, facts)


def _describe(effect: Effect | None) -> str:
    match effect:
        case None:
            return "the kiosk waits for the first words"
        case Say(text=text):
            return f"the kiosk says `{text}`"
        case Hear(expect=expect):
            return f"the kiosk listens (for {expect})"
        case CallBank(verb=verb):
            return f"the kiosk calls the bank: {verb}"
        case Close(reason=reason):
            return f"the kiosk ends the session: {reason}"
        case OpenCase(reason=reason):
            return f"the kiosk opens a case: {reason}"
        case _:
            return f"the kiosk waits for {type(effect).__name__}"
