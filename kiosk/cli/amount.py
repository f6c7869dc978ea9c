"""`kiosk amount`: only the amount reader, for one text or a batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import checked_lang, checked_text, emit, read_jsonl, read_text
from kiosk.core.amount import reading
from kiosk.values import LANGS, Lang, OperatorError


@click.command("amount")
@click.argument("text", required=False)
@click.option("--lang", type=click.Choice(LANGS), help="Language of the words; a line of --file may name its own.")
@click.option("--file", "file", type=click.Path(path_type=Path), help="Texts, one a line, or JSON lines (text, lang).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
def command(text: str | None, lang: Lang | None, file: Path | None, as_json: bool) -> None:
    """Read the amount in TEXT: `minor` is in hundredths (fen, pence), or null when no exact amount was said.

    `spans` are the places of its words in the text, `flags` ask for a confirmation (approximate, ambiguous, currency),
    `why` says what stood in the way.
    """
    if (text is None) == (file is None):
        raise OperatorError("give either TEXT or --file F", where="kiosk amount", remedy="See: kiosk amount --help")
    if file is None:
        lines = [(checked_text(text, "kiosk amount"), checked_lang(lang, "kiosk amount"))]
    else:
        lines = list(_lines(file, lang))  # all of them are checked before the first answer
    if not lines:
        raise OperatorError("has no line", where=str(file), remedy="Write a text, or a JSON object, on a line.")
    for words, language in lines:
        row = _row(words, language)
        if as_json:
            emit(row)
        else:
            click.echo(_shown(row))


def _row(text: str, lang: Lang) -> dict[str, Any]:
    read = reading(text, lang)
    amount = read.amount
    return {
        "minor": amount.minor if amount else None,
        "spans": [list(span) for span in read.spans],
        "flags": list(amount.flags) if amount else [],
        "why": read.why,
        "text": text,
    }


def _shown(row: dict[str, Any]) -> str:
    if row["minor"] is None:
        return f"-\t{row['why']}\t{row['text']}"
    return f"{row['minor'] / 100:.2f}\t{' '.join(row['flags'])}\t{row['text']}"


def _lines(file: Path, lang: Lang | None) -> Iterator[tuple[str, Lang]]:
    """Text and language of each line: JSON lines when the first line begins with a brace."""
    whole = read_text(file)
    rows: Iterator[tuple[int, dict[str, Any]]]
    if whole.lstrip().startswith("{"):
        rows = read_jsonl(file)
    else:
        rows = ((n, {"text": line}) for n, line in enumerate(whole.splitlines(), 1) if line.strip())
    for number, row in rows:
        where = f"{file}:{number}"
        yield checked_text(row.get("text"), where), checked_lang(row.get("lang", lang), where)
