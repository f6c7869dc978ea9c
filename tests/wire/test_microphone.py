"""The demo's microphone on a real socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kiosk.demo.microphone import Microphone, Room
from kiosk.ports import FRAME, RATE, Sound
from kiosk.values import OperatorError

TONE: Sound = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE // 4) / RATE)).astype(np.float32)


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "mic"))
        server.listen(1)
        server.settimeout(10)
        yield server


def path(ear: socket.socket) -> Path:
    return Path(ear.getsockname())


def hear(line: socket.socket, samples: int) -> Sound:
    data = b""
    while len(data) < samples * 2:
        part = line.recv(samples * 2 - len(data))
        assert part, "the microphone hung up"
        data += part
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32767)


def loudness(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def test_unpaced_it_sends_what_was_asked_for_and_no_more(ear: socket.socket) -> None:
    mic = Microphone(path(ear), fast=True)
    line, _ = ear.accept()
    mic.hush(FRAME * 2 / RATE)
    mic.say(TONE, tail_s=FRAME / RATE)
    frames = -(-(len(TONE) + FRAME) // FRAME)
    sound = hear(line, (2 + frames) * FRAME)
    assert loudness(sound[: 2 * FRAME]) < 0.003
    assert loudness(sound[2 * FRAME : 2 * FRAME + len(TONE)]) > 0.3
    line.settimeout(0.2)
    with pytest.raises(TimeoutError):
        line.recv(1)
    mic.close()


def test_paced_it_streams_the_room_and_tells_when_the_last_sample_went_out(ear: socket.socket) -> None:
    before = time.monotonic() * 1000
    mic = Microphone(path(ear))
    line, _ = ear.accept()
    ended = mic.say(TONE)
    after = time.monotonic() * 1000
    assert before + len(TONE) / RATE * 1000 <= ended <= after
    sound = hear(line, len(TONE) + 3 * FRAME)
    assert loudness(sound[-FRAME:]) < 0.003, "after speech the room goes on by itself"
    mic.close()


def test_whoever_speaks_to_a_reader_that_hung_up_is_told(ear: socket.socket) -> None:
    mic = Microphone(path(ear), fast=True)
    line, _ = ear.accept()
    line.close()
    with pytest.raises(ConnectionError):
        mic.say(TONE)
    mic.close()


def test_no_ear_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no ear is open"):
        Microphone(tmp_path / "nobody")


def test_the_room_is_the_same_for_one_seed_and_as_loud_as_asked() -> None:
    one, again, other = Room(seed=1), Room(seed=1), Room(seed=2)
    long = one.noise(10 * RATE)
    assert np.array_equal(long, again.noise(10 * RATE))
    assert not np.array_equal(long, other.noise(10 * RATE))
    assert abs(20 * np.log10(0.07 / loudness(long)) - 38) < 0.5
