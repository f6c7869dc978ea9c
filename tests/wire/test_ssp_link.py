"""The SSP link with the clock in hand, its keys and its events (PROTOCOLS B 1); then any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.framing.base import hexed
from devices.framing.essp import EsspCodec, Seal, shared_key
from devices.protocol import ssp
from devices.protocol.ssp import Act, KeyExchange, Link, NoAnswer, Replied, Send, Timing

SYNC, PAY = b"\x11", bytes.fromhex("33 E8 03 00 00 45 55 52 58")


def packet(sequence: int, data: bytes, address: int = 0) -> bytes:
    return EsspCodec().encode({"sequence": sequence, "address": address, "data": hexed(data)})


def sent(acts: list[Act]) -> list[bytes]:
    return [a.data for a in acts if isinstance(a, Send)]


def news(acts: list[Act]) -> list[Replied | NoAnswer]:
    return [a for a in acts if isinstance(a, Replied | NoAnswer)]


def synced() -> Link:
    link = Link(timing=Timing(sends=3))
    assert sent(link.start(SYNC, 0)) == [packet(1, SYNC)]
    assert news(link.feed(packet(1, b"\xf0"), 0)) == [Replied(b"\xf0")]
    return link


def test_sequence_is_0_after_sync_and_toggles_with_each_answer() -> None:
    link = synced()
    for sequence in (0, 1, 0):
        assert sent(link.start(b"\x07", 1)) == [packet(sequence, b"\x07")]
        assert news(link.feed(packet(sequence, b"\xf0"), 1)) == [Replied(b"\xf0")]


def test_after_silence_the_same_bytes_go_out_again_and_in_the_end_only_sync_is_taken() -> None:
    link = synced()
    first = sent(link.start(b"\x07", 0))
    assert link.tick(0.9) == []
    assert sent(link.tick(1.0)) == first
    assert sent(link.tick(2.0)) == first
    assert [type(n) for n in news(link.tick(3.0))] == [NoAnswer]
    with pytest.raises(RuntimeError, match="SYNC"):
        link.start(b"\x07", 4)
    assert sent(link.start(SYNC, 4)) == [packet(1, SYNC)]


def test_a_late_or_foreign_answer_is_not_taken_for_the_open_one() -> None:
    link = synced()
    link.start(b"\x07", 0)
    for stray in (packet(1, b"\xf0"), packet(0, b"\xf0", address=3), packet(0, b"\x07"), packet(0, b"")):
        assert news(link.feed(stray, 0)) == []
    link.tick(1.0)
    assert news(link.feed(packet(0, b"\xf5\x03"), 1)) == [Replied(b"\xf5\x03", sends=2)]


def test_the_sheets_encrypted_exchange() -> None:
    """Frames computed in PROTOCOLS B 1.11: poll, its answer, and 10.00 EUR under the next count."""
    key = shared_key(0x0123456701234567, 0x238DDDC4)
    link = synced()
    link.use_key(key)
    link.seal = Seal(key, packing=bytes)
    link._sequence = 1
    poll = "7F 80 11 7E FA 4E CA F9 F1 91 0E 58 BF 4A 3B 56 2A 1F 63 4D 34 54"
    answer = "7F 80 11 7E FD 96 8C 52 F9 E8 ED 3F 07 0A 66 8D 77 F3 04 D3 61 2D"
    pay = "7F 00 11 7E 29 B8 27 EA 45 57 4A FC 9A 62 88 87 98 98 DF D5 AF 06"
    assert [hexed(s) for s in sent(link.start(b"\x07", 0))] == [poll]
    assert news(link.feed(bytes.fromhex(answer), 0)) == [Replied(b"\xf0")]
    assert [hexed(s) for s in sent(link.start(PAY, 0))] == [pay]
    assert [hexed(s) for s in sent(link.tick(1.0))] == [pay]  # the same ciphertext, the count does not move


def test_a_sealed_question_believes_no_plain_answer_but_that_the_key_is_gone() -> None:
    link = synced()
    link.use_key(bytes(16))
    link.start(PAY, 0)
    assert news(link.feed(packet(0, b"\xf0"), 0)) == []
    wrong_count = Seal(bytes(16)).close(b"\xf0", 2)
    assert news(link.feed(packet(0, wrong_count), 0)) == []
    assert news(link.feed(packet(0, b"\xfa"), 0)) == [Replied(b"\xfa")]


def test_both_ends_of_an_exchange_have_the_same_key() -> None:
    host = KeyExchange()
    assert host.generator > host.modulus > 1 << 63
    assert ssp.is_prime(host.generator)
    assert ssp.is_prime(host.modulus)
    secret = 0x1234567890ABCDEF
    inter = int.from_bytes(host.commands[2][1:], "little")
    slave = pow(host.generator, secret, host.modulus)
    assert host.key(slave.to_bytes(8, "little")) == shared_key(0x0123456701234567, pow(inter, secret, host.modulus))


@pytest.mark.parametrize(
    ("n", "prime"), [(2, True), (1, False), (3215031751, False), (998244353, True), (2**61 - 1, True)]
)
def test_primes(n: int, prime: bool) -> None:
    assert ssp.is_prime(n) is prime


def test_events() -> None:
    listed = ssp.events(bytes.fromhex("F1 DC 01 D0 07 00 00 88 13 00 00 43 4E 59 CA E8 03 00 00 43 4E 59 EE 04 E8"))
    assert [e.name for e in listed] == ["reset", "incomplete-payout", "stacked-at-reset", "credit", "disabled"]
    assert (listed[1].money, listed[1].requested) == ({"CNY": 2000}, {"CNY": 5000})
    assert listed[2].money == {"CNY": 1000}
    assert listed[3].channel == 4


@pytest.mark.parametrize("data", ["99 EE 01", "EE", "DA", "DA 02 01", "B1 01 00 00 00 00 43 4E 59"])
def test_an_event_that_can_not_be_read_ends_the_list(data: str) -> None:
    assert [e.name for e in ssp.events(bytes.fromhex(data))] == ["unreadable"]


@given(st.binary(max_size=300))
def test_any_data_is_read_without_an_exception(data: bytes) -> None:
    assert len(ssp.events(data)) <= len(data)
    for read in (ssp.setup, ssp.levels, ssp.counters):
        read(data)


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([packet(0, b"\xf0"), packet(1, b"\xf5"), b"\x7f"]))))
def test_any_bytes_in_any_pieces_are_taken_without_an_exception(pieces: list[bytes]) -> None:
    """And the link ends each command once, whatever comes."""
    link, now, open_ = Link(timing=Timing(sends=2)), 0.0, False
    for piece in pieces:
        acts: list[Act] = []
        if not open_:
            acts += link.start(b"\x07" if link.synced else SYNC, now)
        acts += link.feed(piece, now)
        now += 0.6
        acts += link.tick(now)
        assert len(news(acts)) <= 1
        open_ = link.deadline is not None
        assert open_ is not bool(news(acts))
