"""`kiosk bench`: benchmarks, each beside its peer or limit. Each is a file in `kiosk.bench`, imported when called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

import click

from kiosk.cli.common import json_option

#: name → what it measures; the module of that name in `kiosk.bench` holds a click command called `command`, or a
#: `main(size, seed, as_json)` that gives the exit code
BENCHES = {
    "devices": "codecs, chaos dispenses, forged tokens, a bad line, overhead over raw pyserial",
    "money": "durable step, replay and verification beside a bare SQLite insert and sync",
    "understand": "both readers and the judge beside their peers, on our utterances and on others'",
}


def _measuring(name: str, main: Callable[[str, int, bool], int]) -> click.Command:
    @click.command(name, help=f"Measure {BENCHES[name]}.")
    @click.option("--size", type=click.Choice(["small", "full"]), default="small", show_default=True)
    @click.option("--seed", default=1, show_default=True)
    @json_option
    def command(size: str, seed: int, as_json: bool) -> None:
        sys.exit(main(size, seed, as_json))

    return command


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(BENCHES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in BENCHES:
            return None
        module = importlib.import_module(f"kiosk.bench.{name}")
        command: click.Command = getattr(module, "command", None) or _measuring(name, module.main)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(BENCHES.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Benchmarks, each beside its peer or limit. The others of DESIGN section 8 come with later capabilities."""
