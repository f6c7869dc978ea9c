"""docs/faults-money.md speaks of every row of its parts, and every test that it names exists."""

from __future__ import annotations

import re

from kiosk import paths

PAGE = paths.HOME / "docs" / "faults-money.md"


def test_every_fault_has_its_line_and_every_test_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([ABE]\d+) \| (.*) \|$", text, re.MULTILINE))
    wanted = [f"A{n}" for n in range(1, 15)] + [f"B{n}" for n in range(1, 12)] + [f"E{n}" for n in range(1, 5)]
    assert list(rows) == wanted
    for name, row in rows.items():
        tests = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert tests or "not yet" in row, name
        for test in tests:
            assert (paths.HOME / test).is_file(), (name, test)
