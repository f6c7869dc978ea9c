"""`understanding.yaml`: what is read, and the sentence an operator gets for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiosk.adapters.intentfile import load_intents
from kiosk.paths import FLOWS
from kiosk.values import LANGS, OperatorError

GOOD = """\
intents:
  withdraw:
    description: {zh: 取款, en: withdraw}
    slots: {amount: money}
    examples:
      zh: ["取{amount:一千元}", 取款]
      en: ["withdraw {amount:fifty pounds}"]
"""


def flow(tmp_path: Path, text: str, name: str = "withdraw") -> Path:
    (tmp_path / name).mkdir()
    (tmp_path / name / "understanding.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_an_intent_is_read_with_its_slots_in_place(tmp_path: Path) -> None:
    (spec,) = load_intents(flow(tmp_path, GOOD))
    assert spec.name == "withdraw"
    assert spec.slots == {"amount": "money"}
    assert spec.description == {"zh": "取款", "en": "withdraw"}
    first = spec.examples["zh"][0]
    assert (first.text, first.spans) == ("取一千元", {"amount": (1, 4)})


def test_the_shipped_intents_have_a_dozen_examples_each() -> None:
    specs = load_intents(FLOWS)
    assert {s.name for s in specs} >= {
        "withdraw",
        "balance",
        "yes",
        "no",
        "amount",
        "cancel",
        "help",
        "attendant",
        "repeat",
    }
    assert [(s.name, lang) for s in specs for lang in LANGS if len(s.examples[lang]) < 12] == []


MISTAKES = [
    (GOOD.replace("slots:", "slot:"), ":4", "unknown key `slot`", "Did you mean `slots`?"),
    (GOOD.replace("intents:", "intent:"), ":1", "unknown key `intent`", "Did you mean `intents`?"),
    (GOOD.replace("money}", "cash}"), ":4", "slot type `cash` is unknown", "money"),
    (GOOD.replace("zh: 取款, ", ""), "", "`zh` is missing", "Write `zh:`"),
    (GOOD.replace("[\"withdraw {amount:fifty pounds}\"]", "[]"), "", "no en examples", "Write at least eight"),
    (GOOD.replace("{amount:fifty", "{sum:fifty"), ":7", "marks slot `sum`", "Known here: amount"),
    (GOOD.replace("{amount:fifty pounds}", "{amount fifty}"), ":7", "is malformed", "Mark a slot"),
    (GOOD.replace("取款]", "取款"), "", "is no YAML", "Mend"),
    ("- a\n", ":1", "is not a mapping", "key: value"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what", "remedy"), MISTAKES)
def test_a_mistake_is_named_with_its_line_and_remedy(
    tmp_path: Path, text: str, line: str, what: str, remedy: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        load_intents(flow(tmp_path, text))
    assert "understanding.yaml" + line in caught.value.where
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_an_example_belongs_to_one_intent(tmp_path: Path) -> None:
    flow(tmp_path, GOOD)
    flow(tmp_path, GOOD.replace("withdraw:", "payout:").replace("一千元", "两千元"), "payout")
    with pytest.raises(OperatorError, match="`取款` of `withdraw` is also an example of `payout`"):
        load_intents(tmp_path)


def test_an_intent_is_stated_once(tmp_path: Path) -> None:
    flow(tmp_path, GOOD)
    flow(tmp_path, GOOD, "again")
    with pytest.raises(OperatorError, match="stated already"):
        load_intents(tmp_path)


def test_a_folder_without_intents(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no flow states"):
        load_intents(tmp_path)
