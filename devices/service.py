"""The device service: a unix socket, one JSON object a line, and the only process that opens the serial ports.

Whoever reaches the socket may ask; only a token moves cash (`cash.py`). A command that has begun goes on when its
client hangs up: notes do not come back because somebody stopped listening.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sdnotify

from devices.cash import Cash, Event
from devices.config import Config, read
from devices.driver.escpos import ReceiptPrinter
from devices.driver.lcdm import CashDispenser
from devices.errors import OperatorError
from devices.journal import Journal
from devices.messages import LONGEST, VERSION, VERSIONS, Command, Completion, Refusal, line, read_command
from devices.protocol.lcdm import Timing
from devices.protocol.lcdm_booking import lost
from devices.transport import Line

log = logging.getLogger("devices.service")

COMMANDS = (
    "Common.Status",
    "Common.Capabilities",
    "Common.GetCommandNonce",
    "Common.ClearCommandNonce",
    "Storage.GetStorage",
    "CashDispenser.Denominate",
    "CashDispenser.Dispense",
    "CashDispenser.GetPresentStatus",
    "Printer.PrintRaw",
)


class Service:
    """Commands in, completions out. `begin` once before the first command."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.journal = Journal(config.journal)
        self._dispenser_line = Line(config.dispenser.port)
        timing = Timing(reply=config.dispenser.reply_timeout_s)
        self.cash = Cash(config, self.journal, CashDispenser(self._dispenser_line, timing))
        self._printer_line = Line(config.printer_port) if config.printer_port else None
        self.printer = ReceiptPrinter(self._printer_line) if self._printer_line else None
        self._printing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

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
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for port in (self._dispenser_line, self._printer_line):
            if port is not None:
                port.close()
        self.journal.close()

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it hangs up."""
        busy: set[int] = set()
        mine: set[asyncio.Task[None]] = set()
        try:
            while text := await reader.readline():
                try:
                    command = read_command(text)
                except ValueError as e:
                    _send(writer, line("", "acknowledge", None, status=str(e)))
                    continue
                if command.request_id in busy:
                    _send(writer, line(command.name, "acknowledge", command.request_id, status="invalidRequestID"))
                    continue
                _send(writer, line(command.name, "acknowledge", command.request_id))
                busy.add(command.request_id)
                task = asyncio.create_task(self._answer(command, writer, busy))
                for tasks in (mine, self._tasks):
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        except (ValueError, ConnectionError) as e:  # a line longer than LONGEST, or a client that fell over
            log.warning("client: %s", e)
        finally:
            # A client may say that it sends no more and still wait for its answers.
            await asyncio.gather(*mine, return_exceptions=True)
            writer.close()

    async def _answer(self, command: Command, writer: asyncio.StreamWriter, busy: set[int]) -> None:
        error_code = ""

        def event(name: str, payload: dict[str, Any]) -> None:
            _send(writer, line(name, "event", command.request_id, payload))

        try:
            done = await self._obey(command.name, command.payload, event)
        except Refusal as e:
            log.info("%s refused: %s: %s", command.name, e.code, e)
            error_code = e.error_code
            done = Completion({}, e.code, str(e))
        except Exception:
            # The client must get its one completion; what the journal holds decides about the money, not this answer.
            log.exception("%s", command.name)
            done = Completion({}, "internalError", "see the service's log")
        payload = done.payload | ({"errorCode": error_code} if error_code else {})
        header = {"completionCode": done.code, "errorDescription": done.words}
        busy.discard(command.request_id)
        _send(writer, line(command.name, "completion", command.request_id, payload, **header))

    async def _obey(self, name: str, payload: Mapping[str, Any], event: Event) -> Completion:
        match name:
            case "Common.Status":
                return Completion(await self._status())
            case "Common.Capabilities":
                return Completion(self._capabilities())
            case "Common.GetCommandNonce":
                return Completion({"commandNonce": self.cash.nonce()})
            case "Common.ClearCommandNonce":
                self.cash.clear_nonce()
                return Completion()
            case "Storage.GetStorage":
                return Completion(self.cash.storage())
            case "CashDispenser.Denominate":
                return Completion(self.cash.denominate(payload))
            case "CashDispenser.Dispense":
                return await self.cash.dispense(payload, event)
            case "CashDispenser.GetPresentStatus":
                return await self.cash.present_status(payload)
            case "Printer.PrintRaw":
                return await self._print(payload)
        raise Refusal("unsupportedCommand", f"{name} is not known here")

    async def _print(self, payload: Mapping[str, Any]) -> Completion:
        """`lines` (ours): the texts of one receipt. Raw bytes are not taken: they could reconfigure the printer."""
        lines = payload.get("lines")
        if self.printer is None:
            raise Refusal("unsupportedCommand", "no printer is configured")
        if not isinstance(lines, list) or not lines or not all(isinstance(text, str) for text in lines):
            raise Refusal("invalidData", "lines is a list of texts")
        async with self._printing:
            done = await self.printer.print_lines(lines)
        if done.ok:
            return Completion()
        if done.error in ("deviceNotReady", "hardwareError"):
            raise Refusal(done.error, done.words)
        raise Refusal("commandErrorCode", done.words, done.error)

    async def _status(self) -> dict[str, Any]:
        health, device = await self.cash.status()
        books = self.journal.books
        status: dict[str, Any] = {
            "common": {"device": device, "endToEndSecurity": "enforced"},
            "cashDispenser": {"intermediateStacker": "empty"},
            "cashManagement": {"dispenser": "stop" if books.stopped else "ok" if health.ok else "attention"},
            "kiosk": {"words": health.words, "stopped": books.stopped, "cases": books.cases},
        }
        if self.printer is not None and not self._printing.locked():
            async with self._printing:
                paper = await self.printer.status()
            status["printer"] = {"paper": {"upper": paper.level}, "media": "unknown"}
        return status

    def _capabilities(self) -> dict[str, Any]:
        by_interface: dict[str, dict[str, Any]] = {}
        for name in COMMANDS:
            interface = name.split(".")[0]
            if interface == "Printer" and self.printer is None:
                continue
            by_interface.setdefault(interface, {})[name] = {"versions": [VERSIONS.get(name, VERSION)]}
        security = {
            "required": "always",
            "hardwareSecurityElement": False,
            "commands": ["CashDispenser.Dispense"],
            "commandNonceTimeout": int(self.config.nonce_timeout_s),
        }
        return {
            "interfaces": [{"name": n, "commands": c, "maximumRequests": 0} for n, c in by_interface.items()],
            "common": {
                "serviceVersion": "1.0",
                "deviceInformation": [{"modelName": "LCDM-2000"}],
                "endToEndSecurity": security,
            },
            "cashDispenser": {
                "type": "selfServiceBill",
                "maxDispenseItems": 60,
                "shutterControl": True,
                "intermediateStacker": False,
                "itemsTakenSensor": False,
                "positions": {"front": True},
            },
        }


def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


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
