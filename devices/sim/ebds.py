"""A CPI/MEI bill acceptor on EBDS, extended notes: a command with the old toggle gets the old reply and does nothing.

Device side of the protocol as the sheet has it (PROTOCOLS A 5.3). Events (stacked, returned, rejected) are in one reply
and in its repetitions. Power-up policy A: what was past the escrow is stacked without a word.
"""

from __future__ import annotations

from pathlib import Path

from devices.sim.base import parse_faults, run
from devices.sim.notes import FAULTS, Mechanics, wire

VALUES = (1, 5, 10, 20, 50, 100)
BITS = {
    "disabled": 0x01,
    "idle": 0x01,
    "accepting": 0x02,
    "escrow": 0x04,
    "stacking": 0x08,
    "stacked": 0x11,
    "returning": 0x20,
}
BITS |= {"returned": 0x41, "rejecting": 0x20, "full": 0x01, "jam": 0x08, "cheated": 0x01}
TROUBLE = {"cheated": 0x01, "jam": 0x04, "full": 0x08}


class Ebds(Mechanics):
    toggle = -1
    last = b""
    rejected = False
    allowed = False

    def loop(self) -> None:
        while True:
            frame = self.listen()
            if not frame:
                if self.state == "power-up" and not self.last:
                    self.toggle = -1
                continue
            if frame[2] & 1 == self.toggle and self.last:
                self.send(self.last)
                continue
            self.toggle = frame[2] & 1
            self.obey(frame[2] >> 4, frame[3:-2])

    def listen(self) -> bytes:
        if self.rest() != 0x02:
            return b""
        raw = bytearray(b"\x02")
        while len(raw) < 2 or len(raw) < raw[1]:
            byte = self.cable.byte(0.05)
            if byte is None:
                return b""
            raw.append(byte)
        check = 0
        for byte in raw[1:-2]:
            check ^= byte
        good = len(raw) >= 5 and raw[-2] == 0x03 and raw[-1] == check and not any(b & 0x80 for b in raw)
        return bytes(raw) if good else b""

    def obey(self, kind: int, data: bytes) -> None:
        omnibus = data[1:4] if kind == 7 else data
        if len(omnibus) < 3 or kind not in (1, 7):
            return
        if kind == 7 and data[0] == 0x03:
            self.allowed = any(data[4:12])
        self.enable(self.allowed and bool(omnibus[0]))
        mute = False
        if omnibus[1] & 0x20 and self.state == "escrow":
            mute = "deaf-accept" not in self.faults and self.spend("mute-accept")
            self.stack()
        elif omnibus[1] & 0x40:
            self.give_back()
        event = self.state in ("stacked", "returned")
        self.last = self.status()
        if not mute:
            self.send(self.last)
        if event:
            self.told()
        elif self.state == "power-up":
            self.reset()
            self.allowed = False

    def step(self) -> None:
        before = self.state
        super().step()
        if before == "stacking" and self.state == "power-up":
            self.toggle, self.last = -1, b""
        if before == "rejecting" and self.state != before:
            self.rejected = True

    def status(self) -> bytes:
        state = self.state
        note = self.memory["head"] if state == "escrow" else self.memory["stacked"][-1] if state == "stacked" else 0
        bits, self.rejected = 0x02 if self.rejected else 0, False
        inside = bytes([BITS.get(state, 0), 0x10 | TROUBLE.get(state, 0) | bits, 0x01 if state == "power-up" else 0])
        inside += b"\x00\x00\x00"
        if not note:
            return self.framed(2, inside)
        extra = b"\x00CNY" + f"{note:03}".encode() + b"+00" + b"\x00AABA\x04\x00\x00"
        return self.framed(7, b"\x02" + inside + extra)

    def framed(self, kind: int, data: bytes) -> bytes:
        inside = bytes([len(data) + 5, kind << 4 | self.toggle]) + data
        check = 0
        for byte in inside:
            check ^= byte
        return b"\x02" + inside + bytes([0x03, check])


def main(link: Path | None, state: Path | None, put: str, faults: tuple[str, ...], seed: int, fast: bool) -> None:
    """Run until SIGTERM.

    Raises:
        OperatorError: an unknown fault or note, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    memory, cable = wire("ebds", VALUES, link, state, put, found, seed)
    run(memory, cable, Ebds(memory, cable, found, fast).loop)
