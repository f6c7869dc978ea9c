"""The face check is a table: what the frames showed, and what is made of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.core.face_check import DEAD, NEEDED, THRESHOLD, TRIES, WINDOW, Dead, FaceCheck, Sight, Verdict, dead, decide

GOOD, POOR = Sight(1, 0.9), Sight(1, 0.2)
NOBODY, CROWD = Sight(0), Sight(2)
BLIND, FROZEN = Sight(dead=Dead.BLIND), Sight(dead=Dead.FROZEN)


def judge(*sights: Sight, threshold: float = THRESHOLD) -> Verdict:
    check = FaceCheck(threshold)
    for sight in sights:
        verdict = check.see(sight)
        if verdict is not None:
            return verdict
    return check.end()


@pytest.mark.parametrize(
    ("sights", "outcome"),
    [
        ([GOOD] * 3, "ok"),
        ([GOOD, POOR, GOOD, POOR, GOOD], "ok"),  # 3 of the last 5
        ([GOOD, NOBODY, GOOD, NOBODY, GOOD], "ok"),
        ([NOBODY] * 20 + [GOOD] * 3, "ok"),  # the customer came late
        ([POOR] * 20 + [GOOD] * 3, "ok"),  # and did not look up at first
        ([GOOD, GOOD], "no_face"),  # too little seen
        ([GOOD, NOBODY, NOBODY, NOBODY] * 9, "no_face"),  # never three within five
        ([GOOD, POOR, POOR, POOR] * 3, "refused"),  # one lucky frame is not enough
        ([POOR] * 4, "refused"),
        ([NOBODY] * 50, "no_face"),
        ([], "error"),
        ([GOOD, GOOD, CROWD] * 9, "refused"),  # somebody else looks on: nobody is matched
        ([CROWD] * 40, "refused"),
        ([CROWD] + [GOOD] * 3, "ok"),  # alone again
        ([GOOD, FROZEN, GOOD, FROZEN, GOOD, FROZEN], "error"),  # a stuck picture proves nothing
        ([GOOD] + [FROZEN] * 100, "error"),
        ([BLIND] * 100, "error"),
        ([BLIND] * 10 + [GOOD] * 3, "ok"),  # the camera wakes up
        ([NOBODY] * 3 + [BLIND] * 2, "error"),  # covered at the end
    ],
)
def test_what_the_frames_showed(sights: list[Sight], outcome: str) -> None:
    assert judge(*sights).outcome == outcome


def test_the_score_is_what_the_needed_frames_reached() -> None:
    assert judge(Sight(1, 0.9), Sight(1, 0.5), Sight(1, 0.7)) == Verdict("ok", 0.5, "3 of 3 frames match")
    assert judge(Sight(1, 0.9), Sight(1, 0.3), Sight(1, 0.4)).score == 0.3


def test_tries_are_bounded() -> None:
    check = FaceCheck()
    answers = [check.see(POOR) for _ in range(TRIES)]
    assert answers[:-1] == [None] * (TRIES - 1)
    assert answers[-1] is not None
    assert answers[-1].outcome == "refused"


def test_a_dead_camera_is_given_up_early() -> None:
    check = FaceCheck()
    answers = [check.see(BLIND) for _ in range(DEAD)]
    assert answers[-1] == Verdict("error", 0.0, "the camera's picture is blind")


def test_a_raised_threshold_counts() -> None:
    assert judge(*[Sight(1, 0.47)] * 4).outcome == "ok"
    assert judge(*[Sight(1, 0.47)] * 4, threshold=0.5).outcome == "refused"


@pytest.mark.parametrize(
    ("score", "outcome"), [(0.45, "ok"), (0.4499, "refused"), (-1.0, "refused"), (math.nan, "refused")]
)
def test_the_rule(score: float, outcome: str) -> None:
    assert decide(score) == outcome


def test_a_face_without_its_score_is_a_bug() -> None:
    with pytest.raises(ValueError, match="not compared"):
        FaceCheck().see(Sight(1))


SIGHTS = st.one_of(st.sampled_from([NOBODY, CROWD, BLIND, FROZEN]), st.floats(-1, 1).map(lambda score: Sight(1, score)))


@given(st.lists(SIGHTS, max_size=60))
def test_ok_only_after_enough_matching_frames_of_one_person_alone(sights: list[Sight]) -> None:
    check = FaceCheck()
    for number, sight in enumerate(sights, 1):
        verdict = check.see(sight)
        if verdict is None:
            continue
        if verdict.outcome == "ok":
            last = sights[max(0, number - WINDOW) : number]
            while any(s.dead or s.faces > 1 for s in last):
                last = last[1:]
            assert sum(s.score is not None and s.score >= THRESHOLD for s in last) >= NEEDED
        return
    assert check.end().outcome != "ok"


def test_which_pictures_are_dead() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    assert dead(noise, None) is None
    assert dead(noise, noise.copy()) is Dead.FROZEN
    one_pixel = noise.copy()
    one_pixel[0, 0, 0] ^= 1
    assert dead(noise, one_pixel) is None
    for grey in (0, 128, 255):
        assert dead(np.full_like(noise, grey), None) is Dead.BLIND
    assert dead((noise // 32).astype(np.uint8), None) is Dead.BLIND  # a covered lens still has noise
