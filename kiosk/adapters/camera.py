"""Where the camera stands: a real one through Video4Linux, or picture files in its place. No picture is ever written.

    v4l2:/dev/video0    the device, opened when the first frame is asked for
    images:PATH         a picture, or a folder of pictures shown in the order of their names, over and over

A source is made for one look and closed after it, so that the camera is on only while somebody is being verified.
One picture alone is shown as what it is, a frozen camera, and no face is verified from it: use a folder of several.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from kiosk.adapters.pictures import read_picture
from kiosk.ports import Camera, Picture
from kiosk.values import OperatorError

#: What picture files are shown at; a camera paces itself.
_FRAMES_PER_SECOND = 15.0
_SUFFIXES = {".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".bmp", ".webp", ".tif", ".tiff"}


def open_camera(source: str) -> Camera:
    """The camera that `source` names; nothing is opened before its first frame.

    Raises:
        OperatorError: neither `images:PATH` nor `v4l2:/dev/…`.
    """
    kind, _, rest = source.partition(":")
    if kind == "images" and rest:
        return PictureCamera(Path(rest))
    if kind == "v4l2" and rest.startswith("/dev/"):
        return VideoCamera(Path(rest))
    raise OperatorError(f"no such camera: {source!r}", remedy="Write images:PATH or v4l2:/dev/video0.")


class PictureCamera:
    """Picture files, in turn, at `_FRAMES_PER_SECOND`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = False

    def frames(self) -> Iterator[Picture]:
        """Raises:
        OperatorError: nothing there, no picture in the folder, or one that cannot be read.
        """
        pictures = [read_picture(p) for p in self._files()]
        due = time.monotonic()
        for picture in cycle(pictures):
            if self._closed:
                return
            time.sleep(max(0.0, due - time.monotonic()))
            due += 1 / _FRAMES_PER_SECOND
            yield picture

    def close(self) -> None:
        self._closed = True

    def _files(self) -> list[Path]:
        if not self._path.is_dir():
            return [self._path]
        files = sorted(p for p in self._path.iterdir() if p.suffix.lower() in _SUFFIXES)
        if not files:
            raise OperatorError("holds no picture", where=str(self._path), remedy="Put jpeg or png files there.")
        return files


class VideoCamera:
    """A Video4Linux device through OpenCV."""

    def __init__(self, device: Path) -> None:
        self._device = device
        self._capture: Any = None

    def frames(self) -> Iterator[Picture]:
        """Frames until the device stops giving them (unplugged, or silent for longer than the driver waits).

        Raises:
            OperatorError: no such device, not a camera, in use, or not permitted.
        """
        import cv2

        try:
            mode = self._device.stat().st_mode
        except OSError as e:
            raise OperatorError(
                f"the camera cannot be opened: {e.strerror}", where=str(self._device), remedy="Is it plugged in?"
            ) from e
        capture = cv2.VideoCapture(str(self._device), cv2.CAP_V4L2) if stat.S_ISCHR(mode) else None
        if capture is None or not capture.isOpened():
            raise OperatorError(
                "is no camera that can be opened",
                where=str(self._device),
                remedy="Is it used by another program, or is this user not in the group `video`?",
            )
        self._capture = capture
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest frame, not one from before the customer came
        while self._capture is not None:
            there, picture = capture.read()
            if not there:
                return
            yield np.asarray(picture, dtype=np.uint8)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
