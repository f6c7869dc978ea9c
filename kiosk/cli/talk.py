"""`kiosk talk`: dialogues as tests, in milliseconds, without model or hardware."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from kiosk import paths
from kiosk.cli.common import emit, json_option, read_text


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--flows", type=click.Path(path_type=Path), default=paths.FLOWS, help="Folder of the flows.")
@click.option("--unproven", is_flag=True, help="Play even what `kiosk check` refuses: its counter-examples.")
@click.option("-v", "verbose", is_flag=True, help="Show every step.")
@json_option
def command(files: tuple[Path, ...], flows: Path, unproven: bool, verbose: bool, as_json: bool) -> None:
    """Run talk scripts (default: all of the flows). Exit 1 when one does not fit, naming its line."""
    from kiosk.adapters.bank_map import load_map
    from kiosk.adapters.flowfile import inspect, load_house, verbs_of
    from kiosk.adapters.intentfile import load_intents
    from kiosk.core.phrases import PhraseReader
    from kiosk.core.talk import TalkFailed, run

    verbs = verbs_of(load_map(flows / "banks" / "demo" / "map.yaml"))
    house = inspect(flows, verbs)[0] if unproven else load_house(flows, verbs)
    reader = PhraseReader(load_intents(flows))
    scripts = files or tuple(sorted(flows.glob("*/talks/*.talk")))
    failed = 0
    for file in scripts:
        text = read_text(file)

        def show(event: Any, state: Any) -> None:
            if verbose and not as_json:
                click.echo(f"    {type(event).__name__:<9} → {state.flow or 'home'}/{state.step}")

        began = time.perf_counter()
        row: dict[str, Any] = {"file": str(file), "ok": True}
        try:
            row["end"] = run(text, house, reader.read, show).closed or "broken as the script says"
        except TalkFailed as e:
            failed += 1
            row |= {"ok": False, "line": e.line, "error": e.what}
        row["ms"] = round((time.perf_counter() - began) * 1000, 1)
        if as_json:
            emit(row)
        elif row["ok"]:
            click.echo(f"ok    {file.name}: {row['end']} ({row['ms']} ms)")
        else:
            click.echo(f"FAIL  {file}:{row['line']}: {row['error']}")
    sys.exit(1 if failed else 0)
