"""Start the worker processes for a developer (systemd does it in the field) and start anew what died."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from kiosk.values import OperatorError

T = TypeVar("T")
#: module of each worker, by the name in the configuration's [processes]
MODULES = {"speech": "kiosk.run.speech", "vision": "kiosk.run.vision", "devices": "devices"}
#: numpy's own threads fight with the models' on two cores
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
#: a worker that dies again and again is started this often before it stays down
MAX_STARTS = 6
#: exit code of a process whose settings, weights or files are not in order
OPERATORS_MISTAKE = 2


class Processes:
    """The workers of one kiosk as children of this process. They die with it: see `_die_with_parent`."""

    def __init__(self, commands: dict[str, tuple[str, ...]], logs: Path, tell: Callable[..., None]) -> None:
        self._commands = commands
        self._logs = logs
        self._tell = tell
        self._tasks: list[asyncio.Task[None]] = []
        self._refused = asyncio.Event()
        self._refusals: list[str] = []
        self.children: dict[str, asyncio.subprocess.Process] = {}

    async def start(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        for name in self._commands:
            self._tasks.append(asyncio.create_task(self._keep(name)))
        while len(self.children) < len(self._commands) and not any(t.done() for t in self._tasks):
            await asyncio.sleep(0.01)

    async def _keep(self, name: str) -> None:
        for start in range(MAX_STARTS):
            with (self._logs / f"{name}.log").open("ab") as log:
                child = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", MODULES[name], *self._commands[name], stdin=asyncio.subprocess.DEVNULL,
                    stdout=log, stderr=log, env=ENVIRONMENT, preexec_fn=_die_with_parent,
                )  # fmt: skip
            self.children[name] = child
            self._tell("process", name=name, pid=child.pid, start=start + 1)
            code = await child.wait()
            self._tell("process_ended", name=name, code=code)
            if code == OPERATORS_MISTAKE and start == 0:  # it would only say the same again
                self._refusals.append(_last_line(self._logs / f"{name}.log"))
                self._refused.set()
                break
            await asyncio.sleep(min(0.2 * 2**start, 5))
        self._tell("process_down", name=name, log=str(self._logs / f"{name}.log"))

    async def unless_refused(self, work: Coroutine[None, None, T]) -> T:
        """The result of `work`, which waits for workers.

        Raises:
            OperatorError: a worker refused to start because of its settings or weights; `work` is given up.
        """
        doing, refused = asyncio.ensure_future(work), asyncio.ensure_future(self._refused.wait())
        try:
            await asyncio.wait({doing, refused}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise OperatorError(self._refusals[0])
            return doing.result()
        finally:
            for task in (doing, refused):
                task.cancel()
            await asyncio.gather(doing, refused, return_exceptions=True)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for child in self.children.values():
            if child.returncode is None:
                child.terminate()
        for child in self.children.values():
            try:
                await asyncio.wait_for(child.wait(), 5)
            except TimeoutError:
                child.kill()
                await child.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"a process refused to start and said nothing in {log}"


def _die_with_parent() -> None:
    """Linux: a worker of a developer's kiosk gets SIGTERM when its parent dies, even by SIGKILL."""
    import ctypes
    import signal

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if os.getppid() == 1:
        os._exit(1)
