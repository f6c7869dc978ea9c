"""How the core and its workers talk: one JSON object a line over a unix socket, in the values of `kiosk.events`.

A worker calls `serve(path, handler, stop)`: it has at most one core at a time, outlives it, and tells systemd that it
is up and alive. The core calls `connect(path)`. Both ends then hold a `Link`:

    async def handler(link: Link) -> None:          # one call a connection; returning closes it
        await link.send(Ready("vision", {...}))
        async for message in link:                  # ends when the other side is gone
            ...

A hang-up ends the loop; damage (a broken line, an unknown kind, a line without end) is a `ProtocolError`, not silence.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from kiosk.events import from_dict, to_dict
from kiosk.values import OperatorError

#: bytes of one line; nothing that the processes say comes near it
MAX_LINE = 1 << 20
#: how long a new core waits for the worker to finish with the one that has just died
CHANGE_OVER_S = 2.0


class ProtocolError(Exception):
    """The other side sent something that is no message: a bug or an attack. The connection is not used further."""


class Link:
    """One end of a connection. Whole values go in and come out; one task reads, any task may send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, value: Any) -> None:
        """Send one frozen value of `kiosk.events`.

        Raises:
            ConnectionError: the other side is gone.
            ValueError: the value is larger than `MAX_LINE` or holds no JSON number (NaN): a bug of the caller.
        """
        line = json.dumps(to_dict(value), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        if len(line) > MAX_LINE:
            raise ValueError(f"{type(value).__name__} of {len(line)} bytes is larger than a line may be")
        if self._writer.is_closing():
            raise ConnectionResetError("the other side is gone")
        self._writer.write(line)
        await self._writer.drain()

    async def receive(self) -> Any | None:
        """The next value, or None once the other side is gone.

        Raises:
            ProtocolError: what came is not one whole line with one known value in it.
        """
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        except ValueError as e:  # asyncio's word for a line longer than the reader's limit
            raise ProtocolError(f"a line of more than {MAX_LINE} bytes") from e
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise ProtocolError("the connection ended in the middle of a line")
        try:
            data = json.loads(line, parse_constant=_refuse)
            if not isinstance(data, dict):
                raise ValueError("not a JSON object")
            return from_dict(data)
        except (ValueError, TypeError, RecursionError) as e:
            raise ProtocolError(f"not a message ({e}): {line[:80]!r}") from e

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (value := await self.receive()) is not None:
            yield value

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass  # gone already: that is what we wanted


Handler = Callable[[Link], Awaitable[None]]


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


async def connect(path: Path, timeout_s: float = 30.0) -> Link:
    """The core's end. Waits for the worker to listen: it binds its socket only when its models are loaded.

    Raises:
        OperatorError: nobody listens at `path` after `timeout_s`.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while True:
        try:
            return Link(*await asyncio.open_unix_connection(str(path), limit=MAX_LINE))
        except OSError as e:
            if loop.time() >= until or not isinstance(e, FileNotFoundError | ConnectionRefusedError):
                raise OperatorError(
                    f"no worker answers ({e.strerror or e})", where=str(path), remedy="See why its process is not up."
                ) from e
        await asyncio.sleep(0.05)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; call it inside the running loop of the main thread."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve(path: Path, handler: Handler, stop: asyncio.Event) -> None:
    """The worker's end: listen at `path`, one core at a time, until `stop` is set.

    A second core is turned away (its connection is closed) unless the first one goes within `CHANGE_OVER_S`. A core
    that talks nonsense is named on stderr and dropped, a core that dies is forgotten; the worker listens on.

    Raises:
        OperatorError: the socket cannot be made, or a living worker has it.
        Exception: whatever the handler raised: a bug ends the worker, and systemd starts it anew.
    """
    _free(path)
    one_core = asyncio.Lock()
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    serving: set[asyncio.Task[Any]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        link = Link(reader, writer)
        try:
            try:
                await asyncio.wait_for(one_core.acquire(), CHANGE_OVER_S)
            except TimeoutError:
                print(f"{path}: a second core was turned away", file=sys.stderr, flush=True)
                return
            try:
                await handler(link)
            finally:
                one_core.release()
        except ProtocolError as e:
            print(f"{path}: dropped the core: {e}", file=sys.stderr, flush=True)
        except ConnectionError:
            pass  # the core died while we were telling it something; it sees that itself
        except Exception as e:  # noqa: BLE001 - carried to `serve`, which raises it
            if not broken.done():
                broken.set_exception(e)
        finally:
            serving.discard(task)
            await link.close()

    try:
        server = await asyncio.start_unix_server(accepted, str(path), limit=MAX_LINE)
    except OSError as e:
        remedy = "Make its folder first, or choose a shorter path that this user may write."
        raise OperatorError(f"no socket can be made here ({e.strerror or e})", where=str(path), remedy=remedy) from e
    path.chmod(0o660)  # the core's group, nobody else
    alive = asyncio.create_task(_tell_systemd())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({broken, stopping, alive}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            broken.result()
        if alive.done():
            alive.result()
    finally:
        server.close()
        path.unlink(missing_ok=True)
        pending = [alive, stopping, *serving]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def _free(path: Path) -> None:
    """Remove the socket that a dead worker left; refuse to take one from a living worker."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise OperatorError("another worker listens here", where=str(path), remedy="Stop it first.")


async def _tell_systemd() -> None:
    """READY now and WATCHDOG at half the period asked for; waits for ever where systemd does not listen."""
    if os.environ.get("NOTIFY_SOCKET"):
        import sdnotify

        systemd = sdnotify.SystemdNotifier()
        systemd.notify("READY=1")
        if period_us := int(os.environ.get("WATCHDOG_USEC", "0")):
            while True:
                systemd.notify("WATCHDOG=1")
                await asyncio.sleep(period_us / 2e6)
    await asyncio.Event().wait()
