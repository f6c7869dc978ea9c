"""Faces by insightface: YuNet finds them, SFace turns each into a 128-d vector. Both run on onnxruntime on the CPU.

The models are read one by one through insightface's model zoo (`faces_build` made them fit it), so that nothing else in
the folder is loaded and nothing is ever downloaded. Liveness is not judged here: a good photo passes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kiosk.adapters.faces_build import DETECTOR, RECOGNIZER
from kiosk.adapters.weights import need
from kiosk.ports import FaceEngine, Picture, Vector

#: Longest side of what is looked at. Larger pictures are averaged down first: a phone's 12 MP face is far larger than
#: the 112 pixels that SFace reads, and sampling it without averaging would alias.
_LONGEST = 1280
#: No face is found in fewer pixels, and a strip of a picture would shrink to nothing in the detector's square.
_LEAST = 20
#: The detector's square. At 320 a face from 4 % to 90 % of the picture's width is found once, in 3 ms; at 640 a face
#: that fills the picture is found twice.
_SQUARE = (320, 320)
_CERTAIN = 0.6
#: A face less than 0.4 times as wide as the largest stands more than 2.5 times as far away: that is the queue, not
#: somebody beside the customer.
_NEAR = 0.4


@dataclass(frozen=True)
class Found:
    """One face in the picture's pixels: box (left, top, right, bottom), five points (eyes, nose, mouth corners)."""

    box: np.ndarray[Any, Any]
    points: np.ndarray[Any, Any]
    certainty: float


class InsightFaces:
    """`kiosk.ports.FaceEngine`. Not to be shared between threads."""

    def __init__(self, detector: Any, recognizer: Any) -> None:
        self._detector = detector
        self._recognizer = recognizer

    def faces(self, picture: Picture) -> Sequence[Vector]:
        """One unit vector (128-d) for each face near the camera, largest first; empty when there is none.

        Raises:
            ArithmeticError: the recogniser gave no finite vector.
            ValueError: not an H×W×3 picture of bytes.
        """
        picture = _at_most(picture, _LONGEST)
        return [self._embed(picture, face) for face in self.find(picture)]

    def find(self, picture: Picture) -> list[Found]:
        """The faces near the camera, largest first."""
        if min(picture.shape[:2]) < _LEAST:
            return []
        boxes, points = self._detector.detect(picture, input_size=_SQUARE, det_thresh=_CERTAIN)
        found = [Found(b[:4], p, float(b[4])) for b, p in zip(boxes, points, strict=True)]
        found.sort(key=_width, reverse=True)
        return [f for f in found if _width(f) >= _NEAR * _width(found[0])]

    def _embed(self, picture: Picture, face: Found) -> Vector:
        from insightface.utils import face_align

        with warnings.catch_warnings():  # insightface calls a function that scikit-image has renamed
            warnings.simplefilter("ignore", FutureWarning)
            crop = face_align.norm_crop(picture, face.points)
        vector = self._recognizer.get_feat(crop)[0].astype(np.float32)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0.0:
            raise ArithmeticError("the face recogniser gave no usable vector")
        return np.asarray(vector / length, dtype=np.float32)


def load() -> FaceEngine:
    """Both models, loaded and run once (so that the first customer does not wait for it).

    Raises:
        OperatorError: weights are missing or not the verified ones.
    """
    folder = need("faces")
    import onnxruntime
    from insightface.model_zoo import model_zoo

    options = onnxruntime.SessionOptions()
    # one thread: 25 ms a face, and on a busy box two of them mostly wait for each other
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    how = {"providers": ["CPUExecutionProvider"], "sess_options": options, "download": False}
    # static_shape_sessions=False: one session for the one size that is used, not a second one beside it
    detector = model_zoo.get_model(str(folder / DETECTOR), static_shape_sessions=False, **how)
    recognizer = model_zoo.get_model(str(folder / RECOGNIZER), **how)
    engine = InsightFaces(detector, recognizer)
    engine.find(np.zeros((*_SQUARE, 3), np.uint8))
    recognizer.get_feat(np.zeros((112, 112, 3), np.uint8))
    return engine


def _width(face: Found) -> float:
    return float(face.box[2] - face.box[0])


def _at_most(picture: Picture, longest: int) -> Picture:
    import cv2

    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(f"a picture is H×W×3 bytes, not {picture.shape} of {picture.dtype}")
    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
