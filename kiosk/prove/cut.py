"""Power cuts under a journal: written on a `Disk`, cut at every operation, opened again. No acknowledged row is lost.

A journal lives several lives: it is written, the power fails, what is left is opened and written on, and cut again. So
recovery, checkpoints and the first moments of a new file are cut as well as the steady state. The device service's
journal is treated the same way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from devices.errors import OperatorError as DeviceError
from devices.journal import Journal as DeviceJournal
from devices.protocol.lcdm_booking import Booking, Counts
from kiosk.adapters.journal import Journal
from kiosk.prove.disk import Disk
from kiosk.values import OperatorError

FILE = Path("journal.db")
BROKEN = (OperatorError, DeviceError, apsw.Error, ValueError, LookupError)
ROWS = 12
LIVES = 4
#: pages after which SQLite moves the log into the file: small ones bring checkpoints under the knife
CHECKPOINTS = (2, 5, 20, 1000)
#: ways one cut may look
SUBSETS = 4


@dataclass
class Report:
    """`lost`: a row that was acknowledged is gone; `corrupt`: it does not open, verify or take a row."""

    cuts: int = 0
    operations: int = 0
    rows: int = 0
    lives: int = 0
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)


Row = dict[str, Any]
Written = list[tuple[int, Row]]  # operations done when the row was acknowledged, the row


@dataclass(frozen=True)
class Kind:
    """A journal: how it is written (telling of each acknowledged row) and how it is opened and read again."""

    name: str
    write: Callable[[Disk, random.Random, Callable[[Row], None]], None]
    #: must verify, and take one more row
    read: Callable[[Disk], list[Row]]
    #: it cannot be told which disk to use, so ours is made SQLite's default for that while
    default: bool = False


def campaign(cuts: int, seed: int, told: Callable[[int], None]) -> Report:
    """Cut until `cuts` are reached, at every operation of each life; `told` hears of the count."""
    report = Report()
    for number in range(1 << 30):
        rng = random.Random(f"{seed}.{number}")
        kind = KINDS[number % 4 == 3]
        files: dict[str, bytes] = {}
        before: list[Row] = []
        for life in range(LIVES):
            written, disk = _live(files, rng, kind)
            report.lives += 1
            report.operations += len(disk.ops)
            report.rows += len(written)
            where = f"seed {seed}.{number}, {kind.name}, life {life}"
            whole = before + [row for _, row in written]
            states: list[dict[str, bytes]] = []
            for at in range(len(disk.ops) + 1):
                acked = before + [row for done, row in written if done <= at]
                for _ in range(SUBSETS):
                    files = disk.after_cut(at, rng)
                    states.append(files)
                    _examine(files, kind, acked, whole, f"{where}, before op {at}", report)
                    report.cuts += 1
                    if report.cuts >= cuts:
                        told(report.cuts)
                        return report
            told(report.cuts)
            # the next life begins where one of these cuts left it
            files = rng.choice(states)
            with Disk(files, default=kind.default) as left:
                try:
                    before = kind.read(left)
                except BROKEN:
                    break  # it was reported as corrupt
            files = {name: bytes(data) for name, data in left.files.items()}
    return report


def _live(files: Mapping[str, bytes], rng: random.Random, kind: Kind) -> tuple[Written, Disk]:
    written: Written = []
    with Disk(files, default=kind.default) as disk:
        kind.write(disk, rng, lambda row: written.append((len(disk.ops), row)))
    return written, disk


def _examine(
    files: Mapping[str, bytes],
    kind: Kind,
    acked: list[Row],
    whole: list[Row],
    where: str,
    report: Report,
) -> None:
    with Disk(files, default=kind.default) as disk:
        try:
            rows = kind.read(disk)
        except BROKEN as e:
            report.corrupt.append(f"{where}: {e}")
            return
    if rows[: len(acked)] != acked:
        report.lost.append(f"{where}: {len(acked)} rows were acknowledged, {len(rows)} are there")
    elif rows[:-1] != whole[: len(rows) - 1]:
        report.corrupt.append(f"{where}: a row that was never written")


# --- the core's journal ---

#: the row by which a journal shows that it takes rows again
LAST: Row = {"n": 0, "text": "after the cut"}


def _write_kiosk(disk: Disk, rng: random.Random, acked: Callable[[Row], None]) -> None:
    journal = Journal(FILE, new_name="K1", vfs=disk.name)
    journal._db.execute(f"PRAGMA wal_autocheckpoint={rng.choice(CHECKPOINTS)}")
    for n in range(rng.randint(1, ROWS)):
        body: Row = {"n": n, "text": "取款" * rng.choice((1, 20, 300, 2500))}
        journal.append("S1", "2026-01-01T00:00:00", "turn", body)
        acked(body)
    journal.close()


def _read_kiosk(disk: Disk) -> list[Row]:
    journal = Journal(FILE, new_name="K1", vfs=disk.name)
    try:
        journal.append("S2", "2026-01-01T00:00:00", "turn", LAST)
        _, wrong = journal.verify()
        if wrong:
            raise ValueError(wrong)
        return [e.body for e in journal.entries()]
    finally:
        journal.close()


# --- the device service's journal ---


def _write_devices(disk: Disk, rng: random.Random, acked: Callable[[Row], None]) -> None:
    journal = DeviceJournal(FILE)
    journal._db.execute(f"PRAGMA wal_autocheckpoint={rng.choice(CHECKPOINTS)}")

    def told() -> None:
        acked(_device_rows(journal)[-1])

    journal.load({"upper": 400, "lower": 400})
    told()
    for n in range(rng.randint(1, 4)):
        name, wanted = f"D{rng.randrange(1 << 40)}.{n}", {"upper": rng.randint(1, 9)}
        journal.intent(name, wanted["upper"] * 10_000, "CNY", wanted)
        told()
        journal.taken(name)
        told()
        journal.result(name, Booking({"upper": Counts(presented=wanted["upper"])}, "good"))
        told()
    journal.tombstone(f"T{rng.randrange(1 << 40)}")
    told()
    journal.close()


def _read_devices(disk: Disk) -> list[Row]:
    journal = DeviceJournal(FILE)
    try:
        if why := journal.books.violated():
            raise ValueError(why)
        journal.tombstone("after the cut")
        return _device_rows(journal)
    finally:
        journal.close()


def _device_rows(journal: DeviceJournal) -> list[Row]:
    return [
        {"kind": kind, "body": body} for kind, body in journal._db.execute("SELECT kind, body FROM entry ORDER BY n")
    ]


KINDS = (Kind("kiosk", _write_kiosk, _read_kiosk), Kind("devices", _write_devices, _read_devices, default=True))
