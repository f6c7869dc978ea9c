"""XFS4IoT's own carrier: WebSocket on loopback, one address a service (XFS4IoT sheet, sections 1 and 6).

    ws://127.0.0.1:5846/xfs4iot/v1.0                    ServicePublisher
    ws://127.0.0.1:5846/xfs4iot/v1.0/CashDispenser      and so on, one a desk

No login is defined, so it is reached from this machine only, and no browser may use it: a page that somebody was led to
could otherwise talk to it. Whoever sends an `Origin` is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
from collections.abc import Mapping

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from devices.desk import Connection, Desk
from devices.desks import Publisher
from devices.errors import OperatorError
from devices.messages import LONGEST

log = logging.getLogger("devices.websocket")

HOST = "127.0.0.1"
PORTS = range(5846, 5857)
ROOT = "/xfs4iot/v1.0"
#: messages that a client may leave unread before it is dropped
MOST_UNREAD = 1000


class Endpoint:
    """The listening socket and who is connected. `desks`: name in the path → desk."""

    def __init__(self, desks: Mapping[str, Desk]) -> None:
        publisher = Publisher(lambda: [f"ws://{HOST}:{self.port}{ROOT}/{name}" for name in desks])
        self._desks: dict[str, Desk] = {ROOT: publisher} | {f"{ROOT}/{name}": desk for name, desk in desks.items()}
        self._server: Server | None = None
        self.port = 0

    async def open(self, port: int) -> None:
        """Listen on `port`, or for 0 on the first free one of the standard's.

        Raises:
            OperatorError: no port is free.
        """
        for one in (port,) if port else PORTS:
            try:
                self._server = await serve(
                    self._talk, HOST, one, process_request=self._meet, max_size=LONGEST, compression=None
                )
            except OSError as e:
                log.info("port %d: %s", one, e.strerror)
                continue
            self.port = one
            log.info("serving on ws://%s:%d%s", HOST, one, ROOT)
            return
        where = f"{HOST}:{port or f'{PORTS[0]}-{PORTS[-1]}'}"
        raise OperatorError("no port is free for the WebSocket", where=where, remedy="Give another [websocket] port")

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _meet(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a browser, an unknown path, and what is no WebSocket."""
        if request.headers.get("Origin") is not None:
            return connection.respond(http.HTTPStatus.FORBIDDEN, "not for browsers\n")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return connection.respond(http.HTTPStatus.BAD_REQUEST, "a WebSocket is served here\n")
        if self._desk(request.path) is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "there is no such service\n")
        return None

    def _desk(self, path: str) -> Desk | None:
        return self._desks.get(path.removesuffix("/"))

    async def _talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        desk = self._desk(socket.request.path)
        assert desk is not None
        unread: asyncio.Queue[bytes] = asyncio.Queue(MOST_UNREAD)

        def send(message: bytes) -> None:
            try:
                unread.put_nowait(message)
            except asyncio.QueueFull:
                log.warning("a client of %s does not read: dropped", desk.name)
                socket.transport.abort()

        async def pump() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await socket.send((await unread.get()).decode().rstrip("\n"))

        connection = Connection(lambda name: desk, send)
        desk.connections.add(connection)
        pumping = asyncio.create_task(pump())
        try:
            async for message in socket:
                connection.receive(message)
        except ConnectionClosed as e:
            log.info("a client of %s: %s", desk.name, e)
        finally:
            desk.connections.discard(connection)
            connection.hang_up()
            await connection.finish()
            pumping.cancel()
