"""`kiosk face`: compare pictures of faces, one pair or a list of trials. No picture and no vector is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import emit, json_option
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

    pairs = _read(file)
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
    if any(p.label is not None for p in pairs):
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

    pair = _Pair(str(a), str(b), a, b, None, "")
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


@dataclass(frozen=True)
class _Pair:
    a: str
    b: str
    a_path: Path
    b_path: Path
    label: int | None
    where: str


def _read(file: Path) -> list[_Pair]:
    """Every line checked before a model is loaded: two existing files and, on all lines or none, a label."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(file), remedy="Check the path.") from e
    except UnicodeDecodeError as e:
        raise OperatorError("is not UTF-8", where=str(file), remedy="Save the file as UTF-8.") from e
    pairs: list[_Pair] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where, parts = f"{file}:{number}", line.split("\t")
        if len(parts) not in (2, 3) or not all(parts[:2]):
            raise OperatorError("is not a pair", where=where, remedy="Write a<TAB>b or a<TAB>b<TAB>label.")
        if len(parts) == 3 and parts[2].strip() not in ("0", "1"):
            raise OperatorError(f"has the label {parts[2]!r}", where=where, remedy="Write 1 (same person) or 0.")
        label = int(parts[2]) if len(parts) == 3 else None
        if pairs and (label is None) != (pairs[0].label is None):
            raise OperatorError("differs from the first line", where=where, remedy="Label every line, or none.")
        a, b = (file.parent / p for p in parts[:2])
        for path in (a, b):
            if not path.is_file():
                raise OperatorError(f"names {path}, which is no file", where=where, remedy="Check the path.")
        pairs.append(_Pair(parts[0], parts[1], a, b, label, where))
    return pairs


class _Looked:
    """Looks at each picture once, however many pairs name it, and at all of them before the first answer."""

    def __init__(self, pairs: list[_Pair]) -> None:
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

    def score(self, pair: _Pair) -> tuple[float | None, str]:
        """Cosine of the largest faces, or None and why there is none."""
        a, b = self._vectors[pair.a_path], self._vectors[pair.b_path]
        if a is None or b is None:
            blank = [name for name, face in ((pair.a, a), (pair.b, b)) if face is None]
            return None, f"no face in {' and '.join(dict.fromkeys(blank))}"
        return round(float(a @ b), 6), ""
