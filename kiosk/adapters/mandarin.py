"""Mandarin text as the sound symbols that Kokoro v1.0 was trained on.

Kokoro reads an IPA-like notation in which a tone is an arrow after the vowels of its syllable: wo↓, ʨʰy↓. The
notation was fixed by the G2P that its makers published, `misaki` (Apache-2.0). The table below states it for the
initials and finals that `pypinyin` gives: it agreed with misaki 0.9.4 on every syllable of Chinese, 1,379 with tones,
but for the interjections. Words are cut by jieba, because a word boundary is a symbol of its own (a space) and because
it settles characters with two readings (银行 行长).

Text must be spoken words already (`kiosk.core.spoken`): digits and latin letters have no symbol here.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

_INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x",
    "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s", "": "",
}  # fmt: skip
#: the `0` is where the tone goes; `v` is ü, as pypinyin writes it
_FINALS = {
    "a": "a0", "ai": "ai0", "an": "a0n", "ang": "a0ŋ", "ao": "au0", "e": "ɤ0", "ei": "ei0", "en": "ə0n", "eng": "ə0ŋ",
    "er": "ɚ0", "i": "i0", "ia": "ja0", "ian": "jɛ0n", "iang": "ja0ŋ", "iao": "jau0", "ie": "je0", "in": "i0n",
    "ing": "i0ŋ", "iong": "jʊ0ŋ", "iou": "jou0", "o": "wo0", "ong": "ʊ0ŋ", "ou": "ou0", "u": "u0", "ua": "wa0",
    "uai": "wai0", "uan": "wa0n", "uang": "wa0ŋ", "uei": "wei0", "uen": "wə0n", "ueng": "wə0ŋ", "uo": "wo0",
    "v": "y0", "ve": "ɥe0", "van": "ɥɛ0n", "vn": "y0n",
}  # fmt: skip
#: the `i` of zhi chi shi ri and of zi ci si is no [i] but a vowel made where the consonant is
_BUZZED = ("zh", "ch", "sh", "r", "z", "c", "s")
_TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
_MARKS = {"，": ",", "、": ",", "。": ".", "！": "!", "？": "?", "：": ":", "；": ";", "…": "…"}
_HAN = r"[\u4e00-\u9fff]+"


class Mandarin:
    """`symbols("取一千元。")` → `"ʨʰy↓ i→ʨʰjɛ→nɥɛ↗n."`. Loading takes about half a second (jieba's dictionary).

    `scratch` is a folder of ours for jieba's parsed dictionary: by default it would trust a file in the shared
    temporary folder that anyone may have put there.
    """

    def __init__(self, scratch: Path) -> None:
        import jieba
        from pypinyin import Style, lazy_pinyin

        scratch.mkdir(parents=True, exist_ok=True)
        jieba.setLogLevel(logging.ERROR)
        self._words = jieba.Tokenizer()
        self._words.tmp_dir = str(scratch)
        self._words.initialize()
        self._initials = lambda w: lazy_pinyin(w, style=Style.INITIALS, strict=True)
        self._finals = lambda w: lazy_pinyin(w, style=Style.FINALS_TONE3, strict=True, neutral_tone_with_five=True)

    def symbols(self, text: str) -> str:
        """Words parted by spaces, marks kept. Anything that is neither a Chinese character nor a mark is left out."""
        out = ""
        for run in re.findall(f"{_HAN}|[^\u4e00-\u9fff]", text):
            if re.match(_HAN, run):
                out += " ".join(self._word(w) for w in self._words.lcut(run))
            elif run in _MARKS:
                out += _MARKS[run] + " "
            elif run in ",.!?:;":
                out += run + " "
        return out.strip()

    def _word(self, word: str) -> str:
        return "".join(syllable(i, f) for i, f in zip(self._initials(word), self._finals(word), strict=True))


def syllable(initial: str, final: str) -> str:
    """One syllable from pypinyin's strict initial and final with its tone digit: `q`, `van2` → `ʨʰɥɛ↗n`.

    A final that Kokoro has no symbol for (the interjections hm, ng, ê) is nothing.
    """
    sound = _FINALS.get(final[:-1])
    if sound is None:
        return ""
    if final[:-1] == "i" and initial in _BUZZED:
        sound = "ɨ0"
    elif final[:-1] == "o" and not initial:
        sound = "ɔ0"
    return _INITIALS[initial] + sound.replace("0", _TONES[final[-1]])
