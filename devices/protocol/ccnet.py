"""CCNET: poll, acknowledge, and the note from `80 xx` to `81 xx` or `82 xx` (PROTOCOLS A 5.1). Pure.

    host    33           00 (ACK)          35           33              00
    device     80 02                          00 (ACK)     81 02
               escrow                                      the credit, repeated until its ACK

A missing answer is never repeated blindly: the next poll tells what the command did.
"""

from __future__ import annotations

from devices.framing.base import Fault, Frame
from devices.framing.ccnet import CcnetCodec
from devices.protocol.notes import Act, Banknote, Log, Open, Rejected, Send, Session, Timing

WORDS = {
    0x10: "power-up",
    0x11: "power-up",
    0x12: "power-up",
    0x13: "initialise",
    0x14: "idle",
    0x15: "accepting",
    0x17: "stacking",
    0x18: "returning",
    0x19: "disabled",
    0x1A: "escrow",
    0x1B: "busy",
    0x1C: "rejecting",
    0x41: "full",
    0x42: "stacker-removed",
    0x43: "jam",
    0x44: "jam",
    0x45: "cheated",
    0x46: "pause",
    0x47: "failure",
    0x80: "escrow",
    0x81: "stacked",
    0x82: "returned",
}
ACK, NAK, ILLEGAL = 0x00, 0xFF, 0x30
RESET, POLL, ENABLE, STACK, RETURN, TABLE = 0x30, 0x33, 0x34, 0x35, 0x36, 0x41
ALL, NONE = b"\xff" * 6, b"\x00" * 6


def frame(code: int, data: bytes = b"") -> bytes:
    return CcnetCodec().wrap(bytes([code]) + data, "host")


def bill_table(data: bytes) -> dict[int, Banknote]:
    """24 entries of value digits, country and exponent of ten; empty ones are left out. `05 45 55 52 00` is 5 EUR."""
    table = {}
    for code in range(len(data) // 5):
        digits, country, exponent = data[code * 5], data[code * 5 + 1 : code * 5 + 4], data[code * 5 + 4]
        if digits and exponent <= 6:  # a high bit of the exponent has a meaning that is unverified
            table[code] = Banknote(digits * 10**exponent * 100, country.decode("ascii", "replace"), code)
    return table


class CcnetSession(Session):
    def __init__(self, timing: Timing | None = None, found: Open | None = None) -> None:
        super().__init__(CcnetCodec(), timing, found)
        self.table: dict[int, Banknote] = {}
        self._naks = 0

    def choose(self) -> list[Act]:
        word, note = self.word, self.escrow.note
        if word == "power-up":
            self.word = "reset"
            return [Send(frame(RESET))]
        if word == "disabled" and not self.table:
            self.word = "asking"
            return [Send(frame(TABLE))]
        if word == "disabled" and self.accepting:
            self.word = "enabling"
            return [Send(frame(ENABLE, ALL))]
        if word == "idle" and (not self.accepting or not self.table):
            self.word = "disabling"
            return [Send(frame(ENABLE, NONE))]
        if word == "escrow" and note is not None and self.escrow.decision:
            self.word = "decided"
            if self.escrow.decision == "stack":
                return [*self.escrow.tell(), Send(frame(STACK))]
            return [Send(frame(RETURN))]
        return [Send(frame(POLL))]

    def answer(self, item: Frame, now: float) -> list[Act]:
        assert self.asked is not None
        code, data = item.raw[3], item.raw[4:-2]
        self._naks = 0
        if self.asked[3] == POLL:
            return self._polled(code, data, now)
        if self.asked[3] == TABLE and len(data) >= 5:
            self.table = bill_table(item.raw[3:-2])
            self.heard(now, True)
            return [Send(frame(ACK))]
        self.heard(now, True)
        if code in (NAK, ILLEGAL):
            return [Log(f"command {self._name(item)} was refused")]
        return []

    def bad(self, fault: Fault, now: float) -> list[Act]:
        self._naks += 1
        return [Send(frame(NAK))] if fault.framed and self.asked and self._naks <= 3 else []

    def _name(self, item: Frame) -> str:
        return str(item.fields["as_answer"] or item.fields["code"])

    def _polled(self, code: int, data: bytes, now: float) -> list[Act]:
        if code not in WORDS:
            return []  # a late ACK: the answer to the poll still comes
        word, escrow = WORDS[code], self.escrow
        note = self.table.get(data[0], Banknote(0, "", data[0])) if data else None
        if code == 0x80 and note is None:
            return [Log("an escrow without a bill type")]
        known = self.word
        acts = self.enters(word)
        if code == 0x80 and note is not None:
            acts += escrow.seen(note)
        elif code == 0x81:
            acts += escrow.credit(note)
        elif code == 0x82:
            acts += escrow.returned()
        elif code == 0x12:
            acts += escrow.give_up("power came back with a note in the stacker")
        elif word == "returning" or code == 0x11:
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
        soon = word in ("power-up", "disabled", "idle", "escrow") and code != 0x1A
        self.heard(now, soon and self._wants())
        return [*acts, Send(frame(ACK))]

    def _wants(self) -> bool:
        """A command is due."""
        return (
            self.word == "power-up"
            or (self.word == "disabled" and (self.accepting or not self.table))
            or (self.word == "idle" and (not self.accepting or not self.table))
            or (self.word == "escrow" and bool(self.escrow.decision))
        )
