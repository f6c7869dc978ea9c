"""EBDS: every command carries all that is wanted, and a toggle bit says whether it is new (PROTOCOLS A 5.3). Pure.

    host    10  stack wanted      11         11 (again: no answer came)
    device     20 escrowed           21 stacking, lost     21 stacking: repeated, not done again

A reply with the command's toggle ends the exchange and the next command flips it; otherwise the same bytes are sent
again. After a start the first reply may be an old one repeated: its events count, for an open note can only be theirs,
and its states do not.
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.framing.base import Frame
from devices.framing.ebds import EbdsCodec
from devices.protocol.notes import Act, Banknote, Open, Rejected, Send, Session, Timing

#: bits of reply data 0, the first that is on names the state
STATES = ((0x04, "escrow"), (0x08, "stacking"), (0x20, "returning"), (0x02, "accepting"), (0x01, "idle"))
STACKED, RETURNED = 0x10, 0x40
#: bits of reply data 1
TROUBLE = ((0x01, "cheated"), (0x04, "jam"), (0x08, "full"), (0x20, "pause"), (0x40, "failure"))
REJECTED, CASSETTE = 0x02, 0x10
POWER_UP, FAILURE, OPEN_PATH = 0x01, 0x04, 0x40
ESCROW, STACK, RETURN, EXTENDED, FOUR_WAY = 0x10, 0x20, 0x40, 0x10, 0x08
#: seconds in escrow before the device gives the note back by itself
ESCROW_TIMEOUT = 15


def frame(kind: int, toggle: int, data: bytes) -> bytes:
    return EbdsCodec().wrap(bytes([kind << 4 | toggle]) + data, "host")


def extended_note(extra: bytes) -> Banknote:
    """The 18 bytes of a note specification; value 0 where it is none that may be taken."""
    text, grade = extra[1:10], extra[15]
    if grade not in (0, 4) or not text[3:6].isdigit() or text[6:7] not in b"+-" or not text[7:9].isdigit():
        return Banknote(0, "", extra[0])
    exponent = int(text[7:9]) * (-1 if text[6:7] == b"-" else 1) + 2
    if not 0 <= exponent <= 9:
        return Banknote(0, "", extra[0])
    return Banknote(int(text[3:6]) * 10**exponent, text[:3].decode("ascii", "replace"), extra[0])


class EbdsSession(Session):
    """`values`: the notes behind the indices 1 to 7, for a device without the extended mode."""

    def __init__(
        self, timing: Timing | None = None, found: Open | None = None, values: Mapping[int, Banknote] | None = None
    ) -> None:
        super().__init__(EbdsCodec(), timing, found)
        self._values = dict(values or {})
        self._toggle = 0
        self._fresh = False
        self._setup: list[bytes] = []
        self._wanted = False

    @property
    def closed(self) -> bool:
        settled = not self._setup and not self.accepting and not self._wanted
        return settled and self._fresh and self.word == "idle"

    def start(self, now: float) -> None:
        super().start(now)
        self._fresh = False
        self._setup = []
        self._wanted = not self.accepting  # so that the inhibits are sent

    def choose(self) -> list[Act]:
        acts: list[Act] = []
        escrow = self.escrow
        if self._wanted != self.accepting and self._fresh:
            self._wanted = self.accepting
            bits = b"\x7f" * 8 if self.accepting else b"\x00" * 8
            self._setup = [b"\x04" + self._omnibus() + bytes([ESCROW_TIMEOUT, 0]), b"\x03" + self._omnibus() + bits]
        flags = 0
        if self.word == "escrow" and escrow.note is not None and escrow.decision:
            if escrow.decision == "stack":
                acts += escrow.tell()
                flags = STACK
            else:
                flags = RETURN
        if self._setup and not flags:
            return [*acts, Send(frame(7, self._toggle, self._setup[0]))]
        return [*acts, Send(frame(1, self._toggle, self._omnibus(flags)))]

    def _omnibus(self, flags: int = 0) -> bytes:
        return bytes([0x7F if self.accepting else 0x00, FOUR_WAY | ESCROW | flags, EXTENDED])

    def missed(self) -> bytes | None:
        return self.asked

    def answer(self, item: Frame, now: float) -> list[Act]:
        assert self.asked is not None
        kind, data = item.raw[2] >> 4, item.raw[3:-2]
        extra = b""
        if kind == 7 and len(data) >= 7:
            if data[0] == 2 and len(data) >= 7 + 18:
                extra = data[7:25]
            data = data[1:7]
        elif kind != 2:
            return []
        if item.raw[2] & 1 != self._toggle or len(data) != 6:
            return []  # an older one: the command is sent again when its time is up
        if self._setup and self.asked[2] >> 4 == 7:
            self._setup = self._setup[1:]
        self._toggle ^= 1
        acts = self._replied(data, extra)
        self._fresh = True
        due = self._setup or self._wanted != self.accepting or (self.word == "escrow" and bool(self.escrow.decision))
        self.heard(now, bool(due))
        return acts

    def _replied(self, data: bytes, extra: bytes) -> list[Act]:
        state, status, exception = data[0], data[1], data[2]
        escrow = self.escrow
        index = exception >> 3 & 7
        note = extended_note(extra) if extra else self._values.get(index)
        if state & STACKED:
            return [*self.enters("stacked"), *escrow.credit(note)]
        if state & RETURNED:
            return [*self.enters("returned"), *escrow.returned()]
        if not self._fresh:
            return []
        word = next((w for bit, w in STATES if state & bit), "out of service")
        trouble = next((w for bit, w in TROUBLE if status & bit), "")
        if exception & FAILURE:
            trouble = "failure"
        elif not status & CASSETTE:
            trouble = "stacker-removed"
        if exception & POWER_UP:
            return [*self.enters("power-up"), *self._powered_up()]
        acts = self.enters(word if word == "escrow" else trouble or word)
        if word == "escrow":
            acts += escrow.seen(note or Banknote(0, "", index))
        elif status & REJECTED:
            escrow.coming_back()
            acts += [] if escrow.note else [Rejected("rejected")]
        elif trouble and trouble != "pause":
            acts += escrow.stuck(trouble)
        elif word == "returning":
            escrow.coming_back()
        elif word in ("idle", "accepting", "out of service"):
            acts += escrow.gone(word)
        else:
            escrow.busy()
        return acts

    def _powered_up(self) -> list[Act]:
        """The settings are gone; an open note is stacked without an event (policy A) or given back (unverified)."""
        self._wanted = not self.accepting
        return self.escrow.give_up("power came back while a note was open")
