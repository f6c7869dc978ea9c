"""The journal keeps what it was given, in order, and tells when it was touched."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from kiosk.adapters.journal import Journal
from kiosk.values import OperatorError


def fill(file: Path, rows: int = 20) -> None:
    journal = Journal(file, new_name="K1")
    for i in range(rows):
        journal.append(f"S{i // 5}", "2026-01-01T00:00:00", "turn", {"n": i, "text": "取款"})
    journal.close()


def tamper(file: Path, sql: str) -> None:
    db = apsw.Connection(str(file))
    db.execute("DROP TRIGGER no_update; DROP TRIGGER no_delete")
    db.execute(sql)
    db.close()


def test_rows_come_back_in_order_after_a_restart(tmp_path: Path) -> None:
    fill(tmp_path / "j.db")
    journal = Journal(tmp_path / "j.db", new_name="K1")
    assert [e.body["n"] for e in journal.entries()] == list(range(20))
    assert journal.sessions() == ["S0", "S1", "S2", "S3"]
    assert [e.body["n"] for e in journal.entries("S1")] == [5, 6, 7, 8, 9]
    assert journal.verify() == (20, "")
    assert journal.append("S9", "", "turn", {}).seq == 21
    assert journal.verify() == (21, "")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entry SET body = replace(body, '7', '8') WHERE seq = 8",
        "UPDATE entry SET session = 'S8' WHERE seq = 3",
        "UPDATE entry SET at_utc = '' WHERE seq = 1",
        "UPDATE entry SET hash = zeroblob(32) WHERE seq = 20",
        "DELETE FROM entry WHERE seq = 10",
        "DELETE FROM entry WHERE seq = 1",
        "UPDATE about SET value = 'K2'",
        "UPDATE entry SET seq = -seq + 40 WHERE seq = 12",
    ],
)
def test_a_touched_journal_is_found(tmp_path: Path, sql: str) -> None:
    fill(tmp_path / "j.db")
    try:
        tamper(tmp_path / "j.db", sql)
    except apsw.ConstraintError:
        pytest.fail("the planted damage was not done")
    assert Journal(tmp_path / "j.db").verify()[1] != ""


def test_rows_cannot_be_changed_through_sqlite(tmp_path: Path) -> None:
    fill(tmp_path / "j.db")
    db = apsw.Connection(str(tmp_path / "j.db"))
    for sql in ("UPDATE entry SET body = '{}'", "DELETE FROM entry"):
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            db.execute(sql)


def test_it_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db", new_name="K1")
    pragmas = {name: journal._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")}
    assert pragmas == {"synchronous": 2, "journal_mode": "wal"}


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be looked at" * 20])
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j.db").write_bytes(content)
    with pytest.raises(OperatorError, match="journal"):
        Journal(tmp_path / "j.db")


def test_a_missing_journal_is_not_made_by_looking_at_it(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no journal is here"):
        Journal(tmp_path / "j.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2"])
def test_an_sqlite_with_the_wal_reset_bug_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(OperatorError, match="WAL-reset bug"):
        Journal(tmp_path / "j.db", new_name="K1")
    assert not (tmp_path / "j.db").exists()


def test_a_bit_that_flipped_in_a_row_is_found(tmp_path: Path) -> None:
    """FAULTS A9: wherever the bit is in a row's bytes, opening or verifying says so; the file is left as it is."""
    fill(tmp_path / "j.db", rows=6)
    sound = (tmp_path / "j.db").read_bytes()
    at = sound.index("取款".encode())
    while at >= 0:
        for bit in (0, 5):
            bad = bytearray(sound)
            bad[at] ^= 1 << bit
            (tmp_path / "j.db").write_bytes(bad)
            assert Journal(tmp_path / "j.db").verify()[1] != "", (at, bit)
            assert (tmp_path / "j.db").read_bytes() == bad
        at = sound.find("取款".encode(), at + 1)
