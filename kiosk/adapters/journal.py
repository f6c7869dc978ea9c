"""The journal: an append-only, hash-chained SQLite file that is synced before anything is done (DESIGN 4.2 and 4.7).

Each row's hash covers the row and the hash before it, so a changed, missing or reordered row is found by `verify`.
SQLite comes from `apsw`, because Python's own is older than 3.51.3 on Debian 12 and has the WAL-reset bug.
"""

from __future__ import annotations

import hashlib
import json
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


class Journal:
    """One kiosk's journal. `name` is a random word given at its birth: session ids begin with it, so that a new journal
    never uses an idempotency key of an old one again."""

    def __init__(self, file: Path, new_name: str = "", *, vfs: str = "") -> None:
        """Open `file`; create it, as `new_name`, when that is given and there is none.

        `vfs` names another disk than the box's (the proofs have one that fails); it is then used by nobody else.

        Raises:
            OperatorError: no such file, not a journal, damaged, or too old an SQLite.
        """
        if tuple(int(p) for p in apsw.sqlite_lib_version().split(".")) < OLDEST_SQLITE:
            raise OperatorError(f"SQLite {apsw.sqlite_lib_version()} has the WAL-reset bug", remedy="Update apsw.")
        if not new_name and not file.is_file():
            raise OperatorError("no journal is here", where=str(file), remedy="Name the kiosk's journal file.")
        self.file = file
        try:
            self._db = apsw.Connection(str(file), vfs=vfs or None)
            self._db.set_busy_timeout(2000)
            if vfs:
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF;")
            self._db.execute(_SCHEMA)
            if new_name:
                self._db.execute("INSERT OR IGNORE INTO about VALUES ('name', ?)", (new_name,))
            row = self._db.execute("SELECT value FROM about WHERE name = 'name'").fetchone()
            last = self._db.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        except apsw.Error as e:
            raise OperatorError(f"is no sound journal: {e}", where=str(file), remedy="Keep it, call help.") from e
        if row is None:
            raise OperatorError(
                "is a database but no journal", where=str(file), remedy="Name the kiosk's journal file."
            )
        self.name: str = row[0]
        if last and not isinstance(last[1], bytes):
            raise OperatorError("is damaged: the last row", where=str(file), remedy="Keep it, call help.")
        self._seq: int = last[0] if last else 0
        self._hash: bytes = last[1] if last else _genesis(self.name)

    def append(self, session: str, at_utc: str, kind: str, body: dict[str, Any]) -> Entry:
        """One row, synced to disk when this returns. After an error nothing was written and nothing may be done."""
        text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        seq, digest = self._seq + 1, _chain(self._hash, self._seq + 1, session, at_utc, kind, text)
        with self._db:
            self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", (seq, session, at_utc, kind, text, digest))
        self._seq, self._hash = seq, digest
        return Entry(seq, session, at_utc, kind, body)

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
        self._db.close()


def _genesis(name: str) -> bytes:
    return hashlib.sha256(b"kiosk journal\0" + name.encode()).digest()


def _chain(before: bytes, seq: int, session: str, at: str, kind: str, text: str) -> bytes:
    h = hashlib.sha256(before)
    for part in (str(seq), session, at, kind, text):
        raw = part.encode()
        h.update(len(raw).to_bytes(4, "big") + raw)
    return h.digest()
