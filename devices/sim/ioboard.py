"""An I/O board on Modbus RTU: doors, a shutter with travel, latches, lamps, a watchdog, a person before it.

Device side of the map in PROTOCOLS A 4. Silent on a bad check or another address; functions 1 2 3 5 6 and 15.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from devices.errors import OperatorError
from devices.sim.base import Cable, Memory, parse_faults, run

log = logging.getLogger("sim.ioboard")

FAULTS: dict[str, tuple[float, str]] = {
    "lose-reply": (1, "K answers are lost"),
    "corrupt-reply": (1, "K answers have one bit wrong"),
    "short-reply": (1, "K answers are cut off"),
    "duplicate-reply": (3, "K answers come twice"),
    "drip": (3, "K answers come byte by byte"),
    "lose-pulse-reply": (1, "the answer to K pulses is lost"),
    "shutter-stuck": (1, "the shutter does not move"),
    "map": (2, "the map has version K"),
    "busy": (1, "K writes are answered by exception 06"),
    "silent": (1, "nothing is ever answered"),
    "chaos": (10, "K percent of all that passes the cable is dropped, cut, doubled, bent or preceded by noise"),
}
INPUTS, COILS, REGISTERS = 10, 10, 15
TRAVEL_MS = 400


def crc(data: bytes) -> bytes:
    """Reflected A001 from FFFF, low byte first: `123456789` gives 37 4B."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


class IoBoard:
    def __init__(self, memory: Memory, cable: Cable, faults: dict[str, float], fast: bool) -> None:
        self.memory = memory
        self.cable = cable
        self.faults = faults
        self.travel = 0.05 if fast else TRAVEL_MS / 1000
        self.moved_at = 0.0
        self.heard_at = time.monotonic()
        memory["registers"][0] = int(faults.get("map", 1))

    def loop(self) -> None:
        while True:
            raw = b""
            while byte := self.cable.read(0.01 if raw else 0.02):
                raw += byte
            self.step()
            if len(raw) >= 4 and raw[0] == 1 and crc(raw[:-2]) == raw[-2:] and "silent" not in self.faults:
                self.heard_at = time.monotonic()
                self.obey(raw[1], raw[2:-2])

    def spend(self, name: str) -> bool:
        left = self.faults.get(name, 0)
        if left < 1:
            return False
        self.faults[name] = left - 1
        return True

    def reply(self, body: bytes) -> None:
        raw = b"\x01" + body
        raw += crc(raw)
        if self.spend("lose-reply"):
            return
        if self.spend("corrupt-reply"):
            place = self.cable.random.randrange(len(raw))
            raw = raw[:place] + bytes([raw[place] ^ 1 << self.cable.random.randrange(8)]) + raw[place + 1 :]
        elif self.spend("short-reply"):
            raw = raw[:-2]
        elif self.spend("duplicate-reply"):
            raw += raw
        if self.spend("drip"):
            self.cable.drip(raw)
        else:
            self.cable.write(raw)

    def obey(self, function: int, data: bytes) -> None:
        start, value = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        sizes = {1: COILS, 2: INPUTS, 3: REGISTERS, 5: COILS, 6: REGISTERS, 15: COILS}
        if function not in sizes:
            self.refuse(function, 1)
        elif start + (1 if function in (5, 6) else value) > sizes[function]:
            self.refuse(function, 2)
        elif function in (1, 2, 3):
            self.read(function, start, value)
        elif self.spend("busy"):
            self.refuse(function, 6)
        elif function == 5 and value not in (0, 0xFF00):
            self.refuse(function, 3)
        elif function == 6 and start in (0, 1, 3, 5, 6, 7):
            self.refuse(function, 2)
        else:
            self.write(function, start, value, data)

    def refuse(self, function: int, code: int) -> None:
        self.reply(bytes([function | 0x80, code]))

    def read(self, function: int, start: int, count: int) -> None:
        if not count:
            self.refuse(function, 3)
        elif function == 3:
            words = b"".join(w.to_bytes(2, "big") for w in self.memory["registers"][start : start + count])
            self.reply(bytes([3, len(words)]) + words)
        else:
            bits = self.memory["coils" if function == 1 else "inputs"][start : start + count]
            packed = sum(bool(b) << i for i, b in enumerate(bits)).to_bytes((count + 7) // 8, "little")
            self.reply(bytes([function, len(packed)]) + packed)

    def write(self, function: int, start: int, value: int, data: bytes) -> None:
        pulse = False
        if function == 6:
            self.memory["registers"][start] = value
        elif function == 5:
            pulse = self.coil(start, value == 0xFF00)
        else:
            bits = int.from_bytes(data[5:], "little")
            for i in range(value):
                self.coil(start + i, bool(bits >> i & 1))
        self.memory["writes"] += 1
        self.memory.save()
        if not (pulse and self.spend("lose-pulse-reply")):
            self.reply(bytes([function]) + data[:4])

    def coil(self, number: int, on: bool) -> bool:
        """Set one; True when it was the pulse."""
        if number == 2:
            if on:
                self.memory["inputs"][2] = self.memory["inputs"][3] = 0
                self.memory["pulses"] += 1
            return True
        if number == 0 and self.memory["coils"][0] != int(on):
            self.moved_at = time.monotonic()
            if "shutter-stuck" not in self.faults:
                self.memory["inputs"][5] = self.memory["inputs"][6] = 0
        self.memory["coils"][number] = int(on)
        return False

    def step(self) -> None:
        """The shutter travels; the watchdog counts."""
        now, inputs, coils, registers = (time.monotonic(), *(self.memory[k] for k in ("inputs", "coils", "registers")))
        there = 5 if coils[0] else 6
        if not inputs[there] and now - self.moved_at > self.travel:
            if "shutter-stuck" in self.faults:
                registers[3] |= 2
            else:
                inputs[there] = 1
                registers[5] = (registers[5] + 1) & 0xFFFF
                self.memory.save()
        if registers[2] and now - self.heard_at > registers[2] / 1000 and not registers[3] & 1:
            log.warning("the watchdog fires")
            registers[3] |= 1
            registers[10:14] = [0, 0, 0, 0]
            coils[4:8] = [0, 0, 0, 0]
            if not inputs[7]:
                self.coil(0, False)
            self.memory.save()


def main(link: Path | None, state: Path | None, put: str, faults: tuple[str, ...], seed: int, fast: bool) -> None:
    """Run until SIGTERM.

    Raises:
        OperatorError: an unknown fault or input, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    inputs = [0] * INPUTS
    inputs[6] = 1
    for word in put.split(",") if put else ():
        if not word.isdecimal() or int(word) >= INPUTS:
            raise OperatorError(f"--put {put!r}: there is no input {word!r}", remedy="Write numbers from 0 to 9")
        inputs[int(word)] = 1
    registers = [0] * REGISTERS
    registers[1], registers[4], registers[6] = 1, 1000, 60 if inputs[4] else 0xFFFF
    fresh = {"device": "ioboard", "pid": 0, "port": "", "inputs": inputs, "coils": [0] * COILS, "registers": registers}
    memory = Memory(state, fresh | {"writes": 0, "pulses": 0})
    cable = Cable(link, seed, found.get("chaos", 0) / 100)
    run(memory, cable, IoBoard(memory, cable, found, fast).loop)
