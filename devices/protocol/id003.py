"""ID-003: poll, set up, and the note from `13 dd` to VEND VALID or back (PROTOCOLS A 5.2). Pure.

host    11       41          11                            50 (ACK)
device     13 63    50 (ACK)    15 = VEND VALID, on every poll until 50
                                the credit is written down here, before 50 goes out
"""

from __future__ import annotations

from collections.abc import Mapping

from devices.framing.base import Frame
from devices.framing.id003 import Id003Codec
from devices.protocol.notes import Act, Banknote, Log, Open, Rejected, Send, Session, Timing

WORDS = {
    0x11: "idle",
    0x12: "accepting",
    0x13: "escrow",
    0x14: "stacking",
    0x15: "vend-valid",
    0x16: "stacked",
    0x17: "rejecting",
    0x18: "returning",
    0x19: "holding",
    0x1A: "disabled",
    0x1B: "initialise",
    0x40: "power-up",
    0x41: "power-up",
    0x42: "power-up",
    0x43: "full",
    0x44: "stacker-removed",
    0x45: "jam",
    0x46: "jam",
    0x47: "pause",
    0x48: "cheated",
    0x49: "failure",
    0x4A: "failure",
}
STATUS, RESET, STACK, RETURN, ACK = 0x11, 0x40, 0x41, 0x43, 0x50
TABLE, DENOMINATIONS, SECURITY, INHIBIT = 0x8A, 0xC0, 0xC1, 0xC3
INVALID = 0x4B
#: country codes of the currency table; only this one was seen in a capture
COUNTRIES = {0xE0: "EUR"}


def frame(code: int, data: bytes = b"") -> bytes:
    return Id003Codec().wrap(bytes([code]) + data, "host")


def currency_table(data: bytes, countries: Mapping[int, str]) -> dict[int, Banknote]:
    """Entries of code, country, base, exponent: `66 E0 0A 01` is 100 EUR. Entries of unknown countries are left out."""
    table = {}
    for i in range(0, len(data) - 3, 4):
        code, country, base, exponent = data[i : i + 4]
        if base and country in countries and exponent <= 6:
            table[code] = Banknote(base * 10**exponent * 100, countries[country], code)
    return table


class Id003Session(Session):
    def __init__(
        self, timing: Timing | None = None, found: Open | None = None, countries: Mapping[int, str] = COUNTRIES
    ) -> None:
        super().__init__(Id003Codec(), timing, found)
        self.table: dict[int, Banknote] = {}
        self._looked = False
        self._countries = countries
        self._setup: list[bytes] = []

    def choose(self) -> list[Act]:
        word = self.word
        if word in ("power-up", "disabled") and not self._looked:
            return [Send(frame(TABLE))]
        if word == "power-up":
            self.word = "reset"
            return [Send(frame(RESET))]
        if word == "initialise":
            if not self._setup:
                self._setup = [frame(DENOMINATIONS, b"\0\0"), frame(SECURITY, b"\0\0"), self._inhibit()]
            return [Send(self._setup[0])]
        if (word == "disabled" and self._open) or (word == "idle" and not self._open):
            self.word = "inhibiting"
            return [Send(self._inhibit())]
        if word == "escrow" and self.escrow.note is not None and self.escrow.decision:
            self.word = "decided"
            if self.escrow.decision == "stack":
                return [*self.escrow.tell(), Send(frame(STACK))]
            return [Send(frame(RETURN))]
        return [Send(frame(STATUS))]

    @property
    def _open(self) -> bool:
        return self.accepting and bool(self.table)

    def _inhibit(self) -> bytes:
        return frame(INHIBIT, b"\x00" if self._open else b"\x01")

    def answer(self, item: Frame, now: float) -> list[Act]:
        assert self.asked is not None
        code, data, command = item.raw[2], item.raw[3:-2], self.asked[2]
        if command == STATUS:
            return self._polled(code, data, now)
        if code == INVALID:
            self._setup = []
            self.heard(now, False)
            self.word = "refused"
            return [Log(f"command {command:02X} was refused")]
        if command == TABLE and code == TABLE:
            self._looked, self.table = True, currency_table(data, self._countries)
            self.heard(now, bool(self.table))
            return [] if self.table else [Log("the currency table names no note that is known")]
        if command >= 0xC0 and code == command:
            self._setup = self._setup[1:] if self._setup and self._setup[0] == self.asked else []
            if not self._setup:
                self.word = "set up"
            self.heard(now, True)
            return []
        if code == ACK:
            self.heard(now, True)
            return []
        return []  # a late answer to the poll: ours still comes

    def _polled(self, code: int, data: bytes, now: float) -> list[Act]:
        if code not in WORDS:
            return []
        word, escrow, known = WORDS[code], self.escrow, self.word
        note = self.table.get(data[0], Banknote(0, "", data[0])) if data else None
        if code == 0x13 and note is None:
            return [Log("an escrow without a denomination")]
        acts = self.enters(word)
        self.heard(now, False)
        if code == 0x13 and note is not None:
            acts += escrow.seen(note)
        elif code == 0x15:
            return [*acts, *escrow.credit(note), Send(frame(ACK))]
        elif code == 0x42:
            acts += escrow.give_up("power came back with a note in the stacker")
        elif word == "returning" or code == 0x41:
            escrow.coming_back()
        elif word == "rejecting":
            if escrow.note is not None:
                escrow.coming_back()
            elif known != "rejecting":
                acts.append(Rejected(data.hex().upper()))
        elif word in ("idle", "accepting", "disabled"):
            acts += escrow.gone(word)
        elif word in ("jam", "cheated", "failure", "full", "stacker-removed"):
            acts += escrow.stuck(word)
        else:
            escrow.busy()
        return acts
