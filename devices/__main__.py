"""The command line of `devices`: decode and encode, simulators, the service, a console. Logs go to stderr."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

import click

from devices.errors import OperatorError
from devices.sim import SIMULATORS


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("-v", "--verbose", is_flag=True, help="Log every frame to stderr.")
def cli(verbose: bool) -> None:
    """Serial devices of a self-service kiosk: bytes, simulators, and the service that alone may move cash."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
    )


_protocol = click.argument("protocol")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
_side = click.option("--side", type=click.Choice(["host", "device"]), help="Who sends, where bytes do not say it.")


@cli.command()
@_protocol
@click.argument("hex_", metavar="HEX...", nargs=-1, required=True)
@_side
@_json
def decode(protocol: str, hex_: tuple[str, ...], side: str | None, as_json: bool) -> None:
    """Read bytes as frames of PROTOCOL: one line a frame, a bad check or a short frame is reported, never raised."""
    from devices.framing.base import Frame, hexed

    data = _bytes(hex_)
    for item in _items(protocol, data, side):
        good = isinstance(item, Frame)
        row: dict[str, Any] = {"ok": good, "fields": item.fields if good else {}, "error": None if good else item.error}
        _print({**row, "hex": hexed(item.raw)}, as_json)


@cli.command()
@_protocol
@click.argument("hex_", metavar="HEX... | JSON...", nargs=-1, required=True)
@_side
@_json
def encode(protocol: str, hex_: tuple[str, ...], side: str | None, as_json: bool) -> None:
    """Make frames of PROTOCOL.

    HEX is the body of one frame (command and data; framing and check are added), or whole frames, which are decoded
    and encoded again. A JSON object holds the fields that `decode` prints.
    """
    from devices.framing.base import Fault, Frame, hexed

    codec = _codec(protocol, side)
    if hex_[0].lstrip().startswith("{"):
        wanted: list[Any] = [_object(text) for text in hex_]
    else:
        data = _bytes(hex_)
        items = _items(protocol, data, side)
        whole = bool(items) and all(isinstance(i, Frame) for i in items)
        wanted = [i.fields for i in items] if whole else [data]
    for want in wanted:
        try:
            raw = codec.wrap(want, side or "host") if isinstance(want, bytes) else codec.encode(want)
        except ValueError as e:
            _print({"ok": False, "fields": {}, "error": str(e), "hex": ""}, as_json)
            continue
        back = _items(protocol, raw, side)[0]
        fields = {} if isinstance(back, Fault) else back.fields
        _print({"ok": True, "fields": fields, "error": None, "hex": hexed(raw)}, as_json)


def _print(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(row, ensure_ascii=False))
    elif row["ok"]:
        words = " ".join(f"{k}={v}" for k, v in row["fields"].items() if k != "data")
        click.echo(f"{row['hex']}  {words}")
    else:
        click.echo(f"{row['hex']}  BAD: {row['error']}")


def _bytes(parts: tuple[str, ...]) -> bytes:
    from devices.framing.base import unhexed

    try:
        return unhexed(" ".join(parts))
    except ValueError as e:
        raise OperatorError(
            f"is not hex: {e}", where=" ".join(parts)[:60], remedy="Write `04 50 02` or `045002`"
        ) from e


def _object(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as e:
        raise OperatorError(f"is not JSON: {e}", where=text[:60], remedy="Give the fields that `decode` prints") from e
    if not isinstance(row, dict):
        raise OperatorError("is not a JSON object", where=text[:60], remedy="Give the fields that `decode` prints")
    return row


def _codec(protocol: str, side: str | None) -> Any:
    from devices import framing

    try:
        codec = framing.codec(protocol)
    except KeyError:
        raise OperatorError(
            f"there is no protocol {protocol!r}", remedy=f"Choose one of {' '.join(framing.CODECS)}"
        ) from None
    if side and hasattr(codec, "side"):
        codec.side = side
    return codec


def _items(protocol: str, data: bytes, side: str | None) -> list[Any]:
    """Frames and faults of `data`. Where the side matters and is not given: the one that explains more of it."""
    from devices.framing.base import Fault

    sided = side is None and hasattr(_codec(protocol, None), "side")
    readings = []
    for one in ("host", "device") if sided else (side,):
        codec = _codec(protocol, one)
        readings.append(codec.feed(data) + codec.end())
    return min(readings, key=lambda items: (sum(isinstance(i, Fault) for i in items), len(items)))


class _Simulators(click.Group):
    """The commands of `sim`, one for each device in the registry; its module is loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from devices.registry import DEVICES

        return sorted({*DEVICES, *SIMULATORS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from devices.registry import DEVICES

        if cmd_name in SIMULATORS:
            module, words, put = SIMULATORS[cmd_name]
            main = importlib.import_module(f"devices.sim.{module}").main
            options: dict[str, tuple[Any, str]] = {"put": ("", f"In a new state: {put}.")}
            fixed: dict[str, Any] = {}
        elif cmd_name in DEVICES:
            device = DEVICES[cmd_name]
            main, words, options, fixed = device.simulator(), device.words, device.options, device.fixed
        else:
            return None
        common: list[click.Parameter] = [
            click.Option(["--link"], type=click.Path(path_type=Path), help="Make this path a symlink to the pty."),
            click.Option(
                ["--state"],
                type=click.Path(path_type=Path),
                help="What is physically where (JSON), kept over restarts.",
            ),
            click.Option(
                ["--fault", "faults"], multiple=True, metavar="NAME[=K]", help="May be repeated; `--fault help` lists."
            ),
            click.Option(["--seed"], default=0, show_default=True, help="For which byte is corrupted, and how."),
            click.Option(["--fast"], is_flag=True, help="No mechanical delays, shorter waits."),
        ]
        own = [click.Option([f"--{n}"], default=v, show_default=True, help=h) for n, (v, h) in options.items()]

        def start(**given: Any) -> None:
            main(**fixed, **given)

        return click.Command(cmd_name, params=[*common, *own], callback=start, help=words)


@cli.group(cls=_Simulators)
def sim() -> None:
    """A simulated device on a pty, in this process, until SIGTERM."""


_config = click.option("--config", type=click.Path(path_type=Path), required=True, help="TOML; see devices/README.md.")


@cli.command("serve")
@_config
def serve_command(config: Path) -> None:
    """The device service: sole owner of the ports, pays only on a token."""
    from devices import service

    service.main(config)


@cli.command()
@_config
@click.option("--upper", type=click.IntRange(min=0), required=True, help="Notes counted in the upper cassette.")
@click.option("--lower", type=click.IntRange(min=0), required=True, help="Notes counted in the lower cassette.")
def load(config: Path, upper: int, lower: int) -> None:
    """Somebody counted: open the books anew with these notes and settle open cases (while the service is stopped)."""
    from devices import service

    service.load(config, {"upper": upper, "lower": lower})


@cli.command()
@click.argument("tape", type=click.Path(path_type=Path))
@_json
def replay(tape: Path, as_json: bool) -> None:
    """Play an LCDM's wire tape to today's code: what each command came to. Exit code 1 where it acts otherwise."""
    from devices import tape as tapes

    same = True
    for row in tapes.replay(tapes.read(tape)):
        same = same and row["same"]
        if as_json:
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            rest = "  ".join(f"{k}={v}" for k, v in row.items() if k not in ("at", "same", "event", "fields"))
            click.echo(f"{row['at']:10.3f} {'' if row['same'] else 'DIFFERS '}{row['event']}  {rest}")
    sys.exit(0 if same else 1)


@cli.command()
@click.argument("protocol", type=click.Choice(["lcdm", "escpos-status"]))
@click.argument("port")
def console(protocol: str, port: str) -> None:
    """Talk to a device by hand: type a command's name or bytes, see frames."""
    from devices import console as talk

    talk.main(protocol, port)


def main(argv: list[str] | None = None) -> None:
    """Run the command line; an operator's mistake is one sentence on stderr and exit code 2."""
    try:
        code = cli.main(args=argv, standalone_mode=False, prog_name="python -m devices")
    except click.exceptions.Exit as e:
        code = e.exit_code
    except click.ClickException as e:
        e.show()
        code = e.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except OperatorError as e:
        click.echo(f"devices: {e}", err=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def serve() -> None:
    """`kiosk-devices --config FILE`."""
    main(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    main()
