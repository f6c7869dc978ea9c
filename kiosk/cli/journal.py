"""`kiosk journal`: check the chain, export a ledger."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kiosk.adapters.journal import Journal
from kiosk.cli.common import emit, json_option
from kiosk.core.fold import Leg, leg
from kiosk.values import Money

_file = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """Look into a kiosk's journal (FILE: …/state/journal.db)."""


@command.command()
@_file
@json_option
def verify(file: Path, as_json: bool) -> None:
    """Check the hash chain. Exit 1 when a row is missing or not what was written."""
    journal = Journal(file)
    rows, wrong = journal.verify()
    if as_json:
        emit({"file": str(file), "rows": rows, "ok": not wrong, "error": wrong or None})
    else:
        click.echo(f"{rows} rows, {wrong or 'the chain holds'}")
    sys.exit(1 if wrong else 0)


@command.command()
@_file
@json_option
def export(file: Path, as_json: bool) -> None:
    """Write every session's money as a ledger (hledger format), or as JSON lines."""
    journal = Journal(file)
    for session in journal.sessions():
        entries = list(journal.entries(session))
        one = leg(session, entries)
        if as_json:
            emit({k: getattr(one, k) for k in ("session", "key", "currency", "authorised", "presented", "unknown",
                                               "captured", "released")} | {"cases": list(one.cases)})  # fmt: skip
        elif one.authorised:
            click.echo(ledger(one, entries[0].at_utc[:10]))


def ledger(one: Leg, date: str) -> str:
    """One session as hledger transactions: the hold, what was paid, what was given back."""

    def amount(minor: int) -> str:
        return f"{Money(minor, one.currency).decimal()} {one.currency}"

    text = [
        f"{date} hold  ; session:{one.session}, key:{one.key}",
        f"    bank:held          {amount(one.authorised)}",
        "    bank:customers",
        "",
    ]
    if one.presented:
        text += [
            f"{date} paid  ; session:{one.session}",
            f"    customer:cash      {amount(one.presented)}",
            "    machine:cassettes",
            "",
            f"{date} captured  ; session:{one.session}",
            f"    machine:settled    {amount(one.captured)}",
            f"    bank:held          -{amount(one.captured)}",
            "",
        ]
    if one.released:
        text += [
            f"{date} released  ; session:{one.session}",
            f"    bank:customers     {amount(one.released)}",
            "    bank:held",
            "",
        ]
    for number in one.cases:
        text += [f"; case {number}: {amount(one.unknown)} in doubt, session {one.session}", ""]
    return "\n".join(text)
