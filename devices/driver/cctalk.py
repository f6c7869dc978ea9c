"""ccTalk: a coin acceptor (CashAcceptor) and a hopper (CashDispenser of coins).

Coins have no escrow: an event is money in the machine. Each is credited once, by the counter that the caller's journal
keeps. A hopper gets one dispense (167) on the wire; when its answer is lost, its event counter tells whether it acted,
and counter 0 means that nobody knows but its lifetime count (168).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from devices.errors import OperatorError
from devices.protocol import cctalk
from devices.protocol.cctalk import Events, HopperStatus, Link, NoAnswer, Replied, Send, Timing
from devices.transport import Line, LineLost

log = logging.getLogger("devices.cctalk")

LONGEST = 300.0  #: seconds after which a hopper that still says that coins are to come is not waited for


class NotReady(Exception):
    """The device does not answer, or refused. What it was asked to do, if it was to move something, is not known."""


class Slave:
    """One address on one wire. Calls must not overlap."""

    def __init__(self, line: Line, address: int, crc: bool = False, timing: Timing | None = None) -> None:
        self.line, self.address, self.crc = line, address, crc
        self.timing = timing or Timing()

    async def identify(self) -> dict[str, str]:
        """Category, maker, product and serial number; asks only. Empty when nothing answers."""
        try:
            words = {
                name: await self._ask(code) for name, code in (("category", 245), ("maker", 246), ("product", 244))
            }
            serial = await self._ask(242)
        except (NotReady, OperatorError, LineLost) as e:
            log.warning("%s", e)
            return {}
        found = {name: data.decode("ascii", "backslashreplace").strip(" .") for name, data in words.items()}
        return found | {"serial": str(int.from_bytes(serial, "little"))}

    async def _ask(self, header: int, data: bytes = b"") -> bytes:
        """The data of the answer.

        Raises:
            NotReady: no answer, NAK or BUSY.
            LineLost: the line is gone.
            OperatorError: there is no such port.
        """
        news = await self._exchange(header, data)
        if isinstance(news, Replied) and news.ok:
            return news.data
        raise NotReady(f"header {header}: {news.why if isinstance(news, NoAnswer) else f'refused ({news.header})'}")

    async def _exchange(self, header: int, data: bytes = b"", once: bool = False) -> Replied | NoAnswer:
        if not self.line.is_open:
            self.line.open()
        while await self.line.read(0.0):
            pass
        link = Link(self.address, self.crc, self.timing)
        acts = link.start(header, data, _now(), once)
        while True:
            for act in acts:
                if isinstance(act, Send):
                    await self.line.write(act.data)
                elif isinstance(act, Replied | NoAnswer):
                    return act
                else:
                    log.info("%s", act.text)
            assert link.deadline is not None
            got = await self.line.read(max(0.0, link.deadline - _now()))
            acts = link.feed(got, _now()) if got else link.tick(_now())


@dataclass(frozen=True)
class Credit:
    """For the journal: one coin, with the counter that it brought. `lost` events were credited to nobody."""

    serial: int
    counter: int
    minor: int = 0
    currency: str = ""
    lost: int = 0
    words: str = ""


#: letter in the value code of 184 → power of ten of minor units (the letters are unverified)
_POWERS = {"m": -1, ".": 2, "K": 5, "M": 8}


def coin_value(code: str) -> int:
    """`050` → 5000 and `.50` → 50 and `1K0` → 100000 minor units; 0 where it is none. The letter is the point."""
    if code.isdecimal():
        return int(code) * 100
    letter = next((c for c in code if not c.isdecimal()), "")
    head, _, tail = code.partition(letter)
    if letter not in _POWERS or not (head + tail).isdecimal():
        return 0
    power = _POWERS[letter] - len(tail)
    value, odd = divmod(int(head + tail) * 10 ** max(power, 0), 10 ** max(-power, 0))
    return 0 if odd else value


class CoinAcceptor(Slave):
    """`journal(credit)` is awaited before a credit is told and before the next poll."""

    CAPABILITIES: ClassVar[dict[str, Any]] = {"class": "CashAcceptor", "escrow": 0, "recycler": False, "coins": True}

    def __init__(
        self,
        line: Line,
        address: int = 2,
        crc: bool = False,
        journal: Callable[[Credit], Awaitable[None]] | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(line, address, crc, timing)
        self.journal = journal
        self.serial = 0
        self.values: dict[int, tuple[int, str]] = {}
        self.last: int | None = None

    async def start(self, known: tuple[int, int] | None = None) -> list[Credit]:
        """Learn the coins and take up the counter; `known`: serial and counter of the last journalled credit.

        Returns what was inserted since, credited. Without `known` the counter is adopted and nothing is credited.

        Raises:
            NotReady, OperatorError, LineLost: no device.
        """
        if fault := (await self._ask(232))[:1].strip(b"\x00"):
            raise NotReady(f"self-check: fault {fault[0]}")
        self.serial = int.from_bytes(await self._ask(242), "little")
        for position in range(1, 17):
            name = (await self._ask(184, bytes([position]))).decode("ascii", "backslashreplace")
            if len(name) == 6 and (minor := coin_value(name[2:5])):
                self.values[position] = minor, name[:2]
        self.last = known[1] if known and known[0] == self.serial else None
        return await self.poll()

    async def enable(self, on: bool = True) -> None:
        """Take coins of all positions; both masks are volatile."""
        await self._ask(231, b"\xff\xff" if on else b"\x00\x00")
        await self._ask(228, b"\x01" if on else b"\x00")

    async def poll(self) -> list[Credit]:
        """Coins since the last poll, oldest first, each journalled. After a reset the inhibits are set again.

        Raises:
            NotReady, OperatorError, LineLost: no answer; nothing is lost by that, ask again.
        """
        found = cctalk.events(self.last, await self._ask(229))
        if found is None:
            raise NotReady("no usable answer to 229")
        credits: list[Credit] = []
        for row in self._credits(found):
            if self.journal is not None:
                await self.journal(row)
            self.last = row.counter
            credits.append(row)
        self.last = found.counter
        if found.reset:
            await self.enable()
        return credits

    def _credits(self, found: Events) -> list[Credit]:
        rows = []
        counter = found.counter
        if found.reset:
            return [Credit(self.serial, 0, words="the acceptor was reset: coins may have gone uncredited")]
        if found.lost:
            before = (counter - len(found.coins) - 1) % 255 + 1
            rows.append(Credit(self.serial, before, lost=found.lost, words="events were lost: too few polls"))
        for back, coin in zip(range(len(found.coins) - 1, -1, -1), found.coins, strict=True):
            if coin.credit:
                minor, currency = self.values.get(coin.a, (0, ""))
                rows.append(Credit(self.serial, (counter - back - 1) % 255 + 1, minor, currency))
            elif coin.b:
                log.info("coin event %d", coin.b)
        return rows


@dataclass(frozen=True)
class Coins:
    """Of one dispense: coins given for certain, and how many more may have been."""

    presented: int = 0
    unknown: int = 0
    words: str = ""
    #: somebody must look before it pays again
    stop: bool = False


@dataclass(frozen=True)
class HopperIntent:
    """For the journal, before 167: what is asked for, event counter (166) and lifetime count (168) before it."""

    coins: int
    counter: int
    lifetime: int


class Hopper(Slave):
    """A hopper whose security bytes are its serial number (P2 p43, method a)."""

    CAPABILITIES: ClassVar[dict[str, Any]] = {"class": "CashDispenser", "coins": True, "most": 255}

    def __init__(
        self,
        line: Line,
        address: int = 3,
        crc: bool = False,
        journal: Callable[[HopperIntent], Awaitable[None]] | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(line, address, crc, timing)
        self.journal = journal

    async def status(self) -> HopperStatus:
        """Raises: NotReady, OperatorError, LineLost."""
        found = cctalk.hopper_status(await self._ask(166))
        if found is None:
            raise NotReady("no usable answer to 166")
        return found

    async def lifetime(self) -> int:
        """Coins ever dispensed (168). Raises as `status`."""
        return int.from_bytes(await self._ask(168), "little")

    async def dispense(self, coins: int) -> Coins:
        """Pay `coins` (1 to 255), once. Never raises for what the line or the machine does."""
        if not 1 <= coins <= 255:
            raise ValueError("a hopper pays 1 to 255 coins at once")
        try:
            if words := cctalk.blocked(await self._ask(163)):
                return Coins(words=", ".join(words), stop=True)
            serial = await self._ask(242)
            before = HopperIntent(coins, (await self.status()).counter, await self.lifetime())
            await self._ask(164, b"\xa5")
            if self.journal is not None:
                await self.journal(before)
        except (NotReady, OperatorError, LineLost) as e:
            return Coins(words=f"nothing was asked for: {e}")
        try:
            news: Replied | NoAnswer = await self._exchange(167, serial[:3] + bytes([coins]), once=True)
        except (OperatorError, LineLost) as e:
            news = NoAnswer(str(e))
        return await self.settle(before, news)

    async def settle(self, before: HopperIntent, news: Replied | NoAnswer | None = None) -> Coins:
        """What became of a journalled dispense; after a restart too, before the next one. Asks only."""
        coins = before.coins
        news = news or NoAnswer("the host was restarted")
        for _ in range(5):
            try:
                return await self._settle(before, news)
            except (NotReady, OperatorError, LineLost) as e:
                log.warning("while asking what a dispense did: %s", e)
                await asyncio.sleep(self.timing.reply)
        return Coins(0, coins, "the hopper can not be asked", stop=True)

    async def _settle(self, before: HopperIntent, news: Replied | NoAnswer) -> Coins:
        """Poll 166 until no coin is to come; then flags and lifetime count, and off."""
        status, end = await self.status(), _now() + LONGEST
        while status.remaining and status.counter and _now() < end:
            await asyncio.sleep(self.timing.poll)
            status = await self.status()
        given = await self.lifetime() - before.lifetime
        flags = cctalk.blocked(await self._ask(163))
        await self._ask(164, b"\x00")
        said = cctalk.verdict(before.counter, status.counter)
        refused = isinstance(news, Replied) and not news.ok
        words = ", ".join(flags) or ("refused" if refused else said)
        if said == "done" and given == status.paid and status.paid + status.unpaid == before.coins:
            return Coins(status.paid, 0, words, stop=bool(flags) or status.unpaid > 0)
        if (said == "not done" or refused) and given == 0:
            return Coins(0, 0, words, stop=bool(flags))
        if said == "unknown" and "power lost in a payout" in flags and 0 < given == status.paid <= before.coins:
            # A reset, but its memory of the payout (register 3 bit 0) and its lifetime count say the same: all but one
            # coin, that may have been on its way past the opto.
            return Coins(given, min(1, before.coins - given), words, stop=True)
        known = max(0, min(given, before.coins, status.paid if said == "done" else before.coins))
        return Coins(known, before.coins - known, words or "counts differ", stop=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
