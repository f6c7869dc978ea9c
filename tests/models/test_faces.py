"""Faces with the real models: the same as OpenCV finds, the right person and nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from kiosk.adapters.faces import InsightFaces, load
from kiosk.adapters.pictures import read_picture
from kiosk.adapters.weights import need
from kiosk.core.face_check import THRESHOLD
from kiosk.demo import pictures
from kiosk.events import Forget, Forgotten, Look, Ready
from kiosk.ports import Picture
from kiosk.run.ipc import connect
from kiosk.values import OperatorError

SHARED = Path(os.environ.get("KIOSK_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ORL = SHARED / "data" / "faces" / "orl"

pytestmark = pytest.mark.weights
needs_orl = pytest.mark.skipif(not ORL.is_dir(), reason=f"no ORL faces in {ORL}")


@pytest.fixture(scope="module")
def engine() -> InsightFaces:
    try:
        need("pictures")
        found = load()
    except OperatorError as e:
        pytest.skip(str(e))
    assert isinstance(found, InsightFaces)
    return found


def parity(engine: InsightFaces, picture: Picture) -> None:
    """The rewritten graph, read by insightface, against OpenCV's own reading of the original on the same square."""
    scale = 320 / max(picture.shape[:2])
    small = cv2.resize(picture, (int(picture.shape[1] * scale), int(picture.shape[0] * scale)))
    square = np.zeros((320, 320, 3), np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    original = str(need("faces") / "face_detection_yunet_2023mar.onnx")
    _, rows = cv2.FaceDetectorYN.create(original, "", (320, 320), 0.6, 0.4).detect(square)
    (face,), (row,) = engine.find(square), rows
    left, top, right, bottom = face.box
    assert [left, top, right - left, bottom - top] == pytest.approx(row[:4].tolist(), abs=1e-3)
    assert face.points.ravel().tolist() == pytest.approx(row[4:14].tolist(), abs=1e-3)
    assert face.certainty == pytest.approx(float(row[14]), abs=1e-5)


@pytest.mark.parametrize("photo", ["grace_hopper.jpg", "astronaut.png"])
def test_the_detector_agrees_with_opencv(engine: InsightFaces, photo: str) -> None:
    parity(engine, read_picture(need("pictures") / photo))


@needs_orl
@pytest.mark.shared
@pytest.mark.parametrize("person", ["s1", "s5", "s10"])
def test_the_detector_agrees_with_opencv_on_small_grey_pictures(engine: InsightFaces, person: str) -> None:
    parity(engine, read_picture(ORL / person / "1.pgm"))


def test_the_recogniser_agrees_with_opencv(engine: InsightFaces) -> None:
    picture = read_picture(pictures.enrolled_picture())
    (face,) = engine.find(picture)
    sface = cv2.FaceRecognizerSF.create(str(need("faces") / "face_recognition_sface_2021dec.onnx"), "")
    left, top, right, bottom = face.box
    row = np.array([left, top, right - left, bottom - top, *face.points.ravel(), face.certainty], np.float32)
    theirs = sface.feature(sface.alignCrop(picture, row))[0]
    (ours,) = engine.faces(picture)
    assert ours.shape == (128,)
    assert float(np.linalg.norm(ours)) == pytest.approx(1.0, abs=1e-6)
    assert float(ours @ theirs / np.linalg.norm(theirs)) > 0.999


@pytest.mark.parametrize("seed", range(3))
def test_the_customer_is_recognised_and_the_stranger_is_not(engine: InsightFaces, seed: int) -> None:
    (template,) = engine.faces(read_picture(pictures.enrolled_picture()))
    for frame in pictures.customer_at_camera(seed):
        (face,) = engine.faces(frame)
        assert face @ template >= THRESHOLD
    for frame in pictures.stranger_at_camera(seed):
        (face,) = engine.faces(frame)
        assert face @ template < THRESHOLD - 0.1


def test_the_demo_frames_are_the_same_for_the_same_seed(engine: InsightFaces) -> None:
    first, again, other = (pictures.customer_at_camera(seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_large_small_and_empty_pictures(engine: InsightFaces) -> None:
    photo = read_picture(pictures.enrolled_picture())
    (template,) = engine.faces(photo)
    (large,) = engine.faces(cv2.resize(photo, (3000, 3500), interpolation=cv2.INTER_CUBIC))
    assert large @ template > 0.9
    (small,) = engine.faces(cv2.resize(photo, (128, 150), interpolation=cv2.INTER_AREA))
    assert small @ template > 0.6
    for blank in (np.zeros((480, 640, 3), np.uint8), np.zeros((1, 5000, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)):
        assert engine.faces(blank) == []
    with pytest.raises(ValueError, match="H×W×3"):
        engine.faces(np.zeros((48, 64), np.uint8))


def test_two_people_are_two_faces_and_a_queue_is_not(engine: InsightFaces) -> None:
    customer, other = (read_picture(need("pictures") / name)[:512] for name in ("grace_hopper.jpg", "astronaut.png"))
    beside = cv2.resize(other, None, fx=1.3, fy=1.3)[:512]
    assert len(engine.faces(np.hstack([customer, beside]))) == 2
    behind = np.full_like(customer, 127)
    behind[:170, :170] = cv2.resize(other, (170, 170), interpolation=cv2.INTER_AREA)
    (face,) = engine.faces(np.hstack([customer, behind]))
    (template,) = engine.faces(customer)
    assert face @ template > 0.9


@needs_orl
@pytest.mark.shared
def test_trials_on_orl(tmp_path: Path, engine: InsightFaces) -> None:
    from kiosk.cli.face import command

    files = sorted(ORL.glob("s*/*.pgm"))
    pairs = [f"{a}\t{b}\t{int(a.parent == b.parent)}" for a, b in combinations(files, 2)]
    (tmp_path / "orl.tsv").write_text("\n".join(pairs))
    result = CliRunner().invoke(command, ["trials", str(tmp_path / "orl.tsv"), "--json"], catch_exceptions=False)
    *rows, rates = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == len(pairs) == 1225
    assert all(-1 <= row["score"] <= 1 for row in rows)
    assert rates["failed"] == 0
    assert rates["eer"] <= 0.005
    wrong = [r for r in rows if (r["score"] >= THRESHOLD) != bool(r["label"])]
    assert wrong == []


def test_trials_say_what_is_wrong(tmp_path: Path, engine: InsightFaces) -> None:
    from kiosk.cli.face import command

    photo, stranger = pictures.enrolled_picture(), need("pictures") / "astronaut.png"
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    (tmp_path / "text.png").write_text("no picture")
    file = tmp_path / "pairs.tsv"

    def trials(text: str) -> list[dict[str, object]]:
        file.write_text(text)
        result = CliRunner().invoke(command, ["trials", str(file), "--json"], catch_exceptions=False)
        return [json.loads(line) for line in result.stdout.splitlines()]

    same, blank = trials(f"{photo}\t{photo}\n\n{photo}\twall.png\n")
    assert same["score"] == pytest.approx(1.0, abs=1e-5)
    assert (blank["score"], blank["error"]) == (None, "no face in wall.png")
    *_, rates = trials(f"{photo}\t{photo}\t1\n{photo}\t{stranger}\t0\n{photo}\twall.png\t1\n")
    assert (rates["eer"], rates["genuine"], rates["impostor"], rates["failed"]) == (0.0, 1, 1, 1)
    for text, why in {
        f"{photo}\t{photo}\n{photo}\ttext.png": "pairs.tsv:2: .*text.png is not a picture",
        f"{photo}\tgone.png": "pairs.tsv:1: names .*gone.png, which is no file",
        f"{photo}": "pairs.tsv:1: is not a pair",
        f"{photo}\t{photo}\tyes": "pairs.tsv:1: has the label 'yes'",
        f"{photo}\t{photo}\t1\n{photo}\t{photo}": "pairs.tsv:2: differs from the first line",
    }.items():
        with pytest.raises(OperatorError, match=why):
            trials(text)


def test_the_process_over_its_socket(tmp_path: Path, engine: InsightFaces) -> None:
    camera = tmp_path / "camera"
    pictures.put_before_camera(pictures.customer_at_camera(7), camera)
    config = tmp_path / "kiosk.toml"
    config.write_text(
        f'[vision]\ncamera = "images:camera"\n[vision.enrolled]\ngrace = "{pictures.enrolled_picture()}"\n'
        f'eileen = "{need("pictures") / "astronaut.png"}"\n'
    )
    socket = tmp_path / "vision.sock"
    command = [sys.executable, "-m", "kiosk.run.vision", "--socket", str(socket), "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    async def talk() -> None:
        link = await connect(socket, 60)
        ready = await link.receive()
        assert isinstance(ready, Ready)
        assert (ready.process, ready.facts["liveness"]) == ("vision", "off")
        await link.send(Look("e1", "grace", 10))
        looked = await link.receive()
        assert (looked.id, looked.outcome) == ("e1", "ok")
        assert looked.score >= THRESHOLD
        await link.send(Look("e2", "eileen", 10))
        assert (await link.receive()).outcome == "refused"
        await link.send(Forget("e3"))
        assert await link.receive() == Forgotten("e3")
        await link.close()

    try:
        asyncio.run(talk())
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out == ""  # stdout belongs to nobody's chatter
    assert {p.name for p in tmp_path.iterdir()} == {"camera", "kiosk.toml"}  # nothing was written, the socket is gone


def test_the_process_refuses_to_start_on_a_picture_without_a_face(tmp_path: Path, engine: InsightFaces) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    config = tmp_path / "kiosk.toml"
    config.write_text('[vision]\ncamera = "images:camera"\n[vision.enrolled]\nanna = "wall.png"\n')
    command = [sys.executable, "-m", "kiosk.run.vision", "--socket", str(tmp_path / "s"), "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"kiosk vision: {tmp_path / 'wall.png'}: shows no face. Enrol anna from a picture with that face alone.\n"
    )
