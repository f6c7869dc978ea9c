"""The licence page names every package of the lock, and the GPL ones stay out of the processes that hold money."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GPL = {"piper", "zhconv", "av"}


def test_every_locked_package_is_named() -> None:
    lock = (ROOT / "requirements" / "run.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE | re.IGNORECASE))
    named = set(re.findall(r"`([a-z0-9._-]+)`", (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")))
    assert len(locked) > 50
    assert locked <= named


def imported(file: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_gpl_packages_are_loaded_by_engines_only() -> None:
    files = [*(ROOT / "kiosk").rglob("*.py"), *(ROOT / "devices").rglob("*.py")]
    users = {f.relative_to(ROOT).as_posix() for f in files if imported(f) & GPL}
    assert {u for u in users if not u.startswith("kiosk/adapters/")} == set()
