"""The proof that a flow cannot lose money: every path through its steps, with every answer the world may give.

A flow is finite once amounts are forgotten, so all its paths are walked: customer answers, time-outs, cancels, each
outcome of each effect (the unknown ones too) and a restart while anything is awaited. What is remembered of a path is
only what the rules speak of (`Facts`). A broken rule comes with the path that breaks it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from kiosk.core.engine import outcomes_of
from kiosk.core.flow import ADVICES, CAPTURES, DEVICE_FACTS, HOLDS, RELEASES, Flow, House, Kind, Step


@dataclass(frozen=True)
class Facts:
    """What the rules look at. `hold`: none open doubtful closed. `cash`: none moved-nothing paid partial unknown."""

    verified: frozenset[str] = frozenset()
    slot: bool = False
    confirmed: bool = False
    hold: str = "none"
    cash: str = "none"
    case: bool = False
    gone: bool = False
    known: frozenset[str] = frozenset({"customer"})


@dataclass(frozen=True)
class Problem:
    """A broken rule: where (step and line), which rule, what to do, and the path that leads there."""

    step: str
    line: int
    rule: str
    remedy: str
    path: tuple[str, ...] = ()


def prove(flow: Flow, house: House) -> list[Problem]:
    """Walk every path; one problem a rule and step, with a shortest path to it."""
    found: dict[tuple[str, str], Problem] = {}
    queue: deque[tuple[str, Facts, tuple[str, ...]]] = deque([(flow.start, Facts(), ())])
    seen: set[tuple[str, Facts]] = set()
    visited: set[str] = set()
    while queue:
        name, facts, path = queue.popleft()
        if (name, facts) in seen:
            continue
        seen.add((name, facts))
        visited.add(name)
        step = flow.steps[name]
        for rule, remedy in _before(step, facts):
            found.setdefault((name, rule), Problem(name, step.line, rule, remedy, (*path, name)))
        for outcome, after in _after(step, facts, outcomes_of(house, step)):
            queue.append((step.on[outcome], after, (*path, f"{name}: {outcome}")))
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


def _before(step: Step, f: Facts) -> list[tuple[str, str]]:
    """Rules that must hold when a step is entered."""
    broken: list[tuple[str, str]] = []
    wants = set(step.fields.values())
    if step.kind in (Kind.CONFIRM, Kind.PLAN, Kind.DISPENSE):
        wants.add(step.what)
    missing = sorted(w for w in wants if w not in f.known and not (w == "presented" and f.cash != "none"))
    if missing and not (f.gone and step.kind in (Kind.PLAN, Kind.DISPENSE, Kind.CONFIRM)):
        broken.append((f"{missing[0]} has no value yet", "Ask for it, or call what gives it, before this step."))
    if step.kind is Kind.CALL and step.what == HOLDS and not f.gone:
        if not {"face", "voice"} <= f.verified:
            broken.append(
                ("a hold before face and voice are verified", "Put `verify: face` and `verify: voice` before it.")
            )
        if not f.confirmed:
            broken.append(
                ("a hold over an amount that was not confirmed", "Put `confirm` between the amount and the hold.")
            )
        if f.hold in ("open", "doubtful"):
            broken.append(("a second hold while one is open", "Capture or release the first one before."))
        if f.cash not in ("none", "nothing"):
            broken.append(("a second hold after cash moved", "One session pays once."))
    if step.kind is Kind.DISPENSE and not f.gone:
        if f.hold != "open":
            broken.append(("cash without an open hold", f"Reach it only from `{HOLDS}: approved`."))
        if not f.confirmed:
            broken.append(("cash for an amount that was not confirmed", "Put `confirm` before it."))
        if f.cash != "none":
            broken.append(("a dispense may be repeated", "Lead every outcome of `dispense` away from it."))
    if step.kind is Kind.CALL and step.what == CAPTURES and f.cash not in ("paid", "partial"):
        broken.append(("a capture without cash that was paid", "Reach it only from `dispense: paid` or `partial`."))
    if step.kind is Kind.CALL and step.what == CAPTURES and "presented" not in step.fields.values():
        broken.append(("a capture of something else than was paid", "Give it `amount: presented`."))
    if step.kind is Kind.CALL and step.what in RELEASES and f.cash in ("paid", "partial", "unknown"):
        broken.append(("a release although cash moved or may have moved", "Capture what was paid, or open a case."))
    if step.kind is Kind.END:
        if f.hold in ("open", "doubtful") and not f.case:
            broken.append(
                ("a hold may stay open", f"Capture, {' or '.join(RELEASES)} it, or open a case, before the end.")
            )
        if f.cash == "unknown" and not f.case:
            broken.append(("cash in doubt without a case", "Put a `case` step on the way from `dispense: unknown`."))
    return broken


def _after(step: Step, f: Facts, outcomes: tuple[str, ...]) -> list[tuple[str, Facts]]:
    """Every outcome that this step can have in this situation, and what is true afterwards."""
    if f.gone:
        forced = {
            Kind.ASK: "cancel",
            Kind.CONFIRM: "cancel",
            Kind.VERIFY: "error",
            Kind.PRINT: "error",
            Kind.DISPENSE: "none",
        }
        if step.kind is Kind.CALL and step.what == HOLDS:
            return [("declined", f)]
        if step.kind in forced:
            return [(forced[step.kind], replace(f, cash="nothing") if step.kind is Kind.DISPENSE else f)]
    ways: list[tuple[str, Facts]] = []
    for outcome in outcomes:
        after = _told(step, outcome, f)
        ways.append((outcome, after))
        if step.kind in (Kind.CALL, Kind.DISPENSE, Kind.CASE):
            # A restart while this was awaited: the same outcomes, but nobody stands there any more.
            ways.append((outcome, replace(after, gone=True)))
        elif (step.kind in (Kind.ASK, Kind.CONFIRM) and outcome == "cancel") or outcome == "error":
            ways.append((outcome, replace(after, gone=True)))
    return ways


def _told(step: Step, outcome: str, f: Facts) -> Facts:
    match step.kind, outcome:
        case Kind.ASK, "then":
            return replace(f, slot=True, confirmed=False, known=f.known | {step.what})
        case Kind.CONFIRM, "then":
            return replace(f, confirmed=True)
        case Kind.CONFIRM, "no":
            return replace(f, slot=False, confirmed=False, known=f.known - {step.what})
        case Kind.VERIFY, "ok":
            return replace(f, verified=f.verified | {step.what})
        case Kind.CALL, _:
            return _called(step, outcome, f)
        case Kind.DISPENSE, _:
            given = frozenset(n for n, kind in DEVICE_FACTS.items() if kind is Kind.DISPENSE)
            return replace(f, cash="nothing" if outcome == "none" else outcome, known=f.known | given)
        case Kind.CASE, _:
            return replace(f, case=True, known=f.known | {"case"})
    return f


def _called(step: Step, outcome: str, f: Facts) -> Facts:
    if step.what == HOLDS:
        known = f.known | {"hold_key"}
        if outcome == "approved":
            return replace(f, hold="open", known=known | {"authorisation"})
        return replace(f, hold="doubtful" if outcome == "unknown" else f.hold, known=known | {"reason"})
    if step.what in ADVICES:
        return replace(f, hold="closed")
    return replace(f, known=f.known | {"balance", "reason"}) if outcome == "ok" else f


def _silent_loop(flow: Flow) -> list[str]:
    """Steps on a cycle that contains no step which waits for a person (those are bounded by the engine)."""
    silent = {n for n, s in flow.steps.items() if s.kind not in (Kind.ASK, Kind.CONFIRM, Kind.END)}
    reach: dict[str, set[str]] = {}
    for start in silent:
        todo, reached = [t for t in flow.steps[start].on.values() if t in silent], set[str]()
        while todo:
            here = todo.pop()
            if here not in reached:
                reached.add(here)
                todo += [t for t in flow.steps[here].on.values() if t in silent]
        reach[start] = reached
    return sorted(n for n in silent if n in reach[n])[:1]
