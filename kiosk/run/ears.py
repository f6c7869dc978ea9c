"""The thread that reads the source of sound: it feeds one turn at a time to the endpointer and hands out utterances.

A live source is read all the time, so that nothing old waits in it; what comes while nobody listens, or while the kiosk
itself speaks, is dropped. A source *on demand* (files, or an unpaced one) is read only during a turn: it has no present
that could be missed. Time within a turn is counted in frames.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from kiosk.core.endpoint import Ended, Endpointer, Limits, NothingHeard
from kiosk.ports import FRAME, RATE, Sound, SoundSource, VoiceActivity

#: sound kept before and after the speech that the detector saw: it notices soft beginnings late
MARGIN_S = 0.25


@dataclass(frozen=True)
class Utterance:
    """One turn's sound with `MARGIN_S` around it, where speech stood in the turn, and when (monotonic) it was cut."""

    sound: Sound
    ended: Ended
    cut_at: float


Heard = Utterance | NothingHeard


@dataclass
class _Turn:
    endpointer: Endpointer
    answer: Future[Heard]
    frames: list[Sound] = field(default_factory=list)


class Ears:
    """Call `listen`, wait for its future. All methods may be called from any thread."""

    def __init__(self, source: SoundSource, activity: VoiceActivity, on_demand: bool) -> None:
        self._source = source
        self._activity = activity
        self._on_demand = on_demand
        self._lock = threading.Condition()
        self._turn: _Turn | None = None
        self._muted = False
        self._closed = False
        self._last_frame = time.monotonic()
        self._thread = threading.Thread(target=self._read, name="ears", daemon=True)

    def start(self, failed: Callable[[BaseException | None], None]) -> None:
        """Begin to read. `failed` is called, in the thread, when the source ends (None) or breaks."""
        self._failed = failed
        self._thread.start()

    def listen(self, limits: Limits) -> Future[Heard]:
        """Open the ears for one turn. A turn that is still open is closed without an answer."""
        answer: Future[Heard] = Future()
        with self._lock:
            self._drop()
            self._activity.reset()
            self._turn = _Turn(Endpointer(limits), answer)
            self._last_frame = time.monotonic()
            self._lock.notify_all()
        return answer

    def mute(self, speaking: bool) -> None:
        """While the kiosk speaks, nothing that the microphone hears counts, and a turn's time stands still."""
        with self._lock:
            self._muted = speaking
            self._last_frame = time.monotonic()
            self._lock.notify_all()

    def forget(self) -> None:
        """Close the turn and overwrite its sound."""
        with self._lock:
            self._drop()
            self._activity.reset()

    def silent_for(self) -> float:
        """Seconds since the source last gave a frame (or a turn began, or the kiosk fell silent)."""
        with self._lock:
            return 0.0 if self._muted else time.monotonic() - self._last_frame

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._drop()
            self._lock.notify_all()
        self._source.close()
        self._thread.join(timeout=2)

    def _read(self) -> None:
        try:
            frames = iter(self._source.frames())
            while self._may_read() and (frame := next(frames, None)) is not None:
                self._take(frame)
        except BaseException as e:  # noqa: BLE001 - carried to the event loop, which ends the process
            self._failed(e)
        else:
            if not self._closed:
                self._failed(None)

    def _may_read(self) -> bool:
        with self._lock:
            while self._on_demand and not self._closed and (self._turn is None or self._muted):
                self._lock.wait()
            return not self._closed

    def _take(self, frame: Sound) -> None:
        with self._lock:
            self._last_frame = time.monotonic()
            turn = self._turn
            if turn is None or self._muted:
                return
            turn.frames.append(frame)
            said = turn.endpointer.feed(self._activity.probability(frame), FRAME / RATE)
            if isinstance(said, Ended):
                heard: Heard = Utterance(_between(turn.frames, said), said, time.monotonic())
            elif isinstance(said, NothingHeard):
                heard = said
            else:
                return
            self._drop()
        if turn.answer.set_running_or_notify_cancel():
            turn.answer.set_result(heard)

    def _drop(self) -> None:
        if self._turn is not None:
            for frame in self._turn.frames:
                if frame.flags.writeable:
                    frame.fill(0)
            self._turn = None


def _between(frames: list[Sound], ended: Ended) -> Sound:
    """The sound of the turn from `MARGIN_S` before its speech to `MARGIN_S` after it; a copy."""
    turn = np.concatenate(frames)
    return turn[max(0, round((ended.begin_s - MARGIN_S) * RATE)) : round((ended.end_s + MARGIN_S) * RATE)].copy()
