"""`kiosk prove`: campaigns that try to lose money. Each prints its figures and seed, and exits with 1 on any loss."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from kiosk.cli.common import emit, json_option

#: broken rules that are printed one by one; the count of the rest follows
SHOWN = 20


@click.group()
def command() -> None:
    """Campaigns that try to lose money: simulated days, power cuts of the disk, kills of real processes."""


@contextmanager
def _bar(what: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr that is told how much is done."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@command.command()
@click.option("--seeds", default=5_000, show_default=True, help="Worlds to play; each has one to four customers.")
@click.option("--first", default=0, show_default=True, help="The first seed of the campaign.")
@click.option("--seed", type=int, help="Play this one seed only and show it as a talk script.")
@click.option("--faults", default=0.15, show_default=True, help="Probability of a fault wherever one may happen.")
@click.option("--jobs", default=1, show_default=True, help="Processes that play at the same time.")
@json_option
def sim(seeds: int, first: int, seed: int | None, faults: float, jobs: int, as_json: bool) -> None:
    """Days of customers around the real engine, flows and journal fold: bank, dispenser, network and power fail.

    Every rule of FAULTS.md that a simulation can see is checked at every event. Exit 1 when one broke, with its seed.
    """
    from kiosk.prove import sim as campaign

    if seed is not None:
        one, broken = campaign.play(campaign.shipped_house(), seed, faults)
        verdict = broken or one.books().books
        if as_json:
            emit({"seed": seed, "faults": faults, "ends": one.ends, "broken": broken or None, "script": one.script})
        else:
            click.echo("\n".join(one.script))
            click.echo(f"# seed {seed}: {verdict}")
        sys.exit(1 if broken else 0)
    began = time.monotonic()
    with _bar("simulated days", seeds, as_json) as bar:
        report = campaign.campaign(seeds, first, faults, jobs, lambda r: bar(r.seeds))
    took = time.monotonic() - began
    figures = {
        "event": "summary",
        "seeds": report.seeds,
        "first": first,
        "faults": faults,
        "sessions": report.sessions,
        "actions": report.actions,
        "power_cuts": report.cuts,
        "outage_calls": report.outage_calls,
        "seconds": round(took, 1),
        "seeds_per_s": round(report.seeds / took, 1),
        "ends": dict(report.ends.most_common()),
        "books": dict(report.books.most_common()),
        "violations": len(report.violations),
    }
    if as_json:
        for number, rule in report.violations:
            emit({"event": "violation", "seed": number, "rule": rule})
        emit(figures)
    else:
        for number, rule in report.violations[:SHOWN]:
            click.echo(f"seed {number}: {rule}\n    see it: kiosk prove sim --seed {number} --faults {faults}")
        click.echo(
            f"{report.seeds:,} seeds, {report.sessions:,} sessions, {report.actions:,} actions, "
            f"{report.cuts:,} power cuts in {took:.1f} s ({report.seeds / took:,.0f} seeds/s)"
        )
        click.echo("ends: " + ", ".join(f"{name} {n:,}" for name, n in report.ends.most_common()))
        click.echo("books: " + ", ".join(f"{name} {n:,}" for name, n in report.books.most_common()))
        click.echo(f"violations: {len(report.violations)}")
    sys.exit(1 if report.violations else 0)


@command.command()
@click.option("--cuts", default=5_000, show_default=True, help="Power cuts to make.")
@click.option("--seed", default=1, show_default=True, help="The same seed cuts at the same points.")
@json_option
def cut(cuts: int, seed: int, as_json: bool) -> None:
    """Cut the power under the journals at every write, sync, truncate and delete of SQLite, and open what is left.

    What was not synced is there or not, torn at 512 bytes. Exit 1 when an acknowledged row is gone, or when a journal
    does not open, verify and take another row.
    """
    from kiosk.prove.cut import campaign

    began = time.monotonic()
    with _bar("power cuts", cuts, as_json) as bar:
        report = campaign(cuts, seed, bar)
    took = time.monotonic() - began
    bad = [*(("lost", w) for w in report.lost), *(("corrupt", w) for w in report.corrupt)]
    if as_json:
        for kind, where in bad:
            emit({"event": kind, "where": where})
        emit({"event": "summary", "cuts": report.cuts, "seed": seed, "operations": report.operations,
              "rows": report.rows, "lives": report.lives, "seconds": round(took, 1),
              "cuts_per_s": round(report.cuts / took, 1), "lost": len(report.lost),
              "corrupt": len(report.corrupt)})  # fmt: skip
    else:
        for kind, where in bad[:SHOWN]:
            click.echo(f"{kind}: {where}")
        click.echo(
            f"{report.cuts:,} cuts over {report.operations:,} operations, {report.rows:,} rows and {report.lives:,} "
            f"lives in {took:.1f} s ({report.cuts / took:,.0f} cuts/s)"
        )
        click.echo(f"acknowledged rows lost: {len(report.lost)}, journals that did not open: {len(report.corrupt)}")
    sys.exit(1 if bad else 0)


@command.command()
@click.option("--kills", default=20, show_default=True, help="Processes to kill; each takes some seconds.")
@click.option("--seed", default=1, show_default=True, help="Who dies when (the box's own timing stays its own).")
@json_option
def kill(kills: int, seed: int, as_json: bool) -> None:
    """SIGKILL real processes while customers type withdrawals, restart them, settle, and compare the three books.

    Core, device service, vision, bank and dispenser die, in recoveries too. Exit 1 when books differ, something hangs,
    or an advice never reaches the bank. Needs the weights of the faces.
    """
    import asyncio

    from kiosk.prove.kill import campaign

    began = time.monotonic()
    with _bar("kills", kills, as_json) as bar:
        report = asyncio.run(campaign(kills, seed, bar))
    took = time.monotonic() - began
    recoveries = sorted(report.recoveries)
    middle, worst = (recoveries[len(recoveries) // 2], recoveries[-1]) if recoveries else (0.0, 0.0)
    if as_json:
        for what in report.unsafe:
            emit({"event": "unsafe", "what": what})
        emit({"event": "summary", "kills": report.kills, "seed": seed, "rounds": report.rounds, "lives": report.lives,
              "sessions": report.sessions, "victims": dict(report.victims), "struck_after": dict(report.struck),
              "ends": dict(report.ends), "books": dict(report.books), "seconds": round(took, 1),
              "recovery_s": {"p50": round(middle, 2), "max": round(worst, 2)},
              "unsafe": len(report.unsafe)})  # fmt: skip
    else:
        for what in report.unsafe[:SHOWN]:
            click.echo(f"unsafe: {what}")
        click.echo(
            f"{report.kills} kills in {report.rounds} rounds, {report.lives} lives of the core, {report.sessions} "
            f"sessions, {took:.0f} s"
        )
        for name, counter in (("killed", report.victims), ("struck after", report.struck), ("ends", report.ends)):
            click.echo(f"{name}: " + ", ".join(f"{k} {n}" for k, n in counter.most_common()))
        click.echo("books: " + ", ".join(f"{k} {n}" for k, n in report.books.most_common()))
        click.echo(f"start to settled: p50 {middle:.1f} s, longest {worst:.1f} s")
        click.echo(f"unsafe outcomes: {len(report.unsafe)}")
    sys.exit(1 if report.unsafe else 0)
