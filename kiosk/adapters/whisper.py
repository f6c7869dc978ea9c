"""What was said? faster-whisper's base model in int8, decoded with a shorter pad than Whisper's 30 seconds.

Whisper pads every utterance to 30 s, so 「对」 takes it as long as half a minute of speech. Here the spectrogram is
filled up to `PAD_S` only, with the level of its own silence (faster-whisper's zeros are a hum in this scale).
Short pads make the decoder repeat or run on now and then; whatever looks like that is decoded once more with the full
pad, and given up as nothing heard when it still does.

A hint makes the decoder hear the hoped-for words, in noise as well: then 「取消」 comes out of a hum. So the model is
also asked without the hint whether anybody spoke, and the mean of both answers decides.

The loading, features and tokens are faster-whisper's; the decoding is CTranslate2's, called here, so nothing of the
package is patched.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np

from kiosk.adapters.weights import need
from kiosk.ports import RATE, Sound, Transcript
from kiosk.values import LANGS, Lang, OperatorError

MODEL = "whisper-base"
#: frames of the spectrogram in a second, and those that the encoder can take
FRAMES_A_SECOND, MOST_FRAMES = 100, 3000
#: what an utterance is padded to, in seconds; a longer one gets `TAIL_S` of silence
PAD_S, TAIL_S = 10.0, 1.0
#: an utterance longer than this is heard in pieces, cut where it is quietest
PIECE_S, CUT_S = 28.0, 6.0
BEAM = 5
#: nobody says more than so many tokens in a second; more is the decoder talking to itself
TOKENS_A_SECOND, TOKENS_AT_LEAST = 14, 16
#: the no-speech probability above which nothing was heard: without a hint, and the mean of both with one
NO_SPEECH, NO_SPEECH_HINTED = 0.8, 0.55
#: text that zlib shrinks by more than this repeats itself (Whisper's own limit)
COMPRESSION = 2.4
#: less than this is no utterance
LEAST_S = 0.1


def load(threads: int = 2) -> Whisper:
    """The recogniser.

    Raises:
        OperatorError: the weights are missing or not the verified ones.
    """
    return Whisper(need(MODEL), threads)


class Whisper:
    """`Recognizer`; to be used by one thread at a time."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        try:
            self._model = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
            )
        except RuntimeError as e:  # CTranslate2's word for a file that it cannot use
            raise OperatorError(f"cannot be loaded ({e})", where=str(folder), remedy="Run: kiosk models verify") from e
        self._tokens = {
            lang: Tokenizer(self._model.hf_tokenizer, True, task="transcribe", language=lang) for lang in LANGS
        }
        #: sounds like (music) and [laughter], speaker marks: never words of a customer
        self._never = {lang: get_suppressed_tokens(tokens, (-1,)) for lang, tokens in self._tokens.items()}

    def hear(self, sound: Sound, lang: Lang | None, hint: str = "") -> Transcript:
        """Transcribe `sound`; without `lang` the likelier of ours. Nothing believable gives an empty text.

        `hint` is text as it could have been said just before, in the words and the script that are hoped for.
        """
        pieces = [self._hear(piece, lang, hint) for piece in cut(sound)]
        if len(pieces) <= 1:
            return pieces[0] if pieces else Transcript("", lang or LANGS[0], 0.0, 1.0)
        heard = [p for p in pieces if p.text]
        return Transcript(
            ("" if pieces[0].lang == "zh" else " ").join(p.text for p in heard),
            pieces[0].lang,
            float(np.mean([p.confidence for p in heard])) if heard else 0.0,
            min(p.no_speech for p in pieces),
        )

    def _hear(self, sound: Sound, lang: Lang | None, hint: str) -> Transcript:
        if sound.size < LEAST_S * RATE or not np.any(sound):
            return Transcript("", lang or LANGS[0], 0.0, 1.0)
        features = self._model.feature_extractor(sound)
        seconds = sound.size / RATE
        for pad_s in (max(PAD_S, seconds + TAIL_S), 30.0):
            encoded = self._model.encode(padded(features, pad_s))
            lang = lang or self._which(encoded)
            no_speech = self._no_speech(encoded, lang, "")
            if hint:
                no_speech = (no_speech + self._no_speech(encoded, lang, hint)) / 2
            if no_speech > (NO_SPEECH_HINTED if hint else NO_SPEECH):
                break
            text, confidence, sane = self._decode(encoded, lang, hint, seconds)
            if sane:
                return Transcript(text, lang, confidence, no_speech)
        return Transcript("", lang or LANGS[0], 0.0, no_speech)

    def _which(self, encoded: object) -> Lang:
        chances = dict(self._model.model.detect_language(encoded)[0])
        return max(LANGS, key=lambda lang: chances.get(f"<|{lang}|>", 0.0))

    def _prompt(self, lang: Lang, hint: str) -> list[int]:
        before = self._tokens[lang].encode(" " + hint) if hint else []
        return self._model.get_prompt(self._tokens[lang], before, without_timestamps=True)

    def _no_speech(self, encoded: object, lang: Lang, hint: str) -> float:
        """The model's own doubt that anybody spoke; one step of the decoder."""
        prompt = self._prompt(lang, hint)
        result = self._model.model.generate(
            encoded, [prompt], beam_size=1, max_length=len(prompt) + 1, return_no_speech_prob=True
        )
        return float(result[0].no_speech_prob)

    def _decode(self, encoded: object, lang: Lang, hint: str, seconds: float) -> tuple[str, float, bool]:
        """The text, how sure the model is of it (0…1), and whether it may be believed."""
        tokens = self._tokens[lang]
        prompt = self._prompt(lang, hint)
        most = TOKENS_AT_LEAST + math.ceil(TOKENS_A_SECOND * seconds)
        result = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=BEAM,
            max_length=min(len(prompt) + most, self._model.max_length),
            return_scores=True,
            suppress_tokens=self._never[lang],
        )[0]
        ids = result.sequences_ids[0]
        logprob = result.scores[0] * len(ids) / (len(ids) + 1)  # the end of text counts as a token, too
        text = tidy(tokens.decode(ids), lang)
        return text, math.exp(min(0.0, logprob)), len(ids) < most and not repeats(text)


def padded(features: np.ndarray, seconds: float) -> np.ndarray:
    """The spectrogram [bands, frames], cut or filled up with its own silence to `seconds`, at most Whisper's 30."""
    frames = min(math.ceil(seconds * FRAMES_A_SECOND), MOST_FRAMES)
    features = features[:, :frames]
    return np.pad(features, ((0, 0), (0, frames - features.shape[1])), constant_values=features.min())


def cut(sound: Sound) -> list[Sound]:
    """Pieces of at most `PIECE_S`, cut in the quietest tenth of a second of their last `CUT_S`."""
    pieces = []
    step = RATE // 10
    while sound.size > PIECE_S * RATE:
        first = int((PIECE_S - CUT_S) * RATE)
        tenths = sound[first : int(PIECE_S * RATE)].reshape(-1, step)
        at = first + int(np.argmin(np.square(tenths).mean(axis=1))) * step + step // 2
        pieces.append(sound[:at])
        sound = sound[at:]
    return [*pieces, sound] if sound.size else pieces


def tidy(text: str, lang: Lang) -> str:
    """Simplified characters, no space around the text."""
    if lang == "zh":
        import zhconv

        text = zhconv.convert(text, "zh-cn")
    return text.strip()


def repeats(text: str) -> bool:
    """Whether the text says the same over and over, as a decoder that lost its way does."""
    raw = text.encode()
    return len(raw) > 40 and len(raw) / len(zlib.compress(raw)) > COMPRESSION
