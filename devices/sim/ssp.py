"""ITL note devices: a slot, a sensor head, one escrow place, a cashbox, and in a SMART Payout a store that pays out.

Device side of GA138 and GA973. `nv9` speaks plain SSP, `nv200` also eSSP, `smartpayout` pays out and then wants eSSP.
Commands with the sequence flag of the one before are answered by the same bytes again and not acted on. The customer
feeds the notes of `--feed` one by one whenever the device takes notes; where every note is, is in the state file:
loaded + fed = levels + cashbox + presented + returned + path, per channel.
"""

from __future__ import annotations

import logging
import os
import random
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from devices.errors import OperatorError
from devices.sim.base import Cable, Memory, parse_faults, run

log = logging.getLogger("sim.ssp")

CURRENCY = b"CNY"
#: channel → minor units of a note
VALUES = {1: 1000, 2: 2000, 3: 5000, 4: 10000}
SERIALS = {"nv9": 0x00ABC123, "nv200": 0x00ABC200, "smartpayout": 0x00ABC600}
FIXED_KEY = bytes.fromhex("6745230167452301")
WATCHDOG = ESCROW = 10.0  #: seconds
STEP, FAST_STEP = 0.3, 0.02  #: seconds a note needs from one place to the next
#: what 56 holds until 57 (GA138 p89)
HELD = {0xEE, 0xE6, 0xE2, 0xE1, 0xDC, 0xD2, 0xCD, 0xCB, 0xCA, 0xC9, 0xB1}
SEALED_ONLY = {0x33, 0x34, 0x38, 0x3B, 0x3C, 0x3D, 0x3F, 0x44, 0x46, 0x52, 0x53, 0x56, 0x57, 0x5B, 0x5C}

FAULTS: dict[str, tuple[float, str]] = {
    "reject": (1, "K notes fed are refused by the head and come back"),
    "safe-jam": (1, "K accepted notes jam where the customer can not reach them: EA, no credit"),
    "unsafe-jam": (1, "K accepted notes jam where the customer can pull them out: E9, no credit"),
    "fraud": (1, "K accepted notes end in the cashbox as fraud: E6, no credit"),
    "reset-in-stacking": (1, "the device resets while the accepted note moves: it clears into the cashbox (F1, E2)"),
    "jam-after": (2, "the note after K paid ones sticks in the path: D5"),
    "reverse-fail-after": (2, "the note after K paid ones is not believed by the head: B1, then C9"),
    "reset-after": (2, "the device resets after K paid notes, one more in the head: F1, DC, CA"),
    "reset-silent-after": (2, "as reset-after, but nobody tells what became of the note in the head"),
    "power-loss-after": (2, "the process dies after K paid notes, one more in the head"),
    "unplug-after": (2, "the cable is pulled after K paid notes and is back a second later"),
    "lose-reply": (1, "K replies that tell of money are lost"),
    "corrupt-reply": (1, "K replies that tell of money have one bit wrong"),
    "duplicate-reply": (1, "K replies that tell of money come twice"),
    "late": (1, "a reply that tells of money comes K tenths of a second late"),
    "split": (1, "a reply that tells of money comes in two pieces"),
    "drop-command": (1, "K commands to pay are not heard"),
    "silent": (1, "nothing is ever answered"),
    "chaos": (10, "K percent of all that passes the cable is dropped, cut, doubled, bent or preceded by noise"),
}


def crc(data: bytes) -> bytes:
    """Poly 8005, init FFFF, low byte first (GA138 p10)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (0x8005 if value & 0x8000 else 0)) & 0xFFFF
    return value.to_bytes(2, "little")


def prime(n: int) -> bool:
    """Fermat to a few bases: what a small device does."""
    return n > 3 and all(pow(base, n - 1, n) == 1 for base in (2, 3, 5, 7) if n % base)


class Ssp:
    """One device. What `memory` holds survives the loss of power; the attributes do not."""

    def __init__(self, model: str, memory: Memory, cable: Cable, faults: dict[str, float], fast: bool) -> None:
        self.model, self.memory, self.cable, self.faults = model, memory, cable, faults
        self.step = FAST_STEP if fast else STEP
        self.random = random.Random(f"ssp{os.getpid()}")
        self.plug_at = 0.0
        self.boot()

    def boot(self) -> None:
        """Power comes on: keys, flags and inhibits are gone, notes are not."""
        self.sequence: int | None = None
        self.last_reply, self.last_money = b"", False
        self.key: Cipher[modes.ECB] | None = None
        self.count = 0
        self.numbers = [0, 0]
        self.enabled = self.payout_enabled = False
        self.inhibits = 0
        self.version = 6
        self.reading = 0
        self.note: tuple[str, int] | None = None
        self.due = self.escrow_until = 0.0
        self.heard = time.monotonic()
        self.reject_code = 0
        self.jam = b""
        self.dispensing = False
        self.held: bytes = b""
        self.queue: list[bytes] = [b"\xf1"]
        self.raw = bytearray()
        self.recover()

    def recover(self) -> None:
        """Say what a payout or a note under way came to (GA973 p64-66)."""
        payout, path = self.memory["payout"], self.memory["path"]
        if payout is not None:
            done, asked = (n.to_bytes(4, "little") for n in (payout["done"], payout["asked"]))
            self.queue.append(b"\xdc\x01" + done + asked + CURRENCY)
            self.memory["payout"] = None
        for channel in VALUES:
            while path[str(channel)]:
                self.move("path", "cashbox", channel)
                if payout is None:
                    self.queue.append(bytes([0xE2, channel]))
                elif not payout.get("silent"):
                    self.queue.append(b"\xca" + VALUES[channel].to_bytes(4, "little") + CURRENCY)
        self.memory.save()

    def loop(self) -> None:
        while True:
            if not self.cable.plugged:
                time.sleep(max(0.0, self.plug_at - time.monotonic()))
                self.cable.plug()
                self.memory["port"] = self.cable.name
                self.memory.save()
            for frame in self.frames(self.cable.read(0.005)):
                if "silent" not in self.faults:
                    self.obey(*frame)
            self.work(time.monotonic())

    def spend(self, name: str) -> bool:
        left = self.faults.get(name, 0)
        if left < 1:
            return False
        self.faults[name] = left - 1
        return True

    # --- the line ---

    def frames(self, data: bytes) -> list[tuple[int, bytes]]:
        """Whole packets with a good CRC to address 0: sequence flag and data. Everything else is met with silence."""
        self.raw += data
        found: list[tuple[int, bytes]] = []
        while True:
            start = self.raw.find(0x7F)
            if start < 0:
                self.raw.clear()
                return found
            del self.raw[:start]
            plain, at, again = bytearray(), 1, False
            while len(plain) < 2 or len(plain) < plain[1] + 4:
                if at >= len(self.raw) or (self.raw[at] == 0x7F and at + 1 >= len(self.raw)):
                    return found
                if self.raw[at] == 0x7F:
                    if self.raw[at + 1] != 0x7F:
                        again = True
                        break
                    at += 1
                plain.append(self.raw[at])
                at += 1
            del self.raw[:at]
            if not again and crc(bytes(plain[:-2])) == plain[-2:] and plain[0] & 0x7F == 0:
                found.append((plain[0] >> 7, bytes(plain[2:-2])))

    def send(self, sequence: int, data: bytes) -> bytes:
        body = bytes([sequence << 7, len(data)]) + data
        return b"\x7f" + (body + crc(body)).replace(b"\x7f", b"\x7f\x7f")

    def obey(self, sequence: int, data: bytes) -> None:
        self.heard = time.monotonic()
        if sequence == self.sequence and data[:1] != b"\x11":
            self.deliver(self.last_reply, self.last_money)
            return
        sealed = data[:1] == b"\x7e"
        plain: bytes | None = data
        if sealed:
            plain = self.unseal(data[1:]) if self.key else b""
            if plain is None:
                return
        if not plain and not sealed:
            return
        paying = bool(plain) and plain is not None and plain[0] == 0x33 and plain[-1] == 0x58
        if paying and self.spend("drop-command"):
            return
        assert plain is not None
        key = self.key
        answer = self.command(plain, sealed) if plain else b"\xfa"
        reply = self.sealed(answer) if sealed and key is not None and self.key is key else answer
        self.sequence = sequence
        self.last_reply = self.send(sequence, reply)
        self.last_money = paying or (plain[:1] in (b"\x07", b"\x56") and any(b in answer[1:2] for b in (0xEE, 0xD2)))
        self.deliver(self.last_reply, self.last_money)

    def deliver(self, raw: bytes, money: bool) -> None:
        if money and self.spend("lose-reply"):
            return
        if money and self.spend("corrupt-reply"):
            at = self.cable.random.randrange(3, len(raw))
            raw = raw[:at] + bytes([raw[at] ^ 1 << self.cable.random.randrange(8)]) + raw[at + 1 :]
        if money and "late" in self.faults:
            time.sleep(self.faults.pop("late") / 10)
        if money and self.spend("split"):
            self.cable.write(raw[:5])
            time.sleep(0.05)
            raw = raw[5:]
        self.cable.write(raw)
        if money and self.spend("duplicate-reply"):
            self.cable.write(raw)

    def unseal(self, blocks: bytes) -> bytes | None:
        assert self.key is not None
        if not blocks or len(blocks) % 16:
            return None
        decryptor = self.key.decryptor()
        plain = decryptor.update(blocks) + decryptor.finalize()
        count = int.from_bytes(plain[1:5], "little")
        if crc(plain[:-2]) != plain[-2:] or plain[0] > len(plain) - 7 or count != self.count:
            return None
        return plain[5 : 5 + plain[0]]

    def sealed(self, data: bytes) -> bytes:
        assert self.key is not None
        self.count += 1
        plain = bytes([len(data)]) + self.count.to_bytes(4, "little") + data
        plain += self.random.randbytes(-(len(plain) + 2) % 16)
        plain += crc(plain)
        encryptor = self.key.encryptor()
        return b"\x7e" + encryptor.update(plain) + encryptor.finalize()

    # --- commands ---

    def command(self, data: bytes, sealed: bool) -> bytes:
        """The answer to one command, acted on."""
        code, rest = data[0], data[1:]
        recycler = self.model == "smartpayout"
        if self.model == "nv9" and code in (0x4A, 0x4B, 0x4C, 0x56, 0x57):
            return b"\xf2"
        if code in SEALED_ONLY and not sealed:
            return b"\xfa" if self.key is None else b"\xf4"
        if code == 0x11:
            return b"\xf0"
        if code in (0x4A, 0x4B, 0x4C):
            return self.exchange(code, int.from_bytes(rest, "little")) if len(rest) == 8 else b"\xf3"
        if code == 0x06:
            if rest[:1] not in (b"\x06", b"\x07", b"\x08"):
                return b"\xf8"
            self.version = rest[0]
            return b"\xf0"
        if code == 0x05:
            return b"\xf0" + self.setup()
        if code == 0x0C:
            return b"\xf0" + SERIALS[self.model].to_bytes(4, "big")
        if code == 0x02:
            self.inhibits = int.from_bytes(rest[:3], "little")
            return b"\xf0" if rest else b"\xf3"
        if code in (0x09, 0x0A):
            self.enabled = code == 0x0A
            return b"\xf5" if self.jam and self.enabled else b"\xf0"
        if code in (0x07, 0x56):
            return b"\xf0" + self.poll(code == 0x56)
        if code == 0x57:
            if not self.held:
                return b"\xf5"
            self.held = b""
            return b"\xf0"
        if code in (0x08, 0x18):
            if self.note is None or self.note[0] != "escrow":
                return b"\xf5"
            if code == 0x18:
                self.escrow_until = time.monotonic() + ESCROW
            else:
                self.turn_back(0x08)
            return b"\xf0"
        if code == 0x17:
            return bytes([0xF0, self.reject_code])
        if code == 0x58:
            return b"\xf0\x05" + b"".join(n.to_bytes(4, "little") for n in self.memory["counters"])
        if code == 0x22 and recycler:
            rows = [
                self.memory["levels"][str(c)].to_bytes(2, "little") + VALUES[c].to_bytes(4, "little") + CURRENCY
                for c in VALUES
            ]
            return bytes([0xF0, len(rows)]) + b"".join(rows)
        if code in (0x5B, 0x5C) and recycler:
            self.payout_enabled = code == 0x5C
            return b"\xf0"
        if code == 0x33 and recycler:
            return self.payout(rest)
        return b"\xf2"

    def exchange(self, code: int, number: int) -> bytes:
        if code in (0x4A, 0x4B):
            if not prime(number):
                return b"\xf4"
            self.numbers[code - 0x4A] = number
            return b"\xf0"
        generator, modulus = self.numbers
        if not generator or not modulus:
            return b"\xf8"
        secret = self.random.getrandbits(63)
        shared = pow(number, secret, modulus).to_bytes(8, "little")
        self.key, self.count = Cipher(algorithms.AES(FIXED_KEY + shared), modes.ECB()), 0
        return b"\xf0" + pow(generator, secret, modulus).to_bytes(8, "little")

    def setup(self) -> bytes:
        n = len(VALUES)
        head = bytes([6 if self.model == "smartpayout" else 0]) + b"0414" + CURRENCY + (1).to_bytes(3, "big")
        values = bytes(v // 100 for v in VALUES.values())
        tail = CURRENCY * n + b"".join((v // 100).to_bytes(4, "little") for v in VALUES.values())
        return head + bytes([n]) + values + bytes([2]) * n + (100).to_bytes(3, "big") + bytes([self.version]) + tail

    def poll(self, acking: bool) -> bytes:
        if self.held and acking:
            return self.held
        told = any(item[0] in HELD for item in self.queue)
        listed, self.queue = b"".join(self.queue), []
        if self.note is not None:
            place, channel = self.note
            if place == "scan":
                listed += b"\xef\x00"
            elif place == "escrow":
                if self.escrow_until:
                    self.note, self.due = ("stacking", channel), time.monotonic() + self.step  # this poll accepts
                    listed += b"\xcc"
                else:
                    self.escrow_until = time.monotonic() + ESCROW
                    listed += bytes([0xEF, channel])
            elif place == "stacking":
                listed += b"\xcc"
            elif place == "back":
                listed += b"\xed"
        payout = self.memory["payout"]
        if payout is not None and not self.jam:
            listed += b"\xda\x01" + payout["done"].to_bytes(4, "little") + CURRENCY
        listed += self.jam
        if not self.enabled or payout is not None or self.jam:
            listed += b"\xe8"
        if acking and told:
            self.held = listed
        return listed

    def payout(self, rest: bytes) -> bytes:
        if len(rest) != 8 or rest[4:7] != CURRENCY or rest[7] not in (0x19, 0x58):
            return b"\xf3" if len(rest) != 8 else b"\xf4"
        if not self.payout_enabled:
            return b"\xf5\x04"
        if self.memory["payout"] is not None or self.note is not None or self.jam:
            return b"\xf5\x03"
        value = int.from_bytes(rest[:4], "little")
        left, plan = value, []
        for channel in sorted(VALUES, key=lambda c: -VALUES[c]):
            n = min(left // VALUES[channel], self.memory["levels"][str(channel)])
            left -= n * VALUES[channel]
            plan += [channel] * n
        if left or not plan:
            enough = sum(VALUES[c] * self.memory["levels"][str(c)] for c in VALUES) >= value
            return b"\xf5\x02" if enough and value else b"\xf5\x01"
        if rest[7] == 0x58:
            self.memory["payout"] = {"asked": value, "done": 0, "notes": 0, "plan": plan}
            self.memory["payouts"] += 1
            self.memory.save()
            self.due = time.monotonic() + self.step
        return b"\xf0"

    # --- the machine ---

    def move(self, source: str, target: str, channel: int) -> None:
        self.memory[source][str(channel)] -= 1
        self.memory[target][str(channel)] += 1
        self.memory.save()

    def turn_back(self, code: int) -> None:
        assert self.note is not None
        self.reject_code, self.escrow_until = code, 0.0
        self.note, self.due = ("back", self.note[1]), time.monotonic() + self.step

    def work(self, now: float) -> None:
        """What the mechanism does in the meantime."""
        if now - self.heard > WATCHDOG:
            self.enabled = False
        if self.held:
            return
        if self.memory["payout"] is not None and not self.jam:
            if now >= self.due:
                self.due = now + self.step
                self.pay_one()
            return
        if self.note is None:
            self.feed(now)
            return
        place, channel = self.note
        if place == "escrow":
            if self.escrow_until and now > self.escrow_until:
                self.turn_back(0x13)
        elif now >= self.due:
            if place == "scan":
                if self.spend("reject"):
                    self.turn_back(0x02)
                else:
                    self.note, self.escrow_until = ("escrow", channel), 0.0
            elif place == "back":
                self.move("path", "returned", channel)
                self.count_up(4)
                self.note = None
                self.queue.append(b"\xec")
            elif place == "stacking":
                self.stack(channel)

    def feed(self, now: float) -> None:
        waiting = self.memory["customer"]
        if not waiting or not self.enabled or self.jam or not self.inhibits >> (waiting[0] - 1) & 1:
            return
        channel = waiting.pop(0)
        self.memory["fed"][str(channel)] += 1
        self.memory["path"][str(channel)] += 1
        self.memory.save()
        self.note, self.due = ("scan", channel), now + self.step

    def count_up(self, place: int) -> None:
        self.memory["counters"][place] += 1
        self.memory.save()

    def stack(self, channel: int) -> None:
        if self.spend("safe-jam"):
            self.note, self.jam = None, b"\xea"
        elif self.spend("unsafe-jam"):
            self.note, self.jam = None, b"\xe9"
        elif self.spend("reset-in-stacking"):
            self.boot()
        elif self.spend("fraud"):
            self.note = None
            self.move("path", "cashbox", channel)
            self.queue.append(bytes([0xE6, channel, 0xEB]))
        else:
            self.note = None
            stored = self.model == "smartpayout"
            self.move("path", "levels" if stored else "cashbox", channel)
            self.memory["credits"][str(channel)] += 1
            self.count_up(1 if stored else 0)
            self.queue.append(bytes([0xEE, channel, 0xDB if stored else 0xEB]))

    def pay_one(self) -> None:
        payout: dict[str, Any] = self.memory["payout"]
        if not payout["plan"]:
            self.memory["payout"] = None
            self.memory.save()
            self.enabled = False
            self.queue.append(b"\xd2\x01" + payout["done"].to_bytes(4, "little") + CURRENCY)
            return
        channel = payout["plan"].pop(0)
        self.move("levels", "path", channel)
        done = payout["done"].to_bytes(4, "little")
        if self.strikes("jam-after"):
            self.jam = b"\xd5\x01" + done + CURRENCY
            return
        if self.strikes("reverse-fail-after"):
            self.memory["payout"] = None
            self.move("path", "cashbox", channel)
            self.count_up(3)
            self.queue.append(b"\xb1\x01" + done + CURRENCY + b"\x00")
            self.queue.append(b"\xc9" + VALUES[channel].to_bytes(4, "little") + CURRENCY)
            return
        if self.strikes("reset-after"):
            self.boot()
            return
        if self.strikes("reset-silent-after"):
            payout["silent"] = True
            self.boot()
            return
        if self.strikes("power-loss-after"):
            log.warning("the power is gone")
            os._exit(9)
        if self.strikes("unplug-after"):
            self.plug_at = time.monotonic() + 1.0
            self.cable.unplug()
        self.move("path", "presented", channel)
        payout["done"] += VALUES[channel]
        payout["notes"] += 1
        self.count_up(2)

    def strikes(self, name: str) -> bool:
        """True once, when `K` notes are out."""
        if self.faults.get(name) != self.memory["payout"]["notes"]:
            return False
        del self.faults[name]
        return True


def main(
    model: str,
    link: Path | None,
    state: Path | None,
    faults: tuple[str, ...],
    seed: int,
    fast: bool,
    load: int,
    feed: str,
) -> None:
    """Run until SIGTERM. `load`: notes of each channel in the recycler; `feed`: main units of the customer's notes.

    Raises:
        OperatorError: an unknown fault or note, or a link or state path that can not be used.
    """
    found = parse_faults(faults, FAULTS)
    channels = {str(v // 100): c for c, v in VALUES.items()}
    words = [w for w in feed.replace(",", " ").split() if w]
    if unknown := [w for w in words if w not in channels]:
        raise OperatorError(f"there is no note of {unknown[0]}", remedy=f"Choose from {' '.join(channels)}")
    none = {str(c): 0 for c in VALUES}
    loaded = {str(c): load if model == "smartpayout" else 0 for c in VALUES}
    fresh: dict[str, Any] = {"device": model, "pid": 0, "port": "", "loaded": loaded, "levels": dict(loaded)}
    fresh |= {name: dict(none) for name in ("cashbox", "presented", "returned", "path", "fed", "credits")}
    fresh |= {"customer": [], "counters": [0] * 5, "payout": None, "payouts": 0}
    memory = Memory(state, fresh)
    memory["customer"] = memory["customer"] + [channels[w] for w in words]
    cable = Cable(link, seed, found.get("chaos", 0) / 100)
    run(memory, cable, Ssp(model, memory, cable, found, fast).loop)
