"""The world around a demo kiosk, each part in a process of its own: bank, dispenser, printer, and the camera's view.

Everything lies in one temporary folder. The kiosk itself (core, speech, vision, devices) is started from the
configuration written here, exactly as a developer starts it: `kiosk run --config FILE`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from kiosk.adapters.journal import Journal
from kiosk.core.books import BankRow, Verdict, reconcile
from kiosk.core.fold import Leg, leg
from kiosk.demo.bank_store import read_books
from kiosk.demo.pictures import customer_at_camera, enrolled_picture, put_before_camera, stranger_at_camera
from kiosk.values import Lang, OperatorError

CUSTOMER = "grace"
#: whose prompts are rendered ahead: what the scene may say. A kiosk in the field has them all ready
PROMPTS = ("common", "withdraw")
NOTES = {"upper": 100, "lower": 50}
LOADED = {"upper": 400, "lower": 400}
UP_S = 30.0


class Stage:
    """Use as an async context manager: leaving it ends every process and removes the folder."""

    def __init__(
        self,
        lang: Lang,
        *,
        fast: bool = False,
        stranger: bool = False,
        bank_faults: tuple[str, ...] = (),
        dispenser_fault: str = "",
        seed: int = 1,
    ) -> None:
        self.lang = lang
        self.fast = fast
        self._stranger = stranger
        self._bank_faults = bank_faults
        self._dispenser_fault = dispenser_fault
        self._seed = seed
        # Unix socket paths hold 107 bytes, so the folder's name is kept short.
        self.folder = Path(tempfile.mkdtemp(prefix="kiosk-"))
        self._world: dict[str, asyncio.subprocess.Process] = {}
        self._core: asyncio.subprocess.Process | None = None
        #: pids of the kiosk's own workers, as the core told them
        self.workers: dict[str, int] = {}

    @property
    def config(self) -> Path:
        return self.folder / "kiosk.toml"

    @property
    def microphone(self) -> Path:
        return self.folder / "mic.sock"

    async def __aenter__(self) -> Stage:
        try:
            await self._build()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_core()
        for process in self._world.values():
            if process.returncode is None:
                process.terminate()
        for process in self._world.values():
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
        if not os.environ.get("KIOSK_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- building it ---

    async def _build(self) -> None:
        f = self.folder
        (f / "pairing.key").touch(0o600)
        (f / "pairing.key").write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        at_camera = stranger_at_camera if self._stranger else customer_at_camera
        camera = put_before_camera(at_camera(self._seed), f / "camera")
        await self.start_bank(*self._bank_faults)
        await self.start_dispenser(self._dispenser_fault)
        fast = ["--fast"] if self.fast else []
        printer = ["sim", "escpos", "--link", str(f / "printer"), "--state", str(f / "printer.json"), *fast]
        await self._start("printer", ["-m", "devices", *printer])
        await self._until((f / "printer").exists, "printer")
        self._write_config((f / "bank.port").read_text().strip(), camera)

    async def start_bank(self, *faults: str) -> None:
        """A second start finds the same ledger, and takes the port that the kiosk knows."""
        db, port_file = self.folder / "bank.sqlite", self.folder / "bank.port"
        port = port_file.read_text().strip() if port_file.exists() else "0"
        port_file.unlink(missing_ok=True)
        options = ["--db", str(db), "--port", port, "--port-file", str(port_file)]
        options += [a for fault in faults for a in ("--fault", fault)]
        await self._start("bank", ["-m", "kiosk.demo.bank", *options])
        await self._until(port_file.exists, "bank")

    async def start_dispenser(self, fault: str = "") -> None:
        f = self.folder
        options = ["--link", str(f / "dispenser"), "--state", str(f / "dispenser.json"), "--seed", str(self._seed)]
        options += [a for side, n in LOADED.items() for a in (f"--{side}", str(n))]
        options += ["--fast"] if self.fast else []
        options += ["--fault", fault] if fault else []
        (f / "dispenser").unlink(missing_ok=True)
        await self._start("dispenser", ["-m", "devices", "sim", "lcdm2000", *options])
        await self._until((f / "dispenser").exists, "dispenser")

    async def _start(self, name: str, argv: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._world[name] = await asyncio.create_subprocess_exec(
                sys.executable, *argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _until(self, there: Any, name: str) -> None:
        for _ in range(int(UP_S / 0.05)):
            if there():
                return
            if self._world[name].returncode is not None:
                break
            await asyncio.sleep(0.05)
        log = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        raise OperatorError(f"the demo's {name} did not start: {log[-1] if log else 'it said nothing'}")

    def _write_config(self, port: str, camera: str) -> None:
        devices = "\n".join(
            [
                '[service]\nsocket = "devices.sock"\njournal = "devices.db"',
                'pairing_key = "pairing.key"\nterminal = "DEMO1"',
                '[dispenser]\nport = "dispenser"\nmodel = "LCDM-2000"\ncurrency = "CNY"',
                *(f"{side} = {{ value = {NOTES[side]}, count = {LOADED[side]} }}" for side in NOTES),
                '[printer]\nport = "printer"\n',
            ]
        )
        (self.folder / "devices.toml").write_text(devices, encoding="utf-8")
        sink = "null-fast" if self.fast else "null"
        speech = ["--socket", str(self.folder / "speech.sock"), "--config", str(self.config)]
        vision = ["--socket", str(self.folder / "vision.sock"), "--config", str(self.config)]
        speech += ["--fast"] if self.fast else []
        text = f"""
[kiosk]
name = "demo"
lang = "{self.lang}"
state = "state"
claimed = "{CUSTOMER}"
show_words = true
[bank]
profile = "demo"
url = "http://127.0.0.1:{port}"
[devices]
socket = "devices.sock"
pairing_key = "pairing.key"
terminal = "DEMO1"
[speech]
socket = "speech.sock"
source = "socket:{self.microphone}"
sink = "{sink}"
langs = ["{self.lang}"]
prompts = {json.dumps(PROMPTS)}
[vision]
socket = "vision.sock"
camera = {json.dumps(camera)}
[vision.enrolled]
{CUSTOMER} = {json.dumps(str(enrolled_picture()))}
[processes]
speech = {json.dumps(speech)}
vision = {json.dumps(vision)}
devices = {json.dumps(["serve", "--config", str(self.folder / "devices.toml")])}
"""
        self.config.write_text(text.lstrip(), encoding="utf-8")

    # --- the kiosk ---

    async def events(self, *options: str, typed: tuple[str, ...] = ()) -> AsyncIterator[dict[str, Any]]:
        """Start the core (`kiosk run --json …`), with lines typed into it, and give its events until it ends."""
        with (self.folder / "core.log").open("ab") as log:
            self._core = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "kiosk", "run", "--config", str(self.config), "--json", *options,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, limit=1 << 20,
            )  # fmt: skip
        assert self._core.stdin is not None
        assert self._core.stdout is not None
        self._core.stdin.write("".join(f"{line}\n" for line in typed).encode())
        self._core.stdin.close()
        async for line in self._core.stdout:
            event = json.loads(line)
            if event["event"] == "process":
                self.workers[event["name"]] = event["pid"]
            yield event
        await self._core.wait()

    @property
    def core_pid(self) -> int:
        assert self._core is not None
        return self._core.pid

    @property
    def core_code(self) -> int | None:
        return self._core.returncode if self._core else None

    def core_log(self) -> str:
        return (self.folder / "core.log").read_text(encoding="utf-8", errors="replace")

    async def stop_core(self) -> None:
        if self._core and self._core.returncode is None:
            self._core.terminate()
            try:
                await asyncio.wait_for(self._core.wait(), 10)
            except TimeoutError:
                await self.cut_power()

    async def cut_power(self) -> None:
        """Every process of the kiosk ends at once, without a word."""
        assert self._core is not None
        for pid in (self._core.pid, *self.workers.values()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it was dead already
        await self._core.wait()
        self.workers.clear()

    async def kill(self, name: str) -> None:
        """SIGKILL to a process of the world (bank, dispenser, printer) or of the kiosk (speech, vision, devices)."""
        if name in self._world:
            self._world[name].kill()
            await self._world[name].wait()
        else:
            os.kill(self.workers[name], signal.SIGKILL)

    async def dispenser_died(self) -> None:
        await self._world["dispenser"].wait()

    # --- the books ---

    def dispenser_state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.folder / "dispenser.json").read_text(encoding="utf-8"))
        return state

    def receipts(self) -> list[list[str]]:
        jobs: list[list[str]] = json.loads((self.folder / "printer.json").read_text(encoding="utf-8"))["jobs"]
        return jobs

    def books(self) -> tuple[Verdict, list[Leg], list[BankRow]]:
        """The bank's ledger, the journal and the notes that left the machine, each read from its own place."""
        journal = Journal(self.folder / "state" / "journal.db")
        try:
            legs = [leg(s, journal.entries(s)) for s in journal.sessions()]
            rows_checked, wrong = journal.verify()
        finally:
            journal.close()
        bank = [
            BankRow(b.key, b.authorised.minor, b.captured.minor, b.released.minor)
            for b in read_books(self.folder / "bank.sqlite")
        ]
        left = sum(n * NOTES[side] * 100 for side, n in self.dispenser_state()["presented"].items())
        verdict = reconcile(legs, bank, left)
        if wrong:
            verdict = Verdict(
                "differ", (*verdict.reasons, f"the journal's chain breaks after {rows_checked} rows: {wrong}")
            )
        return verdict, legs, bank
