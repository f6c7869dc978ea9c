"""Flows as operators write them (YAML) turned into `core.flow` values, or refused with file, line and remedy.

`problems` goes on after the first mistake of a flow's meaning (missing prompts, broken rules); a mistake of its shape
raises at once. Nothing is half loaded: `load_house` gives a whole house or raises.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from kiosk.adapters.bank_map import VERBS, BankMap
from kiosk.adapters.yamlfile import Node, load
from kiosk.core.engine import outcomes_of
from kiosk.core.flow import ADVICES, HOLDS, REFUSALS, VERIFIES, Flow, House, Kind, Slot, Step, Verb
from kiosk.core.intents import SLOT_TYPES
from kiosk.core.prove import prove
from kiosk.values import EXPONENTS, LANGS, Lang, OperatorError

#: DESIGN section 7: what an elderly customer can take in at once
MAX_ZH_CHARACTERS = 20
MAX_EN_WORDS = 12
COMMON = "common"
_FIELD = re.compile(r"\{(\w+)\}")
_STEP_KEYS = ("on", "then", "with", "prompts", "prompt", "timeout", "say")
_ON = "on_"


@dataclass(frozen=True)
class Finding:
    """One line of `kiosk check`."""

    file: str
    line: int
    rule: str
    remedy: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''}: {self.rule}. {self.remedy}"


def load_house(folder: Path, verbs: dict[str, Verb]) -> House:
    """Every flow under `folder`, proven.

    Raises:
        OperatorError: the first finding, whatever it is: a kiosk does not start on flows that are not proven.
    """
    house, findings = inspect(folder, verbs)
    if findings:
        f = findings[0]
        raise OperatorError(f.rule, where=f"{f.file}:{f.line}", remedy=f"{f.remedy} See: kiosk check")
    return house


def inspect(folder: Path, verbs: dict[str, Verb]) -> tuple[House, list[Finding]]:
    """The house and everything that `kiosk check` has to say about it."""
    files = sorted(folder.glob("*/flow.yaml"))
    if not files:
        raise OperatorError(
            "no flow.yaml in any folder", where=str(folder), remedy="Name the folder that holds the flows."
        )
    findings: list[Finding] = []
    flows: dict[str, Flow] = {}
    for file in files:
        try:
            flow = _flow(file)
        except OperatorError as e:
            name, _, rest = e.where.rpartition(".yaml:")
            line = int(rest.split(":")[0]) if name else 0
            findings.append(Finding(f"{name}.yaml" if name else e.where, line, e.what, e.remedy))
            continue
        if flow.intent in flows:
            findings.append(
                Finding(flow.file, 1, f"intent `{flow.intent}` is {flows[flow.intent].name}'s already", "Rename it.")
            )
        flows[flow.intent] = flow
    house = House(flows, {lang: _prompts(folder / COMMON, lang) for lang in LANGS}, verbs)
    for flow in flows.values():
        findings += _problems(flow, house)
    findings += _common(folder, house)
    return house, findings


# --- one file ---


def _flow(file: Path) -> Flow:
    node = load(file)
    node.only(("flow", "version", "intent", "title", "slots", "start", "steps", "receipts"))
    name = node.text("flow")
    if name != file.parent.name:
        raise node.wrong(f"flow `{name}` lies in folder `{file.parent.name}`", "Give both the same name.", "flow")
    slots_node = node.node("slots", optional=True)
    slots = {k: _slot(slots_node.node(k), k) for k, _ in slots_node.items()}
    steps_node = node.node("steps")
    steps = {k: _step(steps_node.node(k), k, slots) for k, _ in steps_node.items()}
    for k, step in steps.items():
        for outcome, target in step.on.items():
            if target not in steps:
                raise _nearest(
                    steps_node.node(k), f"`{outcome}` leads to `{target}`, which is no step", target, list(steps)
                )
    start = node.text("start")
    if start not in steps:
        raise _nearest(node, f"`start` is `{start}`, which is no step", start, list(steps))
    receipts_node = node.node("receipts", optional=True)
    receipts: dict[str, dict[Lang, tuple[str, ...]]] = {}
    for k, _ in receipts_node.items():
        r = receipts_node.node(k)
        r.only(LANGS)
        receipts[k] = {lang: r.texts(lang) for lang in LANGS}
    for k, step in steps.items():
        if step.kind is Kind.PRINT and step.what not in receipts:
            raise _nearest(steps_node.node(k), f"receipt `{step.what}` is not written", step.what, list(receipts))
    title = node.node("title")
    return Flow(
        name=name,
        version=int(node.number("version")),
        digest=digest(file.parent),
        intent=node.text("intent"),
        title={lang: title.text(lang) for lang in LANGS},
        slots=slots,
        start=start,
        steps=steps,
        prompts={lang: _prompts(file.parent, lang) for lang in LANGS},
        receipts=receipts,
        file=str(file),
    )


def digest(folder: Path) -> str:
    """Sixteen hex digits over everything of this flow that decides what it does."""
    h = hashlib.sha256()
    for file in sorted(folder.glob("*.yaml")):
        h.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return h.hexdigest()[:16]


def _prompts(folder: Path, lang: Lang) -> dict[str, str]:
    node = load(folder / f"prompts.{lang}.yaml")
    return {k: node.text(k) for k, _ in node.items()}


def _slot(node: Node, name: str) -> Slot:
    node.only(("type", "currency", "min", "max", "multiple"))
    kind = node.text("type")
    if kind not in SLOT_TYPES:
        raise _nearest(node, f"slot type `{kind}` is unknown", kind, list(SLOT_TYPES))
    currency = node.text("currency", "CNY")
    if currency not in EXPONENTS:
        raise node.wrong(f"currency `{currency}` is unknown", f"Known: {', '.join(EXPONENTS)}.", "currency")
    minor = 10 ** EXPONENTS[currency]
    limits = {k: round(node.number(k) * minor) for k in ("min", "max", "multiple")} if kind == "money" else {}
    if limits and not 0 < limits["min"] <= limits["max"]:
        raise node.wrong("`min` and `max` leave no amount", "Write 0 < min ≤ max.", "min")
    return Slot(name, kind, currency, **limits)


def _step(node: Node, name: str, slots: dict[str, Slot]) -> Step:
    kinds = [k for k in Kind if k in node and not (k is Kind.SAY and Kind.VERIFY in node)]
    if len(kinds) != 1:
        raise node.wrong(f"step `{name}` must do exactly one thing", f"One of: {', '.join(Kind)}.")
    kind = kinds[0]
    node.only(
        (kind, *_STEP_KEYS, *(f"{_ON}{o}" for o in ("timeout", "cancel", "no_match", "other_voice", "no", "error")))
    )
    on = {k: str(v) for k, v in node.node("on", optional=True).items()}
    on |= {k.removeprefix(_ON): str(v) for k, v in node.items() if k.startswith(_ON)}
    if "then" in node:
        on["then"] = node.text("then")
    what = node.text(kind)
    if kind in (Kind.ASK, Kind.CONFIRM, Kind.PLAN, Kind.DISPENSE) and what not in slots:
        raise _nearest(node, f"`{what}` is no slot of this flow", what, list(slots))
    if kind in (Kind.ASK, Kind.CONFIRM) and slots[what].type != "money":
        raise node.wrong(f"slot `{what}` is not money", "Only money can be asked for yet.", kind)
    if kind is Kind.VERIFY and what not in VERIFIES:
        raise _nearest(node, f"`verify: {what}` is unknown", what, list(VERIFIES))
    prompts = node.texts("prompts")
    for single in ("prompt", "say"):
        if single in node and kind is not Kind.SAY:
            prompts = (*prompts, node.text(single))
    if kind in (Kind.ASK, Kind.CONFIRM) and not prompts:
        raise node.wrong(f"step `{name}` says nothing", "Write `prompt:` or `prompts:`.")
    return Step(
        name=name,
        kind=kind,
        what=what,
        prompts=prompts,
        on=on,
        fields={k: str(v) for k, v in node.node("with", optional=True).items()},
        timeout_s=node.number("timeout", 8.0),
        line=node.line,
    )


def _nearest(node: Node, what: str, word: str, known: list[str]) -> OperatorError:
    near = difflib.get_close_matches(word, known, 1)
    return node.wrong(what, f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known) or 'none'}.")


# --- the meaning of a flow ---


def _problems(flow: Flow, house: House) -> list[Finding]:
    findings: list[Finding] = []

    def find(line: int, rule: str, remedy: str) -> None:
        findings.append(Finding(flow.file, line, rule, remedy))

    for step in flow.steps.values():
        if step.kind is Kind.CALL and step.what not in house.verbs:
            find(step.line, f"the bank's map has no verb `{step.what}`", f"Known: {', '.join(house.verbs)}.")
            continue
        if step.kind is Kind.CALL:
            verb = house.verbs[step.what]
            if set(step.fields) != set(verb.fields):
                find(
                    step.line,
                    f"`{step.what}` wants the fields {', '.join(verb.fields)}",
                    "Name exactly these under `with`.",
                )
            if step.what == HOLDS and "amount" not in step.fields:
                find(step.line, "a hold without an amount", "Give it `amount`.")
        wanted = set(outcomes_of(house, step))
        for missing in sorted(wanted - set(step.on)):
            find(step.line, f"step `{step.name}` has no way for `{missing}`", f"Write where `{missing}` leads.")
        for extra in sorted(set(step.on) - wanted):
            find(
                step.line,
                f"step `{step.name}` cannot have the outcome `{extra}`",
                f"It has: {', '.join(sorted(wanted)) or 'none'}.",
            )
    findings += _words(flow, house)
    if not findings:
        findings += [
            Finding(flow.file, p.line, f"step `{p.step}`: {p.rule}", p.remedy, p.path) for p in prove(flow, house)
        ]
    return findings


def _words(flow: Flow, house: House) -> list[Finding]:
    """Every prompt in every language, short enough, with variables that exist."""
    findings: list[Finding] = []
    named: dict[str, int] = {}
    for step in flow.steps.values():
        for p in (*((step.what,) if step.kind is Kind.SAY else ()), *step.prompts):
            named.setdefault(p, step.line)
        if step.kind in (Kind.ASK, Kind.CONFIRM):
            named |= {p: step.line for p in (*REFUSALS, "other_voice") if p not in named}
    facts = {"flow", "customer", "hold_key", "presented", "unknown_amount", "case"}
    known = set(flow.slots) | facts | {f for v in house.verbs.values() for f in v.facts}
    for lang in LANGS:
        for prompt, line in named.items():
            if prompt not in flow.prompts[lang] and prompt not in house.prompts[lang]:
                findings.append(
                    Finding(
                        flow.file, line, f"prompt `{prompt}` has no {lang} text", f"Write it in prompts.{lang}.yaml."
                    )
                )
        file = str(Path(flow.file).parent / f"prompts.{lang}.yaml")
        place = load(Path(file))
        for prompt, text in flow.prompts[lang].items():
            i = place.at(prompt)
            findings += [Finding(file, i, f"prompt `{prompt}`: {why}", remedy) for why, remedy in too_long(text, lang)]
            for var in _FIELD.findall(text):
                if var not in known:
                    findings.append(
                        Finding(file, i, f"prompt `{prompt}` names `{var}`, which nothing gives", "Mend the name.")
                    )
    for receipt in flow.receipts.values():
        for lines in receipt.values():
            for var in _FIELD.findall(" ".join(lines)):
                if var not in known:
                    findings.append(
                        Finding(flow.file, 1, f"a receipt names `{var}`, which nothing gives", "Mend the name.")
                    )
    return findings


def too_long(text: str, lang: Lang) -> list[tuple[str, str]]:
    """Is this more than a person takes in at once? A variable counts as nothing (an amount is shown large)."""
    bare = _FIELD.sub("", text)
    count = len(re.findall(r"\w", bare)) if lang == "zh" else len(re.findall(r"[\w']+", bare))
    limit = MAX_ZH_CHARACTERS if lang == "zh" else MAX_EN_WORDS
    unit = "characters" if lang == "zh" else "words"
    return (
        [(f"{count} {unit}, more than {limit}", "Say it in fewer words, or in two prompts.")] if count > limit else []
    )


def _common(folder: Path, house: House) -> list[Finding]:
    findings: list[Finding] = []
    for lang in LANGS:
        file = str(folder / COMMON / f"prompts.{lang}.yaml")
        for name in ("what_we_do", "which_one", "not_understood", "help", "attendant", "other_voice", "goodbye"):
            if name not in house.prompts[lang]:
                findings.append(Finding(file, 1, f"prompt `{name}` is missing", "Write it: every state needs it."))
        place = load(Path(file))
        for name, text in house.prompts[lang].items():
            i = place.at(name)
            findings += [Finding(file, i, f"prompt `{name}`: {why}", remedy) for why, remedy in too_long(text, lang)]
    return findings


def verbs_of(bank: BankMap) -> dict[str, Verb]:
    """The bank's verbs as flows see them. An advice is repeated until it is acknowledged, so a flow is told `queued`
    instead of `unknown` and goes on."""
    found: dict[str, Verb] = {}
    for name in bank.verbs:
        verb = VERBS[name]
        outcomes = ("ok", "queued") if name in ADVICES else (*verb.outcomes, "unknown")
        facts = tuple(sorted({f for given in verb.outcomes.values() for f in given}))
        found[name] = Verb(name, tuple(verb.fields), outcomes, facts)
    return found


def prompt_texts(folder: Path, lang: Lang) -> list[str]:
    """Everything that the flows under `folder` may say in `lang`, templates unfilled, each once."""
    files = sorted(folder.glob(f"*/prompts.{lang}.yaml"))
    return list(dict.fromkeys(text for file in files for text in _prompts(file.parent, lang).values()))
