"""CashAcceptor over any of the note acceptors' sessions: cash-in start, a note in escrow, stack or return, end.

    acceptor.open()            polls from now on; must go on, for a device that is not polled gives its note back
    cash_in_start()            notes are let in
    next_item()                a note is held in escrow: its value
    stack() / give_back()      what became of it: stacked, returned or unknown
    cash_in_end()              no more notes; the totals

`record` is awaited for each thing to be written down, in order, before the bytes that depend on it go out: a credit is
on the disk before its acknowledgement leaves. If it raises, nothing more is sent and the driver stays failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

from devices.errors import OperatorError
from devices.protocol.notes import (
    Act,
    Banknote,
    Escrowed,
    Log,
    Open,
    Record,
    Rejected,
    Returned,
    Send,
    Session,
    Stacked,
    State,
    Told,
    Unknown,
)
from devices.transport import Line, LineLost

log = logging.getLogger("devices.notes")

REOPEN = 0.5  #: seconds between two tries to open a line that was lost
READY = ("idle", "accepting", "disabled", "escrow", "stacked", "returned", "enabling", "disabling")


@dataclass(frozen=True)
class Health:
    ok: bool
    #: the device's state, or why there is none
    words: str


@dataclass
class Totals:
    """Of one cash-in: the notes by what became of them; `unknown` may or may not be inside."""

    stacked: list[Banknote] = field(default_factory=list)
    returned: list[Banknote] = field(default_factory=list)
    unknown: list[Banknote] = field(default_factory=list)
    rejected: int = 0

    @property
    def credit(self) -> int:
        """Minor units that are certain."""
        return sum(n.value for n in self.stacked)

    @property
    def at_stake(self) -> int:
        """Minor units that may be inside beyond `credit`."""
        return sum(n.value for n in self.unknown)


async def _nowhere(entry: Record) -> None:
    log.info("%s", entry)


class NoteAcceptor:
    """One acceptor on one line. `found` is the note that the journal has open. Calls must not overlap."""

    BAUD: ClassVar[int] = 9600
    FORM: ClassVar[str] = "8N1"
    #: seconds a note may be held; the devices' own limit is a little more
    HOLD: ClassVar[float] = 8.0
    CAPABILITIES: ClassVar[dict[str, object]] = {
        "type": "tellerBill",
        "maxCashInItems": 1,
        "cashInEscrow": True,
        "rollback": "escrowOnly",
        "retractAreas": [],
    }

    def __init__(self, line: Line, session: Session, record: Callable[[Record], Awaitable[None]] | None = None) -> None:
        self.line = line
        self.session = session
        self.totals = Totals()
        self._record = record or _nowhere
        self._held: Banknote | None = None
        self._outcome: Stacked | Returned | Unknown | None = None
        self._settled = 0
        self._why = "not opened"
        self._failed: BaseException | None = None
        self._news = asyncio.Event()
        #: held while acts are carried out: what the session knows is not yet written down
        self._doing = asyncio.Lock()
        self._pump: asyncio.Task[None] | None = None

    @classmethod
    def at(cls, path: str) -> Line:
        """The line of such a device, with its own settings."""
        return Line(path, cls.BAUD, cls.FORM)

    def open(self) -> None:
        """Begin to poll; a line that is missing or lost is tried again."""
        self._pump = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop polling and let go of the line. A note in escrow is left to the device."""
        while self._pump is not None and not self._pump.done():
            self._pump.cancel()  # again if need be: `wait_for` of Python 3.11 can lose it when bytes come just then
            await asyncio.wait({self._pump}, timeout=0.1)
        self.line.close()

    async def status(self) -> Health:
        """The last state that the device told; asks nothing, for it is asked all the time."""
        if self._failed is not None:
            return Health(False, f"stopped: {self._failed}")
        if not self.line.is_open:
            return Health(False, self._why)
        word = self.session.word
        return Health(word in READY, word or "not asked yet")

    async def ready(self, timeout: float = 10.0) -> bool:
        """Wait until the device is polled, set up, lets nothing in, and a note that was open is settled."""
        return await self._until(
            lambda: self.line.is_open and self.session.closed and self.session.escrow.note is None, timeout
        )

    async def cash_in_start(self) -> None:
        self.totals = Totals()
        self.session.accepting = True

    async def next_item(self, timeout: float) -> Banknote | None:
        """The note in escrow, or the first that comes to be there within `timeout` seconds."""
        if await self._until(lambda: self._held is not None, timeout):
            self._outcome = None
        return self._held

    async def stack(self, timeout: float = 20.0) -> Stacked | Returned | Unknown | None:
        """Keep the note in escrow: what became of it, `Unknown` at the latest after `timeout`; None without a note."""
        return await self._decide("stack", timeout)

    async def give_back(self, timeout: float = 20.0) -> Stacked | Returned | Unknown | None:
        """The note in escrow back to the customer."""
        return await self._decide("return", timeout)

    async def cash_in_end(self, timeout: float = 20.0) -> Totals:
        """No more notes; one that is still in escrow goes back."""
        self.session.accepting = False
        if self.session.escrow.note is not None:
            await self._decide("return", timeout)
        await self._until(lambda: self.session.closed, timeout)
        return self.totals

    async def cash_in_rollback(self, timeout: float = 20.0) -> Totals:
        """The same: the escrow holds one note, and what is stacked can not come back. The totals say what is inside."""
        return await self.cash_in_end(timeout)

    async def _decide(self, decision: str, timeout: float) -> Stacked | Returned | Unknown | None:
        escrow, settled = self.session.escrow, self._settled
        self.session.decide(decision)
        # Where the next note follows at once, the escrow is not seen empty.
        if not await self._until(
            lambda: (escrow.note is None or self._settled > settled) and not self._doing.locked(), timeout
        ):
            await self._do(self.session.escrow.give_up(f"not settled within {timeout:g} s"))
        outcome, self._outcome = self._outcome, None
        return outcome

    async def _until(self, true: Callable[[], bool], timeout: float) -> bool:
        """Wait for something that the pump brings about.

        Raises:
            RuntimeError: the driver stopped, because what it had to write down could not be written.
        """
        end = _now() + timeout
        while True:
            if self._failed is not None:
                raise RuntimeError("the acceptor's driver stopped") from self._failed
            if true():
                return True
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), max(0.0, end - _now()))
            except TimeoutError:
                return true()

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._talk()
                except (LineLost, OperatorError) as e:
                    log.warning("%s", e)
                    self._why = str(e)
                    self.line.close()
                    await asyncio.sleep(REOPEN)
        except Exception as e:
            log.exception("the acceptor's driver stops")
            self._failed = e
            self.line.close()
            self._news.set()

    async def _talk(self) -> None:
        self.line.open()
        self.session.start(_now())
        held_since = _now()
        while True:
            data = await self.line.read(max(0.0, self.session.deadline - _now()))
            if data:
                await self._do(self.session.feed(data, _now()))
            await self._do(self.session.tick(_now()))
            if self._held is None or self.session.escrow.decision:
                held_since = _now()
            elif _now() - held_since > self.HOLD or not self.session.accepting:
                self.session.decide("return")

    async def _do(self, acts: list[Act]) -> None:
        async with self._doing:
            for act in acts:
                if isinstance(act, Send):
                    await self.line.write(act.data)
                elif isinstance(act, Log):
                    log.info("%s", act.text)
                elif isinstance(act, Rejected):
                    self.totals.rejected += 1
                    log.info("%s", act)
                elif isinstance(act, State):
                    log.info("state %s", act.word)
                else:
                    await self._record(act)
                    self._book(act)
        self._news.set()

    def _book(self, act: Record) -> None:
        """In the totals what the journal has."""
        if isinstance(act, Escrowed):
            self._held = act.note if act.note.value else None
            return
        if isinstance(act, Told):
            return
        self._held, self._outcome = None, act
        self._settled += 1
        if isinstance(act, Stacked):
            if act.late and act.note in self.totals.unknown:
                self.totals.unknown.remove(act.note)
            self.totals.stacked.append(act.note)
        elif isinstance(act, Returned):
            self.totals.returned.append(act.note)
        else:
            self.totals.unknown.append(act.note)


def opened(entry: Record) -> Open | None:
    """What the journal has open after `entry`, its last one: for the next driver."""
    if isinstance(entry, Escrowed):
        return Open(entry.note, told=False)
    if isinstance(entry, Told):
        return Open(entry.note, told=True)
    return None


def _now() -> float:
    return asyncio.get_running_loop().time()
