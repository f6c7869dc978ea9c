"""Camera sources: what they show, and what they say when they cannot."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from kiosk.adapters.camera import PictureCamera, VideoCamera, open_camera
from kiosk.adapters.pictures import read_picture
from kiosk.values import OperatorError


def picture(shade: int) -> np.ndarray:
    return np.full((6, 8, 3), shade, np.uint8)


def shades(source: str, count: int) -> list[int]:
    camera = open_camera(source)
    try:
        return [int(p[0, 0, 0]) for p in islice(camera.frames(), count)]
    finally:
        camera.close()


def test_a_folder_is_shown_in_order_over_and_over(tmp_path: Path) -> None:
    for shade in (30, 10, 20):
        cv2.imwrite(str(tmp_path / f"{shade}.png"), picture(shade))
    (tmp_path / "notes.txt").write_text("no picture")
    assert shades(f"images:{tmp_path}", 5) == [10, 20, 30, 10, 20]


def test_one_picture_is_shown_for_ever(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(7))
    assert shades(f"images:{tmp_path / 'a.png'}", 3) == [7, 7, 7]


def test_a_closed_camera_shows_nothing_more(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(7))
    camera = PictureCamera(tmp_path)
    frames = camera.frames()
    next(frames)
    camera.close()
    assert list(frames) == []


def test_grey_files_become_three_channels(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 2 2 255\n" + bytes([1, 2, 3, 4]))
    assert read_picture(tmp_path / "a.pgm").tolist() == [[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]]


@pytest.mark.parametrize("source", ["", "images:", "usb:0", "v4l2:0", "v4l2:/tmp/video.mp4", "/dev/video0"])
def test_an_unknown_source_is_refused_at_once(source: str) -> None:
    with pytest.raises(OperatorError, match="Write images:PATH or v4l2:/dev/video0"):
        open_camera(source)


def test_what_cannot_be_shown_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n not really")
    cases = {empty: "holds no picture", broken: "is not a picture", tmp_path / "gone.png": "cannot be read"}
    for path, why in cases.items():
        with pytest.raises(OperatorError, match=why) as caught:
            next(PictureCamera(path).frames())
        assert caught.value.where == str(path)


@pytest.mark.parametrize(("device", "why"), [("/dev/video987", "cannot be opened"), ("/dev/null", "is no camera")])
def test_a_device_that_is_no_camera(device: str, why: str) -> None:
    camera = VideoCamera(Path(device))  # nothing is opened yet
    with pytest.raises(OperatorError, match=why) as caught:
        next(camera.frames())
    camera.close()
    assert caught.value.where == device
