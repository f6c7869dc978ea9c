"""Decides whether the face at the camera is the claimed person's. It sees numbers only, and every doubt fails closed.

One frame is not enough: a stuck or covered camera must not pass, somebody looking over the customer's shoulder must
not be the one who is matched, and one lucky frame must not open the till. So the face has to match in `NEEDED` of the
last `WINDOW` frames, alone in front of a camera whose picture changes, and the number of tries is bounded.
This says nothing about a photo held up to the camera: liveness is another question.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: Cosine of SFace vectors from which two faces are one person's. On 2,001 genuine and 602,449 impostor pairs: 1.5 % of
#: genuine pairs refused, 2 in 100,000 impostors let in (15 in 100,000 where both are 65 or older). At 0.50 no impostor
#: passed, and 3.3 % were refused. OpenCV's own 0.363 lets in 9 to 30 times as many. An operator may raise it only.
THRESHOLD = 0.45
WINDOW = 5
NEEDED = 3
#: Compared frames after which the answer is no. Each further try is another chance for an impostor.
TRIES = 30
#: Dead frames in a row after which the camera is given up; a camera that wakes up shows about half as many.
DEAD = 30

Outcome = Literal["ok", "refused", "no_face", "error"]


class Dead(StrEnum):
    """Why a frame proves nothing."""

    BLIND = "blind"  #: black, white or one colour: covered, unlit or broken
    FROZEN = "frozen"  #: to the last bit the frame before: a living sensor always has noise


@dataclass(frozen=True)
class Sight:
    """What one frame showed: how many faces, and the cosine with the template when there was exactly one."""

    faces: int = 0
    score: float | None = None
    dead: Dead | None = None


@dataclass(frozen=True)
class Verdict:
    """`score` is the cosine that `NEEDED` frames of a window reached, at best (0 when there was no such window)."""

    outcome: Outcome
    score: float
    why: str


def decide(score: float, threshold: float = THRESHOLD) -> Literal["ok", "refused"]:
    """The rule itself. A score that is no number is refused."""
    return "ok" if score >= threshold else "refused"


def dead(picture: NDArray[np.uint8], before: NDArray[np.uint8] | None) -> Dead | None:
    """Whether a frame can be looked at at all, given the one before it."""
    if before is not None and np.array_equal(picture, before):
        return Dead.FROZEN
    light = picture[::4, ::4]  # a sixteenth of the pixels says as much
    mean, spread = float(light.mean()), float(light.std())
    return Dead.BLIND if mean < 12 or mean > 243 or spread < 4 else None


class FaceCheck:
    """One look: `see` each frame until it gives a verdict, or `end` when time is up."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._window: deque[float | None] = deque(maxlen=WINDOW)
        self._best: float | None = None
        self._compared = 0
        self._crowded = 0
        self._dead_in_a_row = 0
        self._died_of: Dead | None = None

    def see(self, sight: Sight) -> Verdict | None:
        """Take one frame in; a verdict as soon as there is one.

        Raises:
            ValueError: one face without its score.
        """
        if sight.dead is not None:
            self._dead_in_a_row += 1
            self._died_of = sight.dead
            self._window.clear()
            return self._camera_dead() if self._dead_in_a_row >= DEAD else None
        self._dead_in_a_row = 0
        if sight.faces > 1:
            # Whose face would be compared? Nobody's: the customer has to be alone, and begins anew.
            self._crowded += 1
            self._window.clear()
            return None
        if sight.faces == 0:
            self._window.append(None)
            return None
        if sight.score is None:
            raise ValueError("a face was seen and not compared")
        self._window.append(sight.score)
        self._compared += 1
        level = self._level()
        if level is not None:
            self._best = level if self._best is None else max(self._best, level)
            if decide(level, self._threshold) == "ok":
                return Verdict("ok", level, f"{NEEDED} of {len(self._window)} frames match")
        if self._compared >= TRIES:
            return Verdict("refused", self._best or 0.0, f"no match in {self._compared} frames")
        return None

    def end(self) -> Verdict:
        """Time is up, or the camera gave no more frames."""
        if self._best is not None:
            return Verdict("refused", self._best, f"no match in {self._compared} frames")
        if self._crowded:
            return Verdict("refused", 0.0, "more than one face at the camera")
        if self._dead_in_a_row or not self._window:
            return self._camera_dead()
        return Verdict("no_face", 0.0, f"a face in fewer than {NEEDED} of {WINDOW} frames")

    def _level(self) -> float | None:
        scores = sorted((s for s in self._window if s is not None), reverse=True)
        return scores[NEEDED - 1] if len(scores) >= NEEDED else None

    def _camera_dead(self) -> Verdict:
        return Verdict("error", 0.0, f"the camera's picture is {self._died_of}" if self._died_of else "no picture came")
