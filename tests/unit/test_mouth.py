"""Prepared prompts, pieces and forgetting, with voices that only write down what they were asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kiosk.adapters import seams
from kiosk.adapters.mouth import Mouth, Voice
from kiosk.ports import Sound

RATE = 8000


class Scripted:
    """Says a tone of a tenth of a second for each character, with silence around it."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def speech(self, text: str, speed: float) -> Sound:
        self.made.append(text)
        tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(int(RATE * 0.1 * len(text) / speed)) / RATE)
        silence = np.zeros(RATE // 2)
        return np.concatenate([silence, tone, silence]).astype(np.float32)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


def mouth(scripted: Scripted, cache: Path | None, made_of: str = "model 1") -> Mouth:
    return Mouth({"zh": Voice(scripted.speech, RATE, made_of)}, cache)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("**/*.*"))


def test_a_prepared_prompt_is_made_once_and_found_by_the_next_process(scripted: Scripted, tmp_path: Path) -> None:
    assert mouth(scripted, tmp_path).prepare(["请看摄像头。"], "zh") == 1
    later = mouth(scripted, tmp_path)
    assert later.prepare(["请看摄像头。"], "zh") == 0
    assert len(list(later.say("请看摄像头。", "zh"))) == 1
    assert scripted.made == ["请看摄像头。"]


def test_another_model_or_rate_is_another_sound(scripted: Scripted, tmp_path: Path) -> None:
    mouth(scripted, tmp_path).prepare(["好的。"], "zh")
    assert mouth(scripted, tmp_path, made_of="model 2").prepare(["好的。"], "zh") == 1
    assert mouth(scripted, tmp_path).prepare(["好的。"], "zh", rate=0.8) == 1


def test_a_template_prepares_what_is_known_and_say_makes_only_the_rest(scripted: Scripted, tmp_path: Path) -> None:
    m = mouth(scripted, tmp_path)
    m.prepare(["取{amount}元，对吗？", "单号{case}，请稍候。"], "zh", fields={"amount": ["500", "1,000"]})
    assert scripted.made == ["取500元，", "取1,000元，", "对吗？", "请稍候。"]
    scripted.made.clear()
    assert len(list(m.say("取1,000元，对吗？", "zh"))) == 2
    assert scripted.made == []
    assert len(list(m.say("取2,300元，对吗？", "zh"))) == 2
    assert scripted.made == ["取2,300元，"]


def test_what_was_said_never_reaches_the_disk_and_is_forgotten(scripted: Scripted, tmp_path: Path) -> None:
    m = mouth(scripted, tmp_path)
    m.prepare(["对吗？"], "zh")
    before = files(tmp_path)
    for _ in range(2):
        list(m.say("取2,300元，对吗？", "zh"))
    assert files(tmp_path) == before
    assert scripted.made.count("取2,300元，") == 1
    m.forget()
    list(m.say("取2,300元，对吗？", "zh"))
    assert scripted.made.count("取2,300元，") == 2


def test_a_damaged_file_is_rendered_anew(scripted: Scripted, tmp_path: Path) -> None:
    mouth(scripted, tmp_path).prepare(["好的。"], "zh")
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:20])
    assert mouth(scripted, tmp_path).prepare(["好的。"], "zh") == 1
    assert mouth(scripted, tmp_path).prepare(["好的。"], "zh") == 0


def test_the_first_piece_comes_before_the_second_is_made() -> None:
    made: list[str] = []

    def speech(text: str, speed: float) -> Sound:
        if made:
            raise ValueError("the second piece was made")
        made.append(text)
        return np.ones(RATE, np.float32)

    pieces = Mouth({"zh": Voice(speech, RATE, "m")}, None).say("好的，再见。", "zh")
    assert len(next(pieces)[0])
    with pytest.raises(ValueError, match="second"):
        next(pieces)


def test_pieces_begin_and_end_in_silence_and_are_parted_by_the_pause_of_their_mark(scripted: Scripted) -> None:
    (first, _), (second, rate) = mouth(scripted, None).say("好的，再见。", "zh")
    gap = seams.pause("好的，", rate)
    assert rate == RATE
    assert not second[: len(gap)].any()
    for piece in (first, second[len(gap) :]):
        assert piece[0] == piece[-1] == 0
        assert 0.15 < len(piece) / RATE < 0.4, "the half seconds of silence were trimmed"


def test_pieces_are_equally_loud() -> None:
    tone = np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE).astype(np.float32)
    quiet, loud = (seams.finished(tone * gain, RATE) for gain in (0.01, 1.2))
    assert np.allclose(quiet, loud, atol=1e-3)


def test_silence_is_nothing() -> None:
    assert len(seams.finished(np.zeros(RATE, np.float32), RATE)) == 0
