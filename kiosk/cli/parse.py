"""`kiosk parse`: what an utterance means: intent, slots, and which readers said so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from kiosk import paths
from kiosk.cli.common import checked_lang, checked_text, emit, json_option, read_jsonl
from kiosk.core.intents import EXPECTS
from kiosk.events import Understood
from kiosk.values import LANGS, Lang, Money, OperatorError


class _Line(NamedTuple):
    text: str
    lang: Lang
    expect: str


@click.command("parse")
@click.argument("text", required=False)
@click.option("--lang", help="Language of the words, zh or en; a line of --file names its own.")
@click.option("--expect", default="intent", show_default=True, help=f"What the flow waits for: {', '.join(EXPECTS)}.")
@click.option("--file", "file", type=click.Path(path_type=Path), help="JSON lines: text, lang and, if need be, expect.")
@click.option("--flows", type=click.Path(path_type=Path), default=paths.FLOWS, help="Folder of the flows.")
@json_option
def command(text: str | None, lang: str | None, expect: str, file: Path | None, flows: Path, as_json: bool) -> None:
    """Read TEXT as an intent with slots.

    `none` is out of scope; `ask` means that the customer must be asked which of the `candidates` was meant. `route`
    names the readers that decided; without the language model's weights the phrases read alone, and stderr says so.
    """
    if (text is None) == (file is None):
        raise OperatorError("give either TEXT or --file F", where="kiosk parse", remedy="See: kiosk parse --help")
    if file is None:
        lines = [_line({"text": text, "lang": lang, "expect": expect}, "kiosk parse")]
    else:
        # all of them are checked before the models are loaded: a broken last line costs nobody a minute
        lines = [_line({"lang": lang, "expect": expect, **row}, f"{file}:{n}") for n, row in read_jsonl(file)]
    if not lines:
        raise OperatorError("has no line", where=str(file), remedy='Write {"text": "…", "lang": "zh"} on a line.')

    from kiosk.adapters.understanding import load

    langs = [known for known in LANGS if any(line.lang == known for line in lines)]
    understander = load(flows, langs=langs, progress=lambda text: click.echo(text, err=True))
    if understander.missing:
        click.echo(f"kiosk: without the language model: {understander.missing}", err=True)
    for line in _progress(lines) if file else lines:
        u = understander.understand(*line)
        if as_json:
            emit(_row(u))
        else:
            click.echo(_shown(u))


def _line(row: dict[str, Any], where: str) -> _Line:
    text, lang, expect = checked_text(row.get("text"), where), checked_lang(row["lang"], where), row["expect"]
    if expect not in tuple(EXPECTS):
        raise OperatorError(f"unknown expect {expect!r}", where=where, remedy=f"Use one of {', '.join(EXPECTS)}.")
    return _Line(text, lang, expect)


def _progress(lines: list[_Line]) -> Iterator[_Line]:
    """The lines, with a bar on stderr where a person looks at it."""
    with click.progressbar(lines, label="reading", file=sys.stderr) as bar:
        yield from bar


def _row(u: Understood) -> dict[str, Any]:
    row: dict[str, Any] = {
        "intent": u.intent,
        "slots": {name: v.to_dict() if isinstance(v, Money) else v for name, v in u.slots.items()},
        "spans": {name: list(span) for name, span in u.spans.items()},
        "confidence": round(u.confidence, 4),
        "route": u.route,
        "ms": u.ms,
    }
    if u.intent == "ask":
        row["candidates"] = list(u.candidates)
    return row


def _shown(u: Understood) -> str:
    slots = [f"{n}={v.shown() + ' ' + v.currency if isinstance(v, Money) else v}" for n, v in u.slots.items()]
    which = [" or ".join(u.candidates)] if u.intent == "ask" else []
    facts = " ".join([*which, *slots])
    return f"{u.text}  →  {u.intent}{' ' + facts if facts else ''}  ({u.confidence:.0%}, {u.route}, {u.ms:.0f} ms)"
