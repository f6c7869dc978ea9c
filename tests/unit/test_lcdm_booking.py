"""What is booked after each class of answer (PROTOCOLS A 1.6)."""

from __future__ import annotations

import pytest

from devices.driver.lcdm import denominate
from devices.framing.base import Frame
from devices.framing.lcdm import ERRORS, LcdmCodec
from devices.protocol.lcdm_booking import Booking, Counts, book


def answer(body: str) -> Booking:
    """Ten were asked for; `body` is CHK EXIT error cassette rejected, as on the wire."""
    (frame,) = LcdmCodec().feed(LcdmCodec().wrap(b"\x45" + body.encode(), "device"))
    assert isinstance(frame, Frame)
    return book({"upper": 10}, frame.fields)


@pytest.mark.parametrize(
    ("body", "counts", "stop"),
    [
        ("10101000", Counts(10, 0, 0), False),  # B
        ("11101001", Counts(10, 1, 0), False),  # B, CHK counts the rejected note
        ("10101001", Counts(10, 1, 0), False),  # B, CHK does not
        ("06061000", Counts(6, 0, 0), False),  # B, fewer than asked for
        ("06062000", Counts(6, 0, 0), False),  # C, pick-up failure
        ("08064001", Counts(6, 1, 1), True),  # C, one note is nowhere
        ("06045000", Counts(4, 0, 2), True),  # D, jam at the exit
        ("00005000", Counts(0, 0, 10), True),  # D, a note sticks and none was counted: of which run, then?
        ("0404Z000", Counts(4, 0, 6), True),  # unknown code: D, and not even the counters are believed
        ("04041000", Counts(4, 0, 0), False),
        ("0404=000", Counts(4, 0, 6), True),  # D, the counters themselves failed
        ("0000?000", Counts(0, 0, 0), False),  # A
        ("0100?000", Counts(0, 0, 1), True),  # A that counted something is none
        ("0000I000", Counts(0, 0, 0), False),  # 49 before anything moved
        ("11111000", Counts(11, 0, 0), True),  # one too many: the truth, and stop
    ],
)
def test_booking(body: str, counts: Counts, stop: bool) -> None:
    booking = answer(body)
    assert booking.counts == {"upper": counts}
    assert booking.stop is stop


def test_short_answers() -> None:
    assert answer("7").counts == {"upper": Counts(0, 0, 0)}
    assert answer("5").counts == {"upper": Counts(0, 0, 10)}
    assert answer("5").stop


def test_empty_and_near_end() -> None:
    assert answer("06068100").empty == ("upper",)
    assert answer("10101100").near_end == ("upper",)


def test_the_list_of_errors_is_whole() -> None:
    assert len(ERRORS) == 27  # 22 of the LCDM-1000 and 5 that the 2000 adds


@pytest.mark.parametrize(
    ("minor", "stock", "counts"),
    [
        (100_000, (500, 500), {"upper": 10}),
        (105_000, (500, 500), {"upper": 10, "lower": 1}),
        (100_000, (3, 500), {"upper": 3, "lower": 14}),
        (100_000, (0, 500), {"lower": 20}),
        (600_000, (500, 500), {"upper": 60}),
        (605_000, (500, 500), None),
        (1_000, (500, 500), None),
        (0, (500, 500), None),
        (20_000, (1, 1), None),
    ],
)
def test_denominate(minor: int, stock: tuple[int, int], counts: dict[str, int] | None) -> None:
    values = {"upper": 10_000, "lower": 5_000}
    assert denominate(minor, values, dict(zip(("upper", "lower"), stock, strict=True))) == counts
