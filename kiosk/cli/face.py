"""`kiosk face`: compare pictures of faces, one pair or a list of trials. No picture and no vector is kept."""

from __future__ import annotations

from pathlib import Path

import click

from kiosk.cli.common import emit, json_option
from kiosk.cli.pairs import Pair, embedded, read_pairs, report, score
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
    pairs = read_pairs(file)
    report(pairs, _looked(pairs), "no face", as_json)


@command.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def verify(ctx: click.Context, a: Path, b: Path, as_json: bool) -> None:
    """Is the (largest) face in picture A the one in picture B? Exit 0 if so, 1 if not or if either shows no face."""
    from kiosk.core.face_check import THRESHOLD, decide

    pair = Pair(str(a), str(b), a, b, None)
    cosine, error = score(pair, _looked([pair]), "no face")
    outcome = "no_face" if cosine is None else decide(cosine)
    row = {"a": str(a), "b": str(b), "score": cosine, "outcome": outcome, "threshold": THRESHOLD, "liveness": "off"}
    if error:
        row["error"] = error
    if as_json:
        emit(row)
    elif cosine is None:
        click.echo(f"{outcome}: {error}")
    else:
        click.echo(f"{outcome}: {cosine:.4f} (from {THRESHOLD} on it is one person; liveness is off)")
    ctx.exit(0 if outcome == "ok" else 1)


def _later(name: str, what: str) -> None:
    @command.command(name, context_settings={"ignore_unknown_options": True}, help=f"(later) {what}.")
    @click.argument("args", nargs=-1, type=click.UNPROCESSED)
    def later(args: tuple[str, ...]) -> None:
        raise OperatorError(f"`kiosk face {name}` is not built yet: {what} comes with a later capability")


_later("live", "telling a person from a picture of one")
_later("enrol", "keeping templates on the box")
_later("forget", "removing kept templates")


def _looked(pairs: list[Pair]) -> dict[Path, Vector | None]:
    """The largest face of each picture."""
    from kiosk.adapters import faces
    from kiosk.adapters.pictures import read_picture

    engine = faces.load()
    return embedded(pairs, lambda path: next(iter(engine.faces(read_picture(path))), None))
