"""A synthetic customer: a voice that is not the kiosk's, in a room that is never quite still. Recordings may stand in.

`Customer` and `Recordings` are both a `Talker`: ask for words, get sound for `kiosk.demo.microphone`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kiosk.adapters import seams
from kiosk.adapters.kokoro import RATE as KOKORO_RATE
from kiosk.adapters.kokoro import Kokoro
from kiosk.adapters.shelf import Shelf, key
from kiosk.adapters.sound import read
from kiosk.paths import CACHE
from kiosk.ports import RATE, Sound
from kiosk.values import Lang, OperatorError

#: the customer's voice: of those tried, the surest for Whisper base to hear
VOICES: dict[Lang, str] = {"zh": "zm_yunxi", "en": "am_michael"}
#: somebody else, who takes over in the middle of a session
OTHERS: dict[Lang, str] = {"zh": "zf_xiaobei", "en": "bf_emma"}
#: root mean square of the voiced parts: -23 dB of full scale, a person at arm's length
LEVEL = 0.07
_RECIPE = 1


class Talker(Protocol):
    def speech(self, text: str) -> Sound:
        """`text` said: sound at `kiosk.ports.RATE`, without silence around it."""


class Customer:
    """Says any text in `voice`. What was said once lies on a shelf, so that the second demo loads no model.

    Render the words before the scene begins: in it the model would take the processors from the kiosk.

    Raises:
        OperatorError: weights are missing, or there is no such voice (when the first new text is said).
    """

    def __init__(self, lang: Lang, voice: str = "", shelf: Path = CACHE / "customer") -> None:
        self._lang: Lang = lang
        self._voice = voice or VOICES[lang]
        self._shelf = Shelf(shelf)
        self._kokoro: Kokoro | None = None

    def speech(self, text: str) -> Sound:
        # Kokoro lets its voice fall before a full stop; without one a short utterance is cut off and hard to hear.
        ended = text if text[-1:] in "。.！!？?" else text + ("。" if self._lang == "zh" else ".")
        name = key(_RECIPE, self._voice, ended)
        kept = self._shelf.get(name)
        if kept is not None:
            return kept
        import soxr

        if self._kokoro is None:
            self._kokoro = Kokoro()
        made = soxr.resample(self._kokoro.speech(ended, self._lang, self._voice), KOKORO_RATE, RATE)
        sound = seams.finished(made, RATE, LEVEL)
        self._shelf.put(name, sound, RATE)
        return sound


class Recordings:
    """Plays sound files one after the other, whatever text is asked for.

    Raises:
        OperatorError: a file cannot be read as sound.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._sounds = [read(file) for file in files]
        self._next = 0

    def speech(self, text: str) -> Sound:
        """Raises OperatorError when every recording was played."""
        if self._next == len(self._sounds):
            many = f"{len(self._sounds)} recordings are not enough"
            raise OperatorError(f"{many}: one is needed for {text!r}", where="--wav", remedy="Name one more file.")
        self._next += 1
        return self._sounds[self._next - 1]
