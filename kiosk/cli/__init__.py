"""The command line of DESIGN section 6. Each command is one file beside this one, imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from kiosk.values import OperatorError

#: command → module in this package that holds a click command called `command`
COMMANDS = {
    "demo": "play the founding scene: speech → model → face → flow → bank → cash",
    "run": "the service with all its processes",
    "parse": "read an utterance as an intent with slots",
    "amount": "read only the amount in an utterance",
    "hear": "turn sound files into text",
    "say": "turn text into speech",
    "voice": "compare voices (trials)",
    "face": "compare faces (trials); live, enrol, verify, forget",
    "check": "prove flows before they run",
    "talk": "run talk scripts: dialogues as tests, without model or hardware",
    "flow": "draw, sample or scaffold flows; print their JSON Schema",
    "replay": "fold a recorded session, step by step",
    "journal": "verify the journal's chain, export a ledger",
    "cases": "the numbered cases that an operator must settle",
    "bench": "benchmarks, each beside its peer or limit",
    "doctor": "what is missing on this box, and the command that mends it",
    "models": "list, fetch and verify the weights",
    "train": "rebuild the readers from the flows' examples",
    "prove": "long campaigns: simulation, power cuts, kills",
    "serve": "offer our ears and mouth to Wyoming clients",
}
#: what a later capability brings: named here so that it says so plainly
LATER = {
    "train": "training the readers",
    "serve": "serving Wyoming clients",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        if name in LATER:
            return _later(name)
        module = importlib.import_module(f"kiosk.cli.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(n, h + (" (later)" if n in LATER else "")) for n, h in COMMANDS.items()])


def _later(name: str) -> click.Command:
    @click.command(name, context_settings={"ignore_unknown_options": True}, add_help_option=False)
    @click.argument("args", nargs=-1, type=click.UNPROCESSED)
    def later(args: tuple[str, ...]) -> None:
        raise OperatorError(f"`kiosk {name}` is not built yet: {LATER[name]} comes with a later capability")

    return later


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="kiosk")
def cli() -> None:
    """kiosk: a voice kiosk controller. Every command takes --json and --help."""


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; an operator's mistake is one sentence on stderr and exit code 2."""
    try:
        code = cli.main(args=argv, prog_name="kiosk", standalone_mode=False)
    except click.exceptions.Exit as e:
        code = e.exit_code
    except click.exceptions.NoArgsIsHelpError as e:
        e.show()
        code = 2
    except click.UsageError as e:
        at = e.ctx.command_path if e.ctx else "kiosk"
        click.echo(f"{at}: {e.format_message()} See: {at} --help", err=True)
        code = 2
    except click.ClickException as e:
        e.show()
        code = e.exit_code
    except click.Abort:
        click.echo("stopped", err=True)
        code = 130
    except OperatorError as e:
        click.echo(f"kiosk: {e}", err=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)
