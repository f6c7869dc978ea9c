"""`kiosk bench`: benchmarks, each beside its peer or limit. Each is a file in `kiosk.bench`, imported when called."""

from __future__ import annotations

import importlib

import click

#: name → what it measures; the module of that name in `kiosk.bench` holds a click command called `command`
BENCHES = {
    "devices": "codecs, chaos dispenses, forged tokens, a bad line, overhead over raw pyserial",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(BENCHES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in BENCHES:
            return None
        command: click.Command = importlib.import_module(f"kiosk.bench.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(BENCHES.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Benchmarks, each beside its peer or limit. The others of DESIGN section 8 come with later capabilities."""
