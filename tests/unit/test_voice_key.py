"""What a cosine means, by how much was said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kiosk.core.voice_key import TABLE, compare
from kiosk.events import Voice

KEY = np.array([1.0, 0.0], np.float32)


def at(cosine: float) -> np.ndarray:
    return np.array([cosine, math.sqrt(1 - cosine**2)], np.float32)


@pytest.mark.parametrize(
    ("cosine", "speech_s", "verdict"),
    [
        (0.80, 2.0, Voice.KEPT),
        (0.60, 2.0, Voice.UNSURE),
        (0.55, 2.0, Voice.CHANGED),
        (0.63, 1.0, Voice.KEPT),
        (0.55, 0.7, Voice.CHANGED),
        (0.63, 0.3, Voice.KEPT),
        (0.50, 0.3, Voice.UNSURE),  # one word rarely says that the voice changed
        (0.35, 0.3, Voice.CHANGED),
    ],
)
def test_thresholds(cosine: float, speech_s: float, verdict: Voice) -> None:
    got, score = compare(KEY, at(cosine), speech_s)
    assert got is verdict
    assert score == pytest.approx(cosine, abs=1e-6)


def test_without_key_or_voice() -> None:
    assert compare(None, at(0.9), 2.0) == (Voice.NEW, 0.0)
    assert compare(None, None, 0.0) == (Voice.NEW, 0.0)
    assert compare(KEY, None, 0.1) == (Voice.UNSURE, 0.0)


def test_the_table_is_in_order_and_takes_everything() -> None:
    assert [row.speech_s for row in TABLE] == sorted((row.speech_s for row in TABLE), reverse=True)
    assert TABLE[-1].speech_s == 0.0
    assert all(row.changed < row.kept for row in TABLE)
