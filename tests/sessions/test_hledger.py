"""The ledger that `kiosk journal export` writes, read by a bookkeeper that nobody here wrote."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from kiosk.adapters.journal import Journal
from kiosk.cli.journal import command
from kiosk.prove import sim
from kiosk.prove.world import World

HLEDGER = shutil.which("hledger")
pytestmark = pytest.mark.skipif(HLEDGER is None, reason="no hledger: apt-get install hledger")


def hledger(text: str, *words: str) -> str:
    assert HLEDGER is not None
    done = subprocess.run([HLEDGER, "-f", "-", *words], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def exported(world: World, file: Path) -> str:
    journal = Journal(file, new_name="K1")
    for e in world.journal:
        journal.append(e.session, e.at_utc, e.kind, e.body)
    journal.close()
    result = CliRunner().invoke(command, ["export", str(file)])
    assert result.exit_code == 0, result.output
    return result.output


def test_hledger_comes_to_the_same_sums(tmp_path: Path) -> None:
    paid = cases = 0
    house = sim.shipped_house()
    for seed in range(60):
        world, broken = sim.play(house, seed, 0.15)
        assert not broken
        text = exported(world, tmp_path / f"{seed}.db")
        rows = world.bank.rows()
        if not text.strip():
            assert not any(row.captured for row in rows)
            continue
        hledger(text, "check")
        table = list(csv.DictReader(io.StringIO(hledger(text, "balance", "--empty", "-O", "csv"))))
        sums = {r["account"]: int(Decimal(r["balance"].split()[0]) * 100) for r in table if r["balance"] != "0"}
        legs = world.legs()
        assert sums.get("machine:cassettes", 0) == -sum(one.presented for one in legs)
        assert sums.get("machine:settled", 0) == sum(row.captured for row in rows)
        if not any(one.cases for one in legs):
            # what the bank did behind a lost answer it undid again: only what it took is missing from the customers
            assert sums.get("bank:customers", 0) == -sum(row.captured for row in rows)
            assert sums.get("bank:held", 0) == 0
            assert -sums.get("machine:cassettes", 0) == world.dispenser.left
        else:
            cases += 1
            assert sums.get("bank:held", 0) == sum(one.authorised - one.captured - one.released for one in legs)
        paid += sum(one.presented for one in legs) > 0
    assert paid > 10
    assert cases > 0
