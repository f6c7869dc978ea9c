"""The people before the demo's camera, made from two photographs that are in the public domain and that packages ship.

Rear Admiral Grace Hopper is the enrolled customer, the astronaut Eileen Collins is somebody else. What the camera sees
of either is the photograph turned, moved, scaled, lit otherwise and noised, the same for the same seed. So the
customer's frames come from the photo that was enrolled: the demo shows that the parts work together, and says nothing
about how well faces are told apart (`kiosk face trials` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kiosk.adapters.pictures import read_picture
from kiosk.adapters.weights import need
from kiosk.ports import Picture

#: Different frames that the camera shows in turn: more than a face check's window, so that it compares no two alike.
FRAMES = 8
_WIDTH, _HEIGHT = 640, 480


@dataclass(frozen=True)
class _Person:
    photo: str
    #: the middle of the face and its width in the photo's pixels
    x: float
    y: float
    face: float


_CUSTOMER = _Person("grace_hopper.jpg", 258.0, 190.0, 150.0)
_STRANGER = _Person("astronaut.png", 225.0, 115.0, 112.0)


def enrolled_picture() -> Path:
    """The picture that the customer was enrolled with.

    Raises:
        OperatorError: the `pictures` weights are missing.
    """
    return need("pictures") / _CUSTOMER.photo


def customer_at_camera(seed: int) -> list[Picture]:
    """`FRAMES` frames of 640×480 with the customer before the camera."""
    return _at_camera(_CUSTOMER, seed)


def stranger_at_camera(seed: int) -> list[Picture]:
    """`FRAMES` frames of 640×480 with somebody who is not the customer."""
    return _at_camera(_STRANGER, seed)


def put_before_camera(pictures: list[Picture], folder: Path) -> str:
    """Write the frames into `folder` (made when missing); the answer is the vision process's `camera` setting."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        if not cv2.imwrite(str(folder / f"{number:02d}.png"), picture):
            raise OSError(f"no picture could be written into {folder}")
    return f"images:{folder}"


def _at_camera(person: _Person, seed: int) -> list[Picture]:
    photo = read_picture(need("pictures") / person.photo)
    chance = np.random.default_rng(seed)
    return [_frame(photo, person, chance) for _ in range(FRAMES)]


def _frame(photo: Picture, person: _Person, chance: np.random.Generator) -> Picture:
    import cv2

    width = chance.uniform(130, 200)  # of the face, in the frame
    turn = cv2.getRotationMatrix2D((person.x, person.y), chance.uniform(-8, 8), width / person.face)
    turn[:, 2] += (
        _WIDTH / 2 + chance.uniform(-60, 60) - person.x,
        _HEIGHT / 2 + chance.uniform(-30, 30) - person.y,
    )
    placed = cv2.warpAffine(photo, turn, (_WIDTH, _HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    light = np.power(placed / 255.0, chance.uniform(0.7, 1.5))
    left, right = chance.uniform(0.7, 1.2, 2)  # a window on one side
    light *= np.linspace(left, right, _WIDTH)[None, :, None]
    noisy = light * 255 + chance.normal(0, chance.uniform(3, 8), light.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
