"""Real processes, killed with SIGKILL at each moment of a withdrawal: after the restart the books agree.

The customer types (hearing is not what dies here); core, vision, device service, bank, dispenser and printer are the
real ones, over sockets, HTTP and ptys.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from kiosk.demo.stage import Stage
from kiosk.values import OperatorError

pytestmark = pytest.mark.weights
TYPED = ("我要取款", "取一千元", "对")
RUN = ("--text", "--no-model", "--sessions", "1")


async def withdrawal(kill: str, at: str, verb: str = "", restart_seconds: float = 60.0) -> tuple[Any, ...]:
    """Play until event `at`, kill `kill` there, let the rest run; then restart and settle. The books and all events."""
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
        async for event in stage.events("--settle"):
            seen.append(event)
        verdict, legs, bank = stage.books()
    return verdict, legs, bank, seen


@pytest.fixture(autouse=True)
def _weights() -> None:
    from kiosk.adapters.weights import need

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
    verdict, legs, bank, seen = asyncio.run(withdrawal(kill, at, verb))
    assert verdict.ok, (verdict.reasons, seen)
    (one,) = legs
    assert one.dispenses <= 1
    assert not one.pending
    if verdict.books == "agree":
        assert all(row.open == 0 for row in bank)
    else:
        assert one.cases == (1,)
    closed = [e["reason"] for e in seen if e["event"] in ("closed", "recovered")]
    assert closed, seen
    if (kill, at) == ("vision", "dispense"):
        assert closed == ["paid"]  # once the face was verified, nobody needs the camera
