"""Flows as operators write them (YAML) turned into `core.flow` values, or refused with file, line and remedy.

`problems` goes on after the first mistake of a flow's meaning (missing prompts, broken rules); a mistake of its shape
raises at once. Nothing is half loaded: `load_house` gives a whole house or raises.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kiosk.adapters.bank_map import VERBS, BankMap
from kiosk.adapters.flowkeys import FLOW, GUARD, SLOT, step_keys
from kiosk.adapters.yamlfile import Node, load
from kiosk.core.engine import outcomes_of
from kiosk.core.flow import (
    ACCEPTS,
    ADVICES,
    COMPARES,
    DEVICE_FACTS,
    GOOD,
    HOLDS,
    LITERAL,
    MONEY_FACTS,
    REFUSALS,
    VERIFIES,
    Flow,
    House,
    Kind,
    Slot,
    Step,
    Verb,
)
from kiosk.core.intents import SLOT_TYPES
from kiosk.core.prove import Move, prove
from kiosk.values import EXPONENTS, LANGS, Lang, OperatorError

#: DESIGN section 7: what an elderly customer can take in at once
MAX_ZH_CHARACTERS = 20
MAX_EN_WORDS = 12
#: what 80 mm paper holds in two lines; a Chinese character is two columns wide
MAX_RECEIPT_COLUMNS = 96
#: a flow beyond this is not one that a person can still read
MAX_STEPS = 400
MAX_LINKS = 4
COMMON = "common"
#: the second and third wording of a prompt are prompts of their own: `how_much#2`
VARIANT = "#"
_FIELD = re.compile(r"\{(\w+)\}")
_ON = "on_"


@dataclass(frozen=True)
class Finding:
    """One line of `kiosk check`."""

    file: str
    line: int
    rule: str
    remedy: str
    path: tuple[str, ...] = ()
    column: int = 1
    #: the flow and the way through it that break the rule, for `core.script`
    flow: str = ""
    moves: tuple[Move, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.rule}. {self.remedy}"

    @classmethod
    def of(cls, e: OperatorError) -> Finding:
        """What a mistake of shape says, as a finding."""
        m = re.fullmatch(r"(.*?):(\d+)(?::(\d+))?", e.where)
        file, line, column = (m[1], int(m[2]), int(m[3] or 1)) if m else (e.where, 1, 1)
        return cls(file, line, e.what, e.remedy, column=column)


def load_house(folder: Path, verbs: dict[str, Verb]) -> House:
    """Every flow under `folder`, proven.

    Raises:
        OperatorError: the first finding, whatever it is: a kiosk does not start on flows that are not proven.
    """
    house, findings = inspect(folder, verbs)
    if findings:
        f = findings[0]
        raise OperatorError(f.rule, where=f"{f.file}:{f.line}:{f.column}", remedy=f"{f.remedy} See: kiosk check")
    return house


def inspect(folder: Path, verbs: dict[str, Verb]) -> tuple[House, list[Finding]]:
    """The house and everything that `kiosk check` has to say about it."""
    files = sorted(folder.glob("*/flow.yaml"))
    if not files:
        raise OperatorError(
            "no flow.yaml in any folder", where=str(folder), remedy="Name the folder that holds the flows."
        )
    findings: list[Finding] = []
    read: dict[str, Flow] = {}
    for file in files:
        try:
            flow = _flow(file)
            read[flow.name] = flow
        except OperatorError as e:
            findings.append(Finding.of(e))
    house = House({}, {lang: _prompts(folder / COMMON, lang) for lang in LANGS}, verbs)
    shared = digest(folder / COMMON)  # the prompts that belong to no flow are said in all of them
    linked = {s.what for f in read.values() for s in f.steps.values() if s.kind is Kind.LINK}
    for flow in read.values():
        if not flow.intent:
            if flow.name not in linked:
                findings.append(Finding(flow.file, 1, f"no flow links `{flow.name}`", "Give it an `intent`."))
            continue
        if flow.intent in house.flows:
            other = house.flows[flow.intent].name
            findings.append(Finding(flow.file, 1, f"intent `{flow.intent}` is {other}'s already", "Rename it."))
        try:
            whole = _completed(_linked(flow, read), house)
            own = hashlib.sha256(f"{whole.digest} {shared}".encode()).hexdigest()[:16]
            house.flows[flow.intent] = replace(whole, digest=own)
        except OperatorError as e:
            findings.append(Finding.of(e))
    for flow in house.flows.values():
        findings += _problems(flow, house)
    findings += _common(folder, house)
    return house, list({(f.file, f.line, f.rule): f for f in reversed(findings)}.values())[::-1]


# --- one file ---


def _flow(file: Path) -> Flow:
    node = load(file)
    node.only(FLOW)
    name = node.text("flow")
    if name != file.parent.name:
        raise node.wrong(f"flow `{name}` lies in folder `{file.parent.name}`", "Give both the same name.", "flow")
    slots_node = node.node("slots", optional=True)
    slots = {k: _slot(slots_node.node(k), k) for k, _ in slots_node.items()}
    steps_node = node.node("steps")
    steps: dict[str, Step] = {}
    for k, _ in steps_node.items():
        one = steps_node.node(k)
        steps |= _guarded(one, _step(one, k, slots), slots)
    for k, step in steps.items():
        for outcome, target in {**step.on, **({"compensate": step.compensate} if step.compensate else {})}.items():
            if target not in steps:
                here = steps_node.node(k.removesuffix(".guarded"))
                raise _nearest(here, f"`{outcome}` leads to `{target}`, which is no step", target, list(steps))
    start = node.text("start")
    if start not in steps:
        raise _nearest(node, f"`start` is `{start}`, which is no step", start, list(steps))
    receipts_node = node.node("receipts", optional=True)
    receipts: dict[str, dict[Lang, tuple[str, ...]]] = {}
    for k, _ in receipts_node.items():
        r = receipts_node.node(k)
        r.only(LANGS)
        receipts[k] = {lang: r.texts(lang) for lang in LANGS}
        for lang in LANGS:
            if not receipts[k][lang]:
                raise r.wrong(f"receipt `{k}` has no {lang} lines", f"Write `{lang}: [...]`.")
    for k, step in steps.items():
        if step.kind is Kind.PRINT and step.what not in receipts:
            raise _nearest(
                steps_node.node(k.removesuffix(".guarded")),
                f"receipt `{step.what}` is not written",
                step.what,
                list(receipts),
            )
    title = node.node("title")
    prompts = {lang: _prompts(file.parent, lang) for lang in LANGS}
    for wording in {n for lang in LANGS for n in prompts[lang] if VARIANT in n}:
        base = wording.partition(VARIANT)[0]
        for lang in LANGS:  # a language with fewer wordings repeats its last one
            words = prompts[lang]
            if base in words:
                words.setdefault(wording, words.get(f"{base}{VARIANT}2", words[base]))
    for k, step in steps.items():
        tries = tuple(t for p in step.prompts for t in _tries(p, prompts[LANGS[0]]))
        steps[k] = replace(step, prompts=tries if step.kind in (Kind.ASK, Kind.CONFIRM) else step.prompts)
    return Flow(
        name=name,
        version=int(node.number("version")),
        digest=digest(file.parent),
        intent=node.text("intent", ""),
        title={lang: title.text(lang) for lang in LANGS},
        slots=slots,
        start=start,
        steps=steps,
        prompts=prompts,
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
    found: dict[str, str] = {}
    for k, value in node.items():
        if isinstance(value, list):
            wordings = node.texts(k)
            if not 0 < len(wordings) <= 3:
                raise node.wrong(f"prompt `{k}` has {len(wordings)} wordings", "Write one to three.", k)
            found |= {f"{k}{VARIANT}{n}" if n > 1 else k: text for n, text in enumerate(wordings, 1)}
        else:
            found[k] = node.text(k)
    return found


def _tries(prompt: str, written: dict[str, str]) -> tuple[str, ...]:
    return tuple(p for p in (prompt, f"{prompt}{VARIANT}2", f"{prompt}{VARIANT}3") if p == prompt or p in written)


def _slot(node: Node, name: str) -> Slot:
    node.only(SLOT)
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
    choices_node = node.node("choices", optional=True)
    choices: dict[str, dict[Lang, tuple[str, ...]]] = {}
    for key, _ in choices_node.items():
        words = choices_node.node(key)
        words.only(LANGS)
        choices[key] = {lang: words.texts(lang) for lang in LANGS}
        for lang in LANGS:
            if not choices[key][lang] or not all(choices[key][lang]):
                raise words.wrong(f"choice `{key}` has no {lang} words", "Write how customers call it.")
    for lang in LANGS:
        seen: dict[str, str] = {}
        for key, named in choices.items():
            for word in named[lang]:
                if seen.setdefault(word.lower(), key) != key:
                    raise node.wrong(f"`{word}` means both `{seen[word.lower()]}` and `{key}`", "Keep one.", "choices")
    if (kind == "money") == bool(choices):
        raise node.wrong(f"slot `{name}` of type {kind}", "Money has limits, every other type has `choices`.")
    return Slot(name, kind, currency, choices=choices, **limits)


def _step(node: Node, name: str, slots: dict[str, Slot]) -> Step:
    kinds = [k for k in Kind if k in node and not (k is Kind.SAY and (Kind.VERIFY in node or Kind.ACCEPT in node))]
    if len(kinds) != 1:
        raise node.wrong(f"step `{name}` must do exactly one thing", f"One of: {', '.join(Kind)}.")
    kind = kinds[0]
    node.only(step_keys(kind))
    on = {k: str(v) for k, v in node.node("on", optional=True).items()}
    on |= {k.removeprefix(_ON): str(v) for k, v in node.items() if k.startswith(_ON)}
    for word in ("then", "else"):
        if word in node:
            on[word] = node.text(word)
    what = node.text(kind)
    if kind in (Kind.ASK, Kind.PLAN, Kind.DISPENSE) and what not in slots:
        raise _nearest(node, f"`{what}` is no slot of this flow", what, list(slots))
    if kind is Kind.CONFIRM and what not in (*slots, *MONEY_FACTS):
        raise _nearest(node, f"`{what}` is no slot of this flow", what, [*slots, *MONEY_FACTS])
    if kind in (Kind.CONFIRM, Kind.PLAN, Kind.DISPENSE) and what in slots and slots[what].type != "money":
        raise node.wrong(
            f"slot `{what}` is not money", "A choice is read back in the words of the amount's prompt.", kind
        )
    for words, known in ((Kind.VERIFY, VERIFIES), (Kind.ACCEPT, ACCEPTS)):
        if kind is words and what not in known:
            raise _nearest(node, f"`{kind}: {what}` is unknown", what, list(known))
    prompts = node.texts("prompts")
    for single in ("prompt", "say"):
        if single in node and kind is not Kind.SAY:
            prompts = (*prompts, node.text(single))
    if kind in (Kind.ASK, Kind.CONFIRM) and not prompts:
        raise node.wrong(f"step `{name}` says nothing", "Write `prompt:` or `prompts:`.")
    test = ("", "")
    if kind is Kind.BRANCH:
        if "in" in node:
            on |= {k: str(v) for k, v in node.node("in").items()}
        test = ("in", "") if "in" in node else _test(node, slots, what)
    if kind is Kind.GOTO:
        on["then"] = what
    return Step(
        name=name,
        kind=kind,
        what=what,
        prompts=prompts,
        on=on,
        fields={k: str(v) for k, v in node.node("with", optional=True).items()},
        timeout_s=node.number("timeout", 8.0),
        test=test,
        compensate=node.text("compensate", ""),
        line=node.line,
        column=node.column(kind.value),
    )


def _guarded(node: Node, step: Step, slots: dict[str, Slot]) -> dict[str, Step]:
    """A guard is a branch before the step."""
    if "guard" not in node:
        return {step.name: step}
    guard = node.node("guard")
    guard.only(GUARD)
    what, inner = guard.text("of"), f"{step.name}.guarded"
    on = {"then": inner, "else": guard.text("else")}
    test = _test(guard, slots, what)
    branch = Step(step.name, Kind.BRANCH, what, on=on, test=test, line=guard.line, column=1)
    return {step.name: branch, inner: replace(step, name=inner)}


def _test(node: Node, slots: dict[str, Slot], what: str) -> tuple[str, str]:
    """How a branch compares: the word and its operand, a number in minor units or a name."""
    hows = [how for how in COMPARES if how in node]
    if len(hows) != 1:
        raise node.wrong("a branch wants `in` or one comparison", f"One of: in, {', '.join(COMPARES)}.")
    operand = node.data[hows[0]]
    if isinstance(operand, str):
        return hows[0], operand
    if what in slots and slots[what].type != "money":
        raise node.wrong(f"`{what}` is not money", "Only money is compared with a number; use `in`.", hows[0])
    digits = EXPONENTS[slots[what].currency if what in slots else "CNY"]
    amount = round(node.number(hows[0]) * 10**digits)
    if amount < 0:
        raise node.wrong("no amount is less than nothing", "Write a number from 0.", hows[0])
    return hows[0], str(amount)


# --- flows that use each other ---


def _linked(flow: Flow, parts: dict[str, Flow], depth: int = 0) -> Flow:
    """The flow with every `link` replaced by the steps of what it names: `face.look` is step `look` behind link `face`.

    The part's ends become ways on; its prompts and receipts stay its own, unless the flow has words of that name.

    Raises:
        OperatorError: no such flow, a circle, an end that is not answered, or slots that differ.
    """
    links = [s for s in flow.steps.values() if s.kind is Kind.LINK]
    if not links:
        return flow
    steps = {k: s for k, s in flow.steps.items() if s.kind is not Kind.LINK}
    prompts = {lang: dict(flow.prompts[lang]) for lang in LANGS}
    slots, receipts, digest_ = dict(flow.slots), dict(flow.receipts), hashlib.sha256(flow.digest.encode())

    def wrong(step: Step, what: str, remedy: str) -> OperatorError:
        return OperatorError(what, where=f"{step.file or flow.file}:{step.line}:{step.column}", remedy=remedy)

    for link in links:
        if link.what not in parts:
            near = difflib.get_close_matches(link.what, parts, 1)
            raise wrong(link, f"there is no flow `{link.what}`", f"Did you mean `{near[0]}`?" if near else "Write it.")
        if depth >= MAX_LINKS:
            raise wrong(link, f"links nest deeper than {MAX_LINKS}, or in a circle", "Write it out.")
        part = _linked(parts[link.what], parts, depth + 1)
        digest_.update(part.digest.encode())
        ends = {s.what for s in part.steps.values() if s.kind is Kind.END}
        on = {**{end: link.compensate for end in ends if link.compensate and end not in GOOD}, **link.on}
        for end in sorted(ends - set(on)):
            raise wrong(link, f"step `{link.name}` has no way for `{end}`", f"Write where `{end}` leads.")
        for extra in sorted(set(on) - ends):
            raise wrong(link, f"`{part.name}` has no end `{extra}`", f"It has: {', '.join(sorted(ends))}.")
        for name, slot in part.slots.items():
            if slots.setdefault(name, slot) != slot:
                raise wrong(link, f"slot `{name}` is not the same in `{part.name}`", "Write it alike in both.")
        own = {p for lang in LANGS for p in flow.prompts[lang]} | {*REFUSALS, "other_voice"}

        def mine(prompt: str, own: set[str] = own, part: Flow = part) -> str:
            kept = prompt in own or all(prompt not in part.prompts[lang] for lang in LANGS)
            return prompt if kept else f"{part.name}.{prompt}"

        for lang in LANGS:
            for prompt, text in part.prompts[lang].items():
                prompts[lang].setdefault(mine(prompt), text)
        receipts |= {f"{part.name}.{k}": v for k, v in part.receipts.items()}
        steps[link.name] = replace(link, kind=Kind.GOTO, on={"then": f"{link.name}.{part.start}"}, compensate="")
        for s in part.steps.values():
            name = f"{link.name}.{s.name}"
            moved = replace(s, name=name, file=s.file or part.file, on={o: f"{link.name}.{t}" for o, t in s.on.items()})
            if s.compensate:
                moved = replace(moved, compensate=f"{link.name}.{s.compensate}")
            if s.kind is Kind.END:
                moved = replace(moved, kind=Kind.GOTO, on={"then": on[s.what]})
            elif s.kind is Kind.SAY:
                moved = replace(moved, what=mine(s.what))
            elif s.kind is Kind.PRINT:
                moved = replace(moved, what=f"{part.name}.{s.what}")
            steps[name] = replace(moved, prompts=tuple(mine(p) for p in s.prompts))
    if len(steps) > MAX_STEPS:
        raise OperatorError(f"{len(steps)} steps", where=flow.file, remedy=f"A flow has at most {MAX_STEPS}.")
    return replace(
        flow, steps=steps, prompts=prompts, slots=slots, receipts=receipts, digest=digest_.hexdigest()[:16]
    )  # fmt: skip


def _completed(flow: Flow, house: House) -> Flow:
    """What `compensate` answers is written into each step's outcomes."""
    steps = {}
    for name, step in flow.steps.items():
        left = [o for o in outcomes_of(house, step) if o not in step.on and o not in GOOD] if step.compensate else []
        steps[name] = replace(step, on={**step.on, **dict.fromkeys(left, step.compensate)}) if left else step
    return replace(flow, steps=steps)


def _nearest(node: Node, what: str, word: str, known: list[str]) -> OperatorError:
    near = difflib.get_close_matches(word, known, 1)
    return node.wrong(what, f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known) or 'none'}.")


# --- the meaning of a flow ---


def _problems(flow: Flow, house: House) -> list[Finding]:
    findings: list[Finding] = []

    def find(step: Step, rule: str, remedy: str) -> None:
        findings.append(Finding(step.file or flow.file, step.line, rule, remedy, column=step.column))

    facts = {*DEVICE_FACTS, "customer", "hold_key"} | {f for v in house.verbs.values() for f in v.facts}

    for step in flow.steps.values():
        if step.kind is Kind.CALL and step.what not in house.verbs:
            find(step, f"the bank's map has no verb `{step.what}`", f"Known: {', '.join(house.verbs)}.")
            continue
        if step.kind is Kind.CALL:
            verb = house.verbs[step.what]
            if set(step.fields) != set(verb.fields):
                find(
                    step,
                    f"`{step.what}` wants the fields {', '.join(verb.fields)}",
                    "Name exactly these under `with`.",
                )
            if step.what == HOLDS and "amount" not in step.fields:
                find(step, "a hold without an amount", "Give it `amount`.")
        names = (
            set(step.fields.values()) if step.kind is Kind.CALL else {step.what} if step.kind is Kind.BRANCH else set()
        )
        if step.test[1] and not step.test[1].isdigit():
            names.add(step.test[1])
        for name in sorted(n for n in names if not n.startswith(LITERAL) and n not in (*flow.slots, *facts)):
            near = difflib.get_close_matches(name, [*flow.slots, *facts], 1)
            find(step, f"`{name}` is no slot and no fact", f"Did you mean `{near[0]}`?" if near else "Mend the name.")
        wanted = set(outcomes_of(house, step))
        for missing in sorted(wanted - set(step.on)):
            find(step, f"step `{step.name}` has no way for `{missing}`", f"Write where `{missing}` leads.")
        for extra in sorted(set(step.on) - wanted):
            find(
                step,
                f"step `{step.name}` cannot have the outcome `{extra}`",
                f"It has: {', '.join(sorted(wanted)) or 'none'}.",
            )
    findings += _words(flow, house)
    if not findings:
        findings += [
            Finding(
                flow.steps[p.step].file or flow.file,
                p.line,
                f"step `{p.step}`: {p.rule}",
                p.remedy,
                p.path,
                flow.steps[p.step].column,
                flow.name,
                p.moves,
            )
            for p in prove(flow, house)
        ]
    return findings


def _words(flow: Flow, house: House) -> list[Finding]:
    """Every prompt in every language, short enough, with variables that exist."""
    findings: list[Finding] = []
    named: dict[str, Step] = {}
    for step in flow.steps.values():
        for p in (*((step.what,) if step.kind is Kind.SAY else ()), *step.prompts):
            named.setdefault(p, step)
        if step.kind is Kind.ASK and flow.slots[step.what].type == "money":
            named |= {p: step for p in REFUSALS if p not in named}
        if step.kind in (Kind.ASK, Kind.CONFIRM):
            named.setdefault("other_voice", step)
    facts = {"flow", "customer", "hold_key", *DEVICE_FACTS}
    known = set(flow.slots) | facts | {f for v in house.verbs.values() for f in v.facts}
    for lang in LANGS:
        for prompt, step in named.items():
            if prompt not in flow.prompts[lang] and prompt not in house.prompts[lang]:
                file, name = step.file or flow.file, prompt.rpartition(".")[2]
                rule, remedy = f"prompt `{name}` has no {lang} text", f"Write it in prompts.{lang}.yaml."
                findings.append(Finding(file, step.line, rule, remedy, column=step.column))
        for prompt, text in flow.prompts[lang].items():
            part, _, name = prompt.rpartition(".")
            folder = Path(flow.file).parent.parent / part if part else Path(flow.file).parent
            reasons = too_long(text, lang)
            reasons += [
                (f"names `{v}`, which nothing gives", "Mend the name.") for v in _FIELD.findall(text) if v not in known
            ]
            if VARIANT in name and prompt not in {p for s in flow.steps.values() for p in s.prompts}:
                reasons.append(("has several wordings, but is not asked", "Only `ask` and `confirm` have tries."))
            if reasons:
                place = load(folder / f"prompts.{lang}.yaml")
                line = place.at(name.partition(VARIANT)[0])
                findings += [Finding(str(place.file), line, f"prompt `{name}`: {why}", r) for why, r in reasons]
    line = next((s.line for s in flow.steps.values() if s.kind is Kind.PRINT), 1)
    for receipt, written in flow.receipts.items():
        for text in (text for lines in written.values() for text in lines):
            for var in _FIELD.findall(text):
                if var not in known:
                    rule = f"receipt `{receipt}` names `{var}`, which nothing gives"
                    findings.append(Finding(flow.file, line, rule, "Mend the name."))
            columns = sum(2 if ord(c) > 0x2E80 else 1 for c in _FIELD.sub("", text))
            if columns > MAX_RECEIPT_COLUMNS:
                rule = f"receipt `{receipt}`: a line of {columns} columns, more than {MAX_RECEIPT_COLUMNS}"
                findings.append(Finding(flow.file, line, rule, "Break it in two."))
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
            i = place.at(name.partition(VARIANT)[0])
            findings += [Finding(file, i, f"prompt `{name}`: {why}", remedy) for why, remedy in too_long(text, lang)]
    return findings


def verbs_of(bank: BankMap) -> dict[str, Verb]:
    """The bank's verbs as flows see them. An advice is repeated until it is acknowledged, so a flow is told `queued`
    instead of `unknown` and goes on."""
    found: dict[str, Verb] = {}
    for name in bank.verbs:
        verb = VERBS[name]
        outcomes = ("ok", "queued") if name in ADVICES else (*verb.outcomes, "unknown")
        facts = tuple(sorted({f for needed in verb.outcomes.values() for f in needed} | set(verb.optional)))
        given = {outcome: tuple(needed) for outcome, needed in verb.outcomes.items()}
        found[name] = Verb(name, tuple(verb.fields), outcomes, facts, given)
    return found


def prompt_texts(folder: Path, lang: Lang, names: Sequence[str] = ()) -> list[str]:
    """Everything that the flows under `folder` (or those of these `names`) may say in `lang`, templates unfilled, each
    once."""
    files = [f for f in sorted(folder.glob(f"*/prompts.{lang}.yaml")) if not names or f.parent.name in names]
    return list(dict.fromkeys(text for file in files for text in _prompts(file.parent, lang).values()))
