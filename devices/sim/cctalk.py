"""ccTalk slaves on one wire: a coin acceptor and a hopper, after the generic specification v4.7.

What the master sends is heard back by it, for the wire is one. A packet for another address, with a bad check, cut off
or with an unknown header is met with silence. The acceptor numbers its events in a counter that only a reset sets to 0
and keeps five; the hopper counts its dispenses likewise, and its paid, unpaid and lifetime counts outlive the power.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from devices.errors import OperatorError
from devices.sim.base import Cable, Memory, parse_faults, run

log = logging.getLogger("sim.cctalk")

ADDRESS = {"coin-acceptor": 2, "hopper": 3}
CATEGORY = {"coin-acceptor": b"Coin Acceptor", "hopper": b"Payout"}
SERIAL = {"coin-acceptor": 0x0102F1, "hopper": 0x0103A7}
#: coin position → code of 184 and minor units
COINS = {1: (b"CN.10A", 10), 2: (b"CN.50A", 50), 3: (b"CN001A", 100)}
GAP = 0.05  #: seconds of silence that end a packet
STEP, FAST_STEP = 0.2, 0.03  #: seconds a coin needs
WATCHDOG = 1.0  #: seconds without 229 after which the acceptor inhibits itself

FAULTS: dict[str, tuple[float, str]] = {
    "burst": (8, "K coins fall in at once, faster than polls"),
    "reject": (1, "K coins are refused and returned"),
    "reset-after": (2, "the device resets when K coins are in or out"),
    "reset-blind-after": (2, "as reset-after; one more coin of the hopper falls out uncounted"),
    "power-loss-after": (2, "the process dies when K coins are in or out"),
    "jam-after": (2, "the hopper jams after K coins"),
    "empty-after": (2, "the hopper turns out to be empty after K coins"),
    "nak": (1, "K dispenses are refused"),
    "drop-command": (1, "K dispenses are not heard"),
    "lose-reply": (1, "K replies that tell of money are lost"),
    "corrupt-reply": (1, "K replies that tell of money have one bit wrong"),
    "duplicate-reply": (1, "K replies that tell of money come twice"),
    "late": (1, "a reply that tells of money comes K tenths of a second late"),
    "split": (1, "a reply that tells of money comes in two pieces"),
    "no-echo": (1, "the adapter does not give the master's bytes back"),
    "silent": (1, "nothing is ever answered"),
    "chaos": (10, "K percent of all that passes the cable is dropped, cut, doubled, bent or preceded by noise"),
}


def crc(data: bytes) -> int:
    """Poly 1021, init 0 (P1 p30)."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
    return value


class Slave:
    """What both devices have in common: the wire and the identity."""

    def __init__(self, memory: Memory, cable: Cable, faults: dict[str, float], fast: bool, crc16: bool) -> None:
        self.memory, self.cable, self.faults, self.crc16 = memory, cable, faults, crc16
        self.name = str(memory["device"])
        self.step = FAST_STEP if fast else STEP
        self.due = 0.0
        self.boot()

    def boot(self) -> None:
        """Power comes on."""
        raise NotImplementedError

    def answer(self, header: int, data: bytes) -> bytes | None:
        """Header and data of the answer to a command of this device; None is silence."""
        raise NotImplementedError

    def work(self, now: float) -> None:
        """What the mechanism does in the meantime."""
        raise NotImplementedError

    def loop(self) -> None:
        buffer, heard = b"", 0.0
        while True:
            data = self.cable.read(0.005)
            now = time.monotonic()
            if data:
                if "no-echo" not in self.faults:
                    self.cable.write(data)
                buffer, heard = buffer + data, now
            elif buffer and now - heard > GAP:
                buffer = b""
            while len(buffer) >= 2 and len(buffer) >= buffer[1] + 5:
                packet, buffer = buffer[: buffer[1] + 5], buffer[buffer[1] + 5 :]
                if packet[0] == ADDRESS[self.name] and self.good(packet) and "silent" not in self.faults:
                    self.obey(packet[3], packet[4:-1])
            self.work(now)

    def good(self, packet: bytes) -> bool:
        if self.crc16:
            return crc(packet[:2] + packet[3:-1]) == packet[2] | packet[-1] << 8
        return sum(packet) % 256 == 0

    def spend(self, name: str) -> bool:
        left = self.faults.get(name, 0)
        if left < 1:
            return False
        self.faults[name] = left - 1
        return True

    def strikes(self, name: str, count: int) -> bool:
        """True once, at `count`."""
        if self.faults.get(name) != count:
            return False
        del self.faults[name]
        return True

    def obey(self, header: int, data: bytes) -> None:
        if header == 167 and self.spend("drop-command"):
            return
        told = self.told()
        reply = self.identity(header) or self.answer(header, data)
        if reply is None:
            return
        body = bytes([len(reply) - 1])
        if self.crc16:
            check = crc(b"\x01" + body + reply)
            raw = b"\x01" + body + bytes([check & 0xFF]) + reply + bytes([check >> 8])
        else:
            raw = b"\x01" + body + bytes([ADDRESS[self.name]]) + reply
            raw += bytes([-sum(raw) % 256])
        self.deliver(raw, header == 167 or (header == 229 and told))

    def told(self) -> bool:
        """True when 229 has news."""
        return False

    def deliver(self, raw: bytes, money: bool) -> None:
        if money and self.spend("lose-reply"):
            return
        if money and self.spend("corrupt-reply"):
            at = self.cable.random.randrange(2, len(raw))
            raw = raw[:at] + bytes([raw[at] ^ 1 << self.cable.random.randrange(8)]) + raw[at + 1 :]
        if money and "late" in self.faults:
            time.sleep(self.faults.pop("late") / 10)
        if money and self.spend("split"):
            self.cable.write(raw[:3])
            time.sleep(0.02)
            raw = raw[3:]
        self.cable.write(raw)
        if money and self.spend("duplicate-reply"):
            self.cable.write(raw)

    def identity(self, header: int) -> bytes | None:
        words = {246: b"SIM", 245: CATEGORY[self.name], 244: b"SIM-1", 241: b"1.0", 192: b"STD"}
        if header in words:
            return b"\x00" + words[header]
        if header == 242:
            return b"\x00" + SERIAL[self.name].to_bytes(3, "little")
        if header == 4:
            return b"\x00\x01\x04\x07"
        return b"\x00" if header == 254 else None


class CoinAcceptor(Slave):
    """Coins of `--feed` fall in whenever they are taken: into the cashbox, or back."""

    def boot(self) -> None:
        self.counter = 0
        self.ring: list[tuple[int, int]] = []
        self.mask, self.master = 0, False
        self.polled = time.monotonic()
        self.seen = 0

    def told(self) -> bool:
        return self.counter != self.seen

    def answer(self, header: int, data: bytes) -> bytes | None:
        if header == 1:
            self.boot()
            return b"\x00"
        if header == 229:
            self.polled, self.seen = time.monotonic(), self.counter
            pairs = (self.ring + [(0, 0)] * 5)[:5]
            return bytes([0, self.counter]) + bytes(b for pair in pairs for b in pair)
        if header == 231 and len(data) == 2:
            self.mask = int.from_bytes(data, "little")
            return b"\x00"
        if header == 230:
            return b"\x00" + self.mask.to_bytes(2, "little")
        if header == 228 and len(data) == 1:
            self.master = bool(data[0] & 1)
            return b"\x00"
        if header == 227:
            return bytes([0, self.master])
        if header == 232:
            return b"\x00\x00"
        if header == 184 and len(data) == 1:
            return b"\x00" + COINS.get(data[0], (b"......", 0))[0]
        return None

    def work(self, now: float) -> None:
        waiting = self.memory["customer"]
        if not waiting or now < self.due or now - self.polled > WATCHDOG or not self.master:
            return
        self.due = now + self.step
        for _ in range(int(self.faults.pop("burst", 1))):
            if waiting and self.mask >> (waiting[0] - 1) & 1:
                self.coin(waiting.pop(0))
        entered = sum(self.memory["cashbox"].values())
        if self.strikes("reset-after", entered):
            self.boot()
        elif self.strikes("power-loss-after", entered):
            self.memory.save()
            os._exit(9)

    def coin(self, position: int) -> None:
        good = not self.spend("reject")
        self.memory["cashbox" if good else "returned"][str(position)] += 1
        self.memory.save()
        self.counter = self.counter % 255 + 1
        self.ring.insert(0, (position, 1) if good else (0, 1))


class Hopper(Slave):
    """Coins of one kind, a disc that gives them out one by one past an opto."""

    def boot(self) -> None:
        self.counter = 0
        self.enabled = False
        self.flags = [0x40, 0, 0]
        if self.memory["remaining"]:
            self.memory["unpaid"], self.memory["remaining"] = self.memory["remaining"], 0
            self.flags[2] |= 0x01
        self.memory.save()

    def answer(self, header: int, data: bytes) -> bytes | None:
        memory = self.memory
        if header == 1:
            self.boot()
            self.flags[0] &= ~0x40
            return b"\x00"
        if header == 164 and len(data) == 1:
            self.enabled = data[0] == 0xA5
            return b"\x00"
        if header == 163:
            return bytes([0, self.flags[0] | (0 if self.enabled else 0x80), *self.flags[1:]])
        if header == 166:
            return bytes([0, self.counter, memory["remaining"], memory["paid"], memory["unpaid"]])
        if header == 168:
            return b"\x00" + int(memory["lifetime"]).to_bytes(3, "little")
        if header == 171:
            return b"\x00CN001A"
        if header == 172:
            memory["unpaid"], memory["remaining"] = memory["remaining"], 0
            return bytes([0, memory["unpaid"]])
        if header == 167 and len(data) == 4:
            return self.dispense(data)
        return None

    def dispense(self, data: bytes) -> bytes:
        wrong = data[:3] != SERIAL["hopper"].to_bytes(3, "little") or not data[3]
        stopped = self.flags[1] & 0x10 or self.flags[2] & 0x01
        if wrong or stopped or not self.enabled or self.memory["remaining"] or self.spend("nak"):
            return b"\x05"
        self.counter = self.counter % 255 + 1
        self.memory["paid"], self.memory["unpaid"], self.memory["remaining"] = 0, 0, data[3]
        self.memory["dispenses"] += 1
        self.memory.save()
        self.due = time.monotonic() + self.step
        return bytes([0, self.counter])

    def work(self, now: float) -> None:
        memory = self.memory
        if not memory["remaining"] or now < self.due:
            return
        self.due = now + self.step
        paid = memory["paid"]
        if self.strikes("power-loss-after", paid):
            os._exit(9)
        if self.strikes("reset-after", paid):
            self.boot()
        elif self.strikes("reset-blind-after", paid):
            memory["hopper"] -= 1
            memory["presented"] += 1
            self.boot()
        elif self.strikes("jam-after", paid):
            self.stop(1, 0x10)
        elif not memory["hopper"] or self.strikes("empty-after", paid):
            self.stop(0, 0x02)
        else:
            memory["hopper"] -= 1
            memory["presented"] += 1
            memory["paid"], memory["remaining"] = paid + 1, memory["remaining"] - 1
            memory["lifetime"] += 1
            memory.save()

    def stop(self, register: int, bit: int) -> None:
        self.flags[register] |= bit
        self.memory["unpaid"], self.memory["remaining"] = self.memory["remaining"], 0
        self.memory.save()


def main(
    device: str,
    link: Path | None,
    state: Path | None,
    faults: tuple[str, ...],
    seed: int,
    fast: bool,
    check: str = "sum",
    feed: str = "",
    load: int = 500,
) -> None:
    """Run until SIGTERM. `check`: `sum` or `crc`; `feed`: minor units of the customer's coins; `load`: the hopper's.

    Raises:
        OperatorError: an unknown fault, coin or check, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    if check not in ("sum", "crc"):
        raise OperatorError(f"there is no check {check!r}", remedy="Choose sum or crc")
    positions = {str(minor): p for p, (_, minor) in COINS.items()}
    words = feed.replace(",", " ").split()
    if unknown := [w for w in words if w not in positions]:
        raise OperatorError(f"there is no coin of {unknown[0]}", remedy=f"Choose from {' '.join(positions)}")
    fresh: dict[str, Any] = {"device": device, "pid": 0, "port": ""}
    if device == "hopper":
        fresh |= {"loaded": load, "hopper": load, "presented": 0, "paid": 0, "unpaid": 0, "remaining": 0}
        fresh |= {"lifetime": 1000, "dispenses": 0}
    else:
        none = {str(p): 0 for p in COINS}
        fresh |= {"customer": [], "cashbox": dict(none), "returned": dict(none)}
    memory = Memory(state, fresh)
    if words:
        memory["customer"] = memory["customer"] + [positions[w] for w in words]
    cable = Cable(link, seed, found.get("chaos", 0) / 100)
    kind = Hopper if device == "hopper" else CoinAcceptor
    run(memory, cable, kind(memory, cable, found, fast, check == "crc").loop)
