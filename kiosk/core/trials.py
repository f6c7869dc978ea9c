"""What a list of comparison scores is worth: the error rates of verification, for voices and for faces alike.

A score is higher the more alike two samples are; a pair is accepted when its score reaches the threshold. FMR is the
share of impostor pairs accepted, FNMR the share of genuine pairs refused, EER the rate where the two are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

#: the false match rates at which FNMR is stated
FMRS = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4}


def summary(scores: Sequence[float], labels: Sequence[int]) -> dict[str, Any]:
    """Keys `eer`, `fnmr_at_fmr` (`"1e-2"`, `"1e-3"`, `"1e-4"`), `genuine`, `impostor` (numbers of pairs).

    `labels`: 1 = same person, 0 = different ones. A rate is None where the pairs cannot say: no pair of a kind, or
    fewer impostor pairs than one expected false match.

    Raises:
        ValueError: the two lists differ in length, a label is neither 0 nor 1, or a score is not a number.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if s.shape != y.shape or s.ndim != 1:
        raise ValueError(f"{s.size} scores for {y.size} labels")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("a label is 1 (same) or 0 (different)")
    if np.isnan(s).any():
        raise ValueError("a score is not a number")
    genuine, impostor = np.sort(s[y == 1]), np.sort(s[y == 0])
    return {
        "eer": _eer(genuine, impostor),
        "fnmr_at_fmr": {name: _fnmr(genuine, impostor, fmr) for name, fmr in FMRS.items()},
        "genuine": int(genuine.size),
        "impostor": int(impostor.size),
    }


def _eer(genuine: np.ndarray[Any, Any], impostor: np.ndarray[Any, Any]) -> float | None:
    """Where the two rates cross, on the straight line between the two thresholds beside the crossing."""
    if not genuine.size or not impostor.size:
        return None
    thresholds = np.append(np.unique(np.concatenate([genuine, impostor])), np.inf)
    fnmr = np.searchsorted(genuine, thresholds, side="left") / genuine.size
    fmr = 1 - np.searchsorted(impostor, thresholds, side="left") / impostor.size
    after = int(np.argmax(fnmr >= fmr))  # true at the last threshold (1 ≥ 0), false at the first (0 < 1)
    gap0, gap1 = fmr[after - 1] - fnmr[after - 1], fnmr[after] - fmr[after]
    part = gap0 / (gap0 + gap1)
    return float(fnmr[after - 1] + part * (fnmr[after] - fnmr[after - 1]))


def _fnmr(genuine: np.ndarray[Any, Any], impostor: np.ndarray[Any, Any], fmr: float) -> float | None:
    """FNMR at the lowest threshold that lets at most this share of the impostors in."""
    let_in = math.floor(impostor.size * fmr + 1e-9)
    if not genuine.size or not let_in:
        return None
    refused = impostor[-1 - let_in]  # the best impostor that must stay out
    return float(np.searchsorted(genuine, refused, side="right") / genuine.size)
