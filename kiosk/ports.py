"""What the shell may be built from: one narrow interface an engine. The core knows none of them by name.

Sound is mono float32 in −1…1 as a 1-d numpy array; its rate stands beside it. Pictures are H×W×3 uint8 in BGR order,
as OpenCV has them. Nothing here loads a model when it is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kiosk.events import Understood
from kiosk.values import Lang

Sound = NDArray[np.float32]
Picture = NDArray[np.uint8]
Vector = NDArray[np.float32]

#: Frames a second of everything between microphone and recogniser.
RATE = 16_000
#: Samples of one frame (32 ms): what Silero VAD wants.
FRAME = 512


@dataclass(frozen=True)
class Transcript:
    """What was heard. `confidence` 0…1; `no_speech` is the recogniser's own doubt that anyone spoke."""

    text: str
    lang: Lang
    confidence: float
    no_speech: float = 0.0


class SoundSource(Protocol):
    """Where a microphone stands."""

    def frames(self) -> Iterator[Sound]:
        """Frames of `FRAME` samples at `RATE`, for ever or until the source ends."""

    def close(self) -> None: ...


class SoundSink(Protocol):
    """Where a speaker stands."""

    def play(self, sound: Sound, rate: int) -> None:
        """Blocks until the sound was played (or, for a sink that does not pace, taken)."""

    def close(self) -> None: ...


class VoiceActivity(Protocol):
    def probability(self, frame: Sound) -> float:
        """That somebody speaks in this frame; keeps its own state between frames."""

    def reset(self) -> None: ...


class Recognizer(Protocol):
    def hear(self, sound: Sound, lang: Lang | None, hint: str = "") -> Transcript:
        """Transcribe one utterance at `RATE`; `lang` None = find out; `hint` is a prompt from the state of the flow."""


class Synthesizer(Protocol):
    def say(self, text: str, lang: Lang, rate: float = 1.0) -> Iterator[tuple[Sound, int]]:
        """Sound in pieces (sentence by sentence), each with its sample rate."""

    def forget(self) -> None:
        """Drop everything that was made for a customer."""


class VoiceEmbedder(Protocol):
    def embed(self, sound: Sound) -> Vector | None:
        """A unit vector for one utterance at `RATE`, or None when there is too little speech."""


class Understander(Protocol):
    def understand(self, text: str, lang: Lang, expect: str = "intent") -> Understood:
        """Read one utterance, narrowed by what the flow expects."""


class FaceEngine(Protocol):
    def faces(self, picture: Picture) -> Sequence[Vector]:
        """Unit vectors of the faces found, largest face first."""


class Camera(Protocol):
    def frames(self) -> Iterator[Picture]: ...

    def close(self) -> None: ...
