"""YAML 1.2 that an operator wrote, read with line numbers and within bounds: what is wrong is said with file:line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from kiosk.values import OperatorError

MAX_BYTES = 1 << 20
MAX_DEPTH = 12
#: what ruamel raises at what is no YAML
NOT_YAML = (YAMLError, RecursionError, ValueError, TypeError)


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
        line = self.at(key) if key is not None else self.line
        return OperatorError(what, where=f"{self.file}:{line}", remedy=remedy)

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
    yaml = YAML(typ="rt")
    try:
        refuse_tricks(text, file)
        data = yaml.load(text)
    except NOT_YAML as e:
        raise no_yaml(file, e) from e
    if not isinstance(data, CommentedMap):
        raise OperatorError("is not a mapping", where=f"{file}:1", remedy="Begin with `key: value` lines.")
    return Node(file, data, 1)


def no_yaml(file: Path, e: Exception) -> OperatorError:
    """What the parser said (one of `NOT_YAML`), with line and column where it knows them."""
    mark = (e.problem_mark or e.context_mark) if isinstance(e, MarkedYAMLError) else None
    if isinstance(e, MarkedYAMLError) and mark:
        where = f"{file}:{mark.line + 1}:{mark.column + 1}"
        return OperatorError(f"is no YAML: {e.problem or e.context}", where=where, remedy="Mend that line.")
    return OperatorError(f"is no YAML: {' '.join(str(e).split())}", where=str(file), remedy="Mend it.")


def refuse_tricks(text: str, file: Path, max_depth: int = MAX_DEPTH) -> None:
    """Look through YAML before anything is built from it: no alias (they multiply), no tag, no great depth.

    Raises:
        OperatorError: with file and line.
    """
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        name, line = type(event).__name__, event.start_mark.line + 1
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        trick = ""
        if name == "AliasEvent" or getattr(event, "anchor", None):
            trick = "an anchor or alias"
        elif getattr(event, "tag", None) and str(event.tag) != "!":
            trick = f"the tag {event.tag}"
        elif depth > max_depth + 2:  # the stream and the document count too
            trick = f"nesting deeper than {max_depth}"
        if trick:
            raise OperatorError(f"{trick} is not allowed", where=f"{file}:{line}", remedy="Write it out plainly.")
