"""What every device in the registry keeps to: its simulator answers on a pty, its driver tells it without moving
anything, says what it can do, survives silence, and lets go of the line."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devices import framing
from devices.registry import DEVICES
from devices.transport import Line

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[Path, Path]]]:
    """`start(name, option, …)` → the link to its pty and its state file."""
    running: list[subprocess.Popen[str]] = []

    def spawn(name: str, *options: str) -> tuple[Path, Path]:
        link, state = tmp_path / name, tmp_path / f"{name}.json"
        command = [sys.executable, "-m", "devices", "sim", name, "--link", str(link), "--state", str(state), "--fast"]
        process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 30)[0], "the simulator did not start"
        assert json.loads(process.stdout.readline())["event"] == "ready"
        return link, state

    yield spawn
    for process in running:
        process.terminate()
        process.wait(5)
        assert process.stdout is not None
        process.stdout.close()


def identify(name: str, link: Path) -> dict[str, str]:
    async def run() -> dict[str, str]:
        line = Line(link, DEVICES[name].baud)
        driver = DEVICES[name].open(line)
        if hasattr(driver, "timing") and hasattr(driver.timing, "sends"):
            driver.timing = type(driver.timing)(sends=2)
        found: dict[str, str] = await driver.identify()
        line.close()
        line.close()
        assert not line.is_open
        return found

    return asyncio.run(run())


def physical(state: Path) -> dict[str, Any]:
    truth = json.loads(state.read_text(encoding="utf-8"))
    return {k: v for k, v in truth.items() if k not in ("pid", "port")}


@pytest.mark.parametrize("name", DEVICES)
def test_the_driver_tells_the_simulator_and_moves_nothing(start: Callable[..., tuple[Path, Path]], name: str) -> None:
    link, state = start(name)
    before = physical(state)
    found = identify(name, link)
    assert found
    assert all(isinstance(v, str) and v for v in found.values())
    assert identify(name, link) == found  # the line was let go of, and the device is the same
    assert physical(state) == before


@pytest.mark.parametrize("name", DEVICES)
def test_a_silent_device_is_no_device(start: Callable[..., tuple[Path, Path]], name: str) -> None:
    link, _ = start(name, "--fault", "silent")
    assert identify(name, link) == {}


@pytest.mark.parametrize("name", DEVICES)
def test_no_port_is_no_device(tmp_path: Path, name: str) -> None:
    assert identify(name, tmp_path / "nothing") == {}


@pytest.mark.parametrize("name", DEVICES)
def test_the_row(name: str) -> None:
    device = DEVICES[name]
    assert device.protocol in framing.CODECS
    assert device.words.endswith(".")
    assert device.form in ("8N1", "8N2", "8E1", "7E1")
    capabilities = device.open(Line(os.devnull)).CAPABILITIES
    assert capabilities["class"] == device.kind
    json.dumps(capabilities)
