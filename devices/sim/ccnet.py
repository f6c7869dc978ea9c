"""A CashCode bill validator on CCNET: answers commands by 00, data answers wait for 00, an event stays until it has it.

Device side of the protocol as the sheet has it (PROTOCOLS A 5.1): 37 and 41 only before it is enabled, 35 and 36 only
in escrow, else 30 (illegal command); a bad check is answered by FF.
"""

from __future__ import annotations

from pathlib import Path

from devices.sim.base import parse_faults, run
from devices.sim.notes import FAULTS, Mechanics, crc, wire

VALUES = (1, 5, 10, 20, 50, 100)
DIGITS = {1: (1, 0), 5: (5, 0), 10: (1, 1), 20: (2, 1), 50: (5, 1), 100: (1, 2)}
CODES = {"initialise": 0x13, "idle": 0x14, "accepting": 0x15, "stacking": 0x17, "returning": 0x18, "disabled": 0x19}
CODES |= {"full": 0x41, "jam": 0x44, "cheated": 0x45}
EVENTS = {"escrow": 0x80, "stacked": 0x81, "returned": 0x82}


class Ccnet(Mechanics):
    def loop(self) -> None:
        while True:
            frame = self.listen()
            if frame:
                self.obey(frame[3], frame[4:-2])

    def listen(self) -> bytes:
        if self.rest() != 0x02:
            return b""
        raw = bytearray(b"\x02")
        while len(raw) < 3 or len(raw) < raw[2]:
            byte = self.cable.byte(0.05)
            if byte is None:
                return b""
            raw.append(byte)
        if raw[1] != 3 or len(raw) < 6 or crc(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
            self.reply(b"\xff")
            return b""
        return bytes(raw)

    def reply(self, body: bytes) -> None:
        raw = bytes([0x02, 0x03, len(body) + 5]) + body
        self.send(raw + crc(raw).to_bytes(2, "little"))

    def obey(self, code: int, data: bytes) -> None:
        if code == 0x33:
            self.reply(self.told_state())
            if self.state in ("stacked", "returned"):
                answer = self.listen_for_ack()
                if answer:
                    self.told()
        elif code == 0x30:
            self.reply(b"\x00")
            self.reset()
        elif code == 0x34 and len(data) == 6 and self.state in ("disabled", "idle", "initialise"):
            self.enable(any(data[:3]))
            self.reply(b"\x00")
        elif code == 0x41 and self.state in ("power-up", "initialise", "disabled"):
            rows = [bytes([DIGITS[v][0]]) + b"CNY" + bytes([DIGITS[v][1]]) for v in VALUES]
            self.reply(b"".join(rows) + bytes(5 * (24 - len(rows))))
        elif code == 0x31:
            self.reply((b"\xff" if self.enabled else b"\x00") * 3 + b"\x00" * 3)
        elif code == 0x35:
            mute = self.state == "escrow" and "deaf-accept" not in self.faults and self.spend("mute-accept")
            if self.stack():
                if not mute:
                    self.reply(b"\x00")
            elif self.state != "escrow":
                self.reply(b"\x30")
        elif code == 0x36:
            self.reply(b"\x00" if self.give_back() else b"\x30")
        elif code not in (0x00, 0xFF):
            self.reply(b"\x30")

    def told_state(self) -> bytes:
        if self.state == "power-up":
            return bytes([{"way": 0x12, "head": 0x11}.get(self.found, 0x10)])
        if self.state in EVENTS:
            note = self.memory["head"] or (self.memory[self.state] if self.state != "escrow" else [0])[-1]
            return bytes([EVENTS[self.state], VALUES.index(note)])
        return b"\x1c\x65" if self.state == "rejecting" else bytes([CODES[self.state]])

    def listen_for_ack(self) -> bool:
        """The event counts as told only when the very next frame is 00; it is told again otherwise."""
        for _ in range(20):
            frame = self.listen()
            if frame:
                if frame[3] == 0x00:
                    return True
                self.cable.push_back(frame)
                return False
        return False


def main(link: Path | None, state: Path | None, put: str, faults: tuple[str, ...], seed: int, fast: bool) -> None:
    """Run until SIGTERM.

    Raises:
        OperatorError: an unknown fault or note, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    memory, cable = wire("ccnet", VALUES, link, state, put, found, seed)
    run(memory, cable, Ccnet(memory, cable, found, fast).loop)
