"""`kiosk replay`: a recorded session, folded again step by step by today's engine and flows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kiosk import paths
from kiosk.cli.common import emit, json_option
from kiosk.values import OperatorError


@click.command()
@click.argument("session", required=False)
@click.option(
    "--journal", "file", type=click.Path(path_type=Path), required=True, help="The journal: …/state/journal.db"
)
@click.option("--flows", type=click.Path(path_type=Path), default=paths.FLOWS, help="Folder of the flows.")
@click.option("--until", type=int, help="Stop after this row of the journal and show the whole state.")
@json_option
def command(session: str | None, file: Path, flows: Path, until: int | None, as_json: bool) -> None:
    """Replay SESSION (default: the last one). Exit 1 when today's flows cannot explain what was recorded."""
    from kiosk.adapters.bank_map import load_map
    from kiosk.adapters.flowfile import load_house, verbs_of
    from kiosk.adapters.journal import Journal
    from kiosk.core.fold import Diverged, steps

    house = load_house(flows, verbs_of(load_map(flows / "banks" / "demo" / "map.yaml")))
    journal = Journal(file)
    sessions = journal.sessions()
    session = session or (sessions[-1] if sessions else "")
    if session not in sessions:
        raise OperatorError(
            f"no session {session!r}", where=str(file), remedy=f"Known: {', '.join(sessions[-5:]) or 'none'}."
        )
    state = None
    try:
        for entry, event, state, effects in steps(house, journal.entries(session)):
            names = [type(e).__name__ for e in effects]
            if as_json:
                emit({"seq": entry.seq, "at": entry.at_utc, "event": type(event).__name__, "flow": state.flow,
                      "step": state.step, "effects": names})  # fmt: skip
            else:
                where = f"{state.flow or 'home'}/{state.step}"
                click.echo(
                    f"{entry.seq:>6}  {entry.at_utc}  {type(event).__name__:<9} → {where:<28} {', '.join(names)}"
                )
            if until is not None and entry.seq >= until:
                break
    except Diverged as e:
        click.echo(f"kiosk: {file}: {e}", err=True)
        sys.exit(1)
    if not as_json and state is not None:
        click.echo(f"closed: {state.closed or 'no'}" + (f"\n{state}" if until is not None else ""))
