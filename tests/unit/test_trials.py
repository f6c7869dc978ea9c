"""Error rates of verification, on scores whose answer can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kiosk.core.trials import summary


def test_apart_is_without_error() -> None:
    got = summary([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0])
    assert got["eer"] == pytest.approx(0.0)
    assert (got["genuine"], got["impostor"]) == (2, 2)


def test_swapped_is_all_error() -> None:
    assert summary([0.1, 0.9], [1, 0])["eer"] == pytest.approx(1.0)


def test_one_in_four_on_both_sides() -> None:
    genuine, impostor = [0.9, 0.8, 0.7, 0.3], [0.6, 0.2, 0.1, 0.0]
    assert summary(genuine + impostor, [1] * 4 + [0] * 4)["eer"] == pytest.approx(0.25)


def test_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=300), rng.integers(0, 2, 300)
    order = rng.permutation(300)
    assert summary(list(scores), list(labels)) == summary(list(scores[order]), list(labels[order]))


def test_fnmr_at_the_rates_that_the_pairs_can_tell() -> None:
    # 1,000 impostors at 0, 0.001 … 0.999: 1 % of them is ten, so 0.989 must stay out, and with it the genuine 0.5
    impostor = [i / 1000 for i in range(1000)]
    genuine = [0.5, 0.9895, 0.9985, 1.0]
    got = summary(genuine + impostor, [1] * 4 + [0] * 1000)["fnmr_at_fmr"]
    assert got == {"1e-2": 0.25, "1e-3": 0.5, "1e-4": None}


def test_a_tie_with_an_impostor_that_must_stay_out_is_refused() -> None:
    got = summary([0.5, 0.6] + [0.5] * 100, [1, 1] + [0] * 100)
    assert got["fnmr_at_fmr"]["1e-2"] == 0.5


@pytest.mark.parametrize(("scores", "labels"), [([], []), ([0.5], [1]), ([0.5], [0])])
def test_nothing_can_be_said_of_one_side(scores: list[float], labels: list[int]) -> None:
    got = summary(scores, labels)
    assert got["eer"] is None
    assert set(got["fnmr_at_fmr"].values()) == {None}


@pytest.mark.parametrize(("scores", "labels"), [([0.5], [1, 0]), ([0.5], [2]), ([float("nan")], [1])])
def test_nonsense_is_refused(scores: list[float], labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"score|label"):
        summary(scores, labels)
