"""A JCM bill acceptor on ID-003: VEND VALID on every status request until 50; without a poll for 3 s a note comes back.

Device side of the protocol as the sheet has it (PROTOCOLS A 5.2). It comes up in a state that only 40 ends, and in
INITIALISE it waits for its settings; what does not fit the state is answered by 4B.
"""

from __future__ import annotations

import time
from pathlib import Path

from devices.sim.base import parse_faults, run
from devices.sim.notes import FAULTS, Mechanics, crc, wire

VALUES = (5, 10, 20, 50, 100)
DENOMINATIONS = {0x62: (5, 0), 0x63: (1, 1), 0x64: (2, 1), 0x65: (5, 1), 0x66: (10, 1)}
CODES = {
    "idle": 0x11,
    "returned": 0x11,
    "accepting": 0x12,
    "stacking": 0x14,
    "stacked": 0x15,
    "returning": 0x18,
    "disabled": 0x1A,
}
CODES |= {"initialise": 0x1B, "full": 0x43, "jam": 0x46, "cheated": 0x48}


class Id003(Mechanics):
    settings: frozenset[int] = frozenset()
    polled = 0.0

    def loop(self) -> None:
        while True:
            frame = self.listen()
            if frame:
                self.obey(frame[2], frame[3:-2])
            if self.state == "returned":  # there is no such event
                self.told()
            if self.state in ("accepting", "escrow") and time.monotonic() - self.polled > 3.0:
                self.enter("returning")

    def listen(self) -> bytes:
        if self.rest() != 0xFC:
            return b""
        raw = bytearray(b"\xfc")
        while len(raw) < 2 or len(raw) < raw[1]:
            byte = self.cable.byte(0.05)
            if byte is None:
                return b""
            raw.append(byte)
        if len(raw) < 5 or crc(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
            return b""  # a bad check is not answered (4A is another matter: unverified)
        return bytes(raw)

    def step(self) -> None:
        if self.state == "initialise" and not {0xC0, 0xC3} <= self.settings:
            return
        super().step()

    def reply(self, *body: int) -> None:
        raw = bytes([0xFC, len(body) + 4, *body])
        self.send(raw + crc(raw).to_bytes(2, "little"))

    def obey(self, code: int, data: bytes) -> None:
        up = self.state == "power-up"
        if code == 0x11:
            self.polled = time.monotonic()
            self.reply(*self.told_state())
        elif code == 0x50:
            if self.state == "stacked":
                self.told()
        elif code == 0x40:
            self.settings = frozenset()
            self.reply(0x50)
            self.reset()
        elif code == 0x8A:
            rows = [(d, 0xE0, *DENOMINATIONS[d]) for d in DENOMINATIONS]
            self.reply(0x8A, *(b for row in rows for b in row))
        elif code in range(0xC0, 0xC6) and not up:
            self.settings |= {code}
            if code == 0xC3:
                self.enable(data == b"\x00")
            self.reply(code, *data)
        elif code in (0x41, 0x42) and self.state == "escrow":
            mute = "deaf-accept" not in self.faults and self.spend("mute-accept")
            if self.stack() and not mute:
                self.reply(0x50)
        elif code == 0x43 and self.give_back():
            self.reply(0x50)
        else:
            self.reply(0x4B)

    def told_state(self) -> tuple[int, ...]:
        if self.state == "power-up":
            return ({"way": 0x42, "head": 0x41}.get(self.found, 0x40),)
        if self.state == "escrow":
            return (0x13, self.code(self.memory["head"]))
        return (0x17, 0x76) if self.state == "rejecting" else (CODES[self.state],)

    def code(self, note: int) -> int:
        return next(d for d, (base, exponent) in DENOMINATIONS.items() if base * 10**exponent == note)


def main(link: Path | None, state: Path | None, put: str, faults: tuple[str, ...], seed: int, fast: bool) -> None:
    """Run until SIGTERM.

    Raises:
        OperatorError: an unknown fault or note, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    memory, cable = wire("id003", VALUES, link, state, put, found, seed)
    run(memory, cable, Id003(memory, cable, found, fast).loop)
