"""The tests of the money core bite: a careless change of it does not pass them. Seconds each: a sample by default.

KIOSK_MUTANTS=all runs every one, KIOSK_MUTANTS=N a sample of N. Each runs in a copy of the tree.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import BOOKS, ENGINE, FOLD, GROUND, JOURNAL, MUTANTS

ROOT = Path(__file__).resolve().parents[2]
#: the quick tests that must notice, most telling first
WATCHED = {
    ENGINE: (
        "tests/unit/test_engine_guards.py",
        "tests/unit/test_engine.py",
        "tests/talks",
        "tests/sessions/test_simulation.py",
    ),
    GROUND: ("tests/unit/test_grounding.py", "tests/unit/test_engine.py"),
    BOOKS: ("tests/unit/test_books.py",),
    FOLD: ("tests/unit/test_books.py", "tests/sessions/test_simulation.py"),
    JOURNAL: ("tests/unit/test_journal.py", "tests/crash/test_failing_disk.py", "tests/crash/test_cut.py"),
}
SMALL = {"KIOSK_SEEDS": "200", "KIOSK_CUTS": "300", "PYTHONDONTWRITEBYTECODE": "1"}


def sample() -> list[tuple[str, str, str, str]]:
    wanted = os.environ.get("KIOSK_MUTANTS", "2")
    if wanted == "all":
        return MUTANTS
    return random.Random(int(os.environ.get("KIOSK_MUTANTS_SEED", "1"))).sample(MUTANTS, int(wanted))


def test_every_mutant_is_a_change_of_today_s_code() -> None:
    for name, file, old, new in MUTANTS:
        assert (ROOT / file).read_text(encoding="utf-8").count(old) >= 1, f"{name}: plant it anew in {file}"
        assert old != new
    assert len({m[0] for m in MUTANTS}) == len(MUTANTS) >= 20


@pytest.mark.parametrize(("name", "file", "old", "new"), sample(), ids=[m[0] for m in sample()])
def test_a_mutant_is_killed(tmp_path: Path, name: str, file: str, old: str, new: str) -> None:
    for part in ("kiosk", "devices", "flows", "tests", "models", "pyproject.toml"):
        source = ROOT / part
        skip = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, tmp_path / part, ignore=skip)
        else:
            shutil.copy(source, tmp_path / part)
    text = (tmp_path / file).read_text(encoding="utf-8")
    (tmp_path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *WATCHED[file]]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | SMALL, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 1, f"{name} lives: {done.stdout[-300:]}{done.stderr[-300:]}"
