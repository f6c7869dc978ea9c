"""What every command shares: one JSON object a line on stdout, batches from a file with the line in the error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kiosk.values import OperatorError

#: `@json_option` adds --json to a command
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout; logs to stderr.")
#: `@lang_option` adds a required --lang zh|en
lang_option = click.option("--lang", type=click.Choice(["zh", "en"]), required=True, help="Language of the words.")


def emit(row: dict[str, Any]) -> None:
    """One JSON object on one line, flushed, so that a reader of a pipe sees it at once."""
    click.echo(json.dumps(row, ensure_ascii=False))


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each non-empty line.

    Raises:
        OperatorError: the file cannot be read, is not UTF-8, or a line is not a JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(path), remedy="Check the path.") from e
    except UnicodeDecodeError as e:
        raise OperatorError("is not UTF-8", where=str(path), remedy="Save the file as UTF-8.") from e
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as e:
            raise OperatorError(f"is not JSON: {e}", where=f"{path}:{number}", remedy="One JSON object a line.") from e
        if not isinstance(row, dict):
            raise OperatorError("is not a JSON object", where=f"{path}:{number}", remedy="One JSON object a line.")
        yield number, row
