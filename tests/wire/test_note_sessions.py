"""The sessions of the note acceptors with the clock in hand: the sheet's bytes, and one credit for one escrow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.protocol.ccnet import CcnetSession
from devices.protocol.ebds import EbdsSession
from devices.protocol.id003 import Id003Session
from devices.protocol.notes import (
    Act,
    Banknote,
    Escrowed,
    Open,
    Returned,
    Send,
    Session,
    Stacked,
    State,
    Told,
    Unknown,
)

EUR5 = Banknote(500, "EUR", 1)
MAKERS: dict[str, Callable[[Open | None], Session]] = {
    "ccnet": lambda found: CcnetSession(found=found),
    "id003": lambda found: Id003Session(found=found),
    "ebds": lambda found: EbdsSession(found=found, values={3: EUR5}),
}


class Talk:
    """One session and a hand that plays the device."""

    def __init__(self, session: Session) -> None:
        self.session, self.now = session, 0.0
        session.start(0.0)

    def sends(self) -> tuple[str, list[Act]]:
        """What goes out next, and what was to be written down before it."""
        self.now = max(self.now, self.session.deadline)
        acts = self.session.tick(self.now)
        assert isinstance(acts[-1], Send)
        return acts[-1].data.hex(" ").upper(), [a for a in acts if not isinstance(a, Send | State)]

    def gets(self, text: str) -> list[Act]:
        self.now += 0.01
        return [a for a in self.session.feed(bytes.fromhex(text), self.now) if not isinstance(a, State)]


def sent(text: str) -> Send:
    return Send(bytes.fromhex(text))


C_ACK = "02 03 06 00 C2 82"
C_POLL = "02 03 06 33 DA 81"


def test_ccnet_by_the_sheet() -> None:
    session = CcnetSession()
    session.table[1] = EUR5
    session.accepting = True
    talk = Talk(session)
    assert talk.sends() == (C_POLL, [])
    assert talk.gets("02 03 06 10 43 92") == [sent(C_ACK)]  # power up
    assert talk.sends() == ("02 03 06 30 41 B3", [])  # reset
    assert talk.gets(C_ACK) == []
    assert talk.sends() == (C_POLL, [])
    assert talk.gets("02 03 06 19 82 0F") == [sent(C_ACK)]  # disabled
    assert talk.sends() == ("02 03 0C 34 FF FF FF FF FF FF FE F7", [])
    talk.gets(C_ACK)
    talk.sends()
    assert talk.gets("02 03 06 14 67 D4") == [sent(C_ACK)]  # idle
    talk.sends()
    assert talk.gets("02 03 07 80 01 05 22") == [Escrowed(EUR5), sent(C_ACK)]
    assert talk.sends() == (C_POLL, [])
    assert talk.gets("02 03 07 80 01 05 22") == [sent(C_ACK)]  # the same escrow
    session.decide("stack")
    assert talk.sends() == ("02 03 06 35 EC E4", [Told(EUR5)])
    # the answer is lost: the state is asked first, and the command is sent again only because the note is still there
    assert talk.sends() == (C_POLL, [])
    talk.gets("02 03 07 80 01 05 22")
    assert talk.sends() == ("02 03 06 35 EC E4", [])
    talk.gets(C_ACK)
    talk.sends()
    assert talk.gets("02 03 07 81 01 DD 3B") == [Stacked(EUR5), sent(C_ACK)]  # written down, then acknowledged
    talk.sends()
    again = talk.gets("02 03 07 81 01 DD 3B")
    assert not any(isinstance(a, Stacked) for a in again)
    assert again[-1] == sent(C_ACK)


def test_ccnet_asks_for_a_bent_answer_again() -> None:
    talk = Talk(CcnetSession())
    talk.sends()
    assert sent("02 03 06 FF BA 8D") in talk.gets("02 03 06 14 67 D5")
    assert talk.gets("02 03 06 14 67 D4") == [sent(C_ACK)]


def test_id003_by_the_sheet() -> None:
    session = Id003Session()
    session.accepting = True
    talk = Talk(session)
    status = "FC 05 11 27 56"
    assert talk.sends() == (status, [])
    talk.gets("FC 05 40 2B 15")  # power up
    assert talk.sends()[0].startswith("FC 05 8A")
    table = session.codec.wrap(bytes.fromhex("8A 63 E0 01 01 66 E0 0A 01"), "device").hex()
    talk.gets(table)
    assert session.table[0x66] == Banknote(10_000, "EUR", 0x66)
    assert talk.sends() == ("FC 05 40 2B 15", [])  # reset
    talk.gets("FC 05 50 AA 05")
    assert talk.sends() == (status, [])
    talk.gets("FC 05 1B 7D F9")  # initialise
    assert talk.sends() == ("FC 07 C0 00 00 2D B5", [])
    talk.gets("FC 07 C0 00 00 2D B5")
    security = talk.sends()[0]
    assert security.startswith("FC 07 C1")
    talk.gets(security)
    assert talk.sends() == ("FC 06 C3 00 04 D6", [])
    talk.gets("FC 06 C3 00 04 D6")
    assert talk.sends() == (status, [])
    ten = session.table[0x63]
    assert talk.gets("FC 06 13 63 A2 D8") == [Escrowed(ten)]
    session.decide("stack")
    assert talk.sends() == ("FC 05 41 A2 04", [Told(ten)])
    talk.gets("FC 05 50 AA 05")
    talk.sends()
    assert talk.gets("FC 05 15 03 10") == [Stacked(ten), sent("FC 05 50 AA 05")]  # written down, then acknowledged
    talk.sends()
    again = talk.gets("FC 06 15 63 72 8C")  # the ACK was lost
    assert not any(isinstance(a, Stacked) for a in again)
    assert again[-1] == sent("FC 05 50 AA 05")


def test_ebds_by_the_sheet() -> None:
    session = EbdsSession(values={3: EUR5})
    talk = Talk(session)
    assert talk.sends()[0].startswith("02 08 10")
    stacked, escrow = "02 0B 20 11 10 18 00 00 00 03 32", "02 0B 20 04 10 18 00 00 00 03 27"
    assert talk.gets(escrow) == []  # the first reply may be an old one
    assert talk.sends()[0].startswith("02 0B 71 04")  # the escrow timeout, under the other toggle
    assert talk.gets(escrow) == []  # the old toggle: no answer to this one
    assert talk.sends()[0].startswith("02 0B 71 04")  # the same bytes again
    assert talk.gets("02 0B 21 04 10 18 00 00 00 03 26") == [Escrowed(EUR5)]
    session.decide("stack")
    raw, before = talk.sends()
    assert (raw, before) == ("02 08 10 00 38 10 03 30", [Told(EUR5)])
    assert talk.sends() == (raw, [])  # unanswered: unchanged
    assert talk.gets(stacked) == [Stacked(EUR5)]
    assert not any(isinstance(a, Stacked) for a in talk.gets(stacked))
    assert talk.sends()[0].split()[2] in ("11", "71")


OPEN = Open(EUR5, told=True)


@pytest.mark.parametrize(
    ("name", "text", "news"),
    [
        ("ccnet", "02 03 07 81 01 DD 3B", Stacked(Banknote(500, "EUR", 1))),
        ("ccnet", "02 03 07 82 01 B5 11", Returned(EUR5)),
        ("id003", "FC 05 15 03 10", Stacked(EUR5)),
        ("id003", "FC 05 42 39 36", Unknown(EUR5, "power came back with a note in the stacker")),
        ("ebds", "02 0B 20 11 10 18 00 00 00 03 32", Stacked(EUR5)),
    ],
)
def test_the_journals_open_note_is_settled_by_what_is_told(name: str, text: str, news: Act) -> None:
    talk = Talk(MAKERS[name](OPEN))
    talk.sends()
    assert news in talk.gets(text)


@pytest.mark.parametrize("name", MAKERS)
def test_a_credit_event_with_nothing_open_is_none(name: str) -> None:
    talk = Talk(MAKERS[name](None))
    talk.sends()
    text = {
        "ccnet": "02 03 07 81 01 DD 3B",
        "id003": "FC 05 15 03 10",
        "ebds": "02 0B 20 11 10 18 00 00 00 03 32",
    }[name]
    assert not any(isinstance(a, Stacked) for a in talk.gets(text))


def test_an_open_note_of_which_nothing_is_told_is_unknown_after_three_readings() -> None:
    talk = Talk(MAKERS["ccnet"](OPEN))
    idle, news = 0, list[Act]()
    while idle < 3:
        assert news == []
        polled = talk.sends()[0] == C_POLL
        idle += polled
        news = [a for a in talk.gets("02 03 06 14 67 D4" if polled else C_ACK) if not isinstance(a, Send)]
    assert news == [Unknown(EUR5, "idle, and no event came")]


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=30),
                st.tuples(st.integers(0, 255), st.binary(max_size=8)),
            ),
            st.floats(0, 0.4),
            st.sampled_from(["", "stack", "return"]),
        ),
        max_size=60,
    )
)
def test_any_bytes_and_any_answers(name: str, steps: list[tuple[bytes | tuple[int, bytes], float, str]]) -> None:
    """No exception; never more credits than escrows; nothing is told to be stacked that was not in escrow."""
    session, now, acts = MAKERS[name](None), 0.0, list[Act]()
    if isinstance(session, CcnetSession | Id003Session):
        session.table.update({1: EUR5, 0x63: EUR5})
    session.start(now)
    session.accepting = True
    for what, wait, decision in steps:
        now += wait
        acts += session.tick(now)
        if isinstance(what, tuple):
            code, data = what
            what = session.codec.wrap(bytes([code & 0x7F, *(b & 0x7F for b in data)]), "device")
        acts += session.feed(what, now)
        if decision:
            session.decide(decision)
    open_ = 0
    for act in acts:
        if isinstance(act, Escrowed):
            assert open_ == 0
            open_ = 1
        elif isinstance(act, Stacked | Returned | Unknown):
            assert open_ or (isinstance(act, Stacked) and act.late)
            open_ = 0
        elif isinstance(act, Told):
            assert open_
