"""Recordings in the customer's place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kiosk.demo.customer import Recordings
from kiosk.ports import RATE
from kiosk.values import OperatorError


def test_files_are_played_in_turn_at_the_microphones_rate(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((44100, 2), 0.25), 44100)
    soundfile.write(tmp_path / "b.flac", np.zeros(8000), 16000)
    talker = Recordings([tmp_path / "a.wav", tmp_path / "b.flac"])
    assert abs(len(talker.speech("yes")) - RATE) < 2
    assert len(talker.speech("no")) == 8000
    with pytest.raises(OperatorError, match="2 recordings are not enough"):
        talker.speech("one more")


def test_what_is_no_sound_is_refused_by_name(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is no sound")
    for file in (bad, tmp_path / "absent.wav"):
        with pytest.raises(OperatorError, match=f"{file.name}: "):
            Recordings([file])
