"""The founding scene from sound to banknotes, and each of its faults, through the command line (not paced)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from kiosk.cli.demo import FAULTS
from kiosk.demo import scene

pytestmark = [pytest.mark.weights, pytest.mark.timeout(400)]


def demo(*options: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All events, and the summary; fails with what the demo printed when it did not exit with 0."""
    command = [sys.executable, "-m", "kiosk", "demo", "--fast", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, (done.stderr[-2000:], done.stdout[-4000:])
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return events[:-1], events[-1]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_founding_scene(lang: str) -> None:
    events, summary = demo("--lang", lang)
    assert summary["event"] == "summary"
    assert (summary["ok"], summary["books"], summary["ended"]) == (True, "agree", "paid")
    assert summary["notes"] == {"presented": 10, "rejected": 0, "unknown": 0}
    assert summary["left_machine"]["upper"] == 10
    sums = [summary[f"{what}_minor"] for what in ("authorised", "captured", "released")]
    assert sums == [100_000, 100_000, 0]
    assert summary["cases"] == []
    assert summary["voice_to_voice_ms"] == {"p50": None, "p95": None}  # not paced: no latency is claimed
    understood = [e for e in events if e["event"] == "understood"]
    assert [e["intent"] for e in understood] == ["withdraw", understood[1]["intent"], "yes"]
    assert all("llm" in e["route"] for e in understood), "the language model was not asked"
    assert any(e["event"] == "voice" and e["outcome"] == "kept" for e in events)
    (forgotten,) = (e for e in events if e["event"] == "forgotten")  # a worker that takes over a second answers no
    assert (forgotten["voice"], forgotten["face"]) == (True, True)
    (receipt,) = summary["receipts"]
    assert any("1,000" in line for line in receipt)


ENDS = {
    "bank-timeout": {"agree"},
    "dispense-jam": {"agree", "case"},
    "wrong-face": {"agree"},
    "other-voice": {"agree"},
    "power-cut": {"agree", "case"},
}


def test_every_fault_of_the_scene_is_offered_and_tested() -> None:
    assert set(FAULTS) == set(scene.FAULTS) == set(ENDS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_safely(fault: str) -> None:
    events, summary = demo("--lang", "zh", "--fault", fault)
    assert summary["books"] in ENDS[fault]
    assert (summary["books"] == "case") == bool(summary["cases"])
    said = {e["prompt"] for e in events if e["event"] == "say"}
    told = {
        "bank-timeout": "bank_silent",
        "dispense-jam": "case_opened" if summary["cases"] else "paid_part",
        "wrong-face": "face_refused",
        "other-voice": "other_voice_end",
    }
    if fault in told:  # a power cut leaves nobody to tell
        assert told[fault] in said
    if fault in ("bank-timeout", "wrong-face", "other-voice"):
        assert summary["left_machine"] == {"upper": 0, "lower": 0}
        assert summary["captured_minor"] == 0
    if fault == "other-voice":
        assert summary["authorised_minor"] == 0
