"""The office keeps numbers and debts: sessions and cases are numbered on, advices are repeated until acknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kiosk.adapters.bank import BankResult
from kiosk.adapters.journal import Journal
from kiosk.core.flow import House
from kiosk.core.fold import leg
from kiosk.events import Done, Hear, Opened, Said
from kiosk.prove.world import said
from kiosk.run.session import Conversation, Office
from kiosk.values import Money

PAID = {"presented": Money(100_000), "unknown_amount": Money(0)}
DOUBT = {"presented": Money(0), "unknown_amount": Money(100_000)}


class Bank:
    """Authorises; takes advices only once `up` is set."""

    def __init__(self) -> None:
        self.up = False
        self.advices: list[str] = []

    async def call(self, verb: str, fields: Any, key: str) -> BankResult:
        if verb == "authorise":
            return BankResult("approved", {"authorisation": "A1"}, 1)
        return await self.advise(verb, fields, key)

    async def advise(self, verb: str, fields: Any, key: str) -> BankResult:
        self.advices.append(key)
        await asyncio.sleep(0)
        return BankResult("ok" if self.up else "unknown", {}, 1)


class Ears:
    def __init__(self) -> None:
        self.lines = [said("取一千元", "withdraw", Money(100_000), (1, 4)), said("对", "yes")]

    async def say(self, say: object) -> None: ...
    async def quiet(self) -> None: ...

    async def listen(self, hear: Hear) -> Said:
        return self.lines.pop(0)

    async def keep_voice(self, id_: str) -> str:
        return "ok"

    async def forget(self, id_: str) -> bool:
        return True


class Till(SimpleNamespace):
    outcome, facts = "paid", PAID

    def unlock(self, session: str) -> None: ...
    def lock(self) -> None: ...

    async def denominate(self, effect: Any) -> Done:
        return Done(effect.id, "ok")

    async def dispense(self, effect: Any) -> Done:
        return Done(effect.id, self.outcome, dict(self.facts))

    async def print(self, effect: Any) -> Done:
        return Done(effect.id, "ok")


class Eyes:
    async def verify(self, look: object) -> str:
        return "ok"

    async def forget(self, id_: str) -> bool:
        return True


def office(house: House, file: Path, bank: Bank, till: Till) -> Office:
    journal = Journal(file, new_name="K1")
    parts: Any = (bank, till, Ears(), Eyes())
    return Office(house, journal, *parts, lambda event, **facts: None)


async def customer(one: Office) -> str:
    session = one.next_session()
    await Conversation(one, session).run(Opened(session, "zh", "grace"), said("我要取款", "withdraw"))
    return session


def test_an_advice_is_repeated_until_the_bank_takes_it_also_after_a_restart(house: House, tmp_path: Path) -> None:
    async def play() -> None:
        bank = Bank()
        first = office(house, tmp_path / "j.db", bank, Till())
        session = await customer(first)
        assert await first.drain() == 1
        assert await first.drain() == 1
        first.journal.close()

        again = office(house, tmp_path / "j.db", bank, Till())
        assert again.next_session() == "K1-000002"
        bank.up = True
        left = await asyncio.gather(again.drain(), again.drain(), again.drain())
        assert left == [0, 0, 0]
        assert len(set(bank.advices)) == 1
        assert len(bank.advices) == 4  # the call itself, two refused repetitions, and one that was taken
        one = leg(session, again.journal.entries(session))
        assert (one.pending, one.captured) == ((), 100_000)
        assert await again.drain() == 0
        assert len(bank.advices) == 4

    asyncio.run(play())


def test_cases_are_numbered_on_through_restarts(house: House, tmp_path: Path) -> None:
    async def play() -> None:
        numbers = []
        for _ in range(3):
            till = Till()
            till.outcome, till.facts = "unknown", DOUBT
            one = office(house, tmp_path / "j.db", Bank(), till)
            session = await customer(one)
            numbers += leg(session, one.journal.entries(session)).cases
            one.journal.close()
        assert numbers == [1, 2, 3]

    asyncio.run(play())
