"""docs/faults*.md: every row of the fault matrix names tests that exist, or says plainly that there is none yet."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kiosk import paths

FILES = sorted((paths.HOME / "docs").glob("faults*.md"))
ROW = re.compile(r"^\| *([A-E]\d+) *\|(.*)\|\s*$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_row_names_tests_that_exist_or_says_not_yet(file: Path) -> None:
    rows = ROW.findall(file.read_text(encoding="utf-8"))
    assert rows
    assert len({number for number, _ in rows}) == len(rows)
    for number, text in rows:
        named = NAMED.findall(text)
        assert named or "not yet" in text, f"{number} names no test and does not say so"
        for path, name in named:
            there = paths.HOME / path
            assert there.is_file(), f"{number}: {path} is not there"
            assert not name or name in functions(there), f"{number}: {path} has no {name}"
            assert name or any(one.startswith("test_") for one in functions(there)), f"{number}: {path} tests nothing"


def test_no_part_has_gaps() -> None:
    numbers = [number for file in FILES for number, _ in ROW.findall(file.read_text(encoding="utf-8"))]
    assert len(set(numbers)) == len(numbers), "a row stands in two files"
    assert {f"C{n}" for n in range(1, 16)} <= set(numbers)
