"""`kiosk say`: text into a sound file, in the voice that the kiosk has for the language."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from kiosk.cli.common import checked_text, emit, json_option, lang_option
from kiosk.values import Lang, OperatorError


@click.command()
@click.argument("text")
@lang_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The wav file to write.")
@click.option("--rate", type=click.FloatRange(0.5, 2.0), default=1.0, show_default=True, help="Below 1 is slower.")
@json_option
def command(text: str, lang: Lang, out: Path, rate: float, as_json: bool) -> None:
    """Say TEXT: a 16-bit mono wav file.

    Times do not count the loading of the model: `first_ms` until the first piece of sound, `ms` until the last.
    """
    text = checked_text(text, "kiosk say")
    if not out.parent.is_dir():
        raise OperatorError("there is no such folder", where=str(out.parent), remedy="Create it, or change --out.")
    import numpy as np

    from kiosk.adapters import mouth
    from kiosk.adapters.shelf import write_wav

    mouth_ = mouth.load(langs=[lang])
    began = time.monotonic()
    pieces, first_ms = [], 0.0
    for piece in mouth_.say(text, lang, rate):
        first_ms = first_ms or (time.monotonic() - began) * 1000
        pieces.append(piece)
    ms = (time.monotonic() - began) * 1000
    mouth_.close()
    if not pieces:
        raise OperatorError(f"{text!r} has nothing that can be said in {lang}", remedy="Check the text and --lang.")
    whole, hertz = np.concatenate([sound for sound, _ in pieces]), pieces[0][1]
    part = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        write_wav(part, whole, hertz)
        part.replace(out)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise OperatorError(f"cannot be written: {e.strerror}", where=str(out), remedy="Choose another --out.") from e
    audio_s = len(whole) / hertz
    if as_json:
        emit({"file": str(out), "ms": round(ms), "first_ms": round(first_ms), "audio_s": round(audio_s, 3)})
    else:
        click.echo(f"{out}: {audio_s:.1f} s of speech in {ms:.0f} ms, the first of it after {first_ms:.0f} ms")
