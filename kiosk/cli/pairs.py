"""Reads a list of verification trials: `a<TAB>b[<TAB>label]` a line, files beside the list, all checked at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kiosk.cli.common import read_text
from kiosk.values import OperatorError


@dataclass(frozen=True)
class Pair:
    """Two files as the list names them, where they are, and the label: 1 = same person, 0 = not, None = not said.

    `where` is the list's file and line.
    """

    a: str
    b: str
    a_path: Path
    b_path: Path
    label: int | None
    where: str = ""


def read_pairs(file: Path) -> list[Pair]:
    """Every pair of `file`; the two files of each exist, and either all or none are labelled.

    Raises:
        OperatorError: the list cannot be read, a line is no pair, or a file is missing; it names the line.
    """
    pairs: list[Pair] = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip():
            continue
        where, parts = f"{file}:{number}", [p.strip() for p in line.split("\t")]
        if len(parts) not in (2, 3) or not all(parts):
            raise OperatorError("is not a pair", where=where, remedy="Write a<TAB>b or a<TAB>b<TAB>label.")
        if len(parts) == 3 and parts[2] not in ("0", "1"):
            raise OperatorError(f"has the label {parts[2]!r}", where=where, remedy="Write 1 (same person) or 0.")
        label = int(parts[2]) if len(parts) == 3 else None
        if pairs and (label is None) != (pairs[0].label is None):
            raise OperatorError("differs from the first line", where=where, remedy="Label every line, or none.")
        a, b = (file.parent / p for p in parts[:2])
        for path in (a, b):
            if not path.is_file():
                raise OperatorError(f"names {path}, which is no file", where=where, remedy="Check the path.")
        pairs.append(Pair(parts[0], parts[1], a, b, label, where))
    if not pairs:
        raise OperatorError("holds no pair", where=str(file), remedy="Write a<TAB>b or a<TAB>b<TAB>label a line.")
    return pairs
