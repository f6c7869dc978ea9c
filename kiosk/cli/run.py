"""`kiosk run`: the service with all its processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import json_option
from kiosk.values import Lang


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), help="The kiosk's settings. Without: a demo bank and simulators."
)
@click.option("--text", is_flag=True, help="Read typed lines instead of the microphone.")
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Without --config: language."
)
@click.option("--sessions", default=0, help="Stop after so many customers (0: serve for ever).")
@click.option("--settle", is_flag=True, help="Only settle what a power cut left open, then stop.")
@json_option
def command(config: Path | None, text: bool, lang: Lang, sessions: int, settle: bool, as_json: bool) -> None:
    """Serve customers: settle what is open, then listen.

    With --config, the kiosk that it describes (its [processes] are started too). Without it, a kiosk before a demo
    bank, with a simulated dispenser, printer and camera: `kiosk run --text` and type 我要取款.
    """
    from kiosk.run.config import read_config
    from kiosk.run.core import json_tell, run
    from kiosk.run.transcript import Transcript

    settings = read_config(config) if config else None
    transcript = Transcript(settings.lang if settings else lang)
    as_events = json_tell()

    def tell(event: str, **facts: Any) -> None:
        if as_json:
            as_events(event, **facts)
            return
        if event == "open":
            click.echo("The kiosk listens." + (" Type a line; Ctrl-D ends." if text else ""))
        for line in transcript.lines({"event": event, **facts}):
            click.echo(line)

    if settings is not None:
        run(settings, tell, text=text, sessions=sessions, settle_only=settle)
        return

    from kiosk.demo.stage import Stage

    stage = Stage(lang)
    asyncio.run(stage.__aenter__())
    try:
        run(read_config(stage.config), tell, text=text, sessions=sessions, settle_only=settle)
    finally:
        asyncio.run(stage.__aexit__())
