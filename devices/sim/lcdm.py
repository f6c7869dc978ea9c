"""A Puloon LCDM-2000: two cassettes, a transport, a diverter with a reject tray, an exit, and no memory of its results.

Device side of the interface specification v3.3T: a command that is well formed is answered by 06, acted on, and
answered by a reply that is repeated until the host says 06, three times in all; anything else is answered by 15. While
notes move the device is deaf. What moved has moved, whatever becomes of the reply.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from devices.sim.base import Cable, Memory, parse_faults, run

log = logging.getLogger("sim.lcdm2000")

#: bytes of a whole command, by its code
SIZE = {0x44: 6, 0x45: 8, 0x46: 6, 0x47: 6, 0x55: 8, 0x56: 10, 0x76: 6, 0x77: 6}
NOTES_A_SECOND = 3.5
NEAR_END = 20  #: notes: the sensor's height in the cassette (ours)
REPEATS = 3
GAP, FAST_GAP = 0.5, 0.25  #: seconds to wait for 06 or 15 (unverified)

FAULTS: dict[str, tuple[float, str]] = {
    "jam-after": (4, "the note after K presented ones sticks at the exit: error 35"),
    "pick-fail-after": (4, "no note can be picked after K: error 32"),
    "empty-after": (4, "the cassette turns out to be empty after K notes"),
    "reject": (1, "K notes are diverted to the reject tray before the first good one"),
    "tray-missing": (1, "the reject tray is not seen: error 3F"),
    "power-loss-after": (4, "the process dies after K presented notes, one more in the path"),
    "unplug-after": (4, "the cable is pulled after K presented notes and is back a second after the last one"),
    "lose-reply": (3, "K sendings of the reply are lost"),
    "corrupt-reply": (1, "K sendings of the reply have one bit wrong"),
    "short-reply": (1, "K sendings of the reply are cut off"),
    "duplicate-reply": (1, "the reply is sent again although it was acknowledged"),
    "late": (2, "the reply comes K seconds late"),
    "drip": (1, "the reply comes byte by byte"),
    "noise": (1, "stray bytes before the reply"),
    "lose-ack": (1, "the acknowledgement of the command is lost"),
    "nak": (1, "K sendings of the command are refused by 15"),
    "drop-command": (1, "K sendings of the command are not heard"),
    "silent": (1, "nothing is ever answered"),
    "chaos": (10, "K percent of all that passes the cable is dropped, cut, doubled, bent or preceded by noise"),
}


class Lcdm2000:
    """`faults` other than `silent` and `chaos` strike the first dispense and are spent then."""

    def __init__(self, memory: Memory, cable: Cable, faults: dict[str, float], fast: bool) -> None:
        self.memory = memory
        self.cable = cable
        self.faults = faults
        self.pause = 0.0 if fast else 1 / NOTES_A_SECOND
        self.gap = FAST_GAP if fast else GAP
        self.rom = b"T01T1A2B"

    def loop(self) -> None:
        while True:
            command = self.listen()
            if command is not None and "silent" not in self.faults:
                self.obey(command)

    # --- the line ---

    def listen(self) -> bytes | None:
        """One command; None after answering 15 to what is none."""
        if self.cable.byte(None) != 0x04:
            return None
        raw = bytearray([0x04])
        while len(raw) < 4 or len(raw) < SIZE.get(raw[3], 0):
            byte = self.cable.byte(0.2)
            if byte is None:
                self.refuse(raw)
                return None
            raw.append(byte)
        check = 0
        for byte in raw[:-1]:
            check ^= byte
        numbers = raw[4:-2]
        good = raw[1:3] == b"\x50\x02" and raw[3] in SIZE and raw[-2] == 0x03 and check == raw[-1]
        if good and (not numbers or numbers.isdigit()):
            return bytes(raw)
        self.refuse(raw)
        return None

    def refuse(self, raw: bytearray) -> None:
        log.info("15 to %s", raw.hex(" "))
        self.cable.write(b"\x15")

    def spend(self, name: str) -> bool:
        """True, `K` times, if this fault was asked for."""
        left = self.faults.get(name, 0)
        if left < 1:
            return False
        self.faults[name] = left - 1
        return True

    def obey(self, raw: bytes) -> None:
        code, digits = raw[3], raw[4:-2].decode()
        dispensing = code in (0x45, 0x55, 0x56)
        if dispensing:
            if self.spend("drop-command"):
                return
            if self.spend("nak"):
                self.cable.write(b"\x15")
                return
        if not (dispensing and self.spend("lose-ack")):
            self.cable.write(b"\x06")
        if dispensing:
            self.memory["busy"] = True
            self.memory["dispenses"] += 1
            body = self.dispense(code, digits)
            self.memory["busy"] = False
            self.memory.save()
        elif code == 0x44:
            body = self.purge()
        elif code == 0x46:
            body = b"\x30" + self.trouble() + self.sensors()
        elif code == 0x47:
            body = self.rom
        else:
            body = self.test("upper" if code == 0x76 else "lower")
        self.cable.forget_input()
        self.reply(bytes([code]) + body, dispensing)

    def reply(self, body: bytes, dispensing: bool) -> None:
        frame = b"\x01\x50\x02" + body + b"\x03"
        check = 0
        for byte in frame:
            check ^= byte
        frame += bytes([check])
        if dispensing and "late" in self.faults:
            time.sleep(self.faults.pop("late"))
        for _ in range(REPEATS):
            self.send(frame, dispensing)
            answer = self.cable.byte(self.gap)
            while answer not in (0x06, 0x15, 0x04, None):
                answer = self.cable.byte(self.gap)
            if answer == 0x06:
                if dispensing and self.spend("duplicate-reply"):
                    self.cable.write(frame)
                return
            if answer == 0x04:  # the host goes on: the result is dropped
                self.cable.push_back(b"\x04")
                return
        log.info("nobody took the result: it is lost")

    def send(self, frame: bytes, dispensing: bool) -> None:
        if not dispensing:
            self.cable.write(frame)
        elif self.spend("lose-reply"):
            log.info("reply lost")
        elif self.spend("corrupt-reply"):
            place = self.cable.random.randrange(4, len(frame))
            self.cable.write(
                frame[:place] + bytes([frame[place] ^ 1 << self.cable.random.randrange(8)]) + frame[place + 1 :]
            )
        elif self.spend("short-reply"):
            self.cable.write(frame[: self.cable.random.randrange(4, len(frame))])
        elif self.spend("drip"):
            self.cable.drip(frame)
        else:
            self.cable.write((b"\xff\x00\x55" if self.spend("noise") else b"") + frame)

    # --- the machine ---

    def blocked(self) -> bool:
        return any(self.memory["path"].values())

    def trouble(self) -> bytes:
        return b"\x35" if self.blocked() else b"\x3f" if "tray-missing" in self.faults else b"\x30"

    def sensors(self) -> bytes:
        """Healthy: 80 00. Polarities as the open drivers read them (unverified)."""
        cassettes = self.memory["cassettes"]
        first = 0x80 | (0x20 if self.blocked() else 0) | (0x40 if cassettes["upper"] < NEAR_END else 0)
        second = (0x20 if cassettes["lower"] < NEAR_END else 0) | (0x40 if "tray-missing" in self.faults else 0)
        return bytes([first, second])

    def move(self, source: str, target: str, unit: str) -> None:
        self.memory[source][unit] -= 1
        self.memory[target][unit] += 1
        self.memory.save()

    def dispense(self, code: int, digits: str) -> bytes:
        """The body of the reply after the code; the notes have moved."""
        asked = {"upper": int(digits[:2])} if code == 0x45 else {"lower": int(digits[:2])}
        if code == 0x56:
            asked = {"upper": int(digits[:2]), "lower": int(digits[2:])}
        done = {unit: {"chk": 0, "exit": 0, "rejected": 0} for unit in asked}
        if sum(asked.values()) > 60 or sum(asked.values()) < 1:
            error = 0x3B
        elif self.trouble() != b"\x30":
            error = self.trouble()[0]
        else:
            error = self.run_notes(asked, done)
        for name in ("jam-after", "pick-fail-after", "empty-after"):
            self.faults.pop(name, None)
        near = b"".join(b"\x31" if self.memory["cassettes"][u] < NEAR_END else b"\x30" for u in asked)
        moved = "".join(f"{d['chk']:02}{d['exit']:02}" for d in done.values()).encode()
        rejected = "".join(f"{d['rejected']:02}" for d in done.values()).encode()
        return moved + bytes([error]) + near + rejected

    def run_notes(self, asked: dict[str, int], done: dict[str, dict[str, int]]) -> int:
        out = 0
        for unit, notes in asked.items():
            while done[unit]["exit"] < notes:
                if not self.memory["cassettes"][unit] or out >= self.faults.get("empty-after", 999):
                    return 0x38 if unit == "upper" else 0x40
                if out >= self.faults.get("pick-fail-after", 999):
                    return 0x32
                self.move("cassettes", "path", unit)
                done[unit]["chk"] += 1
                time.sleep(self.pause)
                if self.spend("reject"):
                    self.move("path", "rejected", unit)
                    done[unit]["rejected"] += 1
                    continue
                if out >= self.faults.get("jam-after", 999):
                    return 0x35
                if out >= self.faults.get("power-loss-after", 999):
                    self.memory["busy"] = False
                    self.memory.save()
                    log.warning("the power is gone")
                    os._exit(9)
                if out >= self.faults.get("unplug-after", 999):
                    del self.faults["unplug-after"]
                    self.cable.unplug()
                self.move("path", "presented", unit)
                done[unit]["exit"] += 1
                out += 1
        if not self.cable.plugged:
            time.sleep(1.0)
            self.cable.plug()
            self.memory["port"] = self.cable.name
            self.memory.save()
        return 0x31

    def purge(self) -> bytes:
        """What is in the path goes to the reject tray."""
        for unit in ("upper", "lower"):
            while self.memory["path"][unit]:
                self.move("path", "rejected", unit)
        return b"\x30"

    def test(self, unit: str) -> bytes:
        """One note to the reject tray."""
        if not self.memory["cassettes"][unit]:
            return b"00\x30\x30" + (b"\x38" if unit == "upper" else b"\x40") + b"\x3100"
        self.move("cassettes", "rejected", unit)
        near = b"\x31" if self.memory["cassettes"][unit] < NEAR_END else b"\x30"
        return b"01\x30\x30\x31" + near + b"01"


def main(
    link: Path | None,
    state: Path | None,
    upper: int,
    lower: int,
    faults: tuple[str, ...],
    seed: int,
    fast: bool,
    power_loss_after: int = -1,
    rom: str = "T01T1A2B",
) -> None:
    """Run until SIGTERM. Notes are loaded only when there is no state file yet.

    Raises:
        OperatorError: an unknown fault, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    if power_loss_after >= 0:
        found["power-loss-after"] = power_loss_after
    none = {"upper": 0, "lower": 0}
    loaded = {"upper": upper, "lower": lower}
    fresh = {"device": "lcdm2000", "pid": 0, "port": "", "busy": False, "loaded": loaded, "cassettes": dict(loaded)}
    fresh |= {"presented": dict(none), "rejected": dict(none), "path": dict(none), "dispenses": 0}
    memory = Memory(state, fresh)
    memory["busy"] = False
    cable = Cable(link, seed, found.get("chaos", 0) / 100)
    machine = Lcdm2000(memory, cable, found, fast)
    machine.rom = rom.encode("ascii")[:8].ljust(8)
    run(memory, cable, machine.loop)
