"""Talk to a device by hand: type a command, see bytes and meaning. Stop the service first; it has the port."""

from __future__ import annotations

import asyncio
import sys

import click

from devices.framing import codec
from devices.framing.base import Fault, Frame, hexed, unhexed
from devices.framing.escpos_status import HOST
from devices.framing.lcdm import COMMANDS, command
from devices.transport import Line, LineLost

#: seconds of silence after which the next command may be typed
SILENCE = 1.0


def main(protocol: str, port: str) -> None:
    """Read lines from stdin until end of file. Commands that move notes ask first.

    Raises:
        OperatorError: the port can not be opened.
    """
    asyncio.run(_talk(protocol, port))


async def _talk(protocol: str, port: str) -> None:
    line = Line(port)
    line.open()
    click.echo(f"{protocol} on {port}. {_help(protocol)}")
    try:
        while text := await asyncio.to_thread(_prompt):
            try:
                data = _bytes(protocol, text.split())
            except ValueError as e:
                click.echo(f"? {e}. {_help(protocol)}")
                continue
            if protocol == "lcdm" and data[0] == 0x04 and len(data) > 3 and COMMANDS[data[3]].moves:
                click.echo("this moves notes; type yes to send it")
                if (await asyncio.to_thread(_prompt)).strip() != "yes":
                    continue
            await _exchange(protocol, line, data)
    except LineLost as e:
        click.echo(f"gone: {e}")
    finally:
        line.close()


async def _exchange(protocol: str, line: Line, data: bytes) -> None:
    click.echo(f"> {hexed(data)}")
    await line.write(data)
    listener = codec(protocol)
    while piece := await line.read(SILENCE):
        for item in listener.feed(piece):
            _show(item)
            if protocol == "lcdm" and isinstance(item, Frame) and item.fields["kind"] == "reply":
                await line.write(b"\x06")
    for item in listener.end():
        _show(item)


def _show(item: Frame | Fault) -> None:
    if isinstance(item, Fault):
        click.echo(f"< {hexed(item.raw)}  BAD: {item.error}")
    else:
        click.echo(f"< {hexed(item.raw)}  " + " ".join(f"{k}={v}" for k, v in item.fields.items() if k != "data"))


def _prompt() -> str:
    return sys.stdin.readline()


def _bytes(protocol: str, words: list[str]) -> bytes:
    """A command by name and numbers (`dispense 3`), or bytes in hex.

    Raises:
        ValueError: neither.
    """
    if not words:
        raise ValueError("nothing typed")
    if protocol == "lcdm":
        for code, row in COMMANDS.items():
            if row.name == words[0]:
                return command(code, *(int(w) for w in words[1:]))
    else:
        for prefix, (name, size) in HOST.items():
            if name == words[0] and size - len(prefix) == len(words) - 1:
                return prefix + bytes(int(w) for w in words[1:])
    data = unhexed(" ".join(words))
    if protocol == "lcdm":
        items = codec(protocol).feed(data)
        if len(items) != 1 or not isinstance(items[0], Frame):
            raise ValueError("these bytes are not one good frame")
    return data


def _help(protocol: str) -> str:
    rows = (row.name for row in COMMANDS.values()) if protocol == "lcdm" else (name for name, _ in HOST.values())
    return f"Type one of: {', '.join(dict.fromkeys(rows))}; or bytes in hex; end with Ctrl-D."
