"""Is somebody speaking? Silero VAD, one frame at a time, from the ONNX file that faster-whisper carries.

The file is used alone on onnxruntime: the `silero-vad` package would bring torch along. The network wants each frame of
512 samples with the 64 samples before it, and hands its LSTM state (h, c) from frame to frame.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from kiosk.ports import FRAME, RATE, Sound, VoiceActivity
from kiosk.values import OperatorError

_CONTEXT = 64
_STATE = (1, 1, 128)
_ASSET = "assets/silero_vad_v6.onnx"


def load() -> VoiceActivity:
    """The detector, with a state of its own.

    Raises:
        OperatorError: faster-whisper is not installed, or no longer carries the file.
    """
    spec = importlib.util.find_spec("faster_whisper")  # looked for, not imported: only its data file is wanted
    file = Path(spec.origin).parent / _ASSET if spec and spec.origin else None
    if file is None or not file.is_file():
        raise OperatorError("the voice activity model is missing", where="faster-whisper", remedy="Run: make setup")
    return Silero(file)


class Silero:
    """`VoiceActivity` over one ONNX session; 0.2 ms a frame on one thread."""

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._h, self._c = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        self._input = np.zeros((1, _CONTEXT + FRAME), np.float32)

    def probability(self, frame: Sound) -> float:
        """That somebody speaks in this frame of exactly `FRAME` samples."""
        self._input[0, :_CONTEXT] = self._input[0, FRAME:]
        self._input[0, _CONTEXT:] = frame
        p, self._h, self._c = self._session.run(None, {"input": self._input, "h": self._h, "c": self._c})
        return float(p.item())


def speech_s(activity: VoiceActivity, sound: Sound) -> float:
    """Seconds of `sound` in which somebody speaks, frame by frame; what is shorter than a frame is not looked at."""
    activity.reset()
    frames = sound[: sound.size // FRAME * FRAME].reshape(-1, FRAME)
    return sum(activity.probability(frame) >= 0.5 for frame in frames) * FRAME / RATE
