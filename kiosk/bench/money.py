"""`kiosk bench money`: what a durable step, a replay and a verification take, each beside the limit of the same run.

The limit of a durable step is SQLite itself: one row inserted and synced with the same pragmas on the same disk,
nothing decided, nothing hashed. Replay and verify are set beside SQLite reading those very rows.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import click

from kiosk.adapters.journal import Journal
from kiosk.core.engine import State, advance
from kiosk.core.fold import Entry, digests, leg, steps, turn_body
from kiosk.events import from_dict
from kiosk.prove.sim import shipped_house, world

#: durable steps, and rows that are replayed and verified
SIZES = {"small": (300, 5_000), "medium": (2_000, 50_000), "large": (10_000, 500_000)}
BUDGET_STEP_MS, BUDGET_RATE = 20.0, 50_000
DAYS_FAULTS = 0.1


def main(size: str, seed: int, as_json: bool) -> int:
    """Run it; 0 when every figure is within its budget."""
    steps_wanted, rows_wanted = SIZES[size]
    house = shipped_house()
    recorded = _record(house, seed, rows_wanted)
    with tempfile.TemporaryDirectory(prefix="kiosk-bench-", dir=".") as folder:
        # the current folder, because /tmp is often no disk at all
        figures = [*_durable(house, recorded[:steps_wanted], Path(folder)), *_reading(house, recorded, Path(folder))]
    for one in figures:
        if as_json:
            click.echo(json.dumps({"bench": "money", "size": size, "seed": seed, **one}))
        else:
            values = ", ".join(f"{k} {v:,}" for k, v in one.items() if k not in ("what", "ok"))
            click.echo(f"{'ok  ' if one['ok'] else 'OVER'} {one['what']}: {values}")
    return 0 if all(one["ok"] for one in figures) else 1


def _record(house: Any, seed: int, wanted: int) -> list[Entry]:
    """Rows of simulated days, renamed so that each session is its own."""
    found: list[Entry] = []
    number = seed
    while len(found) < wanted:
        one, customers = world(house, number, DAYS_FAULTS)
        one.day(customers)
        found += [Entry(0, f"{number}{e.session}", e.at_utc, e.kind, e.body) for e in one.journal]
        number += 1
    return found[:wanted]


def _durable(house: Any, entries: list[Entry], folder: Path) -> list[dict[str, Any]]:
    """The step as the conversation does it: decide, make the row, chain it, sync it. Turn by turn with bare SQLite."""
    journal = Journal(folder / "journal.db", new_name="B1")
    bare = apsw.Connection(str(folder / "bare.db"))
    bare.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    bare.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT)")
    versions = digests(house)
    state: State | None = None
    session, ours, theirs = "", list[float](), list[float]()
    for entry in entries:
        if entry.kind != "turn":
            continue
        if entry.session != session:
            session, state = entry.session, None
        event = from_dict(entry.body["event"])
        text = json.dumps(entry.body, ensure_ascii=False)

        def step(event: Any = event, before: State | None = state, entry: Entry = entry) -> State:
            after, effects = advance(house, before, event)
            journal.append(entry.session, entry.at_utc, "turn", turn_body(event, effects, versions))
            return after

        took, state = _timed(step)
        ours.append(took)
        took, _ = _timed(lambda text=text: bare.execute("INSERT INTO t (body) VALUES (?)", (text,)))  # type: ignore[misc]
        theirs.append(took)
    journal.close()
    bare.close()
    p50, p99, limit50, limit99 = _at(ours, 50), _at(ours, 99), _at(theirs, 50), _at(theirs, 99)
    return [
        {
            "what": "durable step",
            "n": len(ours),
            "p50_ms": p50,
            "p99_ms": p99,
            "sqlite_p50_ms": limit50,
            "sqlite_p99_ms": limit99,
            "times_sqlite_p50": round(p50 / limit50, 2),
            "budget_p99_ms": BUDGET_STEP_MS,
            "ok": p99 <= BUDGET_STEP_MS,
        }
    ]


def _reading(house: Any, entries: list[Entry], folder: Path) -> list[dict[str, Any]]:
    file = folder / "read.db"
    journal = Journal(file, new_name="B1")
    journal._db.execute("PRAGMA synchronous=OFF")  # only making it; reading is what is measured
    for e in entries:
        journal.append(e.session, e.at_utc, e.kind, e.body)

    def read_bare() -> int:
        return sum(len(row[4]) for row in journal._db.execute("SELECT * FROM entry ORDER BY seq"))

    def replay() -> int:
        count = 0
        for session in sessions:
            count += sum(1 for _ in steps(house, by_session[session]))
        return count

    def money() -> int:
        return sum(leg(s, rows).presented for s, rows in by_session.items())

    by_session: dict[str, list[Entry]] = {}
    for e in journal.entries():
        by_session.setdefault(e.session, []).append(e)
    sessions = list(by_session)
    bare_s, _ = _best(read_bare)
    replay_s, replayed = _timed(replay)
    money_s, _ = _timed(money)
    verify_s, (verified, wrong) = _best(journal.verify)
    journal.close()
    if wrong:
        raise RuntimeError(wrong)
    bare_rate = round(len(entries) / (bare_s / 1000))

    def rate(what: str, count: int, ms: float) -> dict[str, Any]:
        value = round(count / (ms / 1000))
        return {
            "what": what,
            "n": count,
            "per_s": value,
            "sqlite_read_per_s": bare_rate,
            "budget_per_s": BUDGET_RATE,
            "ok": value >= BUDGET_RATE,
        }

    return [
        rate("replay, entries", replayed, replay_s),
        rate("money of each session, entries", len(entries), money_s),
        rate("verify, rows", verified, verify_s),
    ]


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and what it gave."""
    began = time.perf_counter()
    result = do()
    return (time.perf_counter() - began) * 1000, result


def _best(do: Callable[[], Any]) -> tuple[float, Any]:
    """The quickest of three: the first one finds the file cold."""
    return min((_timed(do) for _ in range(3)), key=lambda one: one[0])


def _at(values: list[float], percent: int) -> float:
    return round(sorted(values)[min(len(values) - 1, len(values) * percent // 100)], 3)


if __name__ == "__main__":
    sys.exit(main("small", 1, False))
