"""Where an utterance begins and ends, from a row of speech probabilities: what was asked decides how long to wait.

Fed frame by frame with (probability, seconds of the frame); time is the sum of the frames, there is no clock. A row of
frames counts as speech once it is long enough, and the turn ends once enough silence follows: a yes may be quick, an
amount must survive the pause in its middle. Two thresholds (start above, stop below) keep a wavering probability
from chattering.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Limits:
    """How one turn is cut. All times in seconds."""

    #: silence after the speech that ends the turn
    silence_s: float
    #: give up when nobody has begun to speak by then
    no_speech_s: float
    #: shorter bursts are noise, not speech: a cough, a click
    speech_s: float = 0.1
    #: silence that separates two bursts while it is not yet known whether anybody speaks
    gap_s: float = 0.25
    #: nobody is listened to for longer
    longest_s: float = 15.0
    #: probability from which a frame is speech, and below which it is silence; between them it stays what it was
    start: float = 0.5
    stop: float = 0.35


#: trailing silence by what the flow expects: 「对」 is quick, 「一千…五」 waits
SILENCE_S = {"yes_no": 0.45, "intent": 0.7, "payee": 0.7, "money": 0.8, "digits": 0.9}


def limits(expect: str, timeout_s: float) -> Limits:
    """The limits of a turn in which the flow expects `expect` (an unknown word waits as long as `intent`)."""
    return Limits(silence_s=SILENCE_S.get(expect, SILENCE_S["intent"]), no_speech_s=timeout_s)


@dataclass(frozen=True)
class SpeechBegan:
    """Somebody speaks, since `at_s` seconds after the ears opened."""

    at_s: float


@dataclass(frozen=True)
class Ended:
    """The turn is over: speech from `begin_s` to `end_s`, then `silence_s` of waiting (0 when cut for its length)."""

    begin_s: float
    end_s: float
    silence_s: float


@dataclass(frozen=True)
class NothingHeard:
    """Nobody spoke in time: `silence`, or `noise` when there were bursts too short to be speech."""

    why: Literal["silence", "noise"]


Endpoint = SpeechBegan | Ended | NothingHeard


@dataclass
class Endpointer:
    """One turn. Feed it every frame; after `Ended` or `NothingHeard` it is used up."""

    limits: Limits
    _now: float = field(default=0.0, init=False)
    #: where the present row of speech began, None in silence
    _begin: float | None = field(default=None, init=False)
    #: where its last frame of speech ended
    _last: float = field(default=0.0, init=False)
    #: seconds of speech frames in it
    _spoken: float = field(default=0.0, init=False)
    _speaking: bool = field(default=False, init=False)
    _sure: bool = field(default=False, init=False)
    _bursts: int = field(default=0, init=False)

    def feed(self, probability: float, seconds: float) -> Endpoint | None:
        """What this frame tells, if anything."""
        frame_began, self._now = self._now, round(self._now + seconds, 6)  # so that no dust of floats collects
        self._speaking = probability >= (self.limits.stop if self._speaking else self.limits.start)
        if self._speaking:
            if self._begin is None:
                self._begin, self._spoken = frame_began, 0.0
            self._last = self._now
            self._spoken = round(self._spoken + seconds, 6)
        if self._begin is None:
            return self._gave_up()
        if not self._sure:
            if self._spoken >= self.limits.speech_s:
                self._sure = True
                return SpeechBegan(self._begin)
            if self._now - self._last >= self.limits.gap_s:
                self._begin = None
                self._bursts += 1
                return self._gave_up()
            return None
        silence = round(self._now - self._last, 6)
        if silence >= self.limits.silence_s:
            return Ended(self._begin, self._last, silence)
        if self._now - self._begin >= self.limits.longest_s:
            return Ended(self._begin, self._last, 0.0)
        return None

    def _gave_up(self) -> NothingHeard | None:
        if self._now < self.limits.no_speech_s:
            return None
        return NothingHeard("noise" if self._bursts else "silence")
