"""Every talk script that ships fits its flow, and the runner notices when one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiosk import paths
from kiosk.core.flow import House
from kiosk.core.phrases import PhraseReader
from kiosk.core.talk import TalkFailed, run

SCRIPTS = sorted(paths.FLOWS.glob("*/talks/*.talk"))


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda f: f.stem)
def test_a_script_that_ships_fits(file: Path, house: House, phrases: PhraseReader) -> None:
    assert run(file.read_text(encoding="utf-8"), house, phrases.read).closed


def test_both_languages_are_played() -> None:
    assert {f.suffixes[0] for f in SCRIPTS} == {".zh", ".en"}


BEGIN = "lang: zh\ncustomer: 我要取款\nkiosk: 好的，请看摄像头。\n"


@pytest.mark.parametrize(
    ("script", "line", "what"),
    [
        ("customer: 我要取款\n", 1, "does not begin with `lang"),
        ("lang: zh\ncustomer: 我要取款\nkiosk: 请取钱。\n", 3, "好的，请看摄像头。"),
        ("lang: zh\ncustomer: 我要取款\nface: ok\n", 3, "the kiosk says"),
        (BEGIN + "dispenser 1000.00: paid\n", 4, "VerifyFace"),
        (
            BEGIN + "face: ok\nvoice: ok\nkiosk: 请问您要取多少钱？\ncustomer: 一千元\ncassettes 900.00: ok\n",
            8,
            "1000.00",
        ),
        (BEGIN + "face: ok\n", 4, "the script ends"),
        (BEGIN + "customer: 对\n", 4, "nobody listens here"),
        (
            BEGIN + "face: refused\nkiosk: 没有认出您，请找工作人员帮忙。\nend: face refused\nsilence\n",
            7,
            "over already",
        ),
        ("lang: zh\n???\n", 2, "is no line of a talk"),
    ],
)
def test_a_script_that_does_not_fit_names_its_line(
    script: str, line: int, what: str, house: House, phrases: PhraseReader
) -> None:
    with pytest.raises(TalkFailed, match=what) as e:
        run(script, house, phrases.read)
    assert e.value.line == line


@pytest.mark.parametrize(
    ("customer", "asked"),
    [
        ("取一百五十元", "只有百元钞，请说整百的金额。"),
        ("取一万元", "一次最多五千元，请再说金额。"),
        ("五十块", "最少取一百元，请再说金额。"),
        ("帮助", "慢慢说，也可以说取消或人工。"),
        ("今天天气真好", "请说金额，比如：五百元。"),
    ],
)
def test_the_amount_is_asked_again_with_the_reason(
    customer: str, asked: str, house: House, phrases: PhraseReader
) -> None:
    script = BEGIN + f"face: ok\nvoice: ok\nkiosk: 请问您要取多少钱？\ncustomer: {customer}\nkiosk: {asked}\n"
    with pytest.raises(TalkFailed, match="the script ends"):
        run(script, house, phrases.read)
