"""`kiosk parse` at the edges, and on a box without the language model's weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from kiosk import cli
from kiosk.adapters import understanding
from kiosk.cli.parse import command
from kiosk.values import OperatorError


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def need(name: str) -> NoReturn:
        raise OperatorError(f"the weights of {name} are missing", remedy="Run: kiosk models fetch qwen")

    monkeypatch.setattr(understanding.weights, "need", need)


@pytest.mark.usefixtures("no_weights")
def test_without_weights_the_phrases_read_and_it_is_said() -> None:
    result = CliRunner().invoke(command, ["取1000元", "--lang", "zh", "--json"], catch_exceptions=False)
    row = json.loads(result.stdout)
    assert set(row) == {"intent", "slots", "spans", "confidence", "route", "ms"}
    assert (row["intent"], row["route"]) == ("withdraw", "phrases")
    assert row["slots"] == {"amount": {"minor": 100_000, "currency": "CNY"}}
    assert row["spans"] == {"amount": [1, 6]}
    assert "kiosk models fetch qwen" in result.stderr


@pytest.mark.usefixtures("no_weights")
def test_an_answer_that_must_be_asked_about_names_its_candidates() -> None:
    result = CliRunner().invoke(command, ["对，不对", "--lang", "zh", "--expect", "yes_no", "--json"])
    row = json.loads(result.stdout)
    assert (row["intent"], row["candidates"], row["slots"]) == ("ask", ["yes", "no"], {})


@pytest.mark.usefixtures("no_weights")
def test_a_person_gets_a_line() -> None:
    result = CliRunner().invoke(command, ["withdraw fifteen hundred", "--lang", "en"])
    assert "withdraw amount=1,500 CNY" in result.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "取钱", "lang": "zh"', "batch.jsonl:2: is not JSON"),
        ('{"lang": "zh"}', "batch.jsonl:2: has no `text`"),
        ('{"text": 5, "lang": "zh"}', "batch.jsonl:2: has no `text`"),
        ('{"text": "取钱"}', "batch.jsonl:2: no language is given"),
        ('{"text": "取钱", "lang": "fr"}', "batch.jsonl:2: unknown language 'fr'"),
        ('{"text": "取钱", "lang": ["zh"]}', "batch.jsonl:2: unknown language"),
        ('{"text": "取钱", "lang": "zh", "expect": "dinner"}', "batch.jsonl:2: unknown expect 'dinner'"),
        ('{"text": "取钱", "lang": "zh", "expect": ["money"]}', "batch.jsonl:2: unknown expect"),
        ('{"text": "\\ud800", "lang": "zh"}', "batch.jsonl:2: the text is not Unicode"),
        (json.dumps({"text": "钱" * 2001, "lang": "zh"}), "batch.jsonl:2: the text has 2001 characters"),
    ],
)
def test_a_broken_line_is_named_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    batch = tmp_path / "batch.jsonl"
    batch.write_text('{"text": "取钱", "lang": "zh"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["parse", "--file", str(batch), "--json"])
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [["parse"], ["parse", "a", "--file", "b"], ["parse", "取钱"], ["parse", "x", "--lang", "fr"], ["parse", "--no"]],
)
def test_a_wrong_call_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(argv)
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
