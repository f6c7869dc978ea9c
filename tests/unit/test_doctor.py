"""`kiosk doctor` says what is missing and how to mend it, and its exit code says whether the kiosk can work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiosk import paths
from kiosk.cli import doctor, main


def diagnose(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, str]]]:
    with pytest.raises(SystemExit) as e:
        main(["doctor", "--json"])
    assert isinstance(e.value.code, int)
    return e.value.code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_missing_weights_fail_with_the_command_that_mends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "none")
    code, findings = diagnose(capsys)
    assert code == 1
    qwen = next(f for f in findings if f["found"].startswith("qwen "))
    assert (qwen["state"], qwen["remedy"]) == ("missing", "kiosk models fetch qwen")
    assert not (tmp_path / "none").exists()


def test_what_only_the_field_needs_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(doctor, "find_library", lambda name: None)
    monkeypatch.setattr(doctor, "CHECKS", (doctor.python, doctor.sqlite, doctor.sound, doctor.screen, doctor.npm))
    code, findings = diagnose(capsys)
    assert code == 0
    states = {f["check"]: f["state"] for f in findings}
    assert states == {"python": "ok", "sqlite": "ok", "sound": "optional", "screen": "optional", "npm": "optional"}
    assert next(f["remedy"] for f in findings if f["check"] == "sound") == "apt install libportaudio2"


def test_an_old_sqlite_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("apsw.sqlite_lib_version", lambda: "3.46.1")
    monkeypatch.setattr(doctor, "CHECKS", (doctor.sqlite,))
    code, [finding] = diagnose(capsys)
    assert (code, finding["state"]) == (1, "missing")
    assert "3.46.1" in finding["found"]
