"""The bench that device tests work on: simulators and the service in their own processes, and shared vectors."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devices import token
from devices.client import DeviceClient, DispenseResult

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


PAIRING = bytes(range(32))
CONFIG = """
[service]
socket = "s.sock"
journal = "devices.db"
pairing_key = "pairing.key"
terminal = "T0001"

[dispenser]
port = "lcdm2000"
model = "LCDM-2000"
currency = "CNY"
upper = { value = 100, count = 500 }
lower = { value = 50, count = 500 }
reply_timeout_s = 4
"""


class Service:
    """The service in its own process; `start` may be called again after `kill`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "s.sock"
        (folder / "devices.toml").write_text(CONFIG + (PRINTER if (folder / "escpos").exists() else ""))
        key = folder / "pairing.key"
        key.write_text(PAIRING.hex())
        key.chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "devices", *words, "--config", str(self.folder / "devices.toml")]

    def start(self) -> Service:
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(self.command("serve"), cwd=ROOT, stderr=log)
        for _ in range(400):
            if self.process.poll() is not None:
                break
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.socket))
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "service.log").read_text())

    def end(self, sign: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.wait(15)
            self.process = None

    def ask(self, talk: Callable[[DeviceClient], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            client = await DeviceClient.connect(self.socket)
            try:
                return await talk(client)
            finally:
                await client.close()

        return asyncio.run(run())


PRINTER = '\n[printer]\nport = "escpos"\n'


def signed(nonce: str, minor: int = 100_000, **changes: str) -> str:
    """A good token; `changes` replace its keys, `pairing` the key it is made with."""
    pairing = bytes.fromhex(changes.pop("pairing", PAIRING.hex()))
    extra = {"SESSION": "S1", "TERMINAL": "T0001", "EXPIRES": str(int(time.time()) + 60)} | changes
    return token.make(token.session_key(pairing, "S1"), nonce, [(minor, "CNY")], extra)


async def pay(client: DeviceClient, id: str, minor: int = 100_000, limit: int | None = None) -> DispenseResult:
    return await client.dispense(id, minor, "CNY", signed(await client.nonce(), limit or minor))


def presented(sim: Sim) -> int:
    return int(sum(sim.truth["presented"].values()))
