"""How the kiosk's few bank verbs are said to one bank: `map.yaml`, checked against the bank's OpenAPI document.

Whatever the file does not list cannot be called, and whatever an answer does not prove is unknown: a rule that gives
`approved` must compare the amount, the currency and the key or authorisation with what was asked.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kiosk.adapters.bank_openapi import Document, Operation, load_document
from kiosk.adapters.yamlfile import load
from kiosk.values import OperatorError

Scalar = str | int | bool
#: the idempotency key of the call itself
CALL_KEY = "call.key"


@dataclass(frozen=True)
class Verb:
    """What the kiosk means by a verb: field → `money` or `text`; outcome → the facts (name → kind) that it must bring.

    `proofs` lists, for each outcome that lets money move, the sources that its rule must compare.
    """

    fields: Mapping[str, str]
    outcomes: Mapping[str, Mapping[str, str]]
    optional: Mapping[str, str] = field(default_factory=dict)
    proofs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_AMOUNT = ("amount.minor", "amount.currency")
#: every verb has the outcome `unknown` besides: whatever no rule explains
VERBS: dict[str, Verb] = {
    "authorise": Verb(
        {"amount": "money", "customer": "text"},
        {"approved": {"authorisation": "text"}, "declined": {"reason": "text"}},
        proofs={"approved": (*_AMOUNT, "customer")},
    ),
    "capture": Verb(
        {"authorisation": "text", "amount": "money"}, {"ok": {}}, proofs={"ok": ("authorisation", *_AMOUNT)}
    ),
    "release": Verb({"authorisation": "text"}, {"ok": {}}, proofs={"ok": ("authorisation",)}),
    "reverse": Verb({"key": "text"}, {"ok": {}}, proofs={"ok": ("key",)}),
    "balance": Verb({"customer": "text"}, {"ok": {"balance": "money"}, "error": {}}),
    "find_payee": Verb(
        {"customer": "text", "payee": "text"},
        {"found": {"payee_name": "text"}, "absent": {}},
        proofs={"found": ("customer", "payee")},
    ),
    "transfer": Verb(
        {"customer": "text", "payee": "text", "amount": "money"},
        {"done": {"reference": "text"}, "declined": {"reason": "text"}},
        proofs={"done": (*_AMOUNT, "customer", "payee")},
    ),
    "bills": Verb(
        {"customer": "text", "bill": "text"},
        {"due": {"amount_due": "money"}, "nothing_due": {}, "error": {}},
        proofs={"due": ("customer", "bill")},
    ),
    "pay_bill": Verb(
        {"customer": "text", "bill": "text", "amount": "money"},
        {"done": {"reference": "text"}, "declined": {"reason": "text"}},
        proofs={"done": (*_AMOUNT, "customer", "bill")},
    ),
    "deposit": Verb({"customer": "text", "amount": "money"}, {"ok": {}}, proofs={"ok": (*_AMOUNT, "customer")}),
    "statement": Verb(
        {"customer": "text", "period": "text"},
        {"ok": {}, "error": {}},
        optional={f"entry{n}": "text" for n in range(1, 6)},
        proofs={"ok": ("customer", "period")},
    ),
    "pension": Verb(
        {"customer": "text"},
        {"ok": {"pension": "money", "paid_on": "text"}, "absent": {}, "error": {}},
        proofs={"ok": ("customer",)},
    ),
    "request": Verb(
        {"customer": "text", "service": "text"},
        {"ok": {"ticket": "text"}, "error": {}},
        proofs={"ok": ("customer", "service")},
    ),
    "status": Verb(
        {"key": "text"},
        {"found": {"state": "text"}, "absent": {}, "reversed": {}},
        optional={"authorisation": "text", "amount": "money"},
        proofs={"found": ("key",), "absent": ("key",), "reversed": ("key",)},
    ),
}
#: verbs that change nothing, and so need no idempotency key
QUESTIONS = ("balance", "status", "find_payee", "bills", "statement", "pension")
#: outcomes after which an advice needs no repetition
ACKNOWLEDGED = "ok"


@dataclass(frozen=True)
class Rule:
    """An answer with `status` on which every `when` holds means `outcome`, if every `match` equals what was sent.

    `when`: pointer → accepted values. `match`: pointer → source. `facts`: name → pointer, or for money → its two
    pointers (minor, currency).
    """

    status: int
    when: Mapping[str, tuple[Scalar, ...]]
    match: Mapping[str, str]
    outcome: str
    facts: Mapping[str, str | tuple[str, str]]


@dataclass(frozen=True)
class Action:
    """One request that may be sent, and how its answers are read. `body` has sources as its leaves."""

    operation: Operation
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any] | None
    rules: tuple[Rule, ...]
    #: facts that an answer may lack
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class MappedVerb:
    """A verb of this bank; `asking` is the question that settles a call whose answer did not come."""

    name: str
    action: Action
    asking: Action | None


@dataclass(frozen=True)
class BankMap:
    """One bank as the kiosk may use it."""

    name: str
    document: Document
    try_s: float
    deadline_s: float
    max_bytes: int
    max_depth: int
    idempotency_header: str
    correlation_header: str | None
    verbs: Mapping[str, MappedVerb]


def load_map(path: Path) -> BankMap:
    """Read `map.yaml` and the document that it names (a file beside it).

    Raises:
        OperatorError: anything unknown, missing, or not in the OpenAPI document, with file, line and remedy.
    """
    return _Reader(path).read()


class _Reader:
    """Walks the file with the line of every member at hand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checked: set[str] = set()

    def read(self) -> BankMap:
        top = load(self._path).data
        self._members(
            top,
            "the map",
            ("bank", "document", "timeouts", "answers", "idempotency_header", "verbs"),
            ("correlation_header",),
        )
        self._document = load_document(self._path.parent / self._text(top, "document", plain_name=True))
        times, sizes = top["timeouts"], top["answers"]
        self._members(times, "timeouts", ("try_s", "deadline_s"))
        self._members(sizes, "answers", ("max_bytes", "max_depth"))
        self._idempotency = self._text(top, "idempotency_header")
        self._correlation = self._text(top, "correlation_header") if "correlation_header" in top else None
        verbs = top["verbs"]
        self._known(verbs, "verb", VERBS)
        return BankMap(
            name=self._text(top, "bank"),
            document=self._document,
            try_s=self._number(times, "try_s", 0.1, 60),
            deadline_s=self._number(times, "deadline_s", 0.5, 120),
            max_bytes=int(self._number(sizes, "max_bytes", 256, 4 * 1024 * 1024)),
            max_depth=int(self._number(sizes, "max_depth", 1, 64)),
            idempotency_header=self._idempotency,
            correlation_header=self._correlation,
            verbs={name: self._verb(name, verbs) for name in verbs},
        )

    # --- a verb ------------------------------------------------------------------------------------------------------

    def _verb(self, name: str, verbs: Any) -> MappedVerb:
        node = self._mapping(verbs, name)
        self._members(node, name, ("operation", "answers"), ("request", "if_unanswered"))
        action = self._action(node, name, deed=name not in QUESTIONS)
        asking = None
        if "if_unanswered" in node:
            question = self._mapping(node, "if_unanswered")
            self._members(question, "if_unanswered", ("operation", "answers"), ("request",))
            asking = self._action(question, name, deed=False, question=True)
            if asking.operation.method != "GET":
                raise self._wrong(question, "operation", "a question must be a GET: it may change nothing")
        for needed in [f for f in VERBS[name].fields if not _uses(action, f)]:
            raise self._wrong(verbs, name, f"the request does not send {needed!r}", "Add it under `request`.")
        return MappedVerb(name, action, asking)

    def _action(self, node: Any, verb: str, deed: bool, question: bool = False) -> Action:
        operations = self._document.operations
        wanted = self._text(node, "operation")
        if wanted not in operations:
            raise self._wrong(
                node, "operation", f"the OpenAPI document has no operation {wanted!r}", _nearest(wanted, operations)
            )
        operation = operations[wanted]
        self._sound(node, operation.body)
        request = self._mapping(node, "request") if "request" in node else {}
        self._members(request, "request", (), ("path", "query", "body"))
        path, query = (self._parameters(request, place, operation, verb) for place in ("path", "query"))
        body = self._body(request, operation, verb)
        self._headers(node, operation, deed)
        for p in operation.parameters:
            given = {"path": path, "query": query}.get(p.place)
            if p.required and given is not None and p.name not in given:
                raise self._wrong(node, "operation", f"{wanted} requires the {p.place} parameter {p.name!r}", "Add it.")
        answers = node["answers"]
        if not isinstance(answers, list) or not answers:
            raise self._wrong(node, "answers", "must be a list of rules")
        return Action(
            operation,
            path,
            query,
            body,
            tuple(self._rule(answers, i, operation, verb, question) for i in range(len(answers))),
            tuple(VERBS[verb].optional),
        )

    def _headers(self, node: Any, operation: Operation, deed: bool) -> None:
        """A deed must be repeatable under its key, and every header that is required must be one that is sent."""
        if deed and operation.parameter("header", self._idempotency) is None:
            raise self._wrong(
                node, "operation", f"{operation.id} has no header {self._idempotency!r}: no safe repetition",
                "Map another operation, or correct idempotency_header.",
            )  # fmt: skip
        sent = {h.lower() for h in (self._idempotency if deed else None, self._correlation) if h}
        for p in operation.parameters:
            if p.place == "header" and p.required and p.name.lower() not in sent:
                raise self._wrong(
                    node, "operation", f"{operation.id} requires the header {p.name!r}, which a map cannot send"
                )

    def _parameters(self, request: Any, place: str, operation: Operation, verb: str) -> dict[str, str]:
        if place not in request:
            return {}
        node, out = self._mapping(request, place), {}
        for name in node:
            if operation.parameter(place, name) is None:
                names = [p.name for p in operation.parameters if p.place == place]
                raise self._wrong(
                    node, name, f"{operation.id} has no {place} parameter {name!r}", _nearest(name, names)
                )
            out[name] = self._source(node, name, verb)
        return out

    def _body(self, request: Any, operation: Operation, verb: str) -> dict[str, Any] | None:
        if "body" not in request:
            if operation.body_required:
                raise OperatorError(
                    f"{operation.id} requires a body", where=self._where(request), remedy="Add `body` under `request`."
                )
            return None
        if operation.body is None:
            raise self._wrong(request, "body", f"{operation.id} takes no JSON body")
        return self._members_sent(self._mapping(request, "body"), operation, operation.body, "", verb)

    def _members_sent(self, node: Any, operation: Operation, schema: str, way: str, verb: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name in node:
            here = f"{way}/{str(name).replace('~', '~0').replace('/', '~1')}"
            schemas = self._document.schemas_at(schema, here)
            if not schemas:
                raise self._wrong(
                    node, name, f"the body of {operation.id} has no member {here!r}", "See the OpenAPI document."
                )
            if isinstance(node[name], dict):
                out[name] = self._members_sent(node[name], operation, schema, here, verb)
            else:
                out[name] = source = self._source(node, name, verb)
                want = "integer" if source.endswith(".minor") else "string"
                if not any(_allows(s, want) for s in schemas):
                    raise self._wrong(
                        node, name, f"{operation.id} wants {here!r} to be no {want}", "Map another field."
                    )
        required = {n for s in self._document.schemas_at(schema, way) for n in s.get("required", ())} if way else (
            self._document.required(schema)
        )  # fmt: skip
        for name in sorted(required - set(out)):
            raise OperatorError(
                f"the body of {operation.id} requires {way}/{name}",
                where=self._where(node),
                remedy="Add it under `body`.",
            )
        return out

    # --- rules -------------------------------------------------------------------------------------------------------

    def _rule(self, answers: Any, index: int, operation: Operation, verb: str, question: bool) -> Rule:
        node, spec = answers[index], VERBS[verb]
        if not isinstance(node, dict):
            raise OperatorError("a rule has members", where=f"{self._path}:{answers.lc.item(index)[0] + 1}")
        self._members(node, "a rule", ("status", "outcome"), ("when", "match", "facts"))
        status, outcome = node["status"], self._text(node, "outcome")
        if outcome not in spec.outcomes:
            raise self._wrong(node, "outcome", f"{verb} has no outcome {outcome!r}", _nearest(outcome, spec.outcomes))
        answer = self._answer(node, status, operation)
        when: dict[str, tuple[Scalar, ...]] = {}
        for way in self._ways(node, "when", operation, answer):
            value = node["when"][way]
            values = tuple(value) if isinstance(value, list) else (value,)
            self._possible(node["when"], way, values, operation, answer)
            when[way] = values
        match = {way: self._source(node["match"], way, verb) for way in self._ways(node, "match", operation, answer)}
        proofs = spec.proofs.get(outcome, ()) + ((CALL_KEY,) if question else ())
        lacking = [p for p in proofs if p not in match.values()]
        if lacking:
            raise self._wrong(
                node, "outcome", f"{outcome!r} would be believed without comparing {lacking[0]!r}",
                f"Add `match: {{/POINTER: {lacking[0]}}}`.",
            )  # fmt: skip
        return Rule(status, when, match, outcome, self._facts(node, outcome, spec, operation, answer))

    def _answer(self, node: Any, status: Any, operation: Operation) -> str | None:
        if type(status) is not int:
            raise self._wrong(node, "status", f"{status!r} is no HTTP status")
        for name in (str(status), f"{status // 100}XX", "default"):
            if name in operation.answers:
                self._sound(node, operation.answers[name])
                return operation.answers[name]
        known = ", ".join(operation.answers)
        raise self._wrong(node, "status", f"{operation.id} never answers {status}", f"The document lists {known}.")

    def _sound(self, node: Any, schema: str | None) -> None:
        """The schemas that a running kiosk will rely on are schemas."""
        try:
            if schema is not None and schema not in self._checked:
                self._document.check(schema)
                self._checked.add(schema)
        except ValueError as e:
            where = self._where(node)
            raise OperatorError(f"the OpenAPI document: {e}", where=where, remedy="Mend the document.") from e

    def _ways(self, rule: Any, member: str, operation: Operation, answer: str | None) -> Iterable[str]:
        if member not in rule:
            return ()
        node = self._mapping(rule, member)
        for way in node:
            self._reachable(node, way, way, operation, answer)
        return list(node)

    def _reachable(self, node: Any, key: Any, way: Any, operation: Operation, answer: str | None) -> None:
        if not isinstance(way, str) or not way.startswith("/"):
            raise self._wrong(node, key, f"{way!r} is no JSON pointer", "Write it as /member/member.")
        if answer is None or not self._document.schemas_at(answer, way):
            raise self._wrong(node, key, f"that answer of {operation.id} has no {way!r}", "See the OpenAPI document.")

    def _possible(self, node: Any, way: str, values: tuple[Any, ...], operation: Operation, answer: str | None) -> None:
        schemas = self._document.schemas_at(answer, way) if answer else []
        listed = [v for s in schemas for v in s.get("enum", ())]
        for value in values:
            if not isinstance(value, str | int | bool):
                raise self._wrong(node, way, f"{value!r} is no plain value")
            if listed and value not in listed:
                raise self._wrong(
                    node, way, f"{operation.id} never answers {way} = {value!r}", _nearest(str(value), map(str, listed))
                )

    def _facts(
        self, rule: Any, outcome: str, spec: Verb, operation: Operation, answer: str | None
    ) -> dict[str, str | tuple[str, str]]:
        node = self._mapping(rule, "facts") if "facts" in rule else {}
        needed = spec.outcomes[outcome]
        facts: dict[str, str | tuple[str, str]] = {}
        kinds = {**needed, **spec.optional}
        for name in node:
            if name not in kinds:
                raise self._wrong(node, name, f"{outcome!r} has no fact {name!r}", _nearest(name, kinds))
            value = node[name]
            if kinds[name] == "money":
                self._members(value, name, ("minor", "currency"))
                for part in ("minor", "currency"):
                    self._reachable(value, part, value[part], operation, answer)
                if not any(_allows(s, "integer") for s in self._document.schemas_at(answer or "", value["minor"])):
                    raise self._wrong(value, "minor", f"{value['minor']!r} is no whole number")
                facts[name] = (value["minor"], value["currency"])
            else:
                self._reachable(node, name, value, operation, answer)
                facts[name] = value
        for name in needed:
            if name not in facts:
                raise self._wrong(rule, "outcome", f"{outcome!r} must bring the fact {name!r}", "Add it under `facts`.")
        return facts

    # --- members with their lines ------------------------------------------------------------------------------------

    def _source(self, node: Any, key: Any, verb: str) -> str:
        sources = [CALL_KEY]
        for name, kind in VERBS[verb].fields.items():
            sources += [f"{name}.minor", f"{name}.currency"] if kind == "money" else [name]
        source = node[key]
        if source not in sources:
            raise self._wrong(node, key, f"{verb} has no field {source!r}", _nearest(str(source), sources))
        return str(source)

    def _members(self, node: Any, name: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        if not isinstance(node, dict):
            raise OperatorError(f"{name} must have members", where=str(self._path), remedy=f"Give {', '.join(needed)}.")
        self._known(node, "member", (*needed, *optional))
        for member in needed:
            if member not in node:
                raise OperatorError(f"{name} lacks {member!r}", where=self._where(node), remedy="Add it.")

    def _known(self, node: Any, what: str, names: Iterable[str]) -> None:
        if not isinstance(node, dict):
            raise OperatorError(f"{what}s are missing", where=str(self._path), remedy=f"Known are {', '.join(names)}.")
        names = list(names)
        for key in node:
            if key not in names:
                raise self._wrong(node, key, f"unknown {what} {key!r}", _nearest(str(key), names))

    def _mapping(self, node: Any, key: str) -> Any:
        if not isinstance(node[key], dict):
            raise self._wrong(node, key, f"{key!r} must have members")
        return node[key]

    def _text(self, node: Any, key: str, plain_name: bool = False) -> str:
        value = node[key]
        if not isinstance(value, str) or not value or (plain_name and Path(value).name != value):
            raise self._wrong(
                node, key, f"{key!r} must be {'the name of a file beside the map' if plain_name else 'a word'}"
            )
        return str(value)

    def _number(self, node: Any, key: str, low: float, high: float) -> float:
        value = node[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self._wrong(node, key, f"{key!r} must be a number from {low:g} to {high:g}")
        return float(value)

    def _wrong(self, node: Any, key: Any, what: str, remedy: str = "") -> OperatorError:
        return OperatorError(what, where=f"{self._path}:{node.lc.key(key)[0] + 1}", remedy=remedy)

    def _where(self, node: Any) -> str:
        return f"{self._path}:{node.lc.line + 1}" if hasattr(node, "lc") else str(self._path)


def _uses(action: Action, name: str) -> bool:
    def leaves(node: Any) -> Iterable[str]:
        return [x for v in node.values() for x in leaves(v)] if isinstance(node, Mapping) else [node]

    used = [*action.path.values(), *action.query.values(), *leaves(action.body or {})]
    return any(source == name or source.startswith(name + ".") for source in used)


def _allows(schema: Mapping[str, Any], kind: str) -> bool:
    """Whether a value of this JSON type can fit; a schema without a type allows every type."""
    types = schema.get("type")
    types = types if isinstance(types, list) else [types]
    return types == [None] or kind in types or (kind == "integer" and "number" in types)


def _nearest(word: str, names: Iterable[str]) -> str:
    names = list(names)
    near = difflib.get_close_matches(word, names, 1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(names)}." if names else ""
