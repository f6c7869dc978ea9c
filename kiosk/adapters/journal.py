"""The journal: an append-only, hash-chained SQLite file that is synced before anything is done (DESIGN 4.2 and 4.7).

Each row's hash covers the row and the hash before it, so a changed, missing or reordered row is found by `verify`.
After a row that could not be synced no more is taken (`JournalFailed`): what follows a failed sync cannot be trusted
before the file is opened and folded again. On a full disk a reserve is given up first, for the open session.
SQLite comes from `apsw`, because Python's own is older than 3.51.3 on Debian 12 and has the WAL-reset bug.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from kiosk.core.fold import Entry
from kiosk.values import OperatorError

OLDEST_SQLITE = (3, 51, 3)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY CHECK (seq > 0), session TEXT NOT NULL, at_utc TEXT NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS no_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""


#: bytes that are kept free for the session that is open when the disk is full: some forty rows
RESERVE = 1 << 20


class JournalFailed(OperatorError):
    """A row could not be synced: nothing may be done any more, the kiosk goes out of service."""


class Journal:
    """One kiosk's journal. `name` is a random word given at its birth: session ids begin with it, so that a new journal
    never uses an idempotency key of an old one again."""

    def __init__(self, file: Path, new_name: str = "", *, vfs: str = "", reserve: int = 0) -> None:
        """Open `file` to read it; with `new_name`, to write: it is created, under that name, when there is none.

        `vfs` names another disk than the box's (the proofs have one that fails); it is then used by nobody else.
        `reserve`: so many bytes are kept beside it for a full disk.

        Raises:
            OperatorError: no such file, not a journal, damaged, or too old an SQLite.
        """
        if tuple(int(p) for p in apsw.sqlite_lib_version().split(".")) < OLDEST_SQLITE:
            raise OperatorError(f"SQLite {apsw.sqlite_lib_version()} has the WAL-reset bug", remedy="Update apsw.")
        if not new_name and not file.is_file():
            raise OperatorError("no journal is here", where=str(file), remedy="Name the kiosk's journal file.")
        self.file = file
        try:
            create = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
            flags = create if new_name else apsw.SQLITE_OPEN_READONLY
            self._db = apsw.Connection(str(file), flags=flags, vfs=vfs or None)
            self._db.set_busy_timeout(2000)
            if vfs:
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA trusted_schema=OFF")
            if new_name:
                self._db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
                self._db.execute(_SCHEMA)
                self._db.execute("INSERT OR IGNORE INTO about VALUES ('name', ?)", (new_name,))
            tables = {t for (t,) in self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if not {"entry", "about"} <= tables:
                raise OperatorError(
                    "is a database but no journal", where=str(file), remedy="Name the kiosk's journal file."
                )
            row = self._db.execute("SELECT value FROM about WHERE name = 'name'").fetchone()
            last = self._db.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        except apsw.Error as e:
            raise OperatorError(f"is no sound journal: {e}", where=str(file), remedy="Keep it, call help.") from e
        if row is None:
            raise OperatorError(
                "has no name: its making was cut short", where=str(file), remedy="Start the kiosk once."
            )
        self.name: str = row[0]
        if last and not isinstance(last[1], bytes):
            raise OperatorError("is damaged: the last row", where=str(file), remedy="Keep it, call help.")
        self._seq: int = last[0] if last else 0
        self._hash: bytes = last[1] if last else _genesis(self.name)
        self._failed = ""
        self._reserve = file.with_name(file.name + ".reserve") if reserve and new_name else None
        #: why no new session may begin, although the journal still takes rows; empty when one may
        self.short = self._keep_reserve(reserve)

    def append(self, session: str, at_utc: str, kind: str, body: dict[str, Any]) -> Entry:
        """One row, synced to disk when this returns.

        Raises:
            JournalFailed: it is not, so nothing may be done; no later row is taken either.
        """
        text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        seq, digest = self._seq + 1, _chain(self._hash, self._seq + 1, session, at_utc, kind, text)
        if self._failed:
            raise self._out(self._failed)
        row = (seq, session, at_utc, kind, text, digest)
        try:
            try:
                self._insert(row)
            except apsw.FullError:
                if not self._give_reserve():
                    raise
                self._insert(row)
        except apsw.Error as e:
            self._failed = str(e)
            raise self._out(self._failed) from e
        self._seq, self._hash = seq, digest
        return Entry(seq, session, at_utc, kind, body)

    def _insert(self, row: tuple[int, str, str, str, str, bytes]) -> None:
        with self._db:
            self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", row)

    def _out(self, why: str) -> JournalFailed:
        remedy = "Nothing was done. Free space or change the disk, then start the kiosk: it settles what is open."
        return JournalFailed(f"cannot be written: {why}", where=str(self.file), remedy=remedy)

    def _keep_reserve(self, size: int) -> str:
        """Real blocks on the disk, not a hole. Why that is not possible, or nothing."""
        if self._reserve is None:
            return ""
        try:
            with self._reserve.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as e:
            return f"no room for the reserve of {size} bytes: {e.strerror}"
        return ""

    def _give_reserve(self) -> bool:
        """The disk is full: the open session may have the reserve, and no other one begins. True when there was one."""
        if self._reserve is None or not self._reserve.exists():
            return False
        self._reserve.unlink()
        self.short = "the disk is full, the reserve is given up"
        return True

    def entries(self, session: str | None = None) -> Iterator[Entry]:
        where, args = ("WHERE session = ?", (session,)) if session else ("", ())
        for seq, sess, at, kind, text in self._db.execute(
            f"SELECT seq, session, at_utc, kind, body FROM entry {where} ORDER BY seq", args
        ):
            yield Entry(seq, sess, at, kind, json.loads(text))

    def sessions(self) -> list[str]:
        """Every session, oldest first."""
        return [s for (s,) in self._db.execute("SELECT session FROM entry GROUP BY session ORDER BY min(seq)")]

    def verify(self) -> tuple[int, str]:
        """Rows checked, and what is wrong with the first bad one (empty when the chain holds)."""
        before, count = _genesis(self.name), 0
        try:
            for count, row in enumerate(
                self._db.execute("SELECT seq, session, at_utc, kind, body, hash FROM entry ORDER BY seq"), 1
            ):
                seq, session, at, kind, text, digest = row
                if seq != count:
                    return count - 1, f"row {count} is missing"
                before = _chain(before, seq, session, at, kind, text)
                if before != digest:
                    return count - 1, f"row {seq} is not what was written"
        except (apsw.Error, AttributeError, UnicodeError) as e:  # a damaged page may hold anything where a text was
            return count, f"the file is damaged: {e}"
        return count, ""

    def close(self) -> None:
        try:
            self._db.close()
        except apsw.Error:
            pass  # the log could not be moved into the file: all rows are in the log, the next start moves it


def _genesis(name: str) -> bytes:
    return hashlib.sha256(b"kiosk journal\0" + name.encode()).digest()


def _chain(before: bytes, seq: int, session: str, at: str, kind: str, text: str) -> bytes:
    h = hashlib.sha256(before)
    for part in (str(seq), session, at, kind, text):
        raw = part.encode()
        h.update(len(raw).to_bytes(4, "big") + raw)
    return h.digest()
