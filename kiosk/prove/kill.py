"""Real processes, killed with SIGKILL at seeded moments, several times in a withdrawal and in its recovery too.

A round is one stage (bank, dispenser, printer and the kiosk, over HTTP, ptys and sockets) on which customers type their
withdrawals while processes die: the core, its device service, its eyes, the bank, the dispenser, or all of the kiosk at
once. Whatever is dead is started again. At the end everything settles, and the three books are compared.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from kiosk.demo.stage import Stage
from kiosk.values import Lang, OperatorError

TYPED: dict[Lang, tuple[str, ...]] = {
    "zh": ("我要取款", "取三百元", "对"),
    "en": ("I want to withdraw money", "two hundred yuan", "yes"),
}
CUSTOMERS = 2
#: kills in one round, so that a round's books stay readable
ROUND = 6
#: who dies, and how often
VICTIMS = {"core": 5, "everything": 3, "devices": 3, "bank": 2, "dispenser": 2, "vision": 1}
#: most seconds from the opening (or start) to a kill, and from kill to kill: two customers take about two
DELAY_S = 0.9
#: a core that does not end by itself hangs, which is a finding
LIFE_S = 90.0
SETTLE_S = 120.0


@dataclass
class Report:
    """What a campaign came to. `unsafe`: books that differ, a session without an end, an advice that never arrived."""

    kills: int = 0
    rounds: int = 0
    sessions: int = 0
    lives: int = 0
    victims: Counter[str] = field(default_factory=Counter)
    #: the event that was the last one before a kill: where in the way of a withdrawal it struck
    struck: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    books: Counter[str] = field(default_factory=Counter)
    #: seconds from the start of a core after a kill to everything settled
    recoveries: list[float] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)


class Street(Stage):
    """A stage on which any process may be killed and started again."""

    async def kill(self, victim: str) -> bool:
        """True when it was alive. Bank and dispenser, not the kiosk's to restart, come back."""
        if victim == "everything":
            await self.cut_power()
            return True
        if victim in ("bank", "dispenser"):
            process = self._world[victim]
            process.kill()
            await process.wait()
            await asyncio.sleep(0.2)
            await (self.start_dispenser() if victim == "dispenser" else self._start_bank())
            return True
        pid = self.core_pid if victim == "core" else self.workers.get(victim)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    async def _start_bank(self) -> None:
        """The same bank: its ledger, its port."""
        f = self.folder
        port = (f / "bank.port").read_text().strip()
        await self._start("bank", ["-m", "kiosk.demo.bank", "--db", str(f / "bank.sqlite"), "--port", port])


async def one_round(number: int, seed: int, kills: int, report: Report, told: Callable[[int], None]) -> None:
    """Up to `kills` kills on one stage, then the books."""
    rng = random.Random(f"{seed}.{number}")
    lang: Lang = rng.choice(("zh", "en"))
    where = f"seed {seed}.{number}"
    done = 0
    report.rounds += 1
    street = Street(lang, fast=True, seed=1 + number % 1000)
    async with street:
        history: list[str] = []
        while done < kills:
            plan = [
                (rng.choices(list(VICTIMS), list(VICTIMS.values()))[0], rng.random() < 0.85, rng.uniform(0.0, DELAY_S))
                for _ in range(rng.randint(1, min(3, kills - done)))
            ]
            report.lives += 1
            begun = time.monotonic()
            try:
                async with asyncio.timeout(LIFE_S):
                    done += await _life(street, plan, report, history)
            except TimeoutError:
                report.unsafe.append(f"{where}: the kiosk hung in life {report.lives}: {history[-8:]}")
                await street.cut_power()
            told(report.kills)
            if time.monotonic() - begun < 0.5 and street.core_code not in (0, -signal.SIGKILL):
                raise OperatorError(f"the kiosk does not start: {street.core_log()[-300:]}")
        try:
            async with asyncio.timeout(SETTLE_S):
                pending = await _settle(street, report)
        except TimeoutError:
            report.unsafe.append(f"{where}: it never settled: {street.core_log()[-300:]}")
            return
        verdict, legs, _ = street.books()
        report.sessions += len(legs)
        report.books[verdict.books] += 1
        if not verdict.ok:
            report.unsafe.append(f"{where}: {verdict.reasons}")
        if pending:
            report.unsafe.append(f"{where}: {pending} advices never reached the bank")


async def _life(street: Street, plan: list[tuple[str, bool, float]], report: Report, history: list[str]) -> int:
    """One life of the core, with the kills that are planned for it; how many struck somebody."""
    opened = asyncio.Event()
    struck = 0

    async def killer() -> None:
        nonlocal struck
        for victim, after_opening, delay in plan:
            if after_opening:
                await opened.wait()
            await asyncio.sleep(delay)
            if await street.kill(victim):
                struck += 1
                report.kills += 1
                report.victims[victim] += 1
                report.struck[history[-1] if history else "start"] += 1
            if victim in ("core", "everything"):
                return

    hand: asyncio.Task[None] | None = None
    typed = TYPED[street.lang] * CUSTOMERS
    began = time.monotonic()
    try:
        async for event in _events(street, "--text", "--no-model", "--sessions", str(CUSTOMERS), typed=typed):
            hand = hand or asyncio.create_task(killer())
            name = event["event"]
            history.append(f"{name} {event['verb']}" if name == "bank" else name)
            if name == "open":
                opened.set()
            elif name == "settled" and report.kills:
                report.recoveries.append(time.monotonic() - began)
            elif name == "closed":
                report.ends[event["reason"]] += 1
            elif name == "recovered":
                report.ends[f"recovered: {event['reason']}"] += 1
    finally:
        if hand is not None:
            hand.cancel()
            await asyncio.gather(hand, return_exceptions=True)
    return struck


async def _settle(street: Street, report: Report) -> int:
    """Nothing dies any more. How many advices the bank has still not acknowledged."""
    pending = 1
    for _ in range(3):
        async for event in _events(street, "--settle"):
            if event["event"] == "settled":
                pending = int(event["pending"])
            elif event["event"] == "recovered":
                report.ends[f"recovered: {event['reason']}"] += 1
        if not pending:
            break
    return pending


async def _events(street: Street, *options: str, typed: tuple[str, ...] = ()) -> AsyncIterator[dict[str, Any]]:
    """The core's events; a line that was cut in the middle by a kill is not one."""
    try:
        async with aclosing(street.events(*options, typed=typed)) as events:  # type: ignore[type-var]
            async for event in events:
                yield event
    except ValueError:
        await street.cut_power()


async def campaign(kills: int, seed: int, told: Callable[[int], None]) -> Report:
    """Rounds until `kills` processes were killed."""
    report = Report()
    number = 0
    while report.kills < kills:
        await one_round(number, seed, min(ROUND, kills - report.kills), report, told)
        number += 1
    return report
