"""What went over the wire is on the tape, bounded; and a tape plays back to the code that pays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from device_bench import ROOT, Service, Sim, pay

from devices.errors import OperatorError
from devices.tape import Piece, Tape, read, replay


def taped(service: Callable[[], Service], folder: Path, fault: bool) -> list[dict[str, Any]]:
    one = Service(folder)
    config = folder / "devices.toml"
    config.write_text(config.read_text().replace("[service]", '[service]\ntapes = "tapes"'))
    one.start()
    try:
        assert (one.ask(lambda c: pay(c, "D1", 105_000)).outcome == "unknown") is fault
    finally:
        one.end()
    words = [sys.executable, "-m", "devices", "replay", str(folder / "tapes" / "dispenser.tape"), "--json"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_withdrawal_plays_back(sim: Callable[..., Sim], service: Callable[[], Service], tmp_path: Path) -> None:
    sim("lcdm2000", "--fast", "--fault", "corrupt-reply=1")
    rows = taped(service, tmp_path, fault=False)
    replies = [r for r in rows if r["event"] == "Replied"]
    assert [r["fields"]["name"] for r in replies] == ["rom", "status", "dispense-both"]
    assert replies[-1]["booked"] == {"upper": [10, 0, 0], "lower": [1, 0, 0]}
    heard = b"".join(p.data for p in read(tmp_path / "tapes" / "dispenser.tape") if p.who == "host")
    assert b"\x04\x50\x02\x56" in heard
    assert b"\x15" in heard  # the corrupt answer was asked for again


def test_a_jam_plays_back(sim: Callable[..., Sim], service: Callable[[], Service], tmp_path: Path) -> None:
    sim("lcdm2000", "--fast", "--fault", "jam-after=4")
    rows = taped(service, tmp_path, fault=True)
    assert [r["booked"] for r in rows if "booked" in r] == [{"upper": [4, 0, 1], "lower": [0, 0, 0]}]


STATUS = bytes.fromhex("04 50 02 46 03 13")
GOOD = bytes.fromhex("06 01 50 02 46 30 30 80 03 03 95")


def test_code_that_would_act_otherwise_is_found_out() -> None:
    same = [Piece(0, "open", b""), Piece(1, "host", STATUS), Piece(1.1, "device", GOOD), Piece(1.1, "host", b"\x06")]
    assert all(row["same"] for row in replay(same))
    assert [row["event"] for row in replay(same)] == ["Taken", "Replied"]
    nck = [*same[:3], Piece(1.1, "host", b"\x15")]
    assert "would send 06" in list(replay(nck))[-1]["words"]
    assert not list(replay(same[:3]))[-1]["same"]  # the acknowledgement is missing
    more = [*same, Piece(1.2, "host", b"\x06")]
    assert "would send nothing" in list(replay(more))[-1]["words"]


def test_a_tape_is_bounded_and_a_torn_end_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.tape"
    tape = Tape(path, limit=2_000)
    for n in range(200):
        tape.add("host", bytes([n]))
    tape.close()
    assert sum(f.stat().st_size for f in path.parent.iterdir()) <= 4_000
    assert {f.name for f in path.parent.iterdir()} == {"a.tape", "a.tape.1"}
    assert read(path)[-1].data == bytes([199])
    with path.open("a") as file:
        file.write('{"at": 1, "wh')
    assert read(path)[-1].data == bytes([199])


def test_what_is_no_tape_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nonsense\nmore\n")
    with pytest.raises(OperatorError, match="line 1 is not of a tape"):
        read(tmp_path / "x")
    with pytest.raises(OperatorError, match="cannot be written"):
        Tape(tmp_path / "x" / "tape")
