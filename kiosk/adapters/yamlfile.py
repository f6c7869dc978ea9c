"""YAML 1.2 that an operator wrote, read with line numbers and within bounds: what is wrong is said with file:line.

libyaml (through PyYAML) splits the text into events; what they mean is decided here, as YAML 1.2's core schema has it:
a bare `on`, `yes` or `12:30` is a text. Nothing of Python can be built from a file, and no alias can multiply it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from kiosk.values import OperatorError

MAX_BYTES = 1 << 20
MAX_DEPTH = 12


class Node:
    """A mapping of a file: values with the place they stand at, unknown keys refused."""

    def __init__(self, file: Path, data: CommentedMap, line: int) -> None:
        self.file = file
        self.data = data
        self.line = line

    def at(self, key: object) -> int:
        """The line (from 1) on which `key` stands."""
        place = self.data.lc.data.get(key) if self.data.lc.data else None
        return place[0] + 1 if place else self.line

    def column(self, key: object) -> int:
        """The column (from 1) at which `key` stands."""
        place = self.data.lc.data.get(key) if self.data.lc.data else None
        return place[1] + 1 if place else 1

    def wrong(self, what: str, remedy: str = "", key: object = None) -> OperatorError:
        line, column = (self.at(key), self.column(key)) if key is not None else (self.line, 1)
        return OperatorError(what, where=f"{self.file}:{line}:{column}", remedy=remedy)

    def only(self, keys: Iterable[str]) -> None:
        """Refuse a key that is not among `keys`, naming the nearest one."""
        known = list(keys)
        for key in self.data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                raise self.wrong(
                    f"unknown key `{key}`", f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}.", key
                )

    def text(self, key: str, default: str | None = None) -> str:
        return str(self._one(key, str, "a text", default))

    def number(self, key: str, default: float | None = None) -> float:
        value = self._one(key, (int, float), "a number", default)
        if isinstance(value, bool):
            raise self.wrong(f"`{key}` is not a number", key=key)
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._one(key, list, "a list of texts", [])
        if not all(isinstance(v, str) for v in value):
            raise self.wrong(f"`{key}` is not a list of texts", key=key)
        return tuple(str(v) for v in value)

    def node(self, key: str, optional: bool = False) -> Node:
        if optional and key not in self.data:
            return Node(self.file, CommentedMap(), self.line)
        return Node(self.file, self._one(key, dict, "a mapping", None), self.at(key))

    def items(self) -> list[tuple[str, Any]]:
        return [(str(k), v) for k, v in self.data.items()]

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def _one(self, key: str, kind: Any, name: str, default: Any) -> Any:
        if key not in self.data:
            if default is None:
                raise self.wrong(f"`{key}` is missing", f"Write `{key}:` with {name}.")
            return default
        value = self.data[key]
        if not isinstance(value, kind):
            raise self.wrong(f"`{key}` is not {name}", key=key)
        return value


def load(file: Path) -> Node:
    """The mapping in this file.

    Raises:
        OperatorError: it cannot be read, is too large or too deep, holds anchors or tags, or is no YAML mapping.
    """
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8")
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(file), remedy="Check the path.") from e
    except UnicodeDecodeError as e:
        raise OperatorError("is not UTF-8", where=str(file), remedy="Save it as UTF-8.") from e
    if len(raw) > MAX_BYTES:
        raise OperatorError(f"is larger than {MAX_BYTES} bytes", where=str(file), remedy="Split it.")
    data = _read(text, file)
    if not isinstance(data, CommentedMap):
        raise OperatorError("is not a mapping", where=f"{file}:1", remedy="Begin with `key: value` lines.")
    return Node(file, data, 1)


#: libyaml where PyYAML was built with it (its wheels are), else the same parser in Python, ten times slower
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = (
    (re.compile(r"|~|null|Null|NULL"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]{1,18}"), int),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?"), float),
)


def _read(text: str, file: Path) -> Any:
    """The document's value. Every mapping and list knows the line of each of its members (`.lc`)."""
    root: list[Any] = []
    stack: list[Any] = []  # open mappings and lists, each with the key that waits for its value
    keys: list[tuple[Any, int, int] | None] = []

    def wrong(what: str, event: Any, remedy: str) -> OperatorError:
        mark = event.start_mark
        return OperatorError(what, where=f"{file}:{mark.line + 1}:{mark.column + 1}", remedy=remedy)

    def put(value: Any, event: Any) -> None:
        line, column = event.start_mark.line, event.start_mark.column
        if not stack:
            root.append(value)
        elif isinstance(stack[-1], CommentedSeq):
            stack[-1].lc.add_idx_line_col(len(stack[-1]), [line, column])
            stack[-1].append(value)
        elif keys[-1] is None:
            if isinstance(value, CommentedMap | CommentedSeq):
                raise wrong("is no YAML: a key must be a plain word", event, "Mend that line.")
            if value in stack[-1]:
                raise wrong(f"is no YAML: `{value}` is written twice", event, "Delete one of them.")
            keys[-1] = (value, line, column)
        else:
            key, key_line, key_column = keys[-1]
            stack[-1][key] = value
            stack[-1].lc.add_kv_line_col(key, [key_line, key_column, line, column])
            keys[-1] = None

    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise wrong("an anchor or alias is not allowed", event, "Write it out plainly.")
            if getattr(event, "tag", None) not in (None, "!"):
                raise wrong(f"the tag {event.tag} is not allowed", event, "Write it out plainly.")
            if isinstance(event, yaml.ScalarEvent):
                put(_scalar(event), event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                made = CommentedMap() if isinstance(event, yaml.MappingStartEvent) else CommentedSeq()
                made.lc.line, made.lc.col = event.start_mark.line, event.start_mark.column
                put(made, event)
                stack.append(made)
                keys.append(None)
                if len(stack) > MAX_DEPTH:
                    raise wrong(f"nesting deeper than {MAX_DEPTH} is not allowed", event, "Write it out plainly.")
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                stack.pop()
                keys.pop()
            elif isinstance(event, yaml.DocumentStartEvent) and root:
                raise wrong("is no YAML: a second document begins", event, "Keep one in a file.")
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise OperatorError(f"is no YAML: {e.problem or e.context}", where=where, remedy="Mend that line.") from e
    except (yaml.YAMLError, ValueError) as e:
        raise OperatorError(f"is no YAML: {' '.join(str(e).split())}", where=str(file), remedy="Mend it.") from e
    return root[0] if root else None


def _scalar(event: Any) -> Any:
    if not event.style and event.tag is None:
        for pattern, make in _PLAIN:
            if pattern.fullmatch(event.value):
                return make(event.value)
    return event.value
