"""The ccTalk link with the clock in hand; event and hopper counters as tables (PROTOCOLS B 2); any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.framing.base import hexed
from devices.protocol import cctalk
from devices.protocol.cctalk import Act, Coin, Events, HopperStatus, Link, NoAnswer, Replied, Send

STATUS = bytes.fromhex("03 00 01 A6 56")
ANSWER = bytes.fromhex("01 04 03 00 01 03 02 00 F2")
PAY = bytes.fromhex("03 04 01 A7 01 02 03 05 46")


def sent(acts: list[Act]) -> list[bytes]:
    return [a.data for a in acts if isinstance(a, Send)]


def news(acts: list[Act]) -> list[Replied | NoAnswer]:
    return [a for a in acts if isinstance(a, Replied | NoAnswer)]


def test_a_question_its_echo_and_the_answer() -> None:
    link = Link(3)
    assert sent(link.start(166, b"", 0)) == [STATUS]
    assert news(link.feed(STATUS, 0)) == []
    (reply,) = news(link.feed(ANSWER, 0.01))
    assert reply == Replied(0, bytes([1, 3, 2, 0]))
    assert cctalk.hopper_status(bytes([1, 3, 2, 0])) == HopperStatus(1, 3, 2, 0)


def test_with_a_crc() -> None:
    assert [hexed(s) for s in sent(Link(3, crc=True).start(166, b"", 0))] == ["03 00 7C A6 8C"]


def test_a_question_is_asked_three_times_and_a_dispense_once() -> None:
    link, now = Link(3), 0.0
    acts = link.start(166, b"", now)
    while not news(acts):
        assert link.deadline is not None
        now = link.deadline
        acts += link.tick(now)
    assert sent(acts) == [STATUS] * 3
    acts = link.start(167, bytes([1, 2, 3, 5]), now, once=True)
    assert sent(acts) == [PAY]
    assert [type(n) for n in news(link.tick(now + 1))] == [NoAnswer]


def test_a_gap_of_50_ms_ends_a_packet() -> None:
    link = Link(3)
    link.start(166, b"", 0)
    link.feed(ANSWER[:4], 0.1)
    assert link.deadline == pytest.approx(0.15)
    assert news(link.tick(0.151)) == []
    assert news(link.feed(ANSWER, 0.2)) == [Replied(0, bytes([1, 3, 2, 0]))]


@pytest.mark.parametrize("stray", ["01 00 02 00 FD", "03 00 05 00 F8", "01 00 03 A6 56"])
def test_what_another_device_says_is_not_our_answer(stray: str) -> None:
    link = Link(3)
    link.start(166, b"", 0)
    assert news(link.feed(bytes.fromhex(stray), 0)) == []


NEWEST_FIRST = bytes([1, 1, 2, 1, 3, 1, 0, 8, 5, 1])
OLDEST = (Coin(5, 1), Coin(0, 8), Coin(3, 1), Coin(2, 1), Coin(1, 1))


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (None, 7, Events(7)),
        (0, 0, Events(0)),
        (7, 7, Events(7)),
        (0, 1, Events(1, OLDEST[4:])),
        (7, 9, Events(9, OLDEST[3:])),
        (255, 1, Events(1, OLDEST[4:])),
        (254, 2, Events(2, OLDEST[2:])),
        (7, 12, Events(12, OLDEST)),
        (7, 15, Events(15, OLDEST, lost=3)),
        (0, 6, Events(6, OLDEST, lost=1)),
        (7, 0, Events(0, reset=True)),
    ],
)
def test_the_event_counter(last: int | None, now: int, expected: Events) -> None:
    assert cctalk.events(last, bytes([now]) + NEWEST_FIRST) == expected


@given(st.integers(0, 255), st.integers(0, 255))
def test_counting_on_from_any_counter_gives_each_event_once(last: int, more: int) -> None:
    """`more` coins later the device's ring of 255 numbers is told apart from the last one, up to a whole turn."""
    now = last
    for _ in range(more % 255):
        now = now % 255 + 1
    found = cctalk.events(last, bytes([now]) + NEWEST_FIRST)
    assert found is not None
    assert len(found.coins) + found.lost == more % 255


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (5, 6, "done"),
        (255, 1, "done"),
        (5, 5, "not done"),
        (5, 0, "unknown"),
        (0, 0, "unknown"),
        (0, 1, "done"),
        (5, 7, "unknown"),
        (5, 1, "unknown"),
        (0, 2, "unknown"),
    ],
)
def test_the_hoppers_counter(before: int, now: int, verdict: str) -> None:
    assert cctalk.verdict(before, now) == verdict


def test_flags_that_block_a_payout() -> None:
    assert cctalk.blocked(bytes([0xC6, 0x02])) == []
    assert cctalk.blocked(bytes([0x00, 0x10, 0x01])) == ["jam", "power lost in a payout"]


@given(st.binary(max_size=20))
def test_any_data_is_read_without_an_exception(data: bytes) -> None:
    cctalk.events(3, data)
    cctalk.hopper_status(data)
    cctalk.blocked(data)


@given(st.booleans(), st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([STATUS, ANSWER, PAY]))))
def test_any_bytes_in_any_pieces_end_a_command_once(crc: bool, pieces: list[bytes]) -> None:
    link, now, open_ = Link(3, crc), 0.0, False
    for piece in pieces:
        acts: list[Act] = [] if open_ else link.start(167, bytes([1, 2, 3, 5]), now, once=True)
        acts += link.feed(piece, now)
        now += 0.4
        acts += link.tick(now)
        assert len(sent(acts)) == (not open_)
        assert len(news(acts)) <= 1
        open_ = link.deadline is not None
        assert open_ is not bool(news(acts))
