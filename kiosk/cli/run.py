"""`kiosk run`: the service with all its processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import json_option, run_async
from kiosk.values import Lang


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), help="The kiosk's settings. Without: a demo bank and simulators."
)
@click.option("--text", is_flag=True, help="Read typed lines instead of the microphone.")
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Without --config: language."
)
@click.option("--no-model", is_flag=True, help="With --text: understand by the flows' phrases alone.")
@click.option(
    "--sessions", type=click.IntRange(min=0), default=0, help="Stop after so many customers (0: serve for ever)."
)
@click.option("--settle", is_flag=True, help="Only settle what a power cut left open, then stop.")
@json_option
def command(
    config: Path | None, text: bool, no_model: bool, lang: Lang, sessions: int, settle: bool, as_json: bool
) -> None:
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
        for line in transcript.lines({"event": event, "now_ms": time.monotonic() * 1000, **facts}):
            click.echo(line)

    async def main() -> None:
        options: dict[str, Any] = {"text": text, "model": not no_model, "sessions": sessions, "settle_only": settle}
        if settings is not None:
            await run(settings, tell, **options)
            return
        from kiosk.demo.stage import Stage

        async with Stage(lang) as stage:
            await run(read_config(stage.config), tell, **options)

    run_async(main())
