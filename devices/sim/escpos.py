"""A receipt printer: a roll of paper, a cover, a cutter; it shows what it printed as lines of text in its state file.

Text is GB18030, one line a line feed. Real-time status (10 04 n) is answered as it comes, GS r only when its turn in
the data comes, which is never while the printer is offline.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from devices.sim.base import Cable, Memory, parse_faults, run

log = logging.getLogger("sim.escpos")

LINES_A_SECOND = 30
NEAR_END = 100  #: lines
FAULTS: dict[str, tuple[float, str]] = {
    "paper-out": (0, "the roll ends after K more lines"),
    "cover-open": (1, "the cover is open"),
    "silent": (1, "nothing is ever answered, nothing printed"),
    "near-end": (1, "the roll is nearly used up"),
}
#: prefix → bytes after it
COMMANDS = {
    b"\x1b@": 0,
    b"\x1bd": 1,
    b"\x1ba": 1,
    b"\x1bE": 1,
    b"\x1b!": 1,
    b"\x1bt": 1,
    b"\x1bR": 1,
    b"\x1bM": 1,
    b"\x1b-": 1,
    b"\x1bc5": 1,
    b"\x1c&": 0,
    b"\x1c.": 0,
    b"\x1dV\x00": 0,
    b"\x1dV\x01": 0,
    b"\x1dVA": 1,
    b"\x1dVB": 1,
    b"\x1dr": 1,
    b"\x1da": 1,
    b"\x1d!": 1,
    b"\x1dB": 1,
}


class Printer:
    def __init__(self, memory: Memory, cable: Cable, faults: dict[str, float], fast: bool) -> None:
        self.memory = memory
        self.cable = cable
        self.faults = faults
        self.pause = 0.0 if fast else 1 / LINES_A_SECOND
        self.queue = b""
        self.line = b""

    @property
    def offline(self) -> bool:
        return bool(self.memory["cover"] == "open" or self.memory["paper"] <= 0)

    def loop(self) -> None:
        while True:
            data = self.cable.read(None if not self.queue or self.offline else 0)
            if "silent" in self.faults:
                continue
            self.queue += self.real_time(data)
            if not self.offline:
                self.step()

    def real_time(self, data: bytes) -> bytes:
        """Answer the status questions in `data`; the rest is for the queue."""
        rest, i = b"", 0
        while i < len(data):
            if data[i : i + 2] == b"\x10\x04":
                if i + 2 >= len(data):
                    data += self.cable.read(0.2) or b"\x00"
                self.cable.write(bytes([self.status(data[i + 2])]))
                i += 3
            else:
                rest += data[i : i + 1]
                i += 1
        return rest

    def status(self, n: int) -> int:
        cover, out = self.memory["cover"] == "open", self.memory["paper"] <= 0
        near = self.memory["paper"] < NEAR_END
        bits = {
            1: 0x08 if cover or out else 0,
            2: (0x04 if cover else 0) | (0x20 if out else 0),
            3: 0,
            4: (0x0C if near else 0) | (0x60 if out else 0),
        }
        return 0x12 | bits.get(n, 0)

    def step(self) -> None:
        """Take one command or one character from the queue."""
        if not self.queue:
            return
        for prefix, more in COMMANDS.items():
            if self.queue.startswith(prefix):
                size = len(prefix) + more
                if len(self.queue) < size:
                    self.queue += self.cable.read(0.2)
                self.command(prefix, self.queue[len(prefix) : size])
                self.queue = self.queue[size:]
                return
        if self.queue[0] in (0x1B, 0x1C, 0x1D) and any(p.startswith(self.queue[:3]) for p in COMMANDS):
            self.queue += self.cable.read(0.2) or b"\x00"
            return
        byte, self.queue = self.queue[:1], self.queue[1:]
        if byte == b"\n":
            self.feed()
        elif byte[0] >= 0x20:
            self.line += byte

    def command(self, prefix: bytes, parameters: bytes) -> None:
        if prefix == b"\x1b@":
            self.line = b""
        elif prefix == b"\x1bd":
            for _ in range(parameters[0]):
                self.feed()
        elif prefix.startswith(b"\x1dV"):
            self.cut()
        elif prefix == b"\x1dr":
            near, out = self.memory["paper"] < NEAR_END, self.memory["paper"] <= 0
            self.cable.write(bytes([(0x03 if near else 0) | (0x0C if out else 0)]))

    def feed(self) -> None:
        self.memory["page"].append(self.line.decode("gb18030", "replace"))
        self.line = b""
        self.memory["paper"] -= 1
        self.memory.save()
        time.sleep(self.pause)

    def cut(self) -> None:
        page = self.memory["page"]
        while page and not page[-1]:
            page.pop()
        self.memory["jobs"].append(page)
        self.memory["page"] = []
        self.memory.save()


def main(link: Path | None, state: Path | None, paper: int, faults: tuple[str, ...], fast: bool, seed: int = 0) -> None:
    """Run until SIGTERM. The roll is new only when there is no state file yet.

    Raises:
        OperatorError: an unknown fault, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    memory = Memory(
        state, {"device": "escpos", "pid": 0, "port": "", "paper": paper, "cover": "closed", "jobs": [], "page": []}
    )
    memory["cover"] = "open" if "cover-open" in found else "closed"
    if "paper-out" in found:
        memory["paper"] = int(found["paper-out"])
    if "near-end" in found:
        memory["paper"] = min(memory["paper"], NEAR_END - 1)
    cable = Cable(link, seed)
    run(memory, cable, Printer(memory, cable, found, fast).loop)
