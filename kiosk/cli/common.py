"""What every command shares: one JSON object a line on stdout, batches from a file with the line in the error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kiosk.values import OperatorError

if TYPE_CHECKING:
    from rich.progress import TaskID

#: `@json_option` adds --json to a command
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout; logs to stderr.")
#: `@lang_option` adds a required --lang zh|en
lang_option = click.option("--lang", type=click.Choice(["zh", "en"]), required=True, help="Language of the words.")


def emit(row: dict[str, Any]) -> None:
    """One JSON object on one line, flushed, so that a reader of a pipe sees it at once."""
    click.echo(json.dumps(row, ensure_ascii=False))


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr for (what, done, of); `of` 0 = not known. It shows only when there is something to wait for."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    tasks: dict[str, TaskID] = {}
    began = time.monotonic()

    def tell(what: str, done: int, of: int) -> None:
        if of and done >= of:
            if what in tasks:
                bar.remove_task(tasks.pop(what))
        elif time.monotonic() - began > 1.0:  # what is ready on disk needs no bar
            bar.start()
            if what not in tasks:
                tasks[what] = bar.add_task(f"first run: {what}", total=of or None)
            bar.update(tasks[what], completed=done)

    try:
        yield tell
    finally:
        bar.stop()


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
