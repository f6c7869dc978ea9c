"""The vision process: it owns the camera, compares one face with one template, and can do nothing else.

Messages come in from the core; models and camera live in one thread, so the event loop always answers. Templates are
made at start from the enrolled pictures and stay in memory only. Of a look nothing is kept but the verdict; `Forget`
ends a look that still runs and answers once its frames are gone.

    python -m kiosk.run.vision --socket PATH --config FILE

    [vision]
    socket = "vision.sock"             # read by the core; this process goes by --socket
    camera = "v4l2:/dev/video0"        # or images:FOLDER
    threshold = 0.45                   # optional; it may be raised
    [vision.enrolled]
    zhang = "zhang.jpg"                # person = picture; relative paths start at the config's folder
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
import numpy as np

from kiosk.adapters.camera import open_camera
from kiosk.adapters.pictures import read_picture
from kiosk.core.face_check import THRESHOLD, FaceCheck, Sight, Verdict, dead
from kiosk.events import Enrol, Enrolled, Forget, Forgotten, Look, Looked, Ready
from kiosk.ports import FaceEngine, Picture, Vector
from kiosk.run.ipc import Link, ProtocolError, serve, stop_on_signals
from kiosk.values import OperatorError

#: How long beyond its time a look may take before the thread is held to be stuck. OpenCV itself waits 10 s for a frame.
_GRACE_S = 12.0

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The section [vision], checked."""

    camera: str
    threshold: float
    enrolled: dict[str, Path]


def read_settings(path: Path) -> Settings:
    """Raises:
    OperatorError: the file cannot be read, is not TOML, or a value is missing, unknown or out of its range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("vision")
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(path), remedy="Check --config.") from e
    except ValueError as e:  # not UTF-8, or not TOML: the message names line and column
        raise OperatorError(f"is not TOML: {e}", where=str(path), remedy="Mend that line.") from e

    def wrong(what: str, remedy: str) -> OperatorError:
        return OperatorError(f"[vision] {what}", where=str(path), remedy=remedy)

    if not isinstance(table, dict):
        raise wrong("is missing", 'Add it, with camera = "v4l2:/dev/video0".')
    if unknown := sorted(set(table) - {"camera", "threshold", "enrolled", "socket"}):
        raise wrong(f"has no option {unknown[0]!r}", "Use camera, threshold, [vision.enrolled].")
    camera, threshold, people = table.get("camera"), table.get("threshold", THRESHOLD), table.get("enrolled", {})
    if not isinstance(camera, str):
        raise wrong("camera is missing", 'Write camera = "v4l2:/dev/video0" or "images:FOLDER".')
    open_camera(camera)
    base = path.resolve().parent
    kind, _, rest = camera.partition(":")
    if kind == "images":
        camera = f"images:{base / rest}"
    if type(threshold) not in (int, float) or not THRESHOLD <= threshold < 1:
        raise wrong(f"threshold is {threshold!r}", f"Write a number from {THRESHOLD} up to 1.")
    if not isinstance(people, dict) or not all(isinstance(v, str) for v in people.values()):
        raise wrong("enrolled is no table of picture paths", 'Write person = "picture.jpg" under [vision.enrolled].')
    return Settings(camera, float(threshold), {who: base / file for who, file in people.items()})


class Vision:
    """Everything that runs in the one thread; no method is called from two threads at once, except `give_up`."""

    def __init__(self, engine: FaceEngine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._templates: dict[str, Vector] = {}
        self._given_up = threading.Event()

    def enrol(self, person: str, picture: Path) -> None:
        """Make `person`'s template from a picture of that person alone.

        Raises:
            OperatorError: no readable picture, or not exactly one face in it.
        """
        faces = self._engine.faces(read_picture(picture))
        if len(faces) != 1:
            what = f"shows {len(faces)} faces" if faces else "shows no face"
            raise OperatorError(what, where=str(picture), remedy=f"Enrol {person} from a picture with that face alone.")
        self._templates[person] = faces[0]

    def look(self, person: str, until: float) -> Verdict:
        """Open the camera, compare until there is a verdict or `until` (monotonic seconds), close the camera."""
        template = self._templates.get(person)
        if template is None:
            return Verdict("error", 0.0, f"nobody is enrolled as {person!r}")
        check = FaceCheck(self._settings.threshold)
        before: Picture | None = None
        try:
            with closing(open_camera(self._settings.camera)) as camera, closing(camera.frames()) as frames:
                for picture in frames:
                    if self._given_up.is_set():
                        return Verdict("error", 0.0, "the session ended")
                    verdict = check.see(self._sight(picture, before, template))
                    if verdict is not None:
                        return verdict
                    if time.monotonic() >= until:
                        break
                    before = picture
        except (OperatorError, ArithmeticError) as e:
            return Verdict("error", 0.0, str(e))
        return check.end()

    def give_up(self, now: bool) -> None:
        """True: a running look ends at its next frame, and so does any that still waits. False: looking is on again."""
        if now:
            self._given_up.set()
        else:
            self._given_up.clear()

    def _sight(self, picture: Picture, before: Picture | None, template: Vector) -> Sight:
        if (why := dead(picture, before)) is not None:
            return Sight(dead=why)
        faces = self._engine.faces(picture)
        return Sight(len(faces), float(np.dot(faces[0], template)) if len(faces) == 1 else None)


class Worker:
    """Answers the core's messages; see `kiosk.events` for each."""

    def __init__(self, vision: Vision, thread: ThreadPoolExecutor, facts: dict[str, str]) -> None:
        self._vision = vision
        self._thread = thread
        self._facts = facts

    async def handle(self, link: Link) -> None:
        """One core, until it goes; its last look does not outlive it."""
        await link.send(Ready("vision", self._facts))
        try:
            async with (
                asyncio.TaskGroup() as looks
            ):  # a look that fails ends the process at once, not at the next message
                await self._answer(link, looks)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _answer(self, link: Link, group: asyncio.TaskGroup) -> None:
        looks: set[asyncio.Task[None]] = set()
        try:
            async for message in link:
                match message:
                    case Look():
                        look = group.create_task(self._look(link, message, time.monotonic()))
                        looks.add(look)
                        look.add_done_callback(looks.discard)
                    case Enrol():
                        await link.send(Enrolled(message.id, await self._enrol(message)))
                    case Forget():
                        await self._forget(looks)
                        await link.send(Forgotten(message.id))
                    case _:
                        raise ProtocolError(f"{type(message).__name__} is not for the vision process")
        finally:
            await self._forget(looks)

    async def _look(self, link: Link, look: Look, began: float) -> None:
        work = partial(self._vision.look, look.person, began + look.timeout_s)
        verdict = await self._run(work, look.timeout_s + _GRACE_S)
        ms = (time.monotonic() - began) * 1000
        print(f"vision: {look.id}: {verdict.outcome} {verdict.score:.3f} ({verdict.why})", file=sys.stderr, flush=True)
        try:
            await link.send(Looked(look.id, verdict.outcome, round(verdict.score, 4), round(ms, 1)))
        except ConnectionError:
            pass  # the core died while we looked

    async def _enrol(self, message: Enrol) -> str:
        try:
            await self._run(partial(self._vision.enrol, message.person, Path(message.picture)), _GRACE_S)
        except (OperatorError, ArithmeticError) as e:
            return str(e)
        return ""

    async def _forget(self, looks: set[asyncio.Task[None]]) -> None:
        self._vision.give_up(True)
        try:
            await asyncio.gather(*looks, return_exceptions=True)  # what failed is the task group's to raise
        finally:
            self._vision.give_up(False)

    async def _run(self, work: Callable[[], T], seconds: float) -> T:
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._thread, work), seconds)
        except TimeoutError:
            # The thread does not come back from the model or the driver, and waiting for it at exit would hang as well.
            print("vision: the camera or a model is stuck; leaving, to be started anew", file=sys.stderr, flush=True)
            os._exit(70)


def start(socket: Path, settings: Settings) -> None:
    """Load, enrol, serve until SIGTERM."""
    from kiosk.adapters import faces

    thread = ThreadPoolExecutor(1, "vision")
    vision = Vision(thread.submit(faces.load).result(), settings)
    for person, picture in settings.enrolled.items():
        thread.submit(vision.enrol, person, picture).result()
    facts = {
        "detector": "yunet-2023mar",
        "recognizer": "sface-2021dec",
        "liveness": "off",
        "camera": settings.camera,
        "threshold": str(settings.threshold),
    }
    worker = Worker(vision, thread, facts)

    async def run() -> None:
        await serve(socket, worker.handle, stop_on_signals())

    with thread:
        asyncio.run(run())


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where the core finds this process.")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="TOML with a section [vision].")
def main(socket: Path, config: Path) -> None:
    """Verify faces 1:1 for the core. Liveness is off: a good photo passes."""
    try:
        start(socket, read_settings(config))
    except OperatorError as e:
        click.echo(f"kiosk vision: {e}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
