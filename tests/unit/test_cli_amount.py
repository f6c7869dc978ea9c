"""`kiosk amount`: its keys, its batches, and one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiosk.cli import main


def kiosk(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as end:
        main(["amount", *args])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return int(end.value.code or 0), out.splitlines(), err


def test_one_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = kiosk(capsys, "取三千左右", "--lang", "zh", "--json")
    assert code == 0
    row = json.loads(out[0])
    assert (row["minor"], row["spans"], row["flags"]) == (300000, [[1, 3]], ["approximate"])


def test_a_batch_keeps_the_order_of_its_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text('{"text": "取一千元", "lang": "zh"}\n\n{"text": "a few quid", "lang": "en"}\n', encoding="utf-8")
    code, out, _ = kiosk(capsys, "--file", str(file), "--json")
    assert code == 0
    assert [json.loads(line)["minor"] for line in out] == [100000, None]


def test_a_batch_of_plain_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "said.txt"
    file.write_text("取五百\n五六百\n", encoding="utf-8")
    code, out, _ = kiosk(capsys, "--file", str(file), "--lang", "zh", "--json")
    assert code == 0
    assert [(json.loads(line)["minor"], json.loads(line)["why"]) for line in out] == [(50000, ""), (None, "vague")]


MISTAKES = [
    (b'{"text": "x", "lang": "fr"}\n', ":1", "unknown language 'fr'", "zh or en"),
    (b'{"text": "x"}\n', ":1", "no language is given", "zh or en"),
    (b'{"text": "x", "lang": "en"}\n{"lang": "en"}\n', ":2", "has no `text`", "Write"),
    (b'{"text": "x", "lang": "en"}\nx\n', ":2", "is not JSON", "One JSON object a line"),
    (b"\xff\xfe", "", "is not UTF-8", "Save the file as UTF-8"),
    (b'{"text": "' + b"a" * 2001 + b'", "lang": "en"}\n', ":1", "more than 2000", "Shorten"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line", "what", "remedy"), MISTAKES, ids=[m[2] for m in MISTAKES])
def test_a_mistake_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, line: str, what: str, remedy: str
) -> None:
    file = tmp_path / "said.jsonl"
    file.write_bytes(content)
    code, _, err = kiosk(capsys, "--file", str(file))
    assert code == 2
    assert f"said.jsonl{line}: " in err
    assert what in err
    assert remedy in err


@pytest.mark.parametrize("args", [(), ("取一千元",), ("取" * 2001, "--lang", "zh"), ("x", "--lang", "fr")])
def test_a_wrong_call(capsys: pytest.CaptureFixture[str], args: tuple[str, ...]) -> None:
    code, out, err = kiosk(capsys, *args)
    assert (code, out) == (2, [])
    assert err
