"""The vision process over its real socket, with faces that follow a script instead of models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kiosk.events import Enrol, Enrolled, Forget, Forgotten, Look, Looked, Ready, Speak
from kiosk.ports import Picture, Vector
from kiosk.run.ipc import Link, connect, serve
from kiosk.run.vision import Settings, Vision, Worker, read_settings
from kiosk.values import OperatorError

WHO = {"anna": [1.0, 0.0], "ben": [0.0, 1.0]}


class ScriptedFaces:
    """Reads who is in the picture off its first pixel: 1 anna, 2 ben, 3 both, 0 nobody."""

    def faces(self, picture: Picture) -> list[Vector]:
        code = int(picture[0, 0, 0])
        return [np.asarray(WHO[name], np.float32) for bit, name in ((1, "anna"), (2, "ben")) if code & bit]


def draw(path: Path, code: int, seed: int = 0) -> Path:
    picture = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    picture[0, 0, 0] = code
    cv2.imwrite(str(path), picture)
    return path


def camera(folder: Path, *codes: int) -> str:
    folder.mkdir()
    for number, code in enumerate(codes):
        draw(folder / f"{number}.png", code, seed=number)
    return f"images:{folder}"


def converse(tmp_path: Path, source: str, talk: Callable[[Link], Awaitable[Any]]) -> Any:
    """Serve a worker with anna enrolled and run `talk` as its core."""

    async def both() -> Any:
        with ThreadPoolExecutor(1) as thread:
            vision = Vision(ScriptedFaces(), Settings(source, 0.45, {}))
            vision.enrol("anna", draw(tmp_path / "anna.png", 1))
            worker = Worker(vision, thread, {"liveness": "off"})
            stop = asyncio.Event()
            serving = asyncio.create_task(serve(tmp_path / "s", worker.handle, stop))
            link = await connect(tmp_path / "s", 5)
            assert await link.receive() == Ready("vision", {"liveness": "off"})
            answer = await asyncio.wait_for(talk(link), 20)
            stop.set()
            await serving
            return answer

    return asyncio.run(both())


def look(person: str = "anna", timeout_s: float = 0.6) -> Callable[[Link], Awaitable[Looked]]:
    async def talk(link: Link) -> Looked:
        await link.send(Look("e1", person, timeout_s))
        answer = await link.receive()
        assert isinstance(answer, Looked)
        assert answer.id == "e1"
        return answer

    return talk


@pytest.mark.parametrize(
    ("codes", "outcome", "score"),
    [
        ((1, 1), "ok", 1.0),
        ((2, 2), "refused", 0.0),
        ((3, 3), "refused", 0.0),  # somebody stands beside the customer
        ((0, 0), "no_face", 0.0),
        ((1,), "error", 0.0),  # one picture for ever is a frozen camera
    ],
)
def test_a_look(tmp_path: Path, codes: tuple[int, ...], outcome: str, score: float) -> None:
    looked = converse(tmp_path, camera(tmp_path / "frames", *codes), look())
    assert (looked.outcome, looked.score) == (outcome, score)
    assert looked.ms > 0


def test_nobody_is_enrolled_under_that_name(tmp_path: Path) -> None:
    assert converse(tmp_path, camera(tmp_path / "frames", 1, 1), look("carl")).outcome == "error"


def test_a_camera_that_cannot_be_opened(tmp_path: Path) -> None:
    assert converse(tmp_path, "v4l2:/dev/video987", look()).outcome == "error"


def test_enrolling_wants_one_face(tmp_path: Path) -> None:
    async def talk(link: Link) -> list[str]:
        errors = []
        for name, code in (("ben", 2), ("both", 3), ("nobody", 0)):
            await link.send(Enrol(name, "ben", str(draw(tmp_path / f"{name}.png", code))))
            answer = await link.receive()
            assert isinstance(answer, Enrolled)
            assert answer.id == name
            errors.append(answer.error)
        await link.send(Look("e1", "ben", 0.6))
        assert (await link.receive()).outcome == "ok"  # the first picture's template stands
        return errors

    good, both, nobody = converse(tmp_path, camera(tmp_path / "frames", 2, 2), talk)
    assert good == ""
    assert "shows 2 faces" in both
    assert "shows no face" in nobody


def test_forgetting_ends_the_look_and_keeps_the_enrolled(tmp_path: Path) -> None:
    async def talk(link: Link) -> list[Any]:
        await link.send(Look("e1", "anna", 15.0))  # an empty room: it would look for 15 s
        await asyncio.sleep(0.3)
        await link.send(Forget("e2"))
        answers = [await link.receive(), await link.receive()]
        await link.send(Look("e3", "anna", 0.3))
        return [*answers, await link.receive()]

    looked, forgotten, again = converse(tmp_path, camera(tmp_path / "frames", 0, 0), talk)
    assert (looked.id, looked.outcome) == ("e1", "error")
    assert forgotten == Forgotten("e2")
    assert (again.id, again.outcome) == ("e3", "no_face")  # not "nobody is enrolled"


def test_a_message_for_another_process_ends_the_connection(tmp_path: Path) -> None:
    async def talk(link: Link) -> Any:
        await link.send(Speak("e1", "hello", "en"))
        return await link.receive()

    assert converse(tmp_path, camera(tmp_path / "frames", 1, 1), talk) is None


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(OperatorError, match=match):
        yield


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "kiosk.toml"

    def read(text: str) -> Settings:
        file.write_text(text)
        return read_settings(file)

    good = '[vision]\ncamera = "images:frames"\nthreshold = 0.5\n[vision.enrolled]\nanna = "anna.png"\n'
    assert read(good) == Settings(f"images:{tmp_path / 'frames'}", 0.5, {"anna": tmp_path / "anna.png"})
    assert read('[vision]\nsocket = "s"\ncamera = "v4l2:/dev/video0"\n') == Settings("v4l2:/dev/video0", 0.45, {})
    with refused("is missing"):
        read("")
    with refused("is not TOML.*line 2"):
        read("[vision]\ncamera = yes\n")
    with refused("camera is missing"):
        read("[vision]")
    with refused("no such camera"):
        read('[vision]\ncamera = "webcam"')
    with refused("threshold is 0.3"):
        read(good.replace("0.5", "0.3"))
    with refused("threshold is True"):
        read(good.replace("0.5", "true"))
    with refused("has no option 'treshold'"):
        read(good.replace("threshold", "treshold"))
    with refused("enrolled is no table"):
        read(good.replace('"anna.png"', "3"))
    file.unlink()
    with refused("cannot be read"):
        read_settings(file)
