"""The link, with the clock in hand: what goes on the wire, how often, and when it gives up (PROTOCOLS A 1.5)."""

from __future__ import annotations

from devices.framing.lcdm import command
from devices.protocol.lcdm import Act, Link, NoAnswer, NotTaken, Replied, Send, Stray, Taken

PAY, STATUS = command(0x45, 10), command(0x46)
PAID = bytes.fromhex("01 50 02 45 31 30 31 30 31 30 30 30 03 14")
BENT = bytes.fromhex("01 50 02 45 31 30 31 31 31 30 30 30 03 14")
CLEAN = bytes.fromhex("01 50 02 46 30 30 80 80 03 16")


def sent(acts: list[Act]) -> list[bytes]:
    return [a.data for a in acts if isinstance(a, Send)]


def news(acts: list[Act]) -> list[type]:
    return [type(a) for a in acts if isinstance(a, Taken | Replied | NotTaken | NoAnswer | Stray)]


def wait(link: Link, now: float) -> tuple[list[Act], float]:
    """Let the next deadline pass."""
    assert link.deadline is not None
    now = max(now, link.deadline)
    return link.tick(now), now


def test_a_dispense() -> None:
    link = Link()
    assert sent(link.start(PAY, 0)) == [PAY]
    assert news(link.feed(b"\x06", 0.1)) == [Taken]
    acts = link.feed(PAID, 5)
    assert sent(acts) == [b"\x06"]
    assert news(acts) == [Replied]
    assert sent(link.feed(PAID, 5.5)) == [b"\x06"]  # our ACK was lost: again, and nothing is booked
    assert news(link.feed(PAID, 6)) == []
    assert link.quiet_until > 6


def test_silence_never_sends_a_dispense_again() -> None:
    link, now = Link(), 0.0
    acts = link.start(PAY, now)
    while NoAnswer not in news(acts):
        more, now = wait(link, now)
        acts += more
    assert sent(acts) == [PAY]
    assert now >= 60


def test_the_answer_may_come_without_an_ack() -> None:
    link = Link()
    link.start(PAY, 0)
    wait(link, 0)
    assert news(link.feed(PAID, 20)) == [Replied]


def test_a_question_is_sent_three_times() -> None:
    link, now = Link(), 0.0
    acts = link.start(STATUS, now)
    while NoAnswer not in news(acts):
        more, now = wait(link, now)
        acts += more
    assert sent(acts) == [STATUS] * 3


def test_a_bad_answer_is_asked_for_again_three_times() -> None:
    link = Link()
    link.start(PAY, 0)
    link.feed(b"\x06", 0)
    assert sent(link.feed(BENT, 1)) == [b"\x15"]
    assert sent(link.feed(BENT, 2)) == [b"\x15"]
    acts = link.feed(BENT, 3)
    assert sent(acts) == [b"\x15"]
    assert news(acts) == [NoAnswer]


def test_a_bad_answer_and_then_a_good_one() -> None:
    link = Link()
    link.start(PAY, 0)
    link.feed(b"\x06" + BENT, 1)
    assert news(link.feed(PAID, 2)) == [Replied]


def test_an_answer_that_is_cut_off_is_asked_for_again_after_200_ms() -> None:
    link = Link()
    link.start(PAY, 0)
    link.feed(b"\x06", 0)
    link.feed(PAID[:9], 1)
    assert link.deadline == 1.2
    assert sent(link.tick(1.2)) == [b"\x15"]
    assert news(link.feed(PAID, 1.3)) == [Replied]


def test_nck_to_a_dispense_is_believed_only_after_silence() -> None:
    link = Link()
    link.start(PAY, 0)
    assert sent(link.feed(b"\x15", 0.1)) == []
    acts, now = wait(link, 0.1)
    assert sent(acts) == [PAY]
    assert now >= 2 + 10 * 0.5
    assert news(link.feed(b"\x06", now)) == [Taken]


def test_an_ack_bent_into_an_nck_pays_once() -> None:
    link = Link()
    link.start(PAY, 0)
    link.feed(b"\x15", 0.1)
    acts = link.feed(PAID, 3)
    assert sent(acts) == [b"\x06"]
    assert news(acts) == [Replied]


def test_an_nck_inside_rubbish_is_not_believed() -> None:
    link, now = Link(), 0.2
    acts = link.start(PAY, 0)
    acts += link.feed(b"\x01\x50\x02\x45\x15\x15", 0.1)
    while NoAnswer not in news(acts):
        more, now = wait(link, now)
        acts += more
    assert PAY not in sent(acts)[1:]


def test_three_times_not_taken() -> None:
    link, now = Link(), 0.0
    acts = link.start(PAY, now)
    for _ in range(3):
        acts += link.feed(b"\x15", now)
        more, now = wait(link, now)
        acts += more
    assert sent(acts) == [PAY] * 3
    assert news(acts) == [NotTaken]


def test_an_answer_to_something_else_is_acknowledged_and_not_booked() -> None:
    link = Link()
    link.start(STATUS, 0)
    acts = link.feed(PAID, 0.1)
    assert sent(acts) == [b"\x06"]
    assert news(acts) == [Stray]
    assert news(link.feed(b"\x06" + CLEAN, 0.2)) == [Taken, Replied]
