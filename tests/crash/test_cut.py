"""FAULTS A1: the power fails at every operation of SQLite under both journals; nothing acknowledged is lost.

And the proof bites: it finds the losses of a disk that lies about its syncs and of a journal that asks for too few.
"""

from __future__ import annotations

import json
import os
import random

import pytest
from click.testing import CliRunner

from kiosk.cli.prove import command
from kiosk.prove import cut
from kiosk.prove.disk import Disk, Op

#: KIOSK_CUTS=N makes N; the long campaign is `kiosk prove cut --cuts N`
CUTS = int(os.environ.get("KIOSK_CUTS", "2000"))


def test_no_acknowledged_row_is_lost() -> None:
    report = cut.campaign(CUTS, 7, lambda _: None)
    assert (report.lost, report.corrupt) == ([], [])
    assert report.cuts == CUTS
    assert report.rows > 20


def test_a_disk_that_lies_about_its_syncs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Disk.did
    monkeypatch.setattr(Disk, "did", lambda self, op: None if op.kind == "sync" and op.file else honest(self, op))
    report = cut.campaign(400, 7, lambda _: None)
    assert report.lost


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_a_journal_that_asks_for_too_few_syncs_is_found_out(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    class Hasty(cut.Journal):
        def append(self, *args, **kw):  # type: ignore[no-untyped-def]
            self._db.execute(f"PRAGMA synchronous={level}")
            return super().append(*args, **kw)

    monkeypatch.setattr(cut, "Journal", Hasty)
    assert cut.campaign(600, 7, lambda _: None).lost


def test_what_was_synced_is_kept_and_the_rest_is_torn_at_sectors() -> None:
    with Disk() as disk:
        disk.did(Op("write", "f", 0, b"a" * 1024))
        disk.did(Op("sync", "f"))
        disk.did(Op("write", "f", 100, b"b" * 1000))
        looks = {disk.after_cut(3, random.Random(seed))["f"] for seed in range(200)}
        assert all(look[:100] == b"a" * 100 for look in looks)
        assert {look[100:512] for look in looks} >= {b"a" * 412, b"b" * 412}
        assert {(look[100:101], look[512:513]) for look in looks} >= {(b"a", b"b"), (b"b", b"a")}
        assert disk.after_cut(2, random.Random(1)) == {"f": b"a" * 1024}


def test_the_command_reports() -> None:
    result = CliRunner().invoke(command, ["cut", "--cuts", "200", "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["cuts"], summary["lost"], summary["corrupt"]) == (200, 0, 0)
