"""Real processes, killed with SIGKILL at each moment of a withdrawal: after the restart the books agree.

The customer types, except where it is the speech process that dies; core, vision, device service, bank, dispenser and
printer are the real ones, over sockets, HTTP and ptys.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kiosk.adapters.weights import need
from kiosk.demo.scene import WEIGHTS, People, attend
from kiosk.demo.stage import Stage
from kiosk.values import OperatorError

pytestmark = pytest.mark.weights
TYPED = ("我要取款", "取一千元", "对")
RUN = ("--text", "--no-model", "--sessions", "1")


async def withdrawal(kill: str, at: str, verb: str = "", restart_seconds: float = 60.0) -> list[dict[str, Any]]:
    """Play until event `at`, kill `kill` there, let the rest run; then restart and settle. All events."""
    seen: list[dict[str, Any]] = []
    async with Stage("zh", fast=True) as stage, asyncio.timeout(restart_seconds + 60):
        killed = False
        async for event in stage.events(*RUN, typed=TYPED):
            seen.append(event)
            if not killed and event["event"] == at and (not verb or event.get("verb") == verb):
                killed = True
                if kill == "everything":
                    await stage.cut_power()
                elif kill == "core":
                    os.kill(stage.core_pid, signal.SIGKILL)
                else:
                    os.kill(stage.workers[kill], signal.SIGKILL)
        assert killed, ([e["event"] for e in seen], stage.core_log())
        await settled(stage, seen)
    return seen


@pytest.fixture(autouse=True)
def _weights() -> None:
    try:
        need("faces")
        need("pictures")
    except OperatorError as e:
        pytest.skip(str(e))


@pytest.mark.parametrize(
    ("kill", "at", "verb"),
    [
        ("core", "say", ""),
        ("core", "face", ""),
        ("core", "cassettes", ""),
        ("core", "bank", "authorise"),
        ("core", "dispense", ""),
        ("core", "dispensed", ""),
        ("core", "bank", "capture"),
        ("core", "receipt", ""),
        ("everything", "bank", "authorise"),
        ("everything", "dispense", ""),
        ("everything", "dispensed", ""),
        ("devices", "cassettes", ""),
        ("devices", "dispense", ""),
        ("devices", "dispensed", ""),
        ("vision", "session", ""),
        ("vision", "dispense", ""),
    ],
)
def test_after_a_kill_the_books_agree(kill: str, at: str, verb: str) -> None:
    seen = asyncio.run(withdrawal(kill, at, verb))
    closed = [e["reason"] for e in seen if e["event"] in ("closed", "recovered")]
    assert closed, seen
    if (kill, at) == ("vision", "dispense"):
        assert closed == ["paid"]  # once the face was verified, nobody needs the camera


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    async with Stage("zh", fast=True) as made, asyncio.timeout(150):
        yield made


async def settled(made: Stage, seen: list[dict[str, Any]]) -> None:
    """Restart, settle, and hold the three books against each other: they agree, or a numbered case says why not."""
    async for event in made.events("--settle"):
        seen.append(event)
    verdict, legs, bank = made.books()
    assert verdict.ok, (verdict.reasons, seen, made.core_log())
    (one,) = legs
    assert one.dispenses <= 1
    assert not one.pending
    if verdict.books == "agree":
        assert all(row.open == 0 for row in bank)
    else:
        assert one.cases == (1,)


@pytest.mark.parametrize(
    ("event", "expect", "ends"),
    [("listening", "money", {"attendant"}), ("dispense", "", {"paid"})],
    ids=["at the money question", "while cash is counted"],
)
def test_the_speech_process_dies_in_a_spoken_scene(event: str, expect: str, ends: set[str]) -> None:
    try:
        for name in WEIGHTS["zh"]:
            need(name)
    except OperatorError as e:
        pytest.skip(str(e))
    people = People("zh", (), other_voice=False)
    people.prepare()
    seen: list[dict[str, Any]] = []

    async def play() -> None:
        async with stage() as made:

            def tell(told: dict[str, Any]) -> None:
                first = not any(e["event"] == event and e.get("expect", "") == expect for e in seen)
                seen.append(told)
                if first and told["event"] == event and told.get("expect", "") == expect:
                    os.kill(made.workers["speech"], signal.SIGKILL)

            await attend(made, people, tell, fast=True)
            await settled(made, seen)

    asyncio.run(play())
    assert "speech" in {e["name"] for e in seen if e["event"] == "process_ended"}
    assert {e["reason"] for e in seen if e["event"] == "closed"} == ends
    paid = sum(e["outcome"] == "paid" for e in seen if e["event"] == "dispensed")
    assert paid == (ends == {"paid"})
    assert all(e["voice"] and e["face"] for e in seen if e["event"] == "forgotten")


@pytest.mark.parametrize(
    ("at", "back", "end"), [("cassettes", "bank", "bank silent"), ("dispense", "dispensed", "paid")]
)
def test_the_bank_dies_and_comes_back_on_its_port(at: str, back: str, end: str) -> None:
    async def play() -> None:
        seen: list[dict[str, Any]] = []
        dead = False
        async with stage() as made:
            async for event in made.events(*RUN, typed=TYPED):
                seen.append(event)
                if event["event"] == at:
                    await made.kill("bank")
                    dead = True
                elif event["event"] == back and dead:
                    await made.start_bank()
                    dead = False
            await settled(made, seen)
        assert [e["reason"] for e in seen if e["event"] == "closed"] == [end]

    asyncio.run(play())


def test_the_dispenser_loses_its_power_and_comes_back() -> None:
    async def play() -> None:
        seen: list[dict[str, Any]] = []
        async with stage() as made:
            async for event in made.events(*RUN, typed=TYPED):
                seen.append(event)
                if event["event"] == "dispense" and not event["ask"]:
                    await made.kill("dispenser")
                    await made.start_dispenser()
            await settled(made, seen)
        assert any(e["event"] == "closed" for e in seen)

    asyncio.run(play())
