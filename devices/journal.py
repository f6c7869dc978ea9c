"""The device service's own journal: append-only, synced before the first byte of a movement and before its answer.

One SQLite file in WAL mode with synchronous=FULL; one row an entry, never changed. What is in the cassettes, which
dispense ended how and which ids are refused for ever is the fold of all rows (`Books`): there is no second truth.
Money and numbers only: no key, nothing of the customer, and of a token only its HMAC, which names it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import apsw

from devices.errors import OperatorError
from devices.protocol.lcdm_booking import UNITS, Booking, Counts

PRESENTED, REJECTED, UNKNOWN = "presented", "rejected", "unknown"


@dataclass
class Dispense:
    """One dispense id, from its intent to its result. `case` numbers what an operator must settle."""

    id: str
    minor: int
    currency: str
    requested: dict[str, int]
    #: the device acknowledged the command
    taken: bool = False
    counts: dict[str, Counts] | None = None
    words: str = ""
    error: str = ""
    case: str = ""
    #: HMAC of the token that paid it: DISPENSEID of a present status token
    token: str = ""

    @property
    def open(self) -> bool:
        return self.counts is None


@dataclass
class Books:
    """The fold. `cassettes` is kept by subtracting, so that the conservation law compares two ways of counting."""

    loaded: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UNITS, 0))
    cassettes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UNITS, 0))
    out: dict[str, dict[str, int]] = field(
        default_factory=lambda: {k: dict.fromkeys(UNITS, 0) for k in (PRESENTED, REJECTED, UNKNOWN)}
    )
    dispenses: dict[str, Dispense] = field(default_factory=dict)
    #: ids that were asked about before they were ever heard of: refused for ever
    tombstones: set[str] = field(default_factory=set)
    #: why the dispenser must not pay until somebody counts; empty when it may
    stopped: str = ""
    unusable: set[str] = field(default_factory=set)
    #: what the machine said it is, the first time after counting
    identity: str = ""
    cases: int = 0
    known: bool = False

    def apply(self, kind: str, body: Mapping[str, Any]) -> None:
        """One entry. An entry of an unknown kind is a bug and loud."""
        getattr(self, f"_{kind.replace('-', '_')}")(body)

    def violated(self) -> str:
        """Why the conservation law does not hold, or nothing."""
        for unit in UNITS:
            gone = sum(kind[unit] for kind in self.out.values())
            if self.cassettes[unit] < 0 or self.loaded[unit] != self.cassettes[unit] + gone:
                return f"{unit}: loaded {self.loaded[unit]}, in the cassette {self.cassettes[unit]}, gone {gone}"
        return ""

    def _load(self, body: Mapping[str, Any]) -> None:
        fresh = Books(dispenses=self.dispenses, tombstones=self.tombstones, cases=self.cases, known=True)
        self.__dict__.update(fresh.__dict__)
        self.loaded = dict(body["counts"])
        self.cassettes = dict(body["counts"])

    def _intent(self, body: Mapping[str, Any]) -> None:
        self.dispenses[body["id"]] = Dispense(
            body["id"], body["minor"], body["currency"], dict(body["requested"]), token=body.get("token", "")
        )

    def _taken(self, body: Mapping[str, Any]) -> None:
        self.dispenses[body["id"]].taken = True

    def _result(self, body: Mapping[str, Any]) -> None:
        one = self.dispenses[body["id"]]
        one.counts = {unit: Counts(**c) for unit, c in body["counts"].items()}
        one.words, one.error, one.case = body["words"], body["error"], body["case"]
        if one.case:
            self.cases += 1
        for unit, c in one.counts.items():
            self.cassettes[unit] -= c.presented + c.rejected + c.unknown
            for kind in (PRESENTED, REJECTED, UNKNOWN):
                self.out[kind][unit] += getattr(c, kind)
        self.unusable |= set(body["unusable"])
        if body["stop"]:
            self.stopped = f"dispense {one.id}: {one.words}"

    def _tombstone(self, body: Mapping[str, Any]) -> None:
        self.tombstones.add(body["id"])

    def _identity(self, body: Mapping[str, Any]) -> None:
        self.identity = body["identity"]

    def _stop(self, body: Mapping[str, Any]) -> None:
        self.stopped = body["why"]


class Journal:
    """The file and its fold. One process at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make it.

        Raises:
            OperatorError: the file can not be used, or another service has it.
        """
        try:
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(2000)
            # The lock is taken at the first read and held: two services on one journal would pay twice.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("CREATE TABLE IF NOT EXISTS entry (n INTEGER PRIMARY KEY, at REAL, kind TEXT, body TEXT)")
            rows = list(self._db.execute("SELECT kind, body FROM entry ORDER BY n"))
        except apsw.BusyError as e:
            raise OperatorError("another service has it", where=str(path), remedy="Stop that service first") from e
        except apsw.Error as e:
            raise OperatorError(f"is no usable journal: {e}", where=str(path), remedy="Check path and space") from e
        self.books = Books()
        for kind, body in rows:
            self.books.apply(str(kind), json.loads(str(body)))

    def close(self) -> None:
        self._db.close()

    def load(self, counts: Mapping[str, int]) -> None:
        """Somebody counted: the cassettes hold these notes, and all that was stopped may go on."""
        self._append("load", {"counts": dict(counts)})

    def intent(self, id: str, minor: int, currency: str, requested: Mapping[str, int], token: str = "") -> None:
        """Before the first byte. `token`: the HMAC of the token that allows it."""
        body = {"id": id, "minor": minor, "currency": currency, "requested": dict(requested), "token": token}
        self._append("intent", body)

    def taken(self, id: str) -> None:
        """The device acknowledged the command."""
        self._append("taken", {"id": id})

    def result(self, id: str, booking: Booking) -> Dispense:
        """Before anybody hears of it. Gives a case number to what an operator must settle."""
        books = self.books
        over = any(c.presented > books.dispenses[id].requested.get(u, 0) for u, c in booking.counts.items())
        case = f"D{books.cases + 1:04}" if booking.unknown or over else ""
        body = {
            "id": id,
            "counts": {unit: asdict(c) for unit, c in booking.counts.items()},
            "words": booking.words,
            "error": booking.error,
            "stop": booking.stop,
            "unusable": sorted({*booking.near_end, *booking.empty}),
            "case": case,
        }
        self._append("result", body)
        if why := books.violated():
            self._append("stop", {"why": f"the books do not balance: {why}"})
        return books.dispenses[id]

    def tombstone(self, id: str) -> None:
        """This id was asked about before it was ever heard of, and must never be paid."""
        self._append("tombstone", {"id": id})

    def identity(self, identity: str) -> None:
        """This machine holds the notes that were counted."""
        self._append("identity", {"identity": identity})

    def _append(self, kind: str, body: dict[str, Any]) -> None:
        row = (time.time(), kind, json.dumps(body, ensure_ascii=False))
        self._db.execute("INSERT INTO entry (at, kind, body) VALUES (?, ?, ?)", row)
        self.books.apply(kind, body)
