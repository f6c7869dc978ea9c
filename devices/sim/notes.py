"""The mechanics of a note acceptor: a customer's hand, a head with an escrow, a way to the stacker, a stacker.

A note is in one place at any time: `brought = hand + head + way + stacked + returned`, whatever the line says. What
power leaves in the head is given back after the next reset; what it leaves on the way is stacked then, without an
event.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from devices.errors import OperatorError
from devices.sim.base import Cable, Memory

log = logging.getLogger("sim.notes")

FAULTS: dict[str, tuple[float, str]] = {
    "reject": (1, "the first K notes are not recognised and come back"),
    "jam": (1, "a note sticks on its way to the stacker"),
    "cheat": (1, "a note is pulled back while it is being stacked"),
    "full": (1, "the stacker turns out to be full when a note is to be stacked: it comes back"),
    "power-loss": (2, "the process dies while it stacks: 1 note in the head, 2 on the way, 3 stacked but not told"),
    "reset": (1, "the device starts anew while a note is on the way to the stacker"),
    "unplug": (1, "the cable is pulled for K seconds while a note is being stacked"),
    "lose-credit": (1, "K sendings of the credit event are lost"),
    "corrupt-credit": (1, "K sendings of the credit event have one bit wrong"),
    "short-credit": (1, "K sendings of the credit event are cut off"),
    "duplicate-credit": (1, "K sendings of the credit event come twice"),
    "late-credit": (0.4, "the credit event comes K seconds late, once"),
    "drip": (3, "K sendings of the credit event come byte by byte"),
    "noise": (3, "stray bytes before K sendings of the credit event"),
    "deaf-accept": (1, "K commands to stack are not heard"),
    "mute-accept": (1, "K commands to stack are obeyed and not answered"),
    "silent": (1, "nothing is ever answered"),
    "chaos": (10, "K percent of all that passes the cable is dropped, cut, doubled, bent or preceded by noise"),
}
HOLD = 10.0  #: seconds in escrow before it gives the note back


def crc(data: bytes | bytearray) -> int:
    """Reflected 8408, from 0: `123456789` gives 2189."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return value


class Mechanics:
    """`state` is physical: power-up, initialise, disabled, idle, accepting, escrow, stacking, stacked, returning,
    returned, rejecting, jam, cheated, full."""

    def __init__(self, memory: Memory, cable: Cable, faults: dict[str, float], fast: bool) -> None:
        self.memory = memory
        self.cable = cable
        self.faults = faults
        self.pace = 0.02 if fast else 0.4
        self.enabled = False
        self.state = "power-up"
        self.since = time.monotonic()
        #: how the device came up: with a note in the `head`, on the `way`, or nothing
        self.found = "way" if memory["way"] else "head" if memory["head"] else ""

    # --- for the protocols ---

    def enter(self, state: str) -> None:
        log.info("%s", state)
        self.state, self.since = state, time.monotonic()

    def reset(self) -> None:
        """Start anew; what is inside goes where it must."""
        self.enabled = False
        if self.memory["way"]:
            self.move("way", "stacked")
        if self.memory["head"]:
            self.move("head", "returned")
        self.found = ""
        self.enter("initialise")

    def enable(self, on: bool) -> None:
        self.enabled = on

    def stack(self) -> bool:
        """Begin to stack the note in escrow; False when there is none, or the command was not heard."""
        if self.state != "escrow" or self.spend("deaf-accept"):
            return False
        self.memory["accepts"] += 1
        if self.spend("full"):
            self.enter("returning")
            self.faults["is-full"] = 1
            return True
        self.die(1)
        self.move("head", "way")
        self.enter("stacking")
        self.die(2)
        if "unplug" in self.faults:
            self.cable.unplug()
            time.sleep(self.faults.pop("unplug"))
            self.cable.plug()
            self.memory["port"] = self.cable.name
            self.memory.save()
        return True

    def give_back(self) -> bool:
        if self.state != "escrow":
            return False
        self.enter("returning")
        return True

    def told(self) -> None:
        """The host has the event."""
        if self.state == "stacked":
            self.memory["told"] += 1
            self.memory.save()
            self.enter("idle")
        elif self.state == "returned":
            self.enter("idle")

    def spend(self, name: str) -> bool:
        """True, `K` times, if this fault was asked for."""
        left = self.faults.get(name, 0)
        if left < 1:
            return False
        self.faults[name] = left - 1
        return True

    def send(self, frame: bytes) -> None:
        """An answer; the credit event with whatever was asked to go wrong."""
        if "silent" in self.faults:
            return
        if self.state != "stacked":
            self.cable.write(frame)
            return
        if "late-credit" in self.faults:
            time.sleep(self.faults.pop("late-credit"))
        place = self.cable.random.randrange(2, len(frame))
        if self.spend("lose-credit"):
            return
        if self.spend("corrupt-credit"):
            frame = frame[:place] + bytes([frame[place] ^ 1 << self.cable.random.randrange(7)]) + frame[place + 1 :]
        elif self.spend("short-credit"):
            frame = frame[:place]
        elif self.spend("duplicate-credit"):
            frame += frame
        elif self.spend("noise"):
            frame = b"\x55\x00\x7f" + frame
        if self.spend("drip"):
            self.cable.drip(frame)
        else:
            self.cable.write(frame)

    def rest(self, seconds: float = 0.005) -> int | None:
        """Let time pass; a byte of the host if one came."""
        self.step()
        return self.cable.byte(seconds)

    # --- the machine ---

    def move(self, source: str, target: str) -> None:
        note = self.memory["hand"].pop(0) if source == "hand" else self.memory[source]
        if source != "hand":
            self.memory[source] = 0
        if target in ("stacked", "returned"):
            self.memory[target].append(note)
        else:
            self.memory[target] = note
        self.memory.save()

    def die(self, where: int) -> None:
        if self.faults.get("power-loss") == where:
            self.memory.save()
            log.warning("the power is gone")
            os._exit(9)

    def step(self) -> None:
        """What has happened since the last time."""
        age, state = time.monotonic() - self.since, self.state
        if age < self.pace:
            return
        if state in ("disabled", "idle"):
            wanted = "full" if "is-full" in self.faults else "idle" if self.enabled else "disabled"
            if state != wanted:
                self.enter(wanted)
            elif state == "idle" and self.memory["hand"] and age > 3 * self.pace:
                self.move("hand", "head")
                self.enter("accepting")
        elif state == "initialise":
            self.enter("disabled")
        elif state == "accepting":
            self.enter("rejecting" if self.spend("reject") else "escrow")
        elif state == "rejecting":
            if age > 0.3:  # long enough to be seen by a poll
                self.move("head", "returned")
                self.enter("idle")
        elif state == "escrow" and age > HOLD:
            self.enter("returning")
        elif state == "returning":
            if age > 0.3:
                self.move("head", "returned")
                self.enter("returned")
        elif state == "stacking":
            self.finish()
        elif state == "cheated" and age > 1.0:
            self.enter("idle")

    def finish(self) -> None:
        if self.spend("jam"):
            self.enter("jam")
        elif self.spend("cheat"):
            self.move("way", "returned")
            self.enter("cheated")
        elif self.spend("reset"):
            self.enabled = False
            self.found = "way"
            self.enter("power-up")
        else:
            self.move("way", "stacked")
            self.enter("stacked")
            self.die(3)


def fresh(name: str, put: str, values: tuple[int, ...]) -> dict[str, Any]:
    """The state of a new device and of a customer with the notes of `put`.

    Raises:
        OperatorError: a note that the device does not know.
    """
    try:
        notes = [int(n) for n in put.split(",") if n]
    except ValueError:
        notes = [0]
    if not set(notes) <= set(values):
        raise OperatorError(f"notes {put!r}: not all are known", remedy=f"Choose from {' '.join(map(str, values))}")
    return {
        "device": name,
        "pid": 0,
        "port": "",
        "brought": notes,
        "hand": list(notes),
        "head": 0,
        "way": 0,
        "stacked": [],
        "returned": [],
        "accepts": 0,
        "told": 0,
    }


def wire(
    name: str,
    values: tuple[int, ...],
    link: Path | None,
    state: Path | None,
    put: str,
    found: dict[str, float],
    seed: int,
) -> tuple[Memory, Cable]:
    return Memory(state, fresh(name, put, values)), Cable(link, seed, found.get("chaos", 0) / 100)
