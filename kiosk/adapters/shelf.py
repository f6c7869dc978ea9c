"""Rendered speech on disk, found again by what made it. Only words that no customer brought in may be put here.

One 16-bit wav file a sound, named by a hash, written under another name first: an interrupted rendering leaves nothing
half done, and a person may listen to each file. A file that cannot be read is as good as none: it is rendered anew.
"""

from __future__ import annotations

import hashlib
import os
import wave
from pathlib import Path

import numpy as np

from kiosk.ports import Sound


def key(*made_of: str | float) -> str:
    """The name of a sound, from everything that it depends on."""
    return hashlib.sha256("\0".join(map(str, made_of)).encode()).hexdigest()[:40]


class Shelf:
    """A folder of sounds; it is made when the first one is put."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> Sound | None:
        try:
            with wave.open(str(self._file(name)), "rb") as f:
                return np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / np.float32(32768)
        except (OSError, EOFError, wave.Error, ValueError):
            return None

    def put(self, name: str, sound: Sound, rate: int) -> None:
        """Raises OSError when the folder cannot be written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{name}.{os.getpid()}"
        write_wav(partial, sound, rate)
        partial.replace(self._file(name))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.wav"


def write_wav(file: Path, sound: Sound, rate: int) -> None:
    """Mono, 16 bit."""
    # opened by us: `wave` would, after it could not open the file, complain once more when it is collected
    with file.open("wb") as raw, wave.open(raw, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
