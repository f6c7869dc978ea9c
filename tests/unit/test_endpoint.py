"""Where a turn ends: rows of probabilities in, events out. A frame is 0.1 s here: a row reads in tenths of a second."""

from __future__ import annotations

import pytest

from kiosk.core.endpoint import SILENCE_S, Ended, Endpoint, Endpointer, NothingHeard, SpeechBegan, limits

FRAME_S = 0.1


def run(expect: str, row: str, timeout_s: float = 3.0) -> list[tuple[int, Endpoint]]:
    """Feed a frame a character (`#` speech, `~` between the thresholds, `.` silence): (frame, event) of each event."""
    endpointer = Endpointer(limits(expect, timeout_s))
    events = []
    for number, mark in enumerate(row, 1):
        event = endpointer.feed({"#": 0.9, "~": 0.4, ".": 0.1}[mark], FRAME_S)
        if event is not None:
            events.append((number, event))
            if not isinstance(event, SpeechBegan):
                break
    return events


@pytest.mark.parametrize(
    ("expect", "row", "ends_at", "begin", "end"),
    [
        ("yes_no", "...####" + 20 * ".", 12, 0.3, 0.7),  # 「对」: 0.45 s of silence are five frames
        ("intent", "...####" + 20 * ".", 14, 0.3, 0.7),
        ("money", "...####" + 20 * ".", 15, 0.3, 0.7),
        ("digits", "...####" + 20 * ".", 16, 0.3, 0.7),
        ("money", "##......." + "##" + 20 * ".", 19, 0.0, 1.1),  # 「一千…五」: 0.7 s in the middle do not end it
        ("yes_no", "##......." + "##" + 20 * ".", 7, 0.0, 0.2),
        ("intent", "##~~~~~~" + 20 * ".", 15, 0.0, 0.8),  # a wavering probability stays speech once it began
        ("intent", ".#.###" + 20 * ".", 13, 0.1, 0.6),  # two bursts close together are one row
    ],
)
def test_turns_end_after_the_silence_that_suits_the_question(
    expect: str, row: str, ends_at: int, begin: float, end: float
) -> None:
    *_, (frame, ended) = run(expect, row)
    assert isinstance(ended, Ended)
    assert frame == ends_at
    assert (ended.begin_s, ended.end_s) == (pytest.approx(begin), pytest.approx(end))
    assert ended.silence_s == pytest.approx(frame * FRAME_S - end)
    assert ended.silence_s >= SILENCE_S[expect] - 1e-9


def test_speech_is_announced_once_it_is_long_enough() -> None:
    endpointer = Endpointer(limits("intent", 3.0))
    events = [endpointer.feed(p, 0.032) for p in (0.1, 0.9, 0.9, 0.9, 0.9, 0.9)]
    assert events == [None, None, None, None, SpeechBegan(0.032), None]


@pytest.mark.parametrize(
    ("row", "why"),
    [(40 * ".", "silence"), (40 * "~", "silence")],
)
def test_nobody_speaks(row: str, why: str) -> None:
    assert run("intent", row) == [(30, NothingHeard(why))]


def test_a_short_burst_is_noise_not_speech() -> None:
    endpointer = Endpointer(limits("intent", 1.0))
    row = [0.9, 0.9, *40 * [0.1]]  # 64 ms
    events = [e for e in (endpointer.feed(p, 0.032) for p in row) if e]
    assert events[0] == NothingHeard("noise")


def test_who_begins_just_before_the_time_out_is_heard() -> None:
    (_, began), (_, ended) = run("intent", 28 * "." + 10 * "#" + 20 * ".")
    assert isinstance(began, SpeechBegan)
    assert isinstance(ended, Ended)


def test_nobody_is_listened_to_for_ever() -> None:
    *_, (frame, ended) = run("intent", 400 * "#")
    assert frame == 150
    assert isinstance(ended, Ended)
    assert ended.silence_s == 0.0
