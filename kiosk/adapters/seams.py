"""Pieces of speech made one by one, trimmed and levelled so that they can be put in a row without a seam.

A synthesizer surrounds every piece with silence of its own length and makes each as loud as it likes. Here a piece is
cut to its speech, brought to one level, and faded over milliseconds at both ends; the pause between two pieces follows
from the mark that ends the first.
"""

from __future__ import annotations

import numpy as np

from kiosk.ports import Sound

#: root mean square of the voiced parts: -20 dB of full scale
LEVEL = 0.1
_PEAK = 0.9
#: a block this far below the loudest is silence (-38 dB: breaths and the model's own hiss lie lower)
_SILENT = 0.0126
_BLOCK_S = 0.005
#: kept before and after the speech: soft onsets (h, x) and fading vowels
_BEFORE_S, _AFTER_S = 0.02, 0.04
_FADE_IN_S, _FADE_OUT_S = 0.005, 0.02
#: seconds of silence after a piece that ends with one of these marks
_PAUSES = {**dict.fromkeys("，,、；;：:", 0.18), **dict.fromkeys("。.！!？?", 0.32)}
_NO_MARK_S = 0.06


def finished(sound: Sound, rate: int, level: float = LEVEL) -> Sound:
    """`sound` without the silence around it, at `level`, zero at both ends. Empty when nothing in it is audible."""
    block = int(rate * _BLOCK_S)
    loudness = np.sqrt(np.mean(np.square(sound[: len(sound) // block * block].reshape(-1, block)), axis=1))
    if not len(loudness) or loudness.max() < 1e-4:
        return np.zeros(0, np.float32)
    voiced = np.flatnonzero(loudness > loudness.max() * _SILENT)
    start = max(0, voiced[0] * block - int(rate * _BEFORE_S))
    end = min(len(sound), (voiced[-1] + 1) * block + int(rate * _AFTER_S))
    loud = loudness[loudness > loudness.max() * 0.1]
    gain = min(level / float(np.sqrt(np.mean(loud**2))), _PEAK / float(np.abs(sound).max()))
    cut = sound[start:end].astype(np.float32) * np.float32(gain)
    rise, fall = min(int(rate * _FADE_IN_S), len(cut) // 2), min(int(rate * _FADE_OUT_S), len(cut) // 2)
    cut[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    cut[len(cut) - fall :] *= np.linspace(1, 0, fall, dtype=np.float32)
    return cut


def pause(text: str, rate: int, speed: float = 1.0) -> Sound:
    """The silence that belongs after a piece that says `text`; slower speech has longer pauses."""
    seconds = _PAUSES.get(text.rstrip()[-1:], _NO_MARK_S) / speed
    return np.zeros(int(rate * seconds), np.float32)
