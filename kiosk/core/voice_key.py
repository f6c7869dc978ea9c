"""Is this still the customer whose face was verified? The session's voice key against the voice of one utterance.

The key only ever says that the voice kept, may have changed, or changed; it is no secret and authenticates nobody
(DESIGN section 2). Pure: a table of thresholds, chosen from measured scores, and two comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiosk.events import Voice


@dataclass(frozen=True)
class Thresholds:
    """For utterances with at least `speech_s` of speech: the key's voice from `kept` on, another's below `changed`."""

    speech_s: float
    kept: float
    changed: float


#: longest first; less speech than the last row says nothing
TABLE: tuple[Thresholds, ...] = ()


def compare(key: NDArray[np.float32] | None, voice: NDArray[np.float32] | None, speech_s: float) -> tuple[Voice, float]:
    """How `voice`, a unit vector made from `speech_s` seconds, compares with the session's `key`, and their cosine.

    Without a key every voice is `NEW`; without a voice (too little speech) it is `UNSURE`. The score is 0.0 then.
    """
    if key is None:
        return Voice.NEW, 0.0
    if voice is None:
        return Voice.UNSURE, 0.0
    score = float(np.dot(key, voice))
    for row in TABLE:
        if speech_s >= row.speech_s:
            if score >= row.kept:
                return Voice.KEPT, score
            return (Voice.CHANGED if score < row.changed else Voice.UNSURE), score
    return Voice.UNSURE, score
