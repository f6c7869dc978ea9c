"""Where the demo's microphone would be plugged in: a noisy room over a unix socket, speech mixed in on request.

    customer's thread                     this thread                                    speech process
    say(sound) ───────────────► queue ──► noise + sound, `FRAME` samples, s16le 16 kHz ──► unix socket

Paced, frame n leaves at start + (n + 1) · 32 ms, as a sound card delivers a frame when it is full; the schedule is
absolute, so that a late frame does not delay those after it. Unpaced (`fast`), frames leave only while something is
to be said or kept silent: as quickly as the reader takes them, and none in between.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kiosk.demo.customer import LEVEL
from kiosk.ports import FRAME, RATE, Sound
from kiosk.values import OperatorError

_FRAME_S = FRAME / RATE
#: behind schedule by more than this (the machine slept, the reader stood still), the schedule starts anew: a sound
#: card would have dropped the frames, we rather deliver them late
_LOST_S = 0.5
#: for good; the queue's item that ends the thread
_END = None


class Room:
    """Low noise without end, the same for one seed: half white, half rumbling, `snr_db` below a customer's voice."""

    _LOOP_S = 8

    def __init__(self, snr_db: float = 38.0, seed: int = 1) -> None:
        count = self._LOOP_S * RATE
        white = np.random.default_rng(seed).standard_normal((2, count))
        # 1/f in the frequency domain: it has no beginning, so that the loop has no seam
        spectrum = np.fft.rfft(white[1])
        low = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), self._LOOP_S * 40), count)
        mixed = white[0] / white[0].std() + low / low.std()
        self._loop = (mixed / mixed.std() * LEVEL * 10 ** (-snr_db / 20)).astype(np.float32)
        self._at = 0

    def noise(self, samples: int) -> Sound:
        """The next `samples` of it."""
        taken = np.take(self._loop, range(self._at, self._at + samples), mode="wrap")
        self._at = (self._at + samples) % len(self._loop)
        return taken


@dataclass
class _Wish:
    """Sound to be sent; `done` is given the monotonic time in seconds at which sample `until` went out."""

    sound: Sound
    until: int
    done: Future[float] = field(default_factory=Future)


class Microphone:
    """Connected to the socket `path`, and streaming until it is closed.

    Raises:
        OperatorError: nobody listens at `path`.
    """

    def __init__(self, path: Path, room: Room | None = None, *, fast: bool = False) -> None:
        self._room = room or Room()
        self._fast = fast
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._broken: Exception | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
        except OSError as e:
            self._socket.close()
            remedy = "Start the speech process first."
            raise OperatorError(f"no ear is open: {e.strerror}", where=str(path), remedy=remedy) from e
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)
        self._thread.start()

    def say(self, sound: Sound, tail_s: float = 1.5) -> float:
        """Say it, and return when its last sample went out: that moment, in CLOCK_MONOTONIC milliseconds.

        Unpaced, `tail_s` of room noise follow, in which an endpointer can find the end; `say` does not wait for them.

        Raises:
            ConnectionError: the reader hung up.
        """
        tail = np.zeros(round(tail_s * RATE) if self._fast else 0, np.float32)
        return self._wish(np.concatenate([sound, tail]), len(sound)) * 1000

    def hush(self, seconds: float) -> None:
        """Nothing but the room for so long; returns when that went out.

        Raises:
            ConnectionError: the reader hung up.
        """
        samples = max(1, round(seconds * RATE))
        self._wish(np.zeros(samples, np.float32), samples)

    def close(self) -> None:
        """Hang up; whoever still waits in `say` or `hush` gets a ConnectionError."""
        self._wishes.put(_END)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the reader was quicker
        self._thread.join()
        self._socket.close()

    def _wish(self, sound: Sound, until: int) -> float:
        wish = _Wish(sound, until)
        self._wishes.put(wish)
        while True:
            try:
                return wish.done.result(timeout=0.1)
            except TimeoutError:
                if not self._thread.is_alive() and not wish.done.done():
                    raise ConnectionError("the microphone's line is closed") from self._broken

    def _run(self) -> None:
        try:
            self._stream()
        except OSError as e:
            self._broken = e

    def _stream(self) -> None:
        due = time.monotonic()
        wish, at = None, 0
        while True:
            if wish is None:
                try:
                    wish, at = self._wishes.get(block=self._fast), 0
                except queue.Empty:
                    pass
                else:
                    if wish is _END:
                        return
            frame = self._room.noise(FRAME)
            if wish is not None:
                part = wish.sound[at : at + FRAME]
                frame[: len(part)] += part
            if not self._fast:
                due = self._wait(due + _FRAME_S)
            self._socket.sendall((np.clip(frame, -1, 1) * 32767).astype("<i2").tobytes())
            if wish is not None:
                at += FRAME
                if at >= wish.until and not wish.done.done():
                    sent = time.monotonic() if self._fast else due
                    wish.done.set_result(sent - (0 if self._fast else (at - wish.until) / RATE))
                if at >= len(wish.sound):
                    wish = None

    def _wait(self, due: float) -> float:
        """Sleep until `due`; gives the time that the frame counts as sent."""
        now = time.monotonic()
        if now > due + _LOST_S:
            return now
        if due > now:
            time.sleep(due - now)
        return due
