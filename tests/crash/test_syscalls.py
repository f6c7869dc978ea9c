"""FAULTS A6 to A8 and A2 with the real file system: strace fails or kills at the n-th write or sync of the journal.

What the process said was written is there afterwards; after an error it says so in one sentence and writes no more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kiosk.adapters.journal import Journal

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="no strace: apt-get install strace")
ROOT = Path(__file__).resolve().parents[2]
#: KIOSK_SYSCALLS=1 fails at every call, N at every N-th
EVERY = int(os.environ.get("KIOSK_SYSCALLS", "23"))
ROWS = 10
WRITER = f"""
import sys
from pathlib import Path
from kiosk.adapters.journal import Journal
from kiosk.values import OperatorError
try:
    journal = Journal(Path(sys.argv[1]), new_name="K1")
    for n in range({ROWS}):
        journal.append("S1", "", "turn", {{"n": n, "text": "x" * 3000}})
        print(n, flush=True)
except OperatorError as e:
    print(f"refused: {{e}}", flush=True)
"""


def write(file: Path, inject: str) -> tuple[list[int], str, int]:
    """Rows that the process said were written, its refusal, its exit code."""
    assert STRACE is not None
    # every thread and child is traced; only calls on the journal's folder count
    command = [STRACE, "-f", "-qq", "-o", "/dev/null", "-P", str(file), "-P", f"{file}-wal", "-e", f"inject={inject}"]
    done = subprocess.run(
        [*command, sys.executable, "-c", WRITER, str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip().splitlines()[-1]}")
    lines = done.stdout.splitlines()
    refusal = next((line for line in lines if line.startswith("refused")), "")
    return [int(line) for line in lines if line.isdigit()], refusal, done.returncode


@pytest.mark.parametrize("fault", ["error=ENOSPC", "error=EIO", "error=EROFS", "signal=KILL"])
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
def test_what_was_acknowledged_is_there(tmp_path: Path, call: str, fault: str) -> None:
    hit = 0
    for n in range(1, 60, EVERY):
        file = tmp_path / f"{n}.db"
        when = f"when={n}" if fault.startswith("signal") else f"when={n}+"
        acked, refusal, code = write(file, f"{call}:{fault}:{when}")
        if acked == list(range(ROWS)) and not refusal and code == 0:
            break  # there are no n such calls
        hit += 1
        assert refusal or code != 0, (n, acked)
        assert acked == list(range(len(acked)))
        if fault.startswith("error") and acked:
            assert "Nothing was done" in refusal, refusal
        journal = Journal(file, new_name="K1")
        kept = [e.body["n"] for e in journal.entries()]
        assert kept[: len(acked)] == acked, (n, acked, kept)
        assert len(kept) <= len(acked) + 1
        assert journal.verify()[1] == ""
        journal.close()
    assert hit > 0
