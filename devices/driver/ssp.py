"""CashAcceptor on ITL SSP and eSSP (NV9, NV200, SMART Payout): notes in through escrow, notes out of the recycler.

Money in is credited by one event (EE) and journalled before the device is told that it was heard. Money out is one
command; once its answer is lost the device is asked by events, then levels (22) and counters (58), and what they do not
prove is `unknown`. The journal is the caller's: `journal(entry)` is awaited before a note is taken into the machine,
before a payout goes on the wire, and before an event is acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from devices.errors import OperatorError
from devices.protocol import ssp
from devices.protocol.ssp import Event, KeyExchange, Link, NoAnswer, Replied, Send, Timing
from devices.transport import Line, LineLost

log = logging.getLogger("devices.ssp")

REAL, TEST = 0x58, 0x19
VERSIONS = (8, 7, 6)
#: polls without news after a restart or a lost answer, until what has not come is taken not to come
QUIET_POLLS = 5
#: seconds after which a payout that says nothing new is given up
LONGEST = 300.0
#: events that come in every poll until something else does, or until somebody sees to the machine
REPEATED = {"disabled", "jammed", "safe-jam", "unsafe-jam", "cashbox-removed", "path-open", "full", "unreadable"}
BUSY = {"dispensing", "jam-recovery", "initialising", "stacking", "rejecting", "read"}
#: a payout ends with exactly one of these (PROTOCOLS B 1.12)
ENDS = {"dispensed", "halted", "timeout", "payout-error", "jammed", "incomplete-payout"}
REFUSALS = {b"\xf5\x01": "not enough value", b"\xf5\x02": "cannot pay exactly", b"\xf5\x03": "busy", b"\xf5\x04": "off"}


class NotReady(Exception):
    """The device does not answer, or speaks nothing this driver understands. Nothing was moved by this call."""


@dataclass(frozen=True)
class Intent:
    """For the journal, before it happens: `stack` a note, or `dispense` with levels and counters as they were."""

    act: str
    minor: int
    currency: str
    levels: Mapping[tuple[int, str], int] = field(default_factory=dict)
    counters: ssp.Counters | None = None


Journal = Callable[[Intent | Event], Awaitable[None]]


@dataclass(frozen=True)
class CashIn:
    """What became of one note: `stacked` (credited), `returned`, `unknown` (kept or lost, not credited), `none`."""

    outcome: str
    minor: int = 0
    currency: str = ""
    words: str = ""


@dataclass(frozen=True)
class Payout:
    """Minor units: presented for certain, kept in the machine (`rejected`), and `unknown`: may have been presented."""

    presented: int = 0
    rejected: int = 0
    unknown: int = 0
    words: str = ""
    #: somebody must look before it pays again
    stop: bool = False


async def _no_journal(entry: Intent | Event) -> None:
    log.info("%s", entry)


class CashAcceptor:
    """One device on one line. Calls must not overlap."""

    CAPABILITIES: ClassVar[dict[str, Any]] = {"class": "CashAcceptor", "escrow": 1, "recycler": True, "retract": False}

    def __init__(self, line: Line, journal: Journal = _no_journal, timing: Timing | None = None) -> None:
        self.line = line
        self.journal = journal
        self.timing = timing or Timing()
        self.setup: ssp.Setup | None = None
        self.serial: int | None = None
        self._link = Link(timing=self.timing)
        self._acks = False
        #: events that were journalled and told to nobody, while it is not known whether the device heard our 57
        self._unheard: list[Event] = []

    # --- questions ---

    async def identify(self) -> dict[str, str]:
        """Type, firmware and serial number; asks only, and polls away no event. Empty when nothing answers."""
        try:
            await self._sync()
            got, serial = await self._ask(b"\x05"), await self._ask(b"\x0c")
        except (LineLost, OperatorError, NotReady) as e:
            log.warning("%s", e)
            return {}
        known = ssp.setup(got.data[1:])
        if not known or len(serial.data) != 5:
            return {}
        return {"type": f"{known.type:02X}", "firmware": known.firmware, "serial": serial.data[1:].hex()}

    async def levels(self) -> dict[tuple[int, str], int]:
        """Notes in the recycler by (minor units, currency); empty without one."""
        reply = await self._ask(b"\x22")
        return (ssp.levels(reply.data[1:]) if reply.ok else None) or {}

    async def counters(self) -> ssp.Counters | None:
        reply = await self._ask(b"\x58")
        return ssp.counters(reply.data[1:]) if reply.ok else None

    async def start(self) -> list[Event]:
        """Begin a session; the device takes nothing yet. Returns, journalled, what happened while nobody asked.

        Raises:
            NotReady: no device, another one than before, or one that is too old.
            OperatorError: no such port.
        """
        try:
            return await self._start()
        except LineLost as e:
            raise NotReady(str(e)) from e

    async def _start(self) -> list[Event]:
        await self._sync()
        exchange = KeyExchange()
        for command in exchange.commands:
            reply = await self._ask(command)
            if not reply.ok:
                break
        self._acks = reply.ok and len(reply.data) == 9
        if self._acks:
            self._link.use_key(exchange.key(reply.data[1:]))
        for version in VERSIONS:
            if (await self._ask(bytes([0x06, version]))).ok:
                break
        else:
            raise NotReady("the device knows none of the protocol versions 6 to 8")
        self.setup = ssp.setup((await self._ask(b"\x05")).data[1:])
        if self.setup is None or self.setup.version not in VERSIONS:
            raise NotReady("no usable answer to SETUP")
        serial = int.from_bytes((await self._ask(b"\x0c")).data[1:], "big")
        if self.serial not in (None, serial):
            raise NotReady(f"serial number {serial} where {self.serial} was: the device was exchanged")
        self.serial = serial
        await self._ask(b"\x09")
        await self._ask(b"\x08")  # the first poll would accept a note that still lies in escrow
        found: list[Event] = []
        while more := [e for e in await self.poll() if e.name != "disabled"]:
            found += more
            if all(e.name in REPEATED | BUSY for e in more):
                break
        return found

    async def poll(self) -> list[Event]:
        """Events, each held one journalled before it is acknowledged. Accepts a note in escrow.

        Raises:
            NotReady: no answer: begin anew with `start`.
        """
        await asyncio.sleep(self.timing.poll)
        reply = await self._ask(b"\x56" if self._acks else b"\x07")
        if not reply.ok:
            raise NotReady(f"poll refused: {reply.data.hex(' ')}")
        found = ssp.events(reply.data[1:])
        held = [e for e in found if e.code in ssp.HELD]
        if not self._unheard or held != self._unheard:
            for event in found:
                if event.code in ssp.HELD or event.name in ("reset", "jammed", "safe-jam", "halted", "unreadable"):
                    await self.journal(event)
            found = self._unheard + found
        # else: journalled before, only our 57 was lost. No like event can have come first: a note is read (EF) before.
        self._unheard = [e for e in found if e.code in ssp.HELD]
        if held and self._acks:
            await self._ask(b"\x57")
        self._unheard = []
        return found

    # --- money in ---

    async def enable(self) -> None:
        """Take notes of all channels."""
        for command in (b"\x02\xff\xff", b"\x0a"):
            reply = await self._ask(command)
            if not reply.ok:
                raise NotReady(f"not enabled: {reply.data.hex(' ')}")

    async def disable(self) -> None:
        await self._ask(b"\x09")

    async def cash_in(self, decide: Callable[[int, str], Awaitable[bool]], timeout: float) -> CashIn:
        """One note, from slot to end. `decide(minor, currency)`, while it is in escrow: True stacks, False returns it.

        The note is held as long as `decide` takes. Notes that the device itself refuses are returned by it.
        """
        end = _now() + timeout
        wanted: tuple[int, int, str] | None = None
        refused = False
        try:
            await self._ready()
            await self.enable()
            while True:
                found = await self.poll()
                channel = next((e.channel for e in found if e.name == "read" and e.channel), 0)
                if channel and wanted is None and not refused:
                    minor, currency = self._worth(channel)
                    wanted = (channel, minor, currency) if await self._held(decide, minor, currency) else None
                    if wanted is None:
                        refused = True
                        await self._ask(b"\x08")
                    continue
                if ended := self._cash_in_end(found, wanted):
                    return ended
                if any(e.name == "reset" for e in found):
                    return await self._cash_in_after_loss(wanted, "the device was reset")
                if _now() > end and wanted is None and not any(e.name in ("read", "rejecting") for e in found):
                    return CashIn("none")
        except (NotReady, OperatorError, LineLost) as e:
            return await self._cash_in_after_loss(wanted, str(e))

    def _worth(self, channel: int) -> tuple[int, str]:
        assert self.setup is not None
        return self.setup.channels.get(channel, (0, ""))

    async def _held(self, decide: Callable[[int, str], Awaitable[bool]], minor: int, currency: str) -> bool:
        """Hold the note (18) until there is a decision; only a note whose value is known and journalled is stacked."""

        async def ask() -> bool:
            good = bool(minor) and await decide(minor, currency)
            if good:
                await self.journal(Intent("stack", minor, currency))
            return good

        decision = asyncio.ensure_future(ask())
        try:
            while not decision.done():
                await self._ask(b"\x18")
                await asyncio.wait([decision], timeout=self.timing.poll)
        except (NotReady, LineLost):
            decision.cancel()
            raise
        return decision.result()

    def _cash_in_end(self, found: list[Event], wanted: tuple[int, int, str] | None) -> CashIn | None:
        for event in found:
            if event.name == "credit":
                return CashIn("stacked", *self._worth(event.channel))
        _, minor, currency = wanted or (0, 0, "")
        for event in found:
            if event.name in ("cleared-to-cashbox", "stacked-at-reset", "stored-at-reset") and wanted:
                return CashIn("stacked", minor, currency, event.name)  # it was ours, kept, and never credited
            if event.name in ("rejected", "cleared-to-front"):
                return CashIn("returned", minor, currency)
            if event.name in ("safe-jam", "fraud", "unsafe-jam", "unreadable"):
                return CashIn("unknown", minor, currency, event.name)
        return None

    async def _cash_in_after_loss(self, wanted: tuple[int, int, str] | None, why: str) -> CashIn:
        """The session broke. Begin anew and look what the device says of the note."""
        _, minor, currency = wanted or (0, 0, "")
        found: list[Event] = []
        try:
            found = await self._start()
            for _ in range(QUIET_POLLS):
                if ended := self._cash_in_end(found, wanted):
                    return ended
                found = await self.poll()
        except (NotReady, OperatorError, LineLost) as e:
            why = f"{why}; {e}"
        if wanted is None:
            return CashIn("none", words=why)
        return CashIn("unknown", minor, currency, why)

    # --- money out ---

    async def dispense(self, minor: int, currency: str) -> Payout:
        """Pay `minor` out of the recycler. Never raises for what the line or the machine does."""
        try:
            await self._ready()
            await self._ask(b"\x5c")
            before, counted = await self.levels(), await self.counters()
            amount = b"\x33" + minor.to_bytes(4, "little") + currency.encode("ascii")
            trial = await self._ask(amount + bytes([TEST]))
            if not trial.ok:
                return Payout(words=REFUSALS.get(trial.data, f"refused: {trial.data.hex(' ')}"))
            await self.journal(Intent("dispense", minor, currency, before, counted))
        except (NotReady, OperatorError, LineLost) as e:
            return Payout(words=f"nothing was asked for: {e}")
        books = _Books(minor, currency, before, counted)
        try:
            reply = await self._ask(amount + bytes([REAL]))
            if not reply.ok and reply.sends == 1:
                return Payout(words=REFUSALS.get(reply.data, f"refused: {reply.data.hex(' ')}"))
            return await self._watch(books, [])
        except (NotReady, LineLost) as e:
            log.warning("in a payout: %s", e)
        return await self._asked(books)

    async def settle(self, intent: Intent) -> Payout:
        """After a restart: what became of a journalled `dispense`. Asks only, nothing is paid. Starts the session."""
        return await self._asked(_Books(intent.minor, intent.currency, dict(intent.levels), intent.counters))

    async def _asked(self, books: _Books) -> Payout:
        for _ in range(5):
            try:
                return await self._watch(books, await self._start())
            except (NotReady, OperatorError, LineLost) as e:
                log.warning("while asking what a payout did: %s", e)
                await asyncio.sleep(self.timing.reply)
        return books.unproven("the device can not be asked")

    async def _watch(self, books: _Books, found: list[Event]) -> Payout:
        """Poll until the payout has ended and the note that was in the head is accounted for, then book."""
        quiet, end = 0, _now() + LONGEST
        while _now() < end:
            books.take(found)
            busy = any(e.name in ("dispensing", "jam-recovery", "initialising") for e in found)
            quiet = 0 if busy else quiet + 1
            if books.closed or quiet > QUIET_POLLS:
                break
            found = await self.poll()
            if any(e.name == "reset" for e in found):
                found += await self._start()
        return books.book(await self.levels(), await self.counters())

    # --- the session ---

    async def _ready(self) -> None:
        """Begin anew if the session was lost; what happened meanwhile is in the journal."""
        if not self.line.is_open or not self._link.synced:
            await self._start()

    async def _sync(self) -> None:
        if not self.line.is_open:
            self.line.open()
        self._link = Link(timing=self.timing)
        while await self.line.read(0.0):
            pass
        if not (await self._ask(bytes([ssp.SYNC]))).ok:
            raise NotReady("SYNC refused")

    async def _ask(self, data: bytes) -> Replied:
        """One command to its end.

        Raises:
            NotReady: no answer, or the device has lost our key.
            LineLost: the line is gone.
        """
        try:
            acts = self._link.start(data, _now())
        except RuntimeError as e:
            raise NotReady(str(e)) from e
        while True:
            for act in acts:
                if isinstance(act, Send):
                    await self.line.write(act.data)
                elif isinstance(act, NoAnswer):
                    raise NotReady(act.why)
                elif isinstance(act, Replied):
                    if act.data[0] == ssp.NO_KEY:
                        self._link.synced = False
                        raise NotReady("the device has no key: it was reset")
                    return act
                else:
                    log.info("%s", act.text)
            assert self._link.deadline is not None
            got = await self.line.read(max(0.0, self._link.deadline - _now()))
            acts = self._link.feed(got, _now()) if got else self._link.tick(_now())


class _Books:
    """What the events of one payout, and then levels and counters, prove (PROTOCOLS B 1.12)."""

    def __init__(self, minor: int, currency: str, before: dict[tuple[int, str], int], counted: ssp.Counters | None):
        self.minor, self.currency = minor, currency
        self.before, self.counted = before, counted
        self.end: Event | None = None
        self.paid = self.kept = self.seen = 0
        #: the note that was in the head is accounted for
        self.settled = False

    @property
    def closed(self) -> bool:
        return self.end is not None and (self.end.name in ("dispensed", "halted", "timeout", "jammed") or self.settled)

    def take(self, found: list[Event]) -> None:
        for event in found:
            value = event.money.get(self.currency, 0)
            if event.name == "dispensing":
                self.seen = max(self.seen, value)
            elif event.name in ENDS:
                if self.end is None:
                    self.end, self.paid = event, value
            elif self.end is not None and event.name in ("to-stacker", "stacked-at-reset", "stored-at-reset"):
                self.kept, self.settled = self.kept + value, True
            elif self.end is not None and event.name == "cleared-to-cashbox":
                self.settled = True
            elif self.end is not None and event.name == "dispensed-at-reset":
                self.paid, self.settled = self.paid + value, True

    def unproven(self, words: str) -> Payout:
        """Nothing more can be asked: what was told is presented, the rest is unknown."""
        paid = min(max(self.paid, self.seen), self.minor)
        return Payout(paid, self.kept, self.minor - paid, words, stop=True)

    def book(self, after: dict[tuple[int, str], int], counted: ssp.Counters | None) -> Payout:
        if self.end is not None and self.end.name in ("dispensed", "halted", "timeout"):
            return Payout(self.paid, 0, 0, self.end.name, stop=self.paid > self.minor)
        if self.end is not None and self.settled:
            return Payout(self.paid, self.kept, 0, self.end.name, stop=True)
        if not self.before or set(after) != set(self.before) or counted is None or self.counted is None:
            return self.unproven("no end was told, and levels or counters are missing")
        gone = sum((self.before[k] - after[k]) * k[0] for k in after if k[1] == self.currency)
        notes = sum(self.before[k] - after[k] for k in after)
        out = counted.dispensed - self.counted.dispensed
        if self.end is None and gone == notes == out == 0:
            return Payout(words="it was never begun")
        known = max(self.paid, self.seen)
        told = self.end is None or self.end.name == "incomplete-payout"  # a jam leaves its note where nobody counts it
        if told and notes == out and known <= gone <= self.minor:
            return Payout(gone, 0, 0, "told by levels and counters", stop=self.end is not None)
        words = self.end.name if self.end else "no end was told"
        return Payout(known, self.kept, max(0, min(gone, self.minor) - known), words, stop=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
