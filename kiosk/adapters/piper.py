"""Piper's en_US-joe-medium: the kiosk's English voice, through piper-tts.

piper-tts is GPL-3.0. It is imported here only, when the voice is loaded, so that only the process that speaks holds it.
"""

from __future__ import annotations

import json

import numpy as np

from kiosk.adapters.weights import need
from kiosk.core.spoken import spoken
from kiosk.ports import Sound

RATE = 22_050


class Piper:
    """One loaded voice, to be used by one thread at a time.

    Raises:
        OperatorError: the weights are missing or wrong.
    """

    def __init__(self, threads: int = 2) -> None:
        import onnxruntime
        from piper import PiperVoice, SynthesisConfig
        from piper.config import PiperConfig

        folder = need("piper-joe")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # The session is made here and not by PiperVoice.load, which leaves the number of threads to the machine.
        session = onnxruntime.InferenceSession(
            folder / "en_US-joe-medium.onnx", options, providers=["CPUExecutionProvider"]
        )
        facts = json.loads((folder / "en_US-joe-medium.onnx.json").read_text(encoding="utf-8"))
        self._voice = PiperVoice(session=session, config=PiperConfig.from_dict(facts))
        self._config = SynthesisConfig

    def speech(self, text: str, speed: float = 1.0) -> Sound:
        """Sound at `RATE`; `speed` is a factor, 1.0 = normal; empty when the text has no sound."""
        config = self._config(length_scale=self._voice.config.length_scale / speed)
        chunks = [c.audio_float_array for c in self._voice.synthesize(spoken(text, "en"), config)]
        return np.concatenate(chunks).astype(np.float32) if chunks else np.zeros(0, np.float32)
