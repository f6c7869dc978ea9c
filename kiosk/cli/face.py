"""`kiosk face`: compare pictures of faces, one pair or a list of trials. No picture and no vector is kept."""

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
    """Compare faces. A photo passes as well as a person: liveness is not judged."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def trials(file: Path, as_json: bool) -> None:
    """Score the pairs of FILE: `a<TAB>b[<TAB>label]` a line, pictures relative to FILE, label 1 = same person, 0 = not.

    With labels, error rates follow; a pair in which a picture shows no face has no score and is left out of them.
    """
    from kiosk.core.trials import summary

    pairs = read_pairs(file)
    looked = _Looked(pairs)
    scores, labels = [], []
    for pair in pairs:
        score, error = looked.score(pair)
        row: dict[str, Any] = {"a": pair.a, "b": pair.b, "score": score}
        if pair.label is not None:
            row["label"] = pair.label
            if score is not None:
                scores.append(score)
                labels.append(pair.label)
        if error:
            row["error"] = error
        if as_json:
            emit(row)
        else:
            click.echo(f"{pair.a}\t{pair.b}\t{error if score is None else format(score, '.4f')}")
    if pairs[0].label is not None:
        rates = {"event": "summary", **summary(scores, labels), "failed": len(pairs) - len(scores)}
        if as_json:
            emit(rates)
        else:
            click.echo("\t".join(f"{k} {v}" for k, v in rates.items() if k != "event"))


@command.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def verify(ctx: click.Context, a: Path, b: Path, as_json: bool) -> None:
    """Is the (largest) face in picture A the one in picture B? Exit 0 if so, 1 if not or if either shows no face."""
    from kiosk.core.face_check import THRESHOLD, decide

    pair = Pair(str(a), str(b), a, b, None)
    score, error = _Looked([pair]).score(pair)
    outcome = "no_face" if score is None else decide(score)
    row = {"a": str(a), "b": str(b), "score": score, "outcome": outcome, "threshold": THRESHOLD, "liveness": "off"}
    if error:
        row["error"] = error
    if as_json:
        emit(row)
    elif score is None:
        click.echo(f"{outcome}: {error}")
    else:
        click.echo(f"{outcome}: {score:.4f} (from {THRESHOLD} on it is one person; liveness is off)")
    ctx.exit(0 if outcome == "ok" else 1)


def _later(name: str, what: str) -> None:
    @command.command(name, context_settings={"ignore_unknown_options": True}, help=f"(later) {what}.")
    @click.argument("args", nargs=-1, type=click.UNPROCESSED)
    def later(args: tuple[str, ...]) -> None:
        raise OperatorError(f"`kiosk face {name}` is not built yet: {what} comes with a later capability")


_later("live", "telling a person from a picture of one")
_later("enrol", "keeping templates on the box")
_later("forget", "removing kept templates")


class _Looked:
    """Looks at each picture once, however many pairs name it, and at all of them before the first answer."""

    def __init__(self, pairs: list[Pair]) -> None:
        """Raises:
        OperatorError: a picture cannot be read (naming the pair's line), or the weights are missing.
        """
        from kiosk.adapters import faces
        from kiosk.adapters.pictures import read_picture

        engine = faces.load()
        self._vectors: dict[Path, Vector | None] = {}
        for pair in pairs:
            for path in (pair.a_path, pair.b_path):
                if path in self._vectors:
                    continue
                try:
                    found = engine.faces(read_picture(path))
                except OperatorError as e:
                    if not pair.where:
                        raise
                    raise OperatorError(f"{path} {e.what}", where=pair.where, remedy=e.remedy) from e
                self._vectors[path] = found[0] if found else None

    def score(self, pair: Pair) -> tuple[float | None, str]:
        """Cosine of the largest faces, or None and why there is none."""
        a, b = self._vectors[pair.a_path], self._vectors[pair.b_path]
        if a is None or b is None:
            blank = [name for name, face in ((pair.a, a), (pair.b, b)) if face is None]
            return None, f"no face in {' and '.join(dict.fromkeys(blank))}"
        return round(float(a @ b), 6), ""
