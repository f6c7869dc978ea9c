"""A first draft from a bank's OpenAPI document: `map.yaml` with one verb, and a flow that calls it.

What can be read off the document is filled in; what a person must decide is marked TODO. A draft is never run as it is:
the map's loader refuses TODO as it refuses any name that the document does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kiosk.adapters.bank_map import CALL_KEY, QUESTIONS, VERBS
from kiosk.adapters.bank_openapi import Document, Operation, load_document
from kiosk.core.flow import ADVICES
from kiosk.values import OperatorError

TODO = "TODO"
#: words in a path or operationId that tell which verb it may be, the likeliest first
_HINTS = {
    "reverse": ("revers",),
    "release": ("release", "void"),
    "capture": ("capture",),
    "authorise": ("authoris", "authoriz", "hold"),
    "pay_bill": ("bill",),
    "statement": ("transaction", "statement", "entries"),
    "balance": ("balance",),
    "transfer": ("transfer", "payment"),
    "deposit": ("deposit",),
    "find_payee": ("payee", "beneficiar"),
    "pension": ("pension",),
}


def draft(path: Path, operation_id: str, verb: str = "") -> dict[str, str]:
    """File name → text of a draft for one operation.

    Raises:
        OperatorError: the document cannot be read, it has no such operation, or the verb cannot be guessed.
    """
    document = load_document(path)
    operation = document.operations.get(operation_id)
    if operation is None:
        known = ", ".join(list(document.operations)[:20])
        raise OperatorError(f"no operation {operation_id!r}", where=str(path), remedy=f"The document has: {known}.")
    verb = verb or _guess(operation)
    if verb not in VERBS:
        raise OperatorError(f"no verb fits {operation_id}", remedy=f"Name one with --verb: {', '.join(VERBS)}.")
    return {
        "map.yaml": _map(path, document, operation, verb),
        f"{verb}/flow.yaml": _flow(verb),
        f"{verb}/prompts.zh.yaml": _prompts("zh"),
        f"{verb}/prompts.en.yaml": _prompts("en"),
    }


def _guess(operation: Operation) -> str:
    words = f"{operation.path} {operation.id}".lower()
    question = operation.method == "GET"
    for verb, hints in _HINTS.items():
        if any(hint in words for hint in hints) and question == (verb in QUESTIONS):
            return verb
    return ""


def _map(path: Path, document: Document, operation: Operation, verb: str) -> str:
    spec = VERBS[verb]
    sources = {s: s for name, kind in spec.fields.items() for s in _sources(name, kind)}
    lines = [
        f"# A draft for `{verb}`, read off {path.name}. Finish every TODO; docs/add-a-bank.md explains every line.",
        f"bank: {TODO}",
        f"document: {path.name}",
        "timeouts: {try_s: 5, deadline_s: 20}",
        "answers: {max_bytes: 65536, max_depth: 12}",
        f"idempotency_header: {_header(operation, ('idempotency',))}",
        "verbs:",
        f"  {verb}:",
        f"    operation: {operation.id}",
    ]
    places = {
        place: {p.name: _nearest(p.name, sources) for p in operation.parameters if p.place == place and p.required}
        for place in ("path", "query")
    }
    body = _body(document, operation.body, sources) if operation.body else {}
    if any(places.values()) or body:
        lines.append("    request:")
    for place, named in places.items():
        if named:
            lines.append(f"      {place}: {{{', '.join(f'{k}: {v}' for k, v in named.items())}}}")
    if body:
        lines += ["      body:", *_nested(body, 8)]
    lines.append("    answers:")
    good = [s for s in operation.answers if s.startswith("2")] or [TODO]
    outcome, facts = next(iter(spec.outcomes.items()))
    pointers = _pointers(document, operation.answers.get(good[0]))
    lines += [f"      - status: {good[0]}", f"        outcome: {outcome}"]
    proofs = spec.proofs.get(outcome, ())
    if proofs:
        lines += ["        match:", *(f"          {_way(s, pointers)}: {s}" for s in proofs)]
    wanted = {**facts, **spec.optional}
    if wanted:
        lines.append("        facts:")
    for name, kind in wanted.items():
        if kind == "money":
            minor = next((p for p in pointers if p.lower().endswith(("/minor", "/amount"))), f"/{TODO}")
            currency = next((p for p in pointers if p.lower().endswith("/currency")), f"/{TODO}")
            lines.append(
                f"          {name}: {{minor: {minor}, currency: {currency}}}  # {TODO}: a whole number of fen?"
            )
        else:
            lines.append(f"          {name}: {_way(name, pointers)}")
    for other in list(spec.outcomes)[1:]:
        lines += [f"      # {TODO}: which answer means `{other}`?"]
    if pointers:
        lines += ["    # The answer's members, to choose from:", *(f"    #   {p}" for p in pointers[:40])]
    return "\n".join(lines) + "\n"


def _flow(verb: str) -> str:
    spec = VERBS[verb]
    outcomes = ["ok", "queued"] if verb in ADVICES else [*spec.outcomes, "unknown"]
    good = outcomes[0]
    ways = ", ".join(f"{o}: {'said' if o == good else 'failed'}" for o in outcomes)
    fields = ", ".join(f"{name}: {'customer' if name == 'customer' else name}" for name in spec.fields)
    return f"""# A draft: `kiosk check` says what is still missing.
flow: {verb}
version: 1
intent: {verb}                # {TODO}: state it in understanding.yaml
title: {{zh: {TODO}, en: {TODO}}}

start: who

steps:
  who:
    link: identify
    on: {{ok: ask_bank, failed: not_known}}
  ask_bank:                   # {TODO}: ask for, and confirm, what the bank wants to know
    call: {verb}
    with: {{{fields}}}
    on: {{{ways}}}
  said: {{say: said, then: done}}
  done: {{end: done}}
  failed: {{say: bank_error, then: bank_failed}}
  bank_failed: {{end: bank error}}
  not_known: {{end: not recognised}}
"""


def _prompts(lang: str) -> str:
    return f"said: {'办好了，再见。' if lang == 'zh' else 'It is done. Goodbye.'}    # {TODO}\n"


# --- guessing ---


def _sources(name: str, kind: str) -> tuple[str, ...]:
    return (f"{name}.minor", f"{name}.currency") if kind == "money" else (name,)


def _nearest(member: str, sources: Iterable[str]) -> str:
    """The field that a member's name speaks of, or TODO."""
    word = member.lower()
    for source in sources:
        name, _, part = source.partition(".")
        if (part == "currency") == ("currency" in word) and (
            name in word or word.removesuffix("id") in name or (part == "minor" and word in ("minor", "amount"))
        ):
            return source
    return "customer" if "customer" in sources and ("account" in word or "customer" in word) else TODO


def _header(operation: Operation, hints: tuple[str, ...]) -> str:
    named = (p.name for p in operation.parameters if p.place == "header")
    return next((n for n in named if any(h in n.lower() for h in hints)), "Idempotency-Key")


def _body(document: Document, schema: str, sources: Mapping[str, str], way: str = "", depth: int = 0) -> dict[str, Any]:
    """The members that a request must have, as far down as they are named."""
    made: dict[str, Any] = {}
    here = document.schemas_at(schema, way)
    required = {n for s in here for n in s.get("required", ())} or (document.required(schema) if not way else set())
    for name in sorted(required):
        below = document.schemas_at(schema, f"{way}/{_escaped(name)}")
        if depth < 6 and any("properties" in s for s in below):
            made[name] = _body(document, schema, sources, f"{way}/{_escaped(name)}", depth + 1) or TODO
        else:
            made[name] = _nearest(name, sources)
    return made


def _nested(body: Mapping[str, Any], indent: int) -> list[str]:
    lines: list[str] = []
    for name, value in body.items():
        if isinstance(value, Mapping):
            lines += [f"{' ' * indent}{name}:", *_nested(value, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{name}: {value}")
    return lines


def _pointers(document: Document, schema: str | None, way: str = "", depth: int = 0) -> list[str]:
    """Every plain member of an answer, lists by their first element."""
    found: list[str] = []
    if schema is None or depth > 8:
        return found
    for s in document.schemas_at(schema, way):
        for name in s.get("properties", {}):
            here = f"{way}/{_escaped(name)}"
            below = _pointers(document, schema, here, depth + 1)
            found += below or [here]
        if "items" in s:
            found += _pointers(document, schema, f"{way}/0", depth + 1)
    return list(dict.fromkeys(found))


def _way(source: str, pointers: list[str]) -> str:
    """The answer's member that a field or fact may stand in."""
    word = "key" if source == CALL_KEY else source
    parts = [p for p in word.lower().split(".") if p]
    for pointer in pointers:
        if all(part in pointer.lower() for part in parts):
            return pointer
    return next((p for p in pointers if parts[-1] in p.lower()), f"/{TODO}")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
