"""A reader of second-generation resident ID cards: a field, a card with a made-up person, a module.

Device side as the sheet has it (PROTOCOLS A 3): find, then select, then read; a card that was read must be lifted and
laid down again, which this customer does a second later as often as `--put` says. The person on the card is invented.
"""

from __future__ import annotations

import time
from pathlib import Path

from devices.errors import OperatorError
from devices.sim.base import Cable, Memory, parse_faults, run

PREAMBLE = b"\xaa\xaa\xaa\x96\x69"
FAULTS: dict[str, tuple[float, str]] = {
    "no-select": (1, "K selections fail"),
    "no-authentication": (3, "K readings fail: card and module do not authenticate"),
    "self-test": (1, "the module's self-test failed: it accepts nothing"),
    "lose-reply": (1, "K answers to a reading are lost"),
    "corrupt-reply": (1, "K answers to a reading have one bit wrong"),
    "short-reply": (1, "K answers to a reading are cut off"),
    "drip": (1, "K answers to a reading come in small pieces"),
    "noise": (1, "stray bytes before K answers to a reading"),
    "silent": (1, "nothing is ever answered"),
}
PERSON = (
    ("虚构人", 15),
    ("2", 1),
    ("01", 2),
    ("19491231", 8),
    ("某省某市某路一号", 35),
    ("11010519491231002X", 18),
    ("某市公安局", 15),
    ("20200101", 8),
    ("长期", 8),
    ("", 18),
)


class Sam:
    def __init__(self, memory: Memory, cable: Cable, faults: dict[str, float], fast: bool) -> None:
        self.memory = memory
        self.cable = cable
        self.faults = faults
        self.pause = 0.1 if fast else 1.0
        self.back = 0.0  #: when the card lies there again
        self.step = "new"

    def loop(self) -> None:
        while True:
            command = self.listen()
            if command and "silent" not in self.faults:
                self.obey(command)

    def listen(self) -> bytes:
        seen = b""
        while seen != PREAMBLE:
            byte = self.cable.byte(None)
            if byte is None:
                return b""
            seen = (seen + bytes([byte]))[-5:]
        head = [self.cable.byte(0.1), self.cable.byte(0.1)]
        if None in head:
            return b""
        raw = bytearray(b for b in head if b is not None)
        size = raw[0] << 8 | raw[1]
        if not 3 <= size <= 64:
            self.reply(0x11)
            return b""
        for _ in range(size):
            byte = self.cable.byte(0.1)
            if byte is None:
                return b""
            raw.append(byte)
        check = 0
        for one in raw[:-1]:
            check ^= one
        if check != raw[-1]:
            self.reply(0x10)
            return b""
        return bytes(raw[2:-1])

    def spend(self, name: str) -> bool:
        left = self.faults.get(name, 0)
        if left < 1:
            return False
        self.faults[name] = left - 1
        return True

    def reply(self, status: int, data: bytes = b"") -> None:
        body = bytes([0, 0, status]) + data
        inside = (len(body) + 1).to_bytes(2, "big") + body
        check = 0
        for byte in inside:
            check ^= byte
        frame = PREAMBLE + inside + bytes([check])
        if not data or len(data) < 100:
            self.cable.write(frame)
        elif self.spend("lose-reply"):
            return
        elif self.spend("corrupt-reply"):
            place = self.cable.random.randrange(10, len(frame))
            self.cable.write(frame[:place] + bytes([frame[place] ^ 0x10]) + frame[place + 1 :])
        elif self.spend("short-reply"):
            self.cable.write(frame[:700])
        elif self.spend("drip"):
            for i in range(0, len(frame), 37):
                self.cable.write(frame[i : i + 37])
                time.sleep(0.002)
        else:
            self.cable.write((b"\xaa\xaa\x00" if self.spend("noise") else b"") + frame)

    def obey(self, command: bytes) -> None:
        if "self-test" in self.faults:
            self.reply(0x60)
        elif command in (b"\x11\xff", b"\x10\xff"):
            self.step = "new"
            self.reply(0x90)
        elif command == b"\x20\x01":
            there = self.memory["cards"] > 0 and time.monotonic() >= self.back
            self.step = "found" if there else "new"
            if there:
                self.reply(0x9F, bytes(4))
            else:
                self.reply(0x80)
        elif command == b"\x20\x02":
            good = self.step == "found" and not self.spend("no-select")
            self.step = "selected" if good else "new"
            if good:
                self.reply(0x90, bytes(8))
            else:
                self.reply(0x81)
        elif command == b"\x30\x01":
            selected, self.step = self.step == "selected", "new"
            if not selected:
                self.reply(0x41)
            elif self.spend("no-authentication"):
                self.reply(0x31)
            else:
                intact = not any(self.faults.get(f, 0) >= 1 for f in ("lose-reply", "corrupt-reply", "short-reply"))
                if intact:
                    self.memory["cards"] -= 1
                    self.memory["reads"] += 1
                    self.memory.save()
                    self.back = time.monotonic() + self.pause
                text = "".join(word.ljust(size) for word, size in PERSON).encode("utf-16-le")
                self.reply(0x90, b"\x01\x00\x04\x00" + text + bytes(i % 251 for i in range(1024)))
        else:
            self.reply(0x21)


def main(link: Path | None, state: Path | None, put: str, faults: tuple[str, ...], seed: int, fast: bool) -> None:
    """Run until SIGTERM.

    Raises:
        OperatorError: an unknown fault, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    if put and not put.isdecimal():
        raise OperatorError(f"--put {put!r} is no number", remedy="Write --put 1")
    fresh = {"device": "sam", "pid": 0, "port": "", "cards": int(put or 1), "reads": 0}
    memory, cable = Memory(state, fresh), Cable(link, seed)
    run(memory, cable, Sam(memory, cable, found, fast).loop)
