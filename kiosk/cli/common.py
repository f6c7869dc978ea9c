"""What every command shares: one JSON object a line on stdout, batches from a file with the line in the error."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kiosk.core.amount import LONGEST
from kiosk.values import LANGS, Lang, OperatorError

if TYPE_CHECKING:
    from rich.progress import TaskID

T = TypeVar("T")

#: `@json_option` adds --json to a command
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout; logs to stderr.")
#: `@lang_option` adds a required --lang zh|en
lang_option = click.option("--lang", type=click.Choice(["zh", "en"]), required=True, help="Language of the words.")


def checked_text(text: object, where: str) -> str:
    """`text` itself.

    Raises:
        OperatorError: it is no text, is no Unicode, or has more than `LONGEST` characters.
    """
    if not isinstance(text, str):
        raise OperatorError("has no `text`", where=where, remedy='Write {"text": "…", "lang": "zh"}.')
    if len(text) > LONGEST:
        what = f"the text has {len(text)} characters, more than {LONGEST}"
        raise OperatorError(what, where=where, remedy="Shorten it.")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise OperatorError("the text is not Unicode", where=where, remedy="Write it as UTF-8.")
    return text


def checked_lang(lang: object, where: str) -> Lang:
    """Raises:
    OperatorError: it is no language of ours.
    """
    for known in LANGS:
        if lang == known:
            return known
    what = "no language is given" if lang is None else f"unknown language {lang!r}"
    raise OperatorError(what, where=where, remedy=f"Use {' or '.join(LANGS)}.")


def read_text(path: Path) -> str:
    """Raises:
    OperatorError: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(path), remedy="Check the path.") from e
    except UnicodeDecodeError as e:
        raise OperatorError("is not UTF-8", where=str(path), remedy="Save the file as UTF-8.") from e


def emit(row: dict[str, Any]) -> None:
    """One JSON object on one line, flushed, so that a reader of a pipe sees it at once."""
    click.echo(json.dumps(row, ensure_ascii=False))


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; Ctrl-C and SIGTERM both end it in order, so that it takes its processes and files with it."""

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise click.Abort from None


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
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as e:
            raise OperatorError(f"is not JSON: {e}", where=f"{path}:{number}", remedy="One JSON object a line.") from e
        if not isinstance(row, dict):
            raise OperatorError("is not a JSON object", where=f"{path}:{number}", remedy="One JSON object a line.")
        yield number, row
