"""`kiosk voice`: compare voices, a list of trials at a time. No sound and no vector is kept."""

from __future__ import annotations

from pathlib import Path

import click

from kiosk.cli.common import json_option
from kiosk.cli.pairs import embedded, read_pairs, report


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
    from kiosk.adapters import ge2e, silero
    from kiosk.adapters.sound import read

    pairs = read_pairs(file)
    embedder = ge2e.load(silero.load())
    report(pairs, embedded(pairs, lambda path: embedder.embed(read(path))), "too little speech", as_json)
