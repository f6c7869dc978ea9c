"""`kiosk demo`: the founding scene on real parts, with one command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import emit, json_option, progress_bar, run_async
from kiosk.values import Lang, Money, OperatorError

#: kept here as well, so that `--help` needs no model library; tests compare them with `kiosk.demo.scene`
FAULTS = ("bank-timeout", "dispense-jam", "wrong-face", "other-voice", "power-cut")


@click.command()
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Language of the scene.")
@click.option("--fault", type=click.Choice(FAULTS), help="What goes wrong; each ends in the right, safe way.")
@click.option(
    "--wav", "wavs", multiple=True, type=click.Path(path_type=Path), help="A recording to play, in order; repeatable."
)
@click.option("--fast", is_flag=True, help="Do not pace in real time; then no latencies are reported.")
@click.option("--noise", "noise_db", default=38.0, show_default=True, help="Speech over room noise, in dB.")
@json_option
def command(lang: Lang, fault: str | None, wavs: tuple[Path, ...], fast: bool, noise_db: float, as_json: bool) -> None:
    """Play the founding scene: speech, model, face, flow, bank, cash.

    A synthetic customer speaks where a microphone stands; everything else is real: recognition, language model, face
    verification, a bank over HTTP, a dispenser and a printer over serial lines. Exit 0 only if the bank's ledger, the
    journal and the notes that left the machine agree, or a numbered case says why they cannot.
    """
    for wav in wavs:
        if not wav.is_file():
            raise OperatorError("no such sound file", where=str(wav), remedy="Check the path given with --wav.")
    from kiosk.demo.scene import FAULTS as PLANS
    from kiosk.demo.scene import play
    from kiosk.run.transcript import Transcript

    transcript = Transcript(lang, timed=not fast)

    def tell(event: dict[str, Any]) -> None:
        if as_json:
            emit(event)
            return
        for line in transcript.lines(event):
            click.echo(line)

    if not as_json:
        click.echo(f"kiosk demo, {lang}{f', fault {fault}: {PLANS[fault].explain}' if fault else ''}")
        click.echo("Liveness of the face is not checked in this demo. Starting the kiosk's processes …")
    with progress_bar() as progress:
        options: dict[str, Any] = {"fault": fault or "", "fast": fast, "wavs": wavs, "noise_db": noise_db}
        summary = run_async(play(lang, tell, progress=progress, **options))
    if as_json:
        emit(summary)
    else:
        _print(summary)
    sys.exit(0 if summary["ok"] else 1)


def _print(s: dict[str, Any]) -> None:
    for receipt in s["receipts"]:
        width = max(len(line) for line in receipt) + 4
        click.echo("\n  " + "-" * width)
        for line in receipt:
            click.echo(f"    {line}")
        click.echo("  " + "-" * width)

    def money(minor: int) -> str:
        return f"{Money(minor).shown()} CNY"

    click.echo(f"\nended: {s['ended']}")
    sums = ", ".join(f"{what} {money(s[f'{what}_minor'])}" for what in ("authorised", "captured", "released"))
    click.echo(f"bank and journal: {sums}")
    counts = ", ".join(f"{n} {what}" for what, n in s["notes"].items())
    click.echo(f"notes: {counts}; the machine itself remembers {json.dumps(s['left_machine'])} out")
    if s["cases"]:
        click.echo(f"cases for the operator: {', '.join(f'No. {n}' for n in s['cases'])}")
    if s["stages_ms"]:
        click.echo("median ms: " + " · ".join(f"{k} {v:g}" for k, v in s["stages_ms"].items()))
        click.echo(f"voice to voice: p50 {s['voice_to_voice_ms']['p50']} ms, p95 {s['voice_to_voice_ms']['p95']} ms")
    click.echo(f"books: {s['books']}" + "".join(f"\n  {r}" for r in s["reasons"]))
    for line in s["log"]:
        click.echo(f"  log: {line}", err=True)
