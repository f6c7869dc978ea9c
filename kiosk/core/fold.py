"""The journal read back: entries folded through the very engine that wrote them, and what a session comes to in money.

An entry is one turn of the engine: the event, the effects it caused, and the flow versions that were loaded. Folding
runs `advance` over the events again; effects that differ from the recorded ones mean that today's flow can no longer
explain that session, which is said loudly (`Diverged`) and never passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kiosk.core.engine import State, advance
from kiosk.core.flow import CAPTURES, CREDITS, HOLDS, RELEASES, House
from kiosk.events import CallBank, Denominate, Dispense, Done, Effect, Event, OpenCase, from_dict, to_dict
from kiosk.values import Money


class Diverged(Exception):
    """Entry `seq` of a session cannot be explained by the flows that are loaded now."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"entry {seq}: {why}")
        self.seq = seq


@dataclass(frozen=True)
class Entry:
    """One row of the journal. `kind` is `turn` (of a session's engine) or `acked` (an advice the bank took at last)."""

    seq: int
    session: str
    at_utc: str
    kind: str
    body: dict[str, Any]


def turn_body(event: Event, effects: Iterable[Effect], digests: dict[str, str]) -> dict[str, Any]:
    """What a turn leaves in the journal."""
    return {"event": to_dict(event), "effects": [to_dict(e) for e in effects], "flows": digests}


def acked_body(effect: str) -> dict[str, Any]:
    return {"effect": effect}


def digests(house: House) -> dict[str, str]:
    """Flow name → digest: which versions a session ran on."""
    return {f.name: f.digest for f in house.flows.values()}


def steps(house: House, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Event, State, tuple[Effect, ...]]]:
    """One session's entries, replayed one at a time.

    Raises:
        Diverged: the flows changed, or the effects of an entry are not what the engine does today.
    """
    state: State | None = None
    for entry in entries:
        if entry.kind != "turn":
            continue
        event = from_dict(entry.body["event"])
        state, effects = advance(house, state, event)
        if [to_dict(e) for e in effects] != entry.body["effects"]:
            then, now = entry.body["flows"], digests(house)
            changed = sorted(n for n in then if now.get(n) != then[n])
            why = f"flow {', '.join(changed)} changed since" if changed else "the engine does something else today"
            raise Diverged(entry.seq, why)
        yield entry, event, state, effects


def fold(house: House, entries: Iterable[Entry]) -> State | None:
    """The state that a session is in after its entries."""
    states = [state for _, _, state, _ in steps(house, entries)]
    return states[-1] if states else None


@dataclass(frozen=True)
class Leg:
    """A session's money, read from its entries alone (no flow needed). Amounts are minor units of `currency`."""

    session: str
    key: str = ""
    currency: str = "CNY"
    authorised: int = 0
    presented: int = 0
    unknown: int = 0
    captured: int = 0
    released: int = 0
    cases: tuple[int, ...] = ()
    #: advices sent that the bank has not acknowledged yet: (effect id, the effect)
    pending: tuple[CallBank, ...] = ()
    dispenses: int = 0
    #: notes: presented, rejected, unknown
    notes: tuple[int, int, int] = (0, 0, 0)
    #: notes that a customer put in and the machine kept, and what of that the bank acknowledged
    stored: int = 0
    credited: int = 0


def leg(session: str, entries: Iterable[Entry]) -> Leg:
    """Fold one session's entries into what it did with money."""
    open_: dict[str, Effect] = {}
    sums = {"authorised": 0, "presented": 0, "unknown": 0, "captured": 0, "released": 0, "dispenses": 0}
    sums |= {"stored": 0, "credited": 0}
    notes = {"presented_notes": 0, "rejected_notes": 0, "unknown_notes": 0}
    key, currency, cases, pending = "", "CNY", list[int](), dict[str, CallBank]()

    def settled(call: CallBank) -> None:
        amount = call.fields.get("amount")
        if call.verb == CAPTURES and isinstance(amount, Money):
            sums["captured"] += amount.minor
            sums["released"] += sums["authorised"] - amount.minor
        elif call.verb == CREDITS and isinstance(amount, Money):
            sums["credited"] += amount.minor
        elif call.verb in RELEASES:
            sums["released"] += sums["authorised"]

    for entry in entries:
        if entry.kind == "acked":
            settled(pending.pop(entry.body["effect"]))
            continue
        event = from_dict(entry.body["event"])
        for effect in map(from_dict, entry.body["effects"]):
            open_[getattr(effect, "id", "")] = effect
            if isinstance(effect, Dispense):
                sums["dispenses"] += 1
            if isinstance(effect, Dispense | Denominate):
                currency = effect.amount.currency
            if isinstance(effect, CallBank) and effect.verb == HOLDS:
                key = effect.id
            if isinstance(effect, CallBank) and effect.advice:
                pending.setdefault(effect.id, effect)
        if not isinstance(event, Done):
            continue
        effect = open_.get(event.effect)
        if isinstance(effect, CallBank) and effect.verb == HOLDS and event.outcome == "approved":
            amount = effect.fields["amount"]
            sums["authorised"] += amount.minor if isinstance(amount, Money) else 0
        elif isinstance(effect, CallBank) and effect.advice and event.outcome == "ok":
            settled(pending.pop(effect.id))
        elif isinstance(effect, OpenCase):
            number = event.facts.get("case")
            cases.append(number if type(number) is int else 0)
        for name, fact in (("presented", "presented"), ("unknown", "unknown_amount"), ("stored", "stored")):
            value = event.facts.get(fact)
            if isinstance(value, Money):
                sums[name] += value.minor
        for name in notes:
            count = event.facts.get(name)
            notes[name] += count if type(count) is int else 0
    p, r, u = notes.values()
    return Leg(session, key, currency, cases=tuple(cases), pending=tuple(pending.values()), notes=(p, r, u), **sums)
