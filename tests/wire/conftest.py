"""Real ptys, simulators in their own processes, and the vectors that nobody on the team wrote."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KIOSK_SHARED", ROOT.parent / "shared"))


def shared_vectors(proto: str) -> list[Any]:
    """The rows of one protocol; one skipped parameter with a reason where the data is absent."""
    path = SHARED / "data" / "serial" / "vectors.jsonl"
    if not path.exists():
        return [pytest.param(None, marks=[pytest.mark.shared, pytest.mark.skip(reason=f"no {path.name} beside us")])]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [pytest.param(r, id=r["id"], marks=pytest.mark.shared) for r in rows if r["proto"] == proto]


@dataclass
class Sim:
    """A simulator that runs; `truth` is its state file."""

    process: subprocess.Popen[str]
    link: Path
    state: Path

    @property
    def truth(self) -> dict[str, Any]:
        return dict(json.loads(self.state.read_text(encoding="utf-8")))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(5)
        if self.process.stdout:
            self.process.stdout.close()


def spawn_sim(name: str, folder: Path, *options: str) -> Sim:
    link, state = folder / name, folder / f"{name}.json"
    command = [sys.executable, "-m", "devices", "sim", name, "--link", str(link), "--state", str(state), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 20)
    assert ready, "the simulator did not start"
    assert json.loads(process.stdout.readline())["event"] == "ready"
    return Sim(process, link, state)


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Callable[..., Sim]]:
    """`sim("lcdm2000", "--fast", …)` starts one in the test's folder; all are stopped afterwards."""
    started: list[Sim] = []

    def start(name: str, *options: str) -> Sim:
        started.append(spawn_sim(name, tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.stop()
