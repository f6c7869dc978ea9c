"""The conversation loop: journal, then act, then journal (DESIGN 4.2). The engine decides; this file does what it says.

`Conversation` holds one session. It never looks into a flow: it hands events to `advance`, writes the turn to the
journal in one synced transaction, and only then does the effects, in order.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from kiosk.adapters.bank import BankClient
from kiosk.adapters.journal import Journal
from kiosk.core.engine import State, advance, choices
from kiosk.core.flow import House
from kiosk.core.fold import acked_body, digests, fold, leg, turn_body
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
    OpenCase,
    PrintReceipt,
    Restarted,
    Said,
    Say,
    SlotValue,
    VerifyFace,
)
from kiosk.run.senses import Ears, Eyes, Tell
from kiosk.run.till import Till


class Office:
    """Everything that a conversation acts through, shared by all sessions of one kiosk."""

    def __init__(
        self, house: House, journal: Journal, bank: BankClient, till: Till, ears: Ears, eyes: Eyes, tell: Tell
    ) -> None:
        self.house = house
        self.journal = journal
        self.bank = bank
        self.till = till
        self.ears = ears
        self.eyes = eyes
        self.tell = tell
        # The whole journal is read once, here; what is added later is counted as it comes.
        legs = {session: leg(session, journal.entries(session)) for session in journal.sessions()}
        self._sessions = len(legs)
        self._cases = sum(len(one.cases) for one in legs.values())
        self._owing = [session for session, one in legs.items() if one.pending]
        self._draining = asyncio.Lock()

    def record(self, session: str, kind: str, body: dict[str, Any]) -> None:
        """On disk, synced, when this returns."""
        self.journal.append(session, datetime.now(UTC).isoformat(timespec="milliseconds"), kind, body)

    def next_session(self) -> str:
        self._sessions += 1
        return f"{self.journal.name}-{self._sessions:06d}"

    def next_case(self) -> int:
        """Cases are numbered through the whole journal, from 1."""
        self._cases += 1
        return self._cases

    def owes(self, session: str) -> None:
        """This session ended while the bank had not acknowledged all of its advices."""
        if session not in self._owing:
            self._owing.append(session)

    async def drain(self) -> int:
        """Repeat every advice that the bank has not acknowledged, once, oldest first; how many are left."""
        async with self._draining:  # two at once would acknowledge the same advice twice
            return await self._drain()

    async def _drain(self) -> int:
        left = 0
        for session in list(self._owing):
            pending = leg(session, self.journal.entries(session)).pending
            for call in pending:
                result = await self.bank.advise(call.verb, call.fields, call.id)
                if result.outcome == "ok":
                    self.record(session, "acked", acked_body(call.id))
                    self.tell("advice_acknowledged", session=session, verb=call.verb, key=call.id)
                else:
                    left += 1
            if not leg(session, self.journal.entries(session)).pending:
                self._owing.remove(session)
        return left


class Conversation:
    """One session from its first event to its close."""

    def __init__(self, office: Office, session: str, state: State | None = None, house: House | None = None) -> None:
        self._office = office
        #: the flows that this session began with: a reload is for those that begin later
        self._house = house or office.house
        self._session = session
        self._state = state

    @classmethod
    def resume(cls, office: Office, session: str, house: House | None = None) -> Conversation | None:
        """The conversation of an open session of the journal, or None when it was closed. `house`: its own flows.

        Raises:
            Diverged: today's flows cannot explain it.
        """
        house = house or office.house
        state = fold(house, office.journal.entries(session))
        return None if state is None or state.closed else cls(office, session, state, house)

    async def run(self, event: Event, *more: Event) -> str:
        """Play on from `event` (and those that follow at once) until the session closes; the reason of its close."""
        waiting = list(more)
        answer: Event | None = event
        while answer is not None:
            effects = self._turn(answer)
            answer = waiting.pop(0) if waiting else None
            for effect in effects:
                done = await self._do(effect)
                answer = done if done is not None else answer
        assert self._state is not None
        return self._state.closed

    async def recover(self) -> str:
        """The kiosk restarted in this session: settle it without the customer."""
        return await self.run(Restarted())

    def _turn(self, event: Event) -> tuple[Effect, ...]:
        """Decide, write down, and only then hand out what is to be done."""
        began = time.perf_counter()
        if isinstance(event, Said):
            event = cut_down(event, choices(self._house, self._state, event.understood))
        before = self._state
        state, effects = advance(self._house, before, event)
        self._office.record(self._session, "turn", turn_body(event, effects, digests(self._house)))
        self._state = state
        self._office.tell(
            "turn",
            session=self._session,
            step=f"{state.flow or 'home'}/{state.step}",
            by=type(event).__name__,
            flow_ms=round((time.perf_counter() - began) * 1000, 2),
        )
        if {"face", "voice"} <= set(state.verified) and not {"face", "voice"} <= set(before.verified if before else ()):
            self._office.till.unlock(self._session)
        if state.closed:
            self._office.tell("closed", session=self._session, reason=state.closed)
        return effects

    async def _do(self, effect: Effect) -> Event | None:
        """Do one effect; its answer, or None for one that is not awaited."""
        office = self._office
        match effect:
            case Say():
                office.tell("say", id=effect.id, prompt=effect.prompt, text=effect.text, lang=effect.lang)
                await office.ears.say(effect)
                return None
            case Hear():
                await office.ears.quiet()
                return await office.ears.listen(effect)
            case VerifyFace():
                return Done(effect.id, await office.eyes.verify(effect))
            case KeepVoice():
                outcome = await office.ears.keep_voice(effect.id)
                office.tell("voice_key", id=effect.id, outcome=outcome)
                return Done(effect.id, outcome)
            case CallBank():
                return await self._call(effect)
            case Denominate():
                done = await office.till.denominate(effect)
                office.tell("cassettes", id=effect.id, amount=effect.amount.to_dict(), outcome=done.outcome)
                return done
            case Dispense() | AskDispenser():
                office.tell(
                    "dispense", id=effect.id, amount=effect.amount.to_dict(), ask=isinstance(effect, AskDispenser)
                )
                dispense = isinstance(effect, Dispense)
                done = await (office.till.dispense(effect) if dispense else office.till.ask(effect))  # type: ignore[arg-type]
                office.tell("dispensed", id=effect.id, outcome=done.outcome, **_plain(done.facts))
                return done
            case PrintReceipt():
                done = await office.till.print(effect)
                office.tell("receipt", id=effect.id, outcome=done.outcome, lines=list(effect.lines))
                return done
            case CashIn() | CashInEnd() | CashInRollback() | AskAcceptor():
                # No acceptor is wired yet: nothing is taken in, and what cannot be asked is in doubt.
                return Done(effect.id, "error" if isinstance(effect, CashIn) else "unknown")
            case OpenCase():
                number = office.next_case()
                office.tell("case", id=effect.id, case=number, reason=effect.reason, unknown=effect.unknown.to_dict())
                return Done(effect.id, "ok", {"case": number})
            case Close():
                return await self._close(effect)

    async def _call(self, effect: CallBank) -> Done:
        began = time.perf_counter()
        result = await self._office.bank.call(effect.verb, effect.fields, effect.id)
        outcome = result.outcome
        if effect.advice and outcome != "ok":
            outcome = "queued"
            self._office.owes(self._session)
        self._office.tell(
            "bank",
            id=effect.id,
            verb=effect.verb,
            outcome=outcome,
            why=result.why,
            attempts=result.attempts,
            ms=round((time.perf_counter() - began) * 1000, 1),
        )
        return Done(effect.id, outcome, dict(result.facts))

    async def _close(self, effect: Close) -> Done:
        """Face, voice and key go first, whatever still sounds; then the last words may end."""
        office = self._office
        office.till.lock()
        await office.ears.quiet()
        began = time.perf_counter()
        voice, face = await asyncio.gather(office.ears.forget(effect.id), office.eyes.forget(effect.id))
        office.tell(
            "forgotten",
            session=self._session,
            voice=voice,
            face=face,
            ms=round((time.perf_counter() - began) * 1000, 1),
        )
        return Done(effect.id, "ok")


def _plain(facts: dict[str, SlotValue | int]) -> dict[str, Any]:
    return {k: to_plain(v) for k, v in facts.items()}


def to_plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value
