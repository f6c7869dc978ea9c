"""A bank's OpenAPI document, read safely: what may be called, what goes in, what may come out.

The document comes from outside. It is bounded in size and depth, may use no aliases or tags of YAML, no references to
other files or hosts, and its `servers` are never looked at: where the bank is, the kiosk's own settings say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kiosk.adapters.yamlfile import NOT_YAML, no_yaml, refuse_tricks
from kiosk.values import OperatorError

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
#: references followed on the way to one schema; more means a circle
MAX_HOPS = 16
METHODS = ("get", "put", "post", "delete", "patch")
#: members whose contents are data and not part of the document's own structure
_DATA = ("example", "examples", "default", "enum", "const")
_JSON = "application/json"
_URN = "urn:kiosk:bank-document"


@dataclass(frozen=True)
class Parameter:
    """`place` is `path`, `query` or `header`; header names compare without case."""

    name: str
    place: str
    required: bool


@dataclass(frozen=True)
class Operation:
    """One operation. `body` and `answers` hold JSON pointers into the document; None means that there is no JSON."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: str | None
    body_required: bool
    #: status, as the document writes it (`201`, `4XX`, `default`) → schema
    answers: Mapping[str, str | None]

    def parameter(self, place: str, name: str) -> Parameter | None:
        """The parameter of that name, or None."""
        for p in self.parameters:
            if p.place == place and (p.name == name or (place == "header" and p.name.lower() == name.lower())):
                return p
        return None


@dataclass(frozen=True)
class Document:
    """A document that was read whole and whose references all resolve."""

    path: Path
    raw: dict[str, Any] = field(repr=False)
    operations: Mapping[str, Operation] = field(repr=False)

    def find(self, pointer: str) -> Any:
        """What stands at a JSON pointer of the document, references on the way followed."""
        return _resolve(self.raw, pointer)[0]

    def schemas_at(self, schema: str, way: str) -> list[dict[str, Any]]:
        """Every schema that may describe the member at JSON pointer `way` of a value of `schema`; empty if none."""
        found = [self._branches({"$ref": "#" + schema})]
        for token in _tokens(way):
            found.append([b for s in found[-1] for child in _children(s, token) for b in self._branches(child)])
        return found[-1]

    def required(self, schema: str) -> set[str]:
        """The members that a value of `schema` must have."""
        branches = self._branches({"$ref": "#" + schema})
        return {name for s in branches for name in s.get("required", ())} if len(branches) == 1 else set()

    def fits(self, schema: str, value: Any) -> bool:
        """Whether a JSON value is what the schema at this pointer describes. `check` the schema first."""
        try:
            return bool(self._validator_at(schema).is_valid(value))
        except RecursionError:  # a schema that is made of itself alone describes nothing
            return False

    def check(self, schema: str) -> None:
        """That the schema at this pointer, and every one it leads to, is a schema.

        Raises:
            ValueError: which one is not, and why.
        """
        validator = self._registry[1]
        rules = validator(validator.META_SCHEMA)
        todo, done = [schema], set()
        while todo:
            pointer = todo.pop()
            if pointer in done:
                continue
            done.add(pointer)
            node = self.find(pointer)
            for error in rules.iter_errors(node):
                if error.validator != "uniqueItems":  # a word twice in an enum does no harm, and real documents have it
                    raise ValueError(f"#{pointer} is no schema: {error.message[:200]}")
            try:
                for word in _patterns(node):
                    re.compile(word)
            except re.error as e:
                raise ValueError(f"#{pointer} has a pattern that is none: {e}") from e
            todo += _references(node)

    def _validator_at(self, schema: str) -> Any:
        if schema not in self._validators:
            registry, validator = self._registry
            self._validators[schema] = validator({"$ref": f"{_URN}#{schema}"}, registry=registry)
        return self._validators[schema]

    @cached_property
    def _validators(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _registry(self) -> tuple[Any, Any]:
        # Imported when the first answer is checked, not by `kiosk --help`. OpenAPI 3.0's schemas are closest to draft 4
        # (exclusiveMinimum is a flag there); `nullable` is not honoured, so a null is refused: the safe side.
        from jsonschema import Draft4Validator, Draft202012Validator
        from referencing import Registry
        from referencing.jsonschema import DRAFT4, DRAFT202012

        new = str(self.raw["openapi"]).startswith("3.1")
        resource = (DRAFT202012 if new else DRAFT4).create_resource(self.raw)
        return Registry().with_resource(_URN, resource), Draft202012Validator if new else Draft4Validator

    def _branches(self, schema: Any) -> list[dict[str, Any]]:
        """The schema itself and what it is composed of, each reference followed once: a circle ends."""
        out: list[dict[str, Any]] = []
        rest, done = [schema], set()
        while rest:
            part = rest.pop(0)
            if not isinstance(part, dict):
                continue
            if set(part) - {"$ref"}:
                out.append(part)
            ref = part.get("$ref")
            if isinstance(ref, str) and ref not in done:
                done.add(ref)
                rest.append(_resolve(self.raw, ref[1:])[0])
            for word in ("allOf", "anyOf", "oneOf"):
                if isinstance(part.get(word), list):
                    rest += part[word]
        return out


def load_document(path: Path) -> Document:
    """Read an OpenAPI 3.0 or 3.1 document, as JSON (`.json`) or YAML.

    Raises:
        OperatorError: unreadable, too large, too deep, not OpenAPI 3, a reference that is remote, circular or leads
            nowhere, an operationId that is used twice.
    """
    raw = _read(path)
    if not str(raw.get("openapi", "")).startswith(("3.0", "3.1")) or not isinstance(raw.get("paths"), dict):
        raise OperatorError("is no OpenAPI 3.0 or 3.1 document", where=str(path), remedy="Ask the bank for one.")
    try:
        for pointer in _references(raw):
            _resolve(raw, pointer)
        operations: dict[str, Operation] = {}
        for operation in _operations(raw):
            if operation.id in operations:
                raise ValueError(f"operationId {operation.id!r} is used twice")
            operations[operation.id] = operation
    except ValueError as e:
        raise OperatorError(str(e), where=str(path), remedy="Mend the document, or ask the bank to.") from e
    except (KeyError, TypeError, AttributeError) as e:
        raise OperatorError(
            f"is not built as OpenAPI says ({e})", where=str(path), remedy="Check it with openapi-spec-validator."
        ) from e
    return Document(path, raw, operations)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as f:
            data = f.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OperatorError(
                f"is larger than {MAX_BYTES} bytes", where=str(path), remedy="Cut what the kiosk does not need."
            )
        return data.decode()
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(path), remedy="Check the path.") from e
    except UnicodeDecodeError as e:
        raise OperatorError("is not UTF-8", where=str(path), remedy="Save the file as UTF-8.") from e


def depth_of(value: Any, limit: int) -> int:
    """How deep lists and objects nest, counted without recursion; stops counting beyond `limit`."""
    depth, row = 0, [value]
    while row and depth <= limit:
        row = [
            v
            for item in row
            if isinstance(item, dict | list)
            for v in (item.values() if isinstance(item, dict) else item)
        ]
        depth += bool(row)
    return depth


def _read(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    if path.suffix == ".json":
        try:
            raw = json.loads(text)
        except ValueError as e:
            line = getattr(e, "lineno", 0)
            raise OperatorError(f"is not JSON: {e}", where=f"{path}:{line}" if line else str(path)) from e
        except RecursionError as e:
            raise OperatorError(f"nests deeper than {MAX_DEPTH}", where=str(path)) from e
    else:
        from ruamel.yaml import YAML

        try:
            refuse_tricks(text, path, MAX_DEPTH)
            raw = YAML(typ="safe", pure=True).load(text)
        except NOT_YAML as e:
            raise no_yaml(path, e) from e
    if not isinstance(raw, dict):
        raise OperatorError("is no OpenAPI document", where=str(path), remedy="Ask the bank for one.")
    if depth_of(raw, MAX_DEPTH) > MAX_DEPTH:
        raise OperatorError(
            f"nests deeper than {MAX_DEPTH}", where=str(path), remedy="Cut what the kiosk does not need."
        )
    plain: dict[str, Any] = _as_json(raw)
    return plain


def _as_json(value: Any) -> Any:
    """YAML's values as JSON has them: a bare `200:` is a name, a bare date is text."""
    if isinstance(value, dict):
        return {str(k): _as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_json(v) for v in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _references(node: Any) -> Iterator[str]:
    """The pointer of every reference; a remote one is a ValueError."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and not isinstance(value, dict):  # a member may be called $ref: its schema is an object
                if not isinstance(value, str) or not value.startswith("#/"):
                    raise ValueError(f"the reference {value!r} leads out of the document")
                yield value[1:]
            elif key not in _DATA:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "pattern" and isinstance(value, str):
                yield value
            elif key not in _DATA:
                yield from _patterns(value)
    elif isinstance(node, list):
        for value in node:
            yield from _patterns(value)


def _tokens(pointer: str) -> list[str]:
    return [t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")[1:]]


def _resolve(raw: dict[str, Any], pointer: str) -> tuple[Any, str]:
    """What a pointer leads to and the pointer of where it really stands, every reference followed."""
    for _ in range(MAX_HOPS):
        node: Any = raw
        for token in _tokens(pointer):
            if isinstance(node, dict) and token in node:
                node = node[token]
            elif isinstance(node, list) and token.isdigit() and int(token) < len(node):
                node = node[int(token)]
            else:
                raise ValueError(f"the reference '#{pointer}' leads nowhere")
        # a reference with words beside it (OpenAPI 3.1) is a schema of its own: `_branches` reads both
        if not (
            isinstance(node, dict)
            and isinstance(node.get("$ref"), str)
            and set(node) <= {"$ref", "description", "summary"}
        ):
            return node, pointer
        pointer = node["$ref"][1:]
    raise ValueError(f"the reference '#{pointer}' leads in a circle")


def _children(schema: dict[str, Any], token: str) -> Iterator[Any]:
    properties = schema.get("properties")
    if isinstance(properties, dict) and token in properties:
        yield properties[token]
    if token.isdigit() and "items" in schema:
        yield schema["items"]


def _operations(raw: dict[str, Any]) -> Iterator[Operation]:
    for path, item in raw["paths"].items():
        if not isinstance(item, dict):
            raise ValueError(f"the path {path!r} is no object")
        for method in METHODS:
            body = item.get(method)
            if isinstance(body, dict) and isinstance(body.get("operationId"), str):
                at = f"/paths/{path.replace('~', '~0').replace('/', '~1')}"
                yield _operation(raw, path, method, at)


def _operation(raw: dict[str, Any], path: str, method: str, at: str) -> Operation:
    item, operation = _resolve(raw, at)[0], _resolve(raw, f"{at}/{method}")[0]
    parameters: dict[tuple[str, str], Parameter] = {}
    for place, holder in ((at, item), (f"{at}/{method}", operation)):
        for i in range(len(holder.get("parameters", ()))):
            p = _resolve(raw, f"{place}/parameters/{i}")[0]
            parameters[p["in"], p["name"]] = Parameter(p["name"], p["in"], bool(p.get("required")))
    request, where = _resolve(raw, f"{at}/{method}/requestBody") if "requestBody" in operation else ({}, "")
    answers: dict[str, str | None] = {}
    for status in operation.get("responses", {}):
        answer, answer_at = _resolve(raw, f"{at}/{method}/responses/{status}")
        answers[str(status)] = _json_schema(raw, answer, answer_at)
    return Operation(
        operation["operationId"], method.upper(), path, tuple(parameters.values()),
        _json_schema(raw, request, where), bool(request.get("required")), answers,
    )  # fmt: skip


def _json_schema(raw: dict[str, Any], holder: dict[str, Any], at: str) -> str | None:
    """The pointer of the JSON schema of a request body or an answer."""
    for kind, media in holder.get("content", {}).items():
        if kind.split(";")[0].strip().lower() == _JSON and "schema" in media:
            return _resolve(raw, f"{at}/content/{kind.replace('~', '~0').replace('/', '~1')}/schema")[1]
    return None
