"""One XFS4IoT service: its commands, its queue, and the connections that use it. Knows no socket and no device.

    message → acknowledge at once → immediate: answered beside the queue
                                  → queued:    one at a time, in the order of arrival → completion

The rules are those of the XFS4IoT sheet, sections 2 to 4, with one of ours: a queued command can be cancelled, run out
of time or lose its connection; one that has begun goes on to its end, for notes may be moving.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.messages import VERSION, VERSIONS, Command, Completion, Refusal, Unacceptable, line, read_command

log = logging.getLogger("devices.desk")

#: commands that wait at one desk; the next one is answered `tooManyRequests`
MOST_WAITING = 32

Event = Callable[[str, dict[str, Any]], None]
Handler = Callable[[Mapping[str, Any], Event], Awaitable[Completion] | Completion]


@dataclass(frozen=True)
class Verb:
    """One command of a desk. `immediate`: answered beside the queue, even while another command runs."""

    run: Handler
    immediate: bool = False


def _major(version: str) -> str:
    return version.split(".")[0]


class Desk:
    """A service with `Common` and no device; subclasses add verbs, events and a device's status."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.verbs: dict[str, Verb] = {
            "Common.Status": Verb(self._common_status, immediate=True),
            "Common.Capabilities": Verb(self._common_capabilities, immediate=True),
            "Common.Cancel": Verb(_never, immediate=True),  # its connection answers it
            "Common.SetVersions": Verb(self._set_versions),
            "Common.SetTransactionState": Verb(self._set_transaction),
            "Common.GetTransactionState": Verb(self._get_transaction),
        }
        self.events: tuple[str, ...] = ()
        self.turn = asyncio.Lock()
        self.waiting = 0
        self.connections: set[Connection] = set()
        self._transaction: dict[str, Any] = {"state": "inactive"}

    async def status(self) -> dict[str, Any]:
        """The payload of Common.Status."""
        return {"common": {"device": "noDevice"}}

    def capabilities(self) -> dict[str, Any]:
        """The payload of Common.Capabilities, without `interfaces`."""
        return {"common": {"serviceVersion": "1.0"}}

    def interfaces(self) -> list[dict[str, Any]]:
        """What is offered, by interface; every command named here works."""
        found: dict[str, dict[str, Any]] = {}
        for kind, names in (("commands", list(self.verbs)), ("events", self.events)):
            for name in names:
                interface = found.setdefault(name.split(".")[0], {"commands": {}, "events": {}})
                interface[kind][name] = {"versions": [VERSIONS.get(name, VERSION)]}
        return [{"name": name, **rows, "maximumRequests": MOST_WAITING} for name, rows in found.items()]

    def tell(self, name: str, payload: dict[str, Any]) -> None:
        """An unsolicited event to all who are connected here."""
        for connection in self.connections:
            connection.send(line(name, "unsolicited", None, payload))

    async def _common_status(self, payload: Mapping[str, Any], event: Event) -> Completion:
        return Completion(await self.status())

    def _common_capabilities(self, payload: Mapping[str, Any], event: Event) -> Completion:
        return Completion({"interfaces": self.interfaces()} | self.capabilities())

    def _set_versions(self, payload: Mapping[str, Any], event: Event) -> Completion:
        for kind, known in (("commands", self.verbs), ("events", self.events)):
            wanted = payload.get(kind) or {}
            if not isinstance(wanted, dict):
                raise Refusal("invalidData", f"{kind} is an object of names and major versions")
            for name, major in wanted.items():
                if name not in known or str(major) != _major(VERSIONS.get(name, VERSION)):
                    raise Refusal("unsupportedData", f"{name} has no major version {major} here")
        return Completion()

    def _set_transaction(self, payload: Mapping[str, Any], event: Event) -> Completion:
        match payload.get("state"), payload.get("transactionID"):
            case "active", str(id) if id:
                self._transaction = {"state": "active", "transactionID": id}
            case "inactive", _:
                self._transaction = {"state": "inactive"}
            case _:
                raise Refusal("invalidData", "state is active, with a transactionID, or inactive")
        return Completion()

    def _get_transaction(self, payload: Mapping[str, Any], event: Event) -> Completion:
        return Completion(dict(self._transaction))


def _never(payload: Mapping[str, Any], event: Event) -> Completion:
    raise AssertionError("a connection cancels by itself")


@dataclass(eq=False)
class _Job:
    command: Command
    desk: Desk
    until: float | None
    stopped: asyncio.Future[None]
    begun: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Connection:
    """One client: `receive` its messages, `send` what is answered. `route`: command's name → desk, if there is one."""

    def __init__(self, route: Callable[[str], Desk | None], send: Callable[[bytes], None]) -> None:
        self._route = route
        self.send = send
        self._jobs: dict[int, _Job] = {}

    def receive(self, text: bytes | str) -> None:
        """One message, acknowledged before anything else happens."""
        try:
            command = read_command(text)
        except Unacceptable as e:
            self.send(line(e.name, "acknowledge", e.request_id, status=e.status))
            return
        desk = self._route(command.name)
        verb = desk.verbs.get(command.name) if desk else None
        status = ""
        if command.request_id in self._jobs:
            status = "invalidRequestID"
        elif desk and verb and not verb.immediate and desk.waiting >= MOST_WAITING:
            status = "tooManyRequests"
        header = {"status": status, "version": command.version}
        self.send(line(command.name, "acknowledge", command.request_id, None, **header))
        if status:
            return
        if desk is None or verb is None:
            self._complete(command, Completion({}, "unsupportedCommand", f"{command.name} is not known here"))
        elif command.version and _major(command.version) != _major(VERSIONS.get(command.name, VERSION)):
            words = f"{command.name} is known in version {VERSIONS.get(command.name, VERSION)}"
            self._complete(command, Completion({}, "unsupportedCommand", words))
        elif command.name == "Common.Cancel":
            self._cancel(command)
        else:
            loop = asyncio.get_running_loop()
            until = loop.time() + command.timeout if command.timeout else None
            desk.waiting += not verb.immediate
            job = self._jobs[command.request_id] = _Job(command, desk, until, loop.create_future())
            job.task = asyncio.create_task(self._work(job, verb))

    def hang_up(self) -> None:
        """Nobody is there any more: what has not begun never will."""
        for job in self._jobs.values():
            _stop(job)

    async def finish(self) -> None:
        """Wait until every command has its completion."""
        while self._jobs:
            await asyncio.gather(*(job.task for job in self._jobs.values() if job.task), return_exceptions=True)

    def _cancel(self, command: Command) -> None:
        """Its completion goes first, then those of the cancelled (section 4). Other connections are not touched."""
        ids = command.payload.get("requestIds")
        if ids is not None and not (isinstance(ids, list) and all(type(i) is int for i in ids)):
            self._complete(command, Completion({}, "invalidData", "requestIds is a list of numbers"))
            return
        jobs = [job for number, job in self._jobs.items() if not ids or number in ids]
        if ids and not jobs:
            done = Completion({"errorCode": "noMatchingRequestIDs"}, "commandErrorCode", "no such command is open")
            self._complete(command, done)
            return
        self._complete(command, Completion())
        for job in jobs:
            _stop(job)

    async def _work(self, job: _Job, verb: Verb) -> None:
        command = job.command

        def event(name: str, payload: dict[str, Any]) -> None:
            self.send(line(name, "event", command.request_id, payload))

        code = "" if verb.immediate else await self._my_turn(job)
        job.begun = True
        try:
            if code:
                done = Completion({}, code)
            else:
                answer = verb.run(command.payload, event)
                done = answer if isinstance(answer, Completion) else await answer
        except Refusal as e:
            log.info("%s refused: %s: %s", command.name, e.code, e)
            done = Completion({"errorCode": e.error_code} if e.error_code else {}, e.code, str(e))
        except Exception:
            # The client must get its one completion; what the journal holds decides about the money, not this answer.
            log.exception("%s", command.name)
            done = Completion({}, "internalError", "see the service's log")
        finally:
            if not code and not verb.immediate:
                job.desk.turn.release()
        del self._jobs[command.request_id]
        self._complete(command, done)

    async def _my_turn(self, job: _Job) -> str:
        """Wait in the desk's queue; the completionCode that ends the waiting, or empty when it is our turn."""
        turn: asyncio.Future[Any] = asyncio.ensure_future(job.desk.turn.acquire())
        either: set[asyncio.Future[Any]] = {turn, job.stopped}
        left = None if job.until is None else max(0.0, job.until - asyncio.get_running_loop().time())
        try:
            await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            job.desk.waiting -= 1
        code = "canceled" if job.stopped.done() else "" if turn.done() else "timeOut"
        if code and turn.done():
            job.desk.turn.release()
        elif code:
            turn.cancel()
        return code

    def _complete(self, command: Command, done: Completion) -> None:
        header = {"completionCode": done.code, "errorDescription": done.words}
        self.send(line(command.name, "completion", command.request_id, done.payload, **header))


def _stop(job: _Job) -> None:
    if not job.begun and not job.stopped.done():
        job.stopped.set_result(None)
