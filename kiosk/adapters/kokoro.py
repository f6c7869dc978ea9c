"""Kokoro-82M v1.0 on plain onnxruntime: the kiosk's Mandarin voice, and the voices of synthetic customers.

Three steps: text → symbols (`mandarin.py`, or espeak-ng's English through piper-tts) → ids → sound. The graph takes
`tokens` int64 [1, n], `style` float32 [1, 256] and `speed` float32 [1], and gives `audio` float32 [samples] at 24 kHz.
A voice is a file of 510 style vectors, one for each number of symbols.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kiosk.adapters.mandarin import Mandarin
from kiosk.adapters.weights import need
from kiosk.core.spoken import spoken
from kiosk.paths import CACHE
from kiosk.ports import Sound
from kiosk.values import Lang, OperatorError

RATE = 24_000
#: symbols in one run of the graph: its text encoder has 512 places, two of them for the padding around
LONGEST = 510
_SYMBOLS = Path(__file__).with_name("kokoro_symbols.json")
#: espeak-ng's English → Kokoro's: its diphthongs and affricates are one symbol each, and it knows no length mark in
#: American English. Longer ones first.
_ENGLISH = (
    ("ɚ", "əɹ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("eɪ", "A"), ("aɪ", "I"), ("ɔɪ", "Y"), ("aʊ", "W"), ("oʊ", "O"),
    ("əʊ", "Q"), ("dʒ", "ʤ"), ("tʃ", "ʧ"), ("ɾ", "T"), ("ɐ", "ə"), ("r", "ɹ"), ("e", "A"), ("o", "ɔ"), ("ː", ""),
    ("ʲ", ""), ("\u0329", ""),
)  # fmt: skip


class Kokoro:
    """One loaded model, to be used by one thread at a time.

    Raises:
        OperatorError: the weights of the model or of the voices are missing or wrong.
    """

    def __init__(self, threads: int = 2) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._graph = onnxruntime.InferenceSession(
            need("kokoro") / "kokoro.int8.onnx", options, providers=["CPUExecutionProvider"]
        )
        self._voices = need("kokoro-voices")
        table = json.loads(_SYMBOLS.read_text(encoding="utf-8"))
        self._ids: dict[str, int] = table["vocab"]
        self._pad: int = table["pad"]
        self._styles: dict[str, Sound] = {}
        self._mandarin: Mandarin | None = None
        self._english = False

    def speech(self, text: str, lang: Lang, voice: str, speed: float = 1.0) -> Sound:
        """Sound at `RATE`, with the silence that the model puts around; empty when the text has no sound.

        More than `LONGEST` symbols are made in parts, cut at a space.

        Raises:
            OperatorError: there is no such voice.
        """
        symbols = self.symbols(spoken(text, lang), lang)
        style = self._style(voice)
        parts = []
        while symbols:
            cut = len(symbols) if len(symbols) <= LONGEST else symbols.rfind(" ", 0, LONGEST) + 1 or LONGEST
            ids = [self._ids[s] for s in symbols[:cut]]
            feeds = {
                "tokens": np.array([[self._pad, *ids, self._pad]], np.int64),
                "style": style[len(ids) - 1][None],
                "speed": np.array([speed], np.float32),
            }
            parts.append(self._graph.run(None, feeds)[0])
            symbols = symbols[cut:]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def symbols(self, words: str, lang: Lang) -> str:
        """Spoken words → the symbols of Kokoro's vocabulary; what has no symbol is left out."""
        made = self._zh(words) if lang == "zh" else self._en(words)
        return "".join(s for s in made if s in self._ids)

    def _zh(self, words: str) -> str:
        if self._mandarin is None:
            self._mandarin = Mandarin(CACHE / "jieba")
        return self._mandarin.symbols(words)

    def _en(self, words: str) -> str:
        # piper-tts (GPL-3.0) carries espeak-ng; it is loaded only where English is spoken
        from piper import espeakbridge
        from piper.phonemize_espeak import ESPEAK_DATA_DIR

        if not self._english:
            espeakbridge.initialize(str(ESPEAK_DATA_DIR))
            self._english = True
        espeakbridge.set_voice("en-us")
        made = ""
        for phonemes, mark, _ in espeakbridge.get_phonemes(words):
            made += phonemes + mark + " "
        for ours, theirs in _ENGLISH:
            made = made.replace(ours, theirs)
        return made.strip()

    def _style(self, voice: str) -> Sound:
        if voice not in self._styles:
            file = self._voices / f"{voice}.bin"
            if not file.is_file():
                there = ", ".join(sorted(f.stem for f in self._voices.glob("*.bin")))
                raise OperatorError(f"there is no voice {voice!r}", where=str(file), remedy=f"Voices: {there}.")
            self._styles[voice] = np.fromfile(file, np.float32).reshape(-1, 256)
        return self._styles[voice]
