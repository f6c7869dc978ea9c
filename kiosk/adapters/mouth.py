"""The kiosk's mouth: two voices behind one interface, and the prompts that are ready before anybody asks for them.

Kokoro costs more than half a CPU-second for each second of Mandarin, so what is known ahead (the flows' prompts) is
rendered once by `prepare` and kept on disk. What was not prepared is cut into clauses; those that are ready sound at
once while the others are made.

Privacy rests on one rule: only `prepare` writes to disk, and it is given only words known before any customer came
(prompts, and read-backs of usual amounts, the same for every kiosk). What `say` makes stays in memory until `forget`.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kiosk.adapters import seams
from kiosk.adapters.catalogue import catalogue
from kiosk.adapters.kokoro import RATE as KOKORO_RATE
from kiosk.adapters.kokoro import Kokoro
from kiosk.adapters.piper import RATE as PIPER_RATE
from kiosk.adapters.piper import Piper
from kiosk.adapters.shelf import Shelf, key
from kiosk.core.spoken import pieces
from kiosk.paths import CACHE
from kiosk.ports import Sound
from kiosk.values import LANGS, Lang

#: Kokoro's voice for the kiosk; customers of the demo have others
KIOSK_VOICE = "zf_xiaoxiao"
#: amounts that customers ask for most, as a screen shows them: worth rendering their read-back ahead
USUAL_AMOUNTS = ("100", "200", "300", "500", "800", "1,000", "1,500", "2,000", "3,000", "5,000")
#: what is written into a sound's key besides its model: to be raised when `seams` or the G2P change what is heard
_RECIPE = 1
#: pieces that were said and are kept until the session is forgotten
_KEPT = 64
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Voice:
    """One language's voice: `speech(text, speed)` gives sound at `rate`; `made_of` names model and voice for ever."""

    speech: Callable[[str, float], Sound]
    rate: int
    made_of: str


class Mouth:
    """A `kiosk.ports.Synthesizer`. Its models work on one thread of its own; `say` may be called from any.

    `cache` None keeps prepared prompts in memory only.
    """

    def __init__(self, voices: Mapping[Lang, Voice], cache: Path | None) -> None:
        self._voices = voices
        self._shelf = Shelf(cache) if cache else None
        self._prepared: dict[str, Sound] = {}
        self._said: OrderedDict[str, Sound] = OrderedDict()
        self._keeping = threading.Lock()
        self._customer = 0  # counts them, so that what is still being made for one is not kept for the next
        self._worker = ThreadPoolExecutor(1, "mouth")

    def say(self, text: str, lang: Lang, rate: float = 1.0) -> Iterator[tuple[Sound, int]]:
        """Sound in pieces, each with its sample rate; `rate` is a factor, below 1.0 is slower.

        Later pieces are made while the caller plays the earlier ones. Closing the iterator drops what was not begun.
        """
        voice = self._voices[lang]
        parts = [text] if self._known(text, lang, rate) is not None else pieces(text, lang)
        jobs = [self._job(part, lang, rate) for part in parts]
        silence = np.zeros(0, np.float32)
        try:
            for part, job in zip(parts, jobs, strict=True):
                sound = job.result()
                if len(sound):
                    yield np.concatenate([silence, sound]), voice.rate
                    silence = seams.pause(part, voice.rate, rate)
        finally:
            for job in jobs:
                job.cancel()

    def prepare(
        self,
        texts: Iterable[str],
        lang: Lang,
        rate: float = 1.0,
        fields: Mapping[str, Sequence[str]] | None = None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> int:
        """Have these prompts ready, from disk or rendered now; gives the number that had to be rendered.

        A text may be a template: its clauses without a field are prepared one by one, and a clause with fields once
        for each of the values that `fields` lists (`{"amount": USUAL_AMOUNTS}`); a field not listed is left to `say`.
        `progress(done, of)` is called after each piece; stopping in between loses nothing that was done.

        Raises:
            OSError: the cache cannot be written.
        """
        wanted = list(dict.fromkeys(p for text in texts for p in _expanded(text, lang, fields or {})))
        rendered = 0
        for done, part in enumerate(wanted, 1):
            name = self._key(part, lang, rate)
            if name not in self._prepared:
                sound = self._shelf.get(name) if self._shelf else None
                if sound is None:
                    sound = self._worker.submit(self._make, part, lang, rate).result()
                    rendered += 1
                    if self._shelf:
                        self._shelf.put(name, sound, self._voices[lang].rate)
                self._prepared[name] = sound
            progress(done, len(wanted))
        return rendered

    def forget(self) -> None:
        """Drop everything that was made for a customer; the prepared prompts stay."""
        with self._keeping:
            self._customer += 1
            self._said.clear()

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)

    def _job(self, part: str, lang: Lang, rate: float) -> Future[Sound]:
        known = self._known(part, lang, rate)
        if known is None:
            return self._worker.submit(self._make_and_keep, part, lang, rate, self._customer)
        ready: Future[Sound] = Future()
        ready.set_result(known)
        return ready

    def _known(self, part: str, lang: Lang, rate: float) -> Sound | None:
        name = self._key(part, lang, rate)
        for kept in (self._prepared, self._said):
            if name in kept:
                return kept[name]
        return self._shelf.get(name) if self._shelf else None

    def _make_and_keep(self, part: str, lang: Lang, rate: float, customer: int) -> Sound:
        sound = self._make(part, lang, rate)
        with self._keeping:
            if customer == self._customer:
                self._said[self._key(part, lang, rate)] = sound
            while len(self._said) > _KEPT:
                self._said.popitem(last=False)
        return sound

    def _make(self, part: str, lang: Lang, rate: float) -> Sound:
        voice = self._voices[lang]
        return seams.finished(voice.speech(part, rate), voice.rate)

    def _key(self, part: str, lang: Lang, rate: float) -> str:
        return key(_RECIPE, self._voices[lang].made_of, rate, part)


def load(cache: Path | None = CACHE / "prompts", langs: Sequence[Lang] = LANGS) -> Mouth:
    """The kiosk's voices for these languages, loaded.

    Raises:
        OperatorError: weights are missing or wrong.
    """
    voices: dict[Lang, Voice] = {}
    if "zh" in langs:
        kokoro = Kokoro()
        kokoro.symbols("好", "zh")  # reads the dictionary now: the first prompt must not wait for it
        made_of = f"{_hashes('kokoro', 'kokoro.int8.onnx')} {_hashes('kokoro-voices', KIOSK_VOICE + '.bin')}"
        voices["zh"] = Voice(lambda text, speed: kokoro.speech(text, "zh", KIOSK_VOICE, speed), KOKORO_RATE, made_of)
    if "en" in langs:
        voices["en"] = Voice(Piper().speech, PIPER_RATE, _hashes("piper-joe", "en_US-joe-medium.onnx"))
    return Mouth(voices, cache)


def _hashes(model: str, file: str) -> str:
    return next(f.sha256 for f in catalogue().model(model).files if f.name == file)


def _expanded(text: str, lang: Lang, fields: Mapping[str, Sequence[str]]) -> list[str]:
    """What `say` will look for: the whole text, or of a template the clauses that can be known ahead."""
    if not _FIELD.search(text):
        return [text]
    known = []
    for clause in pieces(text, lang):
        names = list(dict.fromkeys(_FIELD.findall(clause)))
        if all(name in fields for name in names):
            for values in itertools.product(*(fields[name] for name in names)):
                known.append(clause.format_map(dict(zip(names, values, strict=True))))
    return known
