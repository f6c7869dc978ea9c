"""The proof that a flow cannot lose money: every path through its steps, with every answer the world may give.

A flow is finite once amounts are forgotten, so all its paths are walked: customer answers, time-outs, cancels, each
outcome of each effect (the unknown ones too), both ways of each branch, and a restart while anything is awaited. What
is remembered of a path is only what the rules speak of (`Facts`). A broken rule comes with a shortest path that breaks
it, from which `core.script` writes a talk that can be played.

Two rules need no walking. Every state that listens answers cancel, help and repeat, because the engine does so in
`_Walk.command` before the flow is asked; and every loop in which somebody is asked ends after `engine.MAX_TURNS`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kiosk.core.engine import outcomes_of
from kiosk.core.flow import (
    ADVICES,
    CAPTURES,
    CREDITS,
    DEVICE_FACTS,
    HOLDS,
    LITERAL,
    MOVES,
    RELEASES,
    VERIFIES,
    Flow,
    House,
    Kind,
    Step,
)

_NAMED = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    `confirmed`: the slot or fact that the customer said yes to. `hold`: none open doubtful closed. `cash`: none
    moved-nothing paid partial unknown. `notes`, put in by the customer: none escrow stored returned unknown.
    `moved`, by a transfer: none done doubtful. `changed`: an amount was asked for again after a yes.
    """

    verified: frozenset[str] = frozenset()
    confirmed: str = ""
    changed: bool = False
    hold: str = "none"
    cash: str = "none"
    notes: str = "none"
    credited: bool = False
    moved: str = "none"
    case: bool = False
    gone: bool = False
    known: frozenset[str] = frozenset({"customer", "flow"})


@dataclass(frozen=True)
class Move:
    """One step of a path: how it ended, and whether the kiosk restarted while it was awaited."""

    step: str
    outcome: str = ""
    restart: bool = False

    def __str__(self) -> str:
        after = " (after a restart)" if self.restart else ""
        return f"{self.step}: {self.outcome}{after}" if self.outcome else self.step


@dataclass(frozen=True)
class Problem:
    """A broken rule: where (step and line), which rule, what to do, and the path that leads there."""

    step: str
    line: int
    rule: str
    remedy: str
    moves: tuple[Move, ...] = ()

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(str(m) for m in self.moves)


def prove(flow: Flow, house: House) -> list[Problem]:
    """Walk every path; one problem a rule and step, with a shortest path to it."""
    found: dict[tuple[str, str], Problem] = {}
    visited: set[str] = set()
    spoken = {name: _spoken(flow, house, step) for name, step in flow.steps.items()}
    for name, facts, way in walk(flow, house):
        step = flow.steps[name]
        visited.add(name)
        for rule, remedy in _before(step, facts, spoken[name]):
            if (name, rule) not in found:
                found[name, rule] = Problem(name, step.line, rule, remedy, (*way.moves(), Move(name)))
    for name, step in flow.steps.items():
        if name not in visited:
            found[name, "no path leads here"] = Problem(name, step.line, "no path leads here", "Link it or delete it.")
    for cycle_step in _silent_loop(flow):
        step = flow.steps[cycle_step]
        rule = "a loop in which nobody is asked has no bound"
        found[cycle_step, rule] = Problem(
            cycle_step, step.line, rule, "Let one of its steps ask, or lead it to an end."
        )
    return sorted(found.values(), key=lambda p: (p.line, p.rule))


@dataclass(frozen=True, eq=False)
class Way:
    """A path as a chain of moves, the last one first: paths that begin alike share their beginning."""

    move: Move | None = None
    before: Way | None = None

    def moves(self) -> tuple[Move, ...]:
        moves: list[Move] = []
        here: Way | None = self
        while here is not None and here.move is not None:
            moves.append(here.move)
            here = here.before
        return tuple(reversed(moves))


def walk(flow: Flow, house: House) -> Iterator[tuple[str, Facts, Way]]:
    """Every step in every situation in which it can be entered, breadth first, with a shortest way to it."""
    outcomes = {name: outcomes_of(house, step) for name, step in flow.steps.items()}
    stale = _stale(flow, house)
    queue: deque[tuple[str, Facts, Way]] = deque([(flow.start, Facts(), Way())])
    seen: set[tuple[str, Facts]] = {(flow.start, Facts())}
    while queue:
        name, facts, way = queue.popleft()
        yield name, facts, way
        step = flow.steps[name]
        for outcome, after in _after(flow, house, step, facts, outcomes[name], stale):
            target = step.on[outcome]
            if (target, after) not in seen:
                seen.add((target, after))
                queue.append((target, after, Way(Move(name, outcome, after.gone and not facts.gone), way)))


def _spoken(flow: Flow, house: House, step: Step) -> frozenset[str]:
    """What the step's prompts name, and so must be known when it is entered."""
    prompts = {*step.prompts, *([step.what] if step.kind is Kind.SAY else [])}
    texts = [words[p] for lang, words in flow.prompts.items() for p in prompts if p in words]
    texts += [words[p] for lang, words in house.prompts.items() for p in prompts if p in words]
    return frozenset(name for text in texts for name in _NAMED.findall(text))


def _stale(flow: Flow, house: House) -> dict[str, frozenset[str]]:
    """Slot → facts that a bank verb found out with it: asked for again, they are out of date."""
    stale: dict[str, frozenset[str]] = {}
    for step in flow.steps.values():
        if step.kind is Kind.CALL:
            for source in step.fields.values():
                stale[source] = stale.get(source, frozenset()) | set(house.verbs[step.what].facts)
    return stale


def _before(step: Step, f: Facts, spoken: frozenset[str]) -> list[tuple[str, str]]:
    """Rules that must hold when a step is entered."""
    broken: list[tuple[str, str]] = []
    wants = {name for name in step.fields.values() if not name.startswith(LITERAL)}
    if step.kind in (Kind.CONFIRM, Kind.PLAN, Kind.DISPENSE, Kind.BRANCH):
        wants.add(step.what)
    if step.kind is Kind.BRANCH and step.test[1] and not step.test[1].isdigit():
        wants.add(step.test[1])
    if step.kind is Kind.ACCEPT and step.what == "store":
        wants.add("accepted")
    if not f.gone:
        wants |= spoken
    missing = sorted(wants - f.known)
    if missing and not (f.gone and step.kind in (Kind.PLAN, Kind.DISPENSE, Kind.CONFIRM)):
        broken.append((f"{missing[0]} has no value yet", "Ask for it, or call what gives it, before this step."))
    if step.kind is Kind.CALL and step.what in (HOLDS, *MOVES) and not f.gone:
        broken += _moves_money(step, f, "hold" if step.what == HOLDS else step.what)
    if step.kind is Kind.CALL and step.what == HOLDS and not f.gone:
        if f.hold in ("open", "doubtful"):
            broken.append(("a second hold while one is open", "Capture or release the first one before."))
        if f.cash not in ("none", "nothing"):
            broken.append(("a second hold after cash moved", "One session pays once."))
    if step.kind is Kind.CALL and step.what in MOVES and not f.gone and f.moved != "none":
        broken.append((f"a {step.what} may be repeated", "Lead `done` and `unknown` away from it."))
    if step.kind is Kind.DISPENSE and not f.gone:
        if f.hold != "open":
            broken.append(("cash without an open hold", f"Reach it only from `{HOLDS}: approved`."))
        if f.confirmed != step.what:
            broken.append(("cash for an amount that was not confirmed", "Put `confirm` before it."))
        if f.cash != "none":
            broken.append(("a dispense may be repeated", "Lead every outcome of `dispense` away from it."))
    if step.kind is Kind.CALL and step.what == CAPTURES and f.cash not in ("paid", "partial"):
        broken.append(("a capture without cash that was paid", "Reach it only from `dispense: paid` or `partial`."))
    if step.kind is Kind.CALL and step.what == CAPTURES and step.fields.get("amount") != "presented":
        broken.append(("a capture of something else than was paid", "Give it `amount: presented`."))
    if step.kind is Kind.CALL and step.what in RELEASES and f.cash in ("paid", "partial", "unknown"):
        broken.append(("a release although cash moved or may have moved", "Capture what was paid, or open a case."))
    if step.kind is Kind.ACCEPT:
        broken += _takes_notes(step, f)
    if step.kind is Kind.CALL and step.what == CREDITS:
        if step.fields.get("amount") != "stored":
            broken.append(("a credit of something else than was stored", "Give it `amount: stored`."))
        if f.notes != "stored":
            broken.append(("a credit without notes that were stored", "Reach it only from `accept: store`, `stored`."))
        if f.credited:
            broken.append(("a credit may be repeated", "Lead its outcomes away from it."))
    if step.kind is Kind.END:
        broken += _leaves_open(f)
    return broken


def _moves_money(step: Step, f: Facts, what: str) -> list[tuple[str, str]]:
    broken: list[tuple[str, str]] = []
    if not set(VERIFIES) <= f.verified:
        rule = f"a {what} before face and voice are verified"
        broken.append((rule, "Put `verify: face` and `verify: voice` before it."))
    if f.confirmed != step.fields.get("amount"):
        rule = "changed after it was confirmed" if f.changed else "was not confirmed"
        broken.append((f"a {what} over an amount that {rule}", f"Put `confirm` between the amount and the {what}."))
    return broken


def _takes_notes(step: Step, f: Facts) -> list[tuple[str, str]]:
    if step.what == "count" and f.notes in ("escrow", "unknown"):
        return [("notes are counted while others are in doubt", "Store or return the first ones before.")]
    if step.what == "count" and f.notes == "stored" and not f.credited:
        return [("notes are counted before the last ones were credited", f"Put `call: {CREDITS}` before.")]
    if step.what != "count" and f.notes != "escrow":
        return [(f"a {step.what} of notes that are not in escrow", "Reach it only from `accept: count`, `counted`.")]
    if step.what == "store" and f.confirmed != "accepted":
        return [("notes are stored before the customer agreed to their count", "Put `confirm: accepted` before it.")]
    return []


def _leaves_open(f: Facts) -> list[tuple[str, str]]:
    broken: list[tuple[str, str]] = []
    if f.hold in ("open", "doubtful") and not f.case:
        broken.append(("a hold may stay open", f"Capture, {' or '.join(RELEASES)} it, or open a case, before the end."))
    if f.cash == "unknown" and not f.case:
        broken.append(("cash in doubt without a case", "Put a `case` step on the way from `dispense: unknown`."))
    if f.notes == "escrow" and not f.case:
        broken.append(("notes may stay in escrow", "Store them and credit them, or `accept: return`, before the end."))
    if f.notes == "unknown" and not f.case:
        broken.append(("notes in doubt without a case", "Put a `case` step on the way from that `unknown`."))
    if f.notes == "stored" and not f.credited and not f.case:
        broken.append(("notes were stored and not credited", f"Put `call: {CREDITS}` on the way."))
    if f.moved == "doubtful" and not f.case:
        broken.append(("a transfer in doubt without a case", "Put a `case` step on the way from `unknown`."))
    return broken


def _after(
    flow: Flow, house: House, step: Step, f: Facts, outcomes: tuple[str, ...], stale: dict[str, frozenset[str]]
) -> list[tuple[str, Facts]]:
    """Every outcome that this step can have in this situation, and what is true afterwards."""
    if f.gone:
        forced = {
            Kind.ASK: "cancel",
            Kind.CONFIRM: "cancel",
            Kind.VERIFY: "error",
            Kind.PRINT: "error",
            Kind.DISPENSE: "none",
        }
        if step.kind is Kind.CALL and step.what in (HOLDS, *MOVES):
            return [("declined", replace(f, known=f.known | {"reason"}))]
        if step.kind is Kind.ACCEPT and step.what == "count":
            return [("nothing", f)]
        if step.kind in forced:
            return [(forced[step.kind], replace(f, cash="nothing") if step.kind is Kind.DISPENSE else f)]
    ways: list[tuple[str, Facts]] = []
    for outcome in outcomes:
        after = _told(flow, house, step, outcome, f, stale)
        ways.append((outcome, after))
        if step.kind in (Kind.CALL, Kind.DISPENSE, Kind.CASE, Kind.ACCEPT):
            # A restart while this was awaited: the same outcomes, but nobody stands there any more.
            ways.append((outcome, replace(after, gone=True)))
        elif (step.kind in (Kind.ASK, Kind.CONFIRM) and outcome == "cancel") or outcome == "error":
            ways.append((outcome, replace(after, gone=True)))
    return ways


def _told(flow: Flow, house: House, step: Step, outcome: str, f: Facts, stale: dict[str, frozenset[str]]) -> Facts:
    match step.kind, outcome:
        case Kind.ASK, "then":
            known = f.known - stale.get(step.what, frozenset()) | {step.what}
            return replace(f, confirmed="", changed=f.changed or bool(f.confirmed), known=known)
        case Kind.CONFIRM, "then":
            return replace(f, confirmed=step.what)
        case Kind.CONFIRM, "no":
            return replace(f, confirmed="", known=f.known - set(flow.slots))
        case Kind.VERIFY, "ok":
            return replace(f, verified=f.verified | {step.what})
        case Kind.CALL, _:
            return _called(house, step, outcome, f)
        case Kind.PLAN, "not_payable":
            return replace(f, confirmed="", known=f.known - {step.what} | {"payable"})
        case Kind.DISPENSE, _:
            given = frozenset(n for n, kind in DEVICE_FACTS.items() if kind is Kind.DISPENSE)
            return replace(f, cash="nothing" if outcome == "none" else outcome, known=f.known | given)
        case Kind.ACCEPT, "counted":
            return replace(f, notes="escrow", credited=False, confirmed="", known=f.known | {"accepted"})
        case Kind.ACCEPT, "stored":
            return replace(f, notes="stored", known=f.known | {"stored"})
        case Kind.ACCEPT, "returned":
            return replace(f, notes="returned")
        case Kind.ACCEPT, "unknown":
            return replace(f, notes="unknown")
        case Kind.CASE, _:
            return replace(f, case=True, known=f.known | {"case"})
    return f


def _called(house: House, step: Step, outcome: str, f: Facts) -> Facts:
    known = f.known | set(house.verbs[step.what].given.get(outcome, ()))
    if step.what == HOLDS:
        state = {"approved": "open", "unknown": "doubtful"}.get(outcome, f.hold)
        return replace(f, hold=state, known=known | {"hold_key"})
    if step.what in MOVES:
        state = {"done": "done", "unknown": "doubtful"}.get(outcome, f.moved)
        return replace(f, moved=state, known=known | {"hold_key"})
    if step.what == CREDITS:
        return replace(f, credited=True, known=known)
    if step.what in ADVICES:
        return replace(f, hold="closed", known=known)
    return replace(f, known=known)


def _silent_loop(flow: Flow) -> list[str]:
    """A step on a cycle that nothing ends.

    Asking ends a cycle, because the engine counts turns; but it does not ask a customer who is gone (`cancel`), who was
    asked too often (`no_match`), or for what was said already (`then`), so no cycle may consist of those ways alone.
    """
    for way in ("cancel", "no_match", "then"):
        onward = {name: _unasked(step, way) for name, step in flow.steps.items()}
        left = dict(onward)
        while left:  # take away what leads nowhere that is left; what remains is on a cycle or leads to one
            ended = [n for n, targets in left.items() if not any(t in left for t in targets)]
            if not ended:
                here, trail = min(left), list[str]()
                while here not in trail:
                    trail.append(here)
                    here = next(t for t in left[here] if t in left)
                return [here]
            for name in ended:
                del left[name]
    return []


def _unasked(step: Step, way: str) -> tuple[str, ...]:
    if step.kind is Kind.CONFIRM and way == "then":
        return ()
    if step.kind in (Kind.ASK, Kind.CONFIRM):
        return (step.on[way],)
    if step.kind is Kind.PLAN and way == "then":  # what cannot be paid is forgotten, and so asked for
        return tuple(target for outcome, target in step.on.items() if outcome != "not_payable")
    return tuple(step.on.values())
