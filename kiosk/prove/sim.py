"""Simulated days by the thousand: each seed a world of its own, and every broken rule named with its seed."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from kiosk import paths
from kiosk.adapters.bank_map import load_map
from kiosk.adapters.flowfile import load_house, verbs_of
from kiosk.core.flow import House
from kiosk.core.fold import Diverged
from kiosk.prove.world import World

#: seeds that one process works on before it reports
CHUNK = 100
MOST_CUSTOMERS = 4
#: how often the power fails at an action; most days have none, some are dreadful
HAZARDS = (0.0, 0.01, 0.05, 0.2)


@dataclass
class Report:
    """What a campaign came to. `violations`: seed and rule."""

    seeds: int = 0
    sessions: int = 0
    actions: int = 0
    cuts: int = 0
    #: bank calls that fell into an outage of hours
    outage_calls: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    books: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Report) -> None:
        for name in ("seeds", "sessions", "actions", "cuts", "outage_calls"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ends += other.ends
        self.books += other.books
        self.violations += other.violations


def shipped_house() -> House:
    """The flows that come with the kiosk, with the verbs of the demo bank."""
    return load_house(paths.FLOWS, verbs_of(load_map(paths.FLOWS / "banks" / "demo" / "map.yaml")))


def world(house: House, seed: int, faults: float) -> tuple[World, int]:
    """The world of a seed and how many customers come that day: the same for the same seed, always."""
    lot = random.Random(f"day {seed}")
    return World(house, seed, faults, hazard=lot.choice(HAZARDS)), lot.randint(1, MOST_CUSTOMERS)


def play(house: House, seed: int, faults: float) -> tuple[World, str]:
    """One seed; the broken rule, or an empty string."""
    one, customers = world(house, seed, faults)
    try:
        one.day(customers)
    except (AssertionError, Diverged, LookupError, PermissionError, TypeError, ValueError) as e:
        # a rule that broke, or the engine itself refusing: either way this seed is a finding
        return one, f"{type(e).__name__}: {e}"
    return one, ""


def chunk(first: int, count: int, faults: float) -> Report:
    """Seeds first … first + count - 1, in this process."""
    house, report = _house(), Report()
    for seed in range(first, first + count):
        one, broken = play(house, seed, faults)
        report.seeds += 1
        report.sessions += len(one.ends)
        report.actions += one.actions
        report.cuts += one.cuts
        report.outage_calls += one.bank.down_calls
        report.ends.update(one.ends)
        if broken:
            report.violations.append((seed, broken))
        else:
            report.books[one.books().books] += 1
    return report


def campaign(seeds: int, first: int, faults: float, jobs: int, told: Callable[[Report], None]) -> Report:
    """Play `seeds` worlds from seed `first` on; `told` hears of the sum after each chunk."""
    total = Report()
    starts = range(first, first + seeds, CHUNK)
    counts = [min(CHUNK, first + seeds - s) for s in starts]
    if jobs <= 1:
        for start, count in zip(starts, counts, strict=True):
            total.add(chunk(start, count, faults))
            told(total)
        return total
    with ProcessPoolExecutor(min(jobs, os.cpu_count() or 1)) as pool:
        for report in pool.map(chunk, starts, counts, [faults] * len(counts)):
            total.add(report)
            told(total)
    return total


_loaded: list[House] = []


def _house() -> House:
    """Loaded once a process."""
    if not _loaded:
        _loaded.append(shipped_house())
    return _loaded[0]
