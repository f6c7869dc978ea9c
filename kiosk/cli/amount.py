"""`kiosk amount`: only the amount reader, for one text or a batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kiosk.cli.common import emit, read_jsonl
from kiosk.core.amount import LONGEST, reading
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
    one = [("TEXT", text or "", _lang(lang, "--lang"))] if file is None else _lines(file, lang)
    for where, words, language in one:
        if len(words) > LONGEST:
            raise OperatorError(f"is longer than {LONGEST} characters", where=where, remedy="Shorten the text.")
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


def _lang(lang: object, where: str) -> Lang:
    for known in LANGS:
        if lang == known:
            return known
    raise OperatorError(
        "no language given" if lang is None else f"unknown language {lang!r}", where=where, remedy="Use zh or en."
    )


def _lines(file: Path, lang: Lang | None) -> Iterator[tuple[str, str, Lang]]:
    """Place, text and language of each line: JSON lines when the first line begins with a brace."""
    try:
        whole = file.read_text(encoding="utf-8")
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(file), remedy="Check the path.") from e
    except UnicodeDecodeError as e:
        raise OperatorError("is not UTF-8", where=str(file), remedy="Save the file as UTF-8.") from e
    rows: Iterator[tuple[int, dict[str, Any]]]
    if whole.lstrip().startswith("{"):
        rows = read_jsonl(file)
    else:
        rows = ((n, {"text": line}) for n, line in enumerate(whole.splitlines(), 1) if line.strip())
    for number, row in rows:
        where = f"{file}:{number}"
        text = row.get("text")
        if not isinstance(text, str):
            raise OperatorError("has no `text`", where=where, remedy='Write {"text": "…", "lang": "zh"}.')
        yield where, text, _lang(row.get("lang", lang), where)
