"""`kiosk hear`: sound files into text, by the recogniser that a running kiosk uses."""

from __future__ import annotations

import time
from pathlib import Path

import click

from kiosk.cli.common import emit, json_option
from kiosk.values import Lang


@click.command("hear")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language of the words; found out when absent.")
@json_option
def command(files: tuple[Path, ...], lang: Lang | None, as_json: bool) -> None:
    """Turn sound files (WAV, FLAC, OGG, MP3) into text. The model is loaded once for all of them."""
    from kiosk.adapters import silero, whisper
    from kiosk.adapters.sound import read
    from kiosk.ports import RATE, Transcript

    sounds = [read(file) for file in files]  # first, so that a wrong path costs nothing
    activity, recognizer = silero.load(), whisper.load()
    for file, sound in zip(files, sounds, strict=True):
        began = time.perf_counter()
        spoken = silero.speech_s(activity, sound) > 0
        heard = recognizer.hear(sound, lang) if spoken else Transcript("", lang or "zh", 0.0, 1.0)
        ms = (time.perf_counter() - began) * 1000
        if as_json:
            emit(
                {
                    "file": str(file),
                    "text": heard.text,
                    "lang": heard.lang,
                    "confidence": round(heard.confidence, 3),
                    "ms": round(ms, 1),
                    "audio_s": round(sound.size / RATE, 3),
                }
            )
        else:
            click.echo(f"{file}: {heard.text or '(nothing)'}  [{heard.lang} {heard.confidence:.2f}, {ms:.0f} ms]")
