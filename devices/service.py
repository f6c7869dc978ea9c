"""The device service: the only process that opens the serial ports, on a unix socket and, if wished, a WebSocket.

Whoever reaches it may ask; only a token moves cash (`cash.py`). A command that has begun goes on when its client hangs
up: notes do not come back because somebody stopped listening. What a command does is told once, in `desks.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import sdnotify

from devices.cash import Cash
from devices.config import Config, read
from devices.desk import Connection, Desk
from devices.desks import WITHOUT_DEVICE, CashDesk, Front, PrinterDesk
from devices.driver.escpos import ReceiptPrinter
from devices.driver.lcdm import CashDispenser
from devices.errors import OperatorError
from devices.journal import Journal
from devices.messages import LONGEST
from devices.protocol.lcdm import Timing
from devices.protocol.lcdm_booking import lost
from devices.tape import Tape
from devices.transport import Line, Record

log = logging.getLogger("devices.service")


class Service:
    """Ports, books and desks. `begin` once before the first command."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.journal = Journal(config.journal)
        self._tapes: list[Tape] = []
        self._dispenser_line = Line(config.dispenser.port, record=self._tape("dispenser"))
        timing = Timing(reply=config.dispenser.reply_timeout_s)
        self.cash = Cash(config, self.journal, CashDispenser(self._dispenser_line, timing))
        self._printer_line = None
        if config.printer_port:
            self._printer_line = Line(config.printer_port, record=self._tape("printer"))
        self.desks: dict[str, Desk] = {"CashDispenser": CashDesk(self.cash)}
        if self._printer_line:
            self.desks["Printer"] = PrinterDesk(ReceiptPrinter(self._printer_line))
        self._front = Front(list(self.desks.values()))
        self.desks |= {name: Desk(name) for name in WITHOUT_DEVICE}
        self._connections: set[Connection] = set()

    def _tape(self, name: str) -> Record | None:
        if self.config.tapes is None:
            return None
        self._tapes.append(Tape(self.config.tapes / f"{name}.tape"))
        return self._tapes[-1].add

    async def begin(self) -> None:
        """Open the ports and settle what the last run left open.

        Raises:
            OperatorError: a port is missing or in use.
        """
        self._dispenser_line.open()
        if self._printer_line:
            self._printer_line.open()
        await self.cash.settle()

    async def end(self) -> None:
        """Finish what moves, then let go."""
        await asyncio.gather(*(c.finish() for c in self._connections))
        for port in (self._dispenser_line, self._printer_line):
            if port is not None:
                port.close()
        for tape in self._tapes:
            tape.close()
        self.journal.close()

    def route(self, name: str) -> Desk | None:
        """On the unix socket one connection speaks to all desks, and only to the joined Common."""
        if name in self._front.verbs:
            return self._front
        interface = name.split(".")[0]
        if interface in ("Common", "CashManagement", "Storage"):
            interface = "CashDispenser"
        return self.desks.get(interface)

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the unix socket, until it hangs up. It gets no unsolicited events."""

        def send(message: bytes) -> None:
            if not writer.is_closing():
                writer.write(message)

        connection = Connection(self.route, send)
        self._connections.add(connection)
        try:
            while text := await reader.readline():
                connection.receive(text)
        except (ValueError, ConnectionError) as e:  # a line longer than LONGEST, or a client that fell over
            log.warning("client: %s", e)
        finally:
            # A client may say that it sends no more and still wait for its answers.
            await connection.finish()
            self._connections.discard(connection)
            writer.close()


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OperatorError: a port, the socket or the journal can not be used.
    """
    service = Service(config)
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    await service.begin()
    _free(config.socket)
    endpoint = None
    if config.websocket is not None:
        from devices.websocket import Endpoint

        endpoint = Endpoint(service.desks)
        await endpoint.open(config.websocket)
    try:
        server = await asyncio.start_unix_server(service.client, config.socket, limit=LONGEST)
    except OSError as e:
        raise OperatorError(f"no socket: {e.strerror}", where=str(config.socket), remedy="Check the folder") from e
    config.socket.chmod(0o660)
    if not config.dispenser.line_inside_safe:
        log.warning("an LCDM obeys whoever holds its cable: this line is not said to run inside the safe")
    notifier = sdnotify.SystemdNotifier()
    notifier.notify("READY=1")
    log.info("serving on %s", config.socket)
    every = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6 or None
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), every)
        except TimeoutError:
            notifier.notify("WATCHDOG=1")
    notifier.notify("STOPPING=1")
    server.close()
    if endpoint is not None:
        await endpoint.close()
    await service.end()
    config.socket.unlink(missing_ok=True)


def _free(path: Path) -> None:
    """Remove the socket of a service that died.

    Raises:
        OperatorError: a service answers there.
    """
    if not path.exists():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise OperatorError("a service runs there already", where=str(path), remedy="Stop it, or give another `socket`")


def main(config: Path) -> None:
    """`kiosk-devices --config FILE`."""
    asyncio.run(serve(read(config)))


def load(config_path: Path, counts: Mapping[str, int]) -> None:
    """Somebody counted: settle what is open as unknown, then open the books with `counts`."""
    journal = Journal(read(config_path).journal)
    for one in list(journal.books.dispenses.values()):
        if one.open:
            journal.result(one.id, lost(one.requested, "settled by counting"))
    journal.load(counts)
    journal.close()
