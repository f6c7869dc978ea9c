"""Sources and sinks: whole frames in order, and one sentence for what cannot be read."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kiosk.adapters import sound
from kiosk.ports import FRAME, RATE
from kiosk.values import OperatorError


def tone(seconds: float, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_reads_any_rate_and_channels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(1, 44_100)] * 2, axis=1), 44_100)
    got = sound.read(tmp_path / "a.wav")
    assert got.dtype == np.float32
    assert got.shape == (RATE,)
    assert np.abs(got[1000:-1000] - tone(1, RATE)[1000:-1000]).max() < 0.01


@pytest.mark.parametrize("content", [b"", b"RIFF", b"this is no sound" * 100])
def test_damage_is_the_operators_to_mend(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(OperatorError, match=r"x\.wav.*sound file"):
        sound.read(tmp_path / "x.wav")


def test_missing_folder_and_empty(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be found"):
        sound.read(tmp_path / "none.wav")
    with pytest.raises(OperatorError, match="sound file"):
        sound.read(tmp_path)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE)
    with pytest.raises(OperatorError, match="holds no sound"):
        sound.read(tmp_path / "empty.wav")


@pytest.mark.parametrize("where", ["", "wav", "wav:", "socket:", "tape:x"])
def test_unknown_sources_are_named(where: str) -> None:
    with pytest.raises(OperatorError, match="no source of sound"):
        sound.source(where, paced=False)


def test_unknown_sinks_are_named() -> None:
    with pytest.raises(OperatorError, match="no place for sound"):
        sound.sink("loud")


def test_files_follow_each_other_with_silence_between_and_after(tmp_path: Path) -> None:
    for name, level in (("a.wav", 0.25), ("b.wav", 0.5)):
        soundfile.write(tmp_path / name, np.full(FRAME, level, np.float32), RATE)
    source = sound.source(f"wav:{tmp_path / 'a.wav'},{tmp_path / 'b.wav'}", paced=False)
    levels = [float(frame.max()) for frame in itertools.islice(source.frames(), 200)]
    heard = [round(level, 2) for level in levels if level]
    assert heard == [0.25, 0.5]
    assert levels.index(levels[levels.index(max(levels))]) > sound.PAUSE_S * RATE / FRAME
    assert levels[-1] == 0.0


def test_socket_takes_one_microphone_after_the_other(tmp_path: Path) -> None:
    source = sound.SocketSource(tmp_path / "mic")
    frames = source.frames()
    for value in (1000, -2000):
        with socket.socket(socket.AF_UNIX) as microphone:
            microphone.connect(str(tmp_path / "mic"))
            pcm = np.full(FRAME, value, "<i2").tobytes()
            microphone.sendall(pcm[:100])
            microphone.sendall(pcm[100:] + b"\0" * 7)  # seven bytes of a frame that never ends
            frame = next(frames)
        assert frame.shape == (FRAME,)
        assert frame[0] == pytest.approx(value / 32768)
    source.close()
    assert next(frames, None) is None
    assert not (tmp_path / "mic").exists()


def test_wav_sink_keeps_what_was_played(tmp_path: Path) -> None:
    sink = sound.sink(f"wav:{tmp_path / 'out.wav'}")
    sink.play(tone(0.1, 22_050), 22_050)
    sink.play(tone(0.1, 24_000), 24_000)
    sink.close()
    samples, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == 22_050
    assert len(samples) == pytest.approx(2 * 2205, abs=2)
