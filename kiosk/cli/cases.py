"""`kiosk cases`: what could not be known and waits for a person."""

from __future__ import annotations

from pathlib import Path

import click

from kiosk.adapters.journal import Journal
from kiosk.cli.common import emit, json_option
from kiosk.core.fold import leg
from kiosk.values import Money


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def command(file: Path, as_json: bool) -> None:
    """List the numbered cases of a journal (FILE: …/state/journal.db)."""
    journal = Journal(file)
    found = 0
    for session in journal.sessions():
        one = leg(session, journal.entries(session))
        for number in one.cases:
            found += 1
            if as_json:
                sums = {f"{k}_minor": getattr(one, k) for k in ("authorised", "presented", "unknown")}
                emit({"case": number, "session": session, "key": one.key, **sums, "currency": one.currency})
            else:
                held, paid, doubt = (
                    Money(n, one.currency).shown() for n in (one.authorised, one.presented, one.unknown)
                )
                click.echo(f"No. {number}: session {session}, bank key {one.key}")
                click.echo(f"    {held} {one.currency} held, {paid} surely paid, {doubt} in doubt")
    if not found and not as_json:
        click.echo("no cases")
