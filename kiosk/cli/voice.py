"""`kiosk voice`: compare voices, a list of trials at a time. No sound and no vector is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import emit, json_option
from kiosk.cli.pairs import Pair, read_pairs
from kiosk.ports import Vector
from kiosk.values import OperatorError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Compare voices. A recording passes as well as a person: the voice is a session key, not a proof of identity."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def trials(file: Path, as_json: bool) -> None:
    """Score the pairs of FILE: `a<TAB>b[<TAB>label]` a line, sounds relative to FILE, label 1 = same voice, 0 = not.

    With labels, error rates follow; a pair in which a sound holds too little speech has no score and is left out of
    them.
    """
    from kiosk.core.trials import summary

    pairs = read_pairs(file)
    vectors = _vectors(pairs)
    scores, labels = [], []
    for pair in pairs:
        a, b = vectors[pair.a_path], vectors[pair.b_path]
        score = None if a is None or b is None else round(float(a @ b), 6)
        row: dict[str, Any] = {"a": pair.a, "b": pair.b, "score": score}
        if pair.label is not None:
            row["label"] = pair.label
            if score is not None:
                scores.append(score)
                labels.append(pair.label)
        if score is None:
            silent = [name for name, vector in ((pair.a, a), (pair.b, b)) if vector is None]
            row["error"] = f"too little speech in {' and '.join(dict.fromkeys(silent))}"
        if as_json:
            emit(row)
        else:
            click.echo(f"{pair.a}\t{pair.b}\t{row['error'] if score is None else format(score, '.4f')}")
    if pairs[0].label is not None:
        rates = {"event": "summary", **summary(scores, labels), "failed": len(pairs) - len(scores)}
        if as_json:
            emit(rates)
        else:
            click.echo("\t".join(f"{k} {v}" for k, v in rates.items() if k != "event"))


def _vectors(pairs: list[Pair]) -> dict[Path, Vector | None]:
    """Each sound embedded once, however many pairs name it, and all of them before the first answer."""
    from kiosk.adapters import ge2e, silero
    from kiosk.adapters.sound import read

    embedder = ge2e.load(silero.load())
    vectors: dict[Path, Vector | None] = {}
    for pair in pairs:
        for path in (pair.a_path, pair.b_path):
            if path in vectors:
                continue
            try:
                vectors[path] = embedder.embed(read(path))
            except OperatorError as e:
                raise OperatorError(f"{path} {e.what}", where=pair.where, remedy=e.remedy) from e
    return vectors
