"""The core's side of a worker: requests by id, answers as futures, and a worker's death as an answer like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kiosk.events import Ready
from kiosk.run.ipc import Link, ProtocolError, connect
from kiosk.values import OperatorError

#: a worker that died is given this long to come back before it counts as absent for this request
RECONNECT_S = 5.0
#: loading models on a cold box takes seconds (budget: 15); the very first time prompts are rendered, for minutes
START_S = 300.0


class Gone(Exception):
    """The worker is not there, or went away before it answered."""


class Worker:
    """One worker process, seen from the core. It may die and come back; the core goes on."""

    def __init__(self, name: str, socket: Path, on_event: Callable[[str, Any], None]) -> None:
        self.name = name
        self._socket = socket
        self._on_event = on_event
        self._link: Link | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[tuple[str, tuple[type, ...]], asyncio.Future[Any]] = {}
        self.ready: Ready | None = None

    async def start(self, timeout_s: float = START_S) -> Ready:
        """Connect and wait until the worker is ready.

        Raises:
            Gone: it did not come in time.
        """
        try:
            link = await connect(self._socket, timeout_s)
            ready = await asyncio.wait_for(link.receive(), timeout_s)
        except (OperatorError, TimeoutError, ProtocolError) as e:
            raise Gone(f"{self.name}: {e}") from e
        if not isinstance(ready, Ready):
            await link.close()
            raise Gone(f"{self.name}: said {ready!r} before it was ready")
        self._link, self.ready = link, ready
        self._reading = asyncio.create_task(self._read(link))
        return ready

    @property
    def connected(self) -> bool:
        return self._link is not None

    async def ask(self, message: Any, *answers: type, timeout_s: float) -> Any:
        """Send `message`, wait for the first value of one of the types `answers` with its id.

        Raises:
            Gone: the worker died, or did not answer in time (it is then disconnected: a late answer is not taken).
        """
        future = self.expect(message.id, *answers)
        try:
            await self.send(message)
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError as e:
            await self.stop()
            raise Gone(f"{self.name}: no answer to {type(message).__name__} within {timeout_s:g} s") from e
        finally:
            self._waiting.pop((message.id, answers), None)

    def expect(self, id_: str, *answers: type) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[id_, answers] = future
        return future

    async def send(self, message: Any) -> None:
        if self._link is None:
            await self.start(RECONNECT_S)
        assert self._link is not None
        try:
            await self._link.send(message)
        except ConnectionError as e:
            self._lost()
            raise Gone(f"{self.name}: the connection broke") from e

    async def stop(self) -> None:
        link, self._link = self._link, None
        if self._reading:
            self._reading.cancel()
        if link:
            await link.close()
        self._lost()

    async def _read(self, link: Link) -> None:
        try:
            async for value in link:
                self._on_event(self.name, value)
                for (id_, types), future in list(self._waiting.items()):
                    if getattr(value, "id", None) == id_ and isinstance(value, types) and not future.done():
                        future.set_result(value)
        except ProtocolError as e:
            self._on_event(self.name, e)
        if self._link is link:
            self._lost()

    def _lost(self) -> None:
        """Everyone who waits for this worker hears that it is gone; nobody waits for ever."""
        self._link = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Gone(f"{self.name}: the process went away"))
                future.exception()  # mark as seen: a waiter that was cancelled meanwhile is no bug
        self._waiting.clear()
