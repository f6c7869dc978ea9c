"""`kiosk flow`: draw, sample or scaffold flows, and print their JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kiosk import paths
from kiosk.cli.common import emit, json_option
from kiosk.values import LANGS, Lang, OperatorError

if TYPE_CHECKING:
    from kiosk.core.flow import Flow, House

_flows = click.option("--flows", type=click.Path(path_type=Path), default=paths.FLOWS, help="Folder of the flows.")


@click.group()
def command() -> None:
    """Draw, sample or scaffold flows; print the JSON Schema that editors complete them with."""


@command.command()
def schema() -> None:
    """Print the JSON Schema of flow.yaml, made from the table that the loader uses.

    In an editor with the YAML language server, write on a flow's first line:

        # yaml-language-server: $schema=flow.schema.json
    """
    from kiosk.adapters.flowkeys import schema as made

    click.echo(json.dumps(made(), ensure_ascii=False, indent=2))


@command.command()
@click.argument("name")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture to this file.")
@_flows
def graph(name: str, svg: Path | None, flows: Path) -> None:
    """Draw flow NAME: its steps in layers from the start, with where each outcome leads."""
    from kiosk.core import drawing

    _, flow = _flow(flows, name)
    if svg is None:
        click.echo(drawing.text(flow), nl=False)
        return
    try:
        svg.write_text(drawing.svg(flow), encoding="utf-8")
    except OSError as e:
        raise OperatorError(f"cannot be written: {e.strerror}", where=str(svg), remedy="Name another file.") from e
    click.echo(str(svg))


@command.command()
@click.argument("name")
@click.option("--lang", "one", type=click.Choice(["zh", "en"]), help="Only this language.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write each script to a file in here.")
@_flows
@json_option
def sample(name: str, one: str | None, out: Path | None, flows: Path, as_json: bool) -> None:
    """Print dialogues that flow NAME permits: a shortest one to each of its ends, as talk scripts."""
    from kiosk.adapters.intentfile import load_intents
    from kiosk.core.script import samples, write

    house, flow = _flow(flows, name)
    examples = {i.name: i.examples for i in load_intents(flows)}.get(flow.intent)
    langs: tuple[Lang, ...] = tuple(lang for lang in LANGS if one in (None, lang))
    if out:
        out.mkdir(parents=True, exist_ok=True)
    for end, moves in samples(flow, house):
        for lang in langs:
            said = next((e.text for e in examples[lang] if not e.spans), "") if examples else ""
            script = write(flow, house, moves, lang, opening=said)
            if script is None:
                continue
            if out:
                file = out / f"{end.replace(' ', '_')}.{lang}.talk"
                file.write_text(script, encoding="utf-8")
                click.echo(str(file))
            elif as_json:
                emit({"flow": flow.name, "end": end, "lang": lang, "talk": script})
            else:
                click.echo(f"# {flow.name}: {end}\n{script}")


@command.command()
@click.argument("document", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--operation", required=True, help="An operationId of the document.")
@click.option("--verb", default="", help="The kiosk's verb for it. Default: guessed from its method and path.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the files here instead.")
def scaffold(document: Path, operation: str, verb: str, out: Path | None) -> None:
    """Write a first draft of the bank's map and of a flow for one operation of an OpenAPI DOCUMENT.

    A draft is to be finished by a person: what could not be read off the document is marked TODO.
    """
    from kiosk.adapters.scaffold import draft

    files = draft(document, operation, verb)
    for name, text in files.items():
        if out is None:
            click.echo(f"# --- {name} ---\n{text}")
            continue
        file = out / name
        if file.exists():
            raise OperatorError("is there already", where=str(file), remedy="Name another --out, or delete it.")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        click.echo(str(file))


def _flow(flows: Path, name: str) -> tuple[House, Flow]:
    """A flow, with the house around it, whether it is proven or not."""
    from kiosk.adapters.bank_map import load_map
    from kiosk.adapters.flowfile import inspect, verbs_of

    house, findings = inspect(flows, verbs_of(load_map(flows / "banks" / "demo" / "map.yaml")))
    known = [f.name for f in house.flows.values()]
    if name not in known:
        raise OperatorError(f"there is no flow `{name}`", where=str(flows), remedy=f"Known: {', '.join(known)}.")
    if findings:
        click.echo(f"kiosk: {len(findings)} findings; see kiosk check", err=True)
    return house, house.named(name)
