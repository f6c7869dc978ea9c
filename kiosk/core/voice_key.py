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


#: Longest first; the last row takes everything. Chosen from measured cosines of GE2E vectors (recorded speakers of two
#: languages, 3,000 genuine and 7,000 impostor pairs each; 5 % of the genuine ones are below, 1 % of the others above):
#:   key 2 s, utterance 2 s: 0.68, 0.62 · key 2 s, utterance 1 s: 0.60, 0.60 · key 1 s, utterance 1 s: 0.52, 0.58 ·
#:   key 2 s, utterance 0.5 s: 0.50, 0.60. Noise of 10 dB lowers the genuine ones by 0.05. Hence one word rarely says
#: that the voice changed, and what lies between is left to whoever may ask for the face again.
TABLE: tuple[Thresholds, ...] = (
    Thresholds(speech_s=1.2, kept=0.64, changed=0.57),
    Thresholds(speech_s=0.6, kept=0.62, changed=0.57),
    Thresholds(speech_s=0.0, kept=0.60, changed=0.40),
)


def compare(key: NDArray[np.float32] | None, voice: NDArray[np.float32] | None, speech_s: float) -> tuple[Voice, float]:
    """How `voice`, a unit vector made from `speech_s` seconds, compares with the session's `key`, and their cosine.

    Without a key every voice is `NEW`; without a voice (too little speech) it is `UNSURE`. The score is 0.0 then.
    """
    if key is None:
        return Voice.NEW, 0.0
    if voice is None:
        return Voice.UNSURE, 0.0
    score = float(np.dot(key, voice))
    row = next(row for row in TABLE if speech_s >= row.speech_s)
    if score >= row.kept:
        return Voice.KEPT, score
    return (Voice.CHANGED if score < row.changed else Voice.UNSURE), score
