"""A list of verification trials: read and checked (`a<TAB>b[<TAB>label]` a line, files beside it), then scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import emit, read_text
from kiosk.core.trials import summary
from kiosk.ports import Vector
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


def embedded(pairs: list[Pair], embed: Callable[[Path], Vector | None]) -> dict[Path, Vector | None]:
    """Each file's vector (None: nothing to compare in it), made once, however many pairs name the file.

    Raises:
        OperatorError: what `embed` raised, with the file and line of the list.
    """
    vectors: dict[Path, Vector | None] = {}
    for pair in pairs:
        for path in (pair.a_path, pair.b_path):
            if path in vectors:
                continue
            try:
                vectors[path] = embed(path)
            except OperatorError as e:
                if not pair.where:
                    raise
                raise OperatorError(f"{path} {e.what}", where=pair.where, remedy=e.remedy) from e
    return vectors


def score(pair: Pair, vectors: Mapping[Path, Vector | None], lack: str) -> tuple[float | None, str]:
    """Cosine of the two vectors, or None and which file has the `lack`."""
    a, b = vectors[pair.a_path], vectors[pair.b_path]
    if a is None or b is None:
        blank = [name for name, vector in ((pair.a, a), (pair.b, b)) if vector is None]
        return None, f"{lack} in {' and '.join(dict.fromkeys(blank))}"
    return round(float(a @ b), 6), ""


def report(pairs: list[Pair], vectors: Mapping[Path, Vector | None], lack: str, as_json: bool) -> None:
    """Print each pair with its score and, if the pairs are labelled, the error rates of those that have one."""
    scores, labels = [], []
    for pair in pairs:
        cosine, error = score(pair, vectors, lack)
        row: dict[str, Any] = {"a": pair.a, "b": pair.b, "score": cosine}
        if pair.label is not None:
            row["label"] = pair.label
            if cosine is not None:
                scores.append(cosine)
                labels.append(pair.label)
        if error:
            row["error"] = error
        if as_json:
            emit(row)
        else:
            click.echo(f"{pair.a}\t{pair.b}\t{error if cosine is None else format(cosine, '.4f')}")
    if pairs[0].label is not None:
        rates = {"event": "summary", **summary(scores, labels), "failed": len(pairs) - len(scores)}
        if as_json:
            emit(rates)
        else:
            click.echo("\t".join(f"{k} {v}" for k, v in rates.items() if k != "event"))
