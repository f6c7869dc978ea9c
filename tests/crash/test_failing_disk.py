"""FAULTS A6 to A8: the disk is full, broken or read-only. No effect without its synced row, and the kiosk says so.

The conversation is the real one, on a disk that fails at its n-th operation; bank and dispenser are a `World`.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from kiosk.adapters.journal import Journal, JournalFailed
from kiosk.core.flow import House
from kiosk.core.fold import leg
from kiosk.events import CallBank, Dispense, Effect, Event, Opened, to_dict
from kiosk.prove.disk import Disk, Op
from kiosk.prove.world import World
from kiosk.run.session import Conversation, Office
from kiosk.values import OperatorError

FILE = Path("journal.db")


class NoTill:
    def unlock(self, session: str) -> None: ...

    def lock(self) -> None: ...


class Acting(Conversation):
    """The real loop, with a world instead of hands; remembers what was done."""

    def __init__(self, office: Office, world: World, session: str) -> None:
        super().__init__(office, session)
        self._world = world
        self.done: list[Effect] = []

    async def _do(self, effect: Effect) -> Event | None:
        self.done.append(effect)
        return self._world.do(effect)


class Blind(World):
    """A world that does not look into its own journal: here the journal is the real one."""

    def _allowed(self, effect: Effect) -> None: ...


def office(house: House, journal: Journal) -> Office:
    parts: Any = NoTill()
    return Office(house, journal, parts, parts, parts, parts, lambda *_, **__: None)


async def session(house: House, disk: Disk, seed: int) -> tuple[Acting, Blind, bool]:
    """One customer on this disk; what was done, and whether the journal gave up."""
    world = Blind(house, seed, faults=0.0)
    world.lang = "zh"
    journal = Journal(FILE, new_name="K1", vfs=disk.name)
    acting = Acting(office(house, journal), world, "S1")
    try:
        await acting.run(Opened("S1", "zh", "grace"), world.first())
    except JournalFailed:
        with pytest.raises(JournalFailed):
            journal.append("S9", "", "turn", {})
        return acting, world, True
    finally:
        journal.close()
    return acting, world, False


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (apsw.FullError, {"write"}),
        (apsw.IOError, {"sync"}),
        (apsw.IOError, {"write"}),
        (apsw.ReadOnlyError, {"write", "sync", "trunc", "delete"}),
    ],
    ids=["ENOSPC", "EIO at sync", "EIO at write", "EROFS"],
)
def test_nothing_is_done_that_is_not_on_the_disk(house: House, error: type[Exception], kinds: set[str]) -> None:
    with Disk() as born:
        Journal(FILE, new_name="K1", vfs=born.name).close()
    files = {name: bytes(data) for name, data in born.files.items()}
    with Disk(files) as whole:
        asyncio.run(session(house, whole, 3))
    failures = paid = 0
    for at in range(len(whole.ops)):
        with Disk(files) as disk:
            disk.fail_at, disk.fail_with, disk.fail_kinds = at, error, frozenset(kinds)
            try:
                acting, world, failed = asyncio.run(session(house, disk, 3))
            except OperatorError:
                continue  # it did not even open, so nobody was served
            failures += failed
            paid += any(isinstance(e, Dispense) for e in acting.done)
            survived = disk.after_cut(len(disk.ops), random.Random(at))
        with Disk(survived) as left:
            journal = Journal(FILE, new_name="K1", vfs=left.name)
            rows = list(journal.entries("S1"))
            assert journal.verify()[1] == ""
            journal.close()
        named = [e for row in rows for e in row.body["effects"]]
        for effect in acting.done:
            assert to_dict(effect) in named, (at, effect)
        one = leg("S1", rows)
        assert one.dispenses <= 1
        held = [e.id for e in acting.done if isinstance(e, CallBank) and e.verb == "authorise"]
        assert set(world.bank.holds) <= set(held)
    assert failures > 10
    assert paid > 0


def test_a_sync_that_failed_once_is_not_tried_again(house: House) -> None:
    """After a failed sync the system's cache may claim what the disk never got: only a new start may trust the file."""
    with Disk() as disk:
        journal = Journal(FILE, new_name="K1", vfs=disk.name)
        journal.append("S1", "", "turn", {"n": 1})
        disk.fail_at, disk.fail_kinds, disk.fail_once = disk.asked, frozenset({"sync"}), True
        for n in (2, 3):
            with pytest.raises(JournalFailed, match=r"cannot be written.*settles what is open"):
                journal.append("S1", "", "turn", {"n": n})
        journal.close()
        again = Journal(FILE, new_name="K2", vfs=disk.name)
        assert (again.name, again.verify()) == ("K1", (1, ""))
        assert again.append("S1", "", "turn", {"n": 2}).seq == 2


class Full(Disk):
    """A disk that is full as long as the reserve lies on it."""

    reserve: Path

    def did(self, op: Op) -> None:
        if op.kind == "write" and self.reserve.exists() and self.fail_at == -1:
            raise apsw.FullError("no space")
        super().did(op)


def test_the_open_session_gets_the_reserve_and_no_other_begins(tmp_path: Path) -> None:
    with Full() as disk:
        disk.reserve = tmp_path / "journal.db.reserve"
        journal = Journal(tmp_path / "journal.db", new_name="K1", vfs=disk.name, reserve=4096)
        assert disk.reserve.stat().st_blocks * 512 >= 4096
        journal.append("S1", "", "turn", {"n": 1})
        assert journal.short == ""
        disk.fail_at, disk.fail_kinds = -1, frozenset()
        for n in (2, 3):
            journal.append("S1", "", "turn", {"n": n})
        assert not disk.reserve.exists()
        assert "full" in journal.short
        assert journal.verify() == (3, "")
        journal.close()


def test_without_room_for_the_reserve_nobody_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kiosk.run import core

    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    journal = Journal(tmp_path / "journal.db", new_name="K1", reserve=4096)
    one = office(None, journal)  # type: ignore[arg-type]
    assert journal.append("S1", "", "acked", {}).seq == 1  # what is open can still be settled
    with pytest.raises(JournalFailed, match="no room for a session"):
        core._with_room(one)
