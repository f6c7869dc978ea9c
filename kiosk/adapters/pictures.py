"""Reads a picture file for whoever compares faces: the camera that shows files, enrolment, trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kiosk.ports import Picture
from kiosk.values import OperatorError

#: A file larger than this is no photo of a face.
_MOST_BYTES = 64 << 20


def read_picture(path: Path) -> Picture:
    """H×W×3 bytes in BGR, upright (EXIF), grey pictures widened to three channels.

    Raises:
        OperatorError: the file cannot be read, or is no picture that OpenCV knows (jpeg, png, webp, pgm, bmp, tiff).
    """
    import cv2

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise OperatorError("is too large for a picture", where=str(path), remedy="Use at most 64 MiB.")
        data = path.read_bytes()
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(path), remedy="Check the path.") from e
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # a header that promises more than OpenCV will allocate
        picture = None
    if picture is None:
        raise OperatorError("is not a picture", where=str(path), remedy="Use a jpeg, png or pgm file.")
    return np.asarray(picture, dtype=np.uint8)
