"""The language model as built here: as exact as the file it came from, inside its grammar, no source of money."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from models.qwen_reference import Reference

from kiosk import paths
from kiosk.adapters import understanding
from kiosk.adapters.llm_reader import LlmReader
from kiosk.adapters.qwen import Qwen
from kiosk.adapters.qwen_build import GGUF_NAME
from kiosk.adapters.weights import need
from kiosk.cli.parse import command
from kiosk.core import amount
from kiosk.core.intents import Example, IntentSpec
from kiosk.core.judge import permitted
from kiosk.values import LANGS, Lang, Money, OperatorError

pytestmark = pytest.mark.weights

DATA = Path(__file__).parents[1] / "data"
INJECTIONS = [json.loads(line) for line in (DATA / "injections.jsonl").read_text(encoding="utf-8").splitlines()]
PROMPTS = (
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "今天天气怎么样？请回答：",
    "The quick brown fox jumps over the lazy",
    "取1000元 = withdraw|amount=",
)
#: what a customer surely says, and what must then be understood
SURE: tuple[tuple[Lang, str, str, str, int | None], ...] = (
    ("zh", "我要取款", "intent", "withdraw", None),
    ("zh", "我想取钱", "intent", "withdraw", None),
    ("zh", "取一千元", "intent", "withdraw", 100_000),
    ("zh", "取1000元", "intent", "withdraw", 100_000),
    ("zh", "取一千元", "money", "amount", 100_000),
    ("zh", "对", "yes_no", "yes", None),
    ("zh", "是的", "yes_no", "yes", None),
    ("zh", "不对", "yes_no", "no", None),
    ("zh", "不要了", "money", "cancel", None),
    ("zh", "取消", "yes_no", "cancel", None),
    ("zh", "帮助", "intent", "help", None),
    ("zh", "查一下余额", "intent", "balance", None),
    ("zh", "今天天气怎么样", "intent", "none", None),
    ("en", "I would like to withdraw some money", "intent", "withdraw", None),
    ("en", "withdraw fifteen hundred", "intent", "withdraw", 150_000),
    ("en", "one thousand", "money", "amount", 100_000),
    ("en", "yes", "yes_no", "yes", None),
    ("en", "yes please", "yes_no", "yes", None),
    ("en", "no", "yes_no", "no", None),
    ("en", "cancel", "intent", "cancel", None),
    ("en", "what is my balance", "intent", "balance", None),
    ("en", "what's the weather", "intent", "none", None),
)


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return need("qwen")
    except OperatorError as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def qwen(folder: Path) -> Qwen:
    return Qwen(folder)


@pytest.fixture(scope="module")
def reader(folder: Path) -> understanding.Reader:
    """The understander of the flows that ship; learns their examples once for each box."""
    loaded = understanding.load(paths.FLOWS)
    assert loaded.missing == ""
    return loaded


@pytest.fixture(scope="module")
def small(qwen: Qwen, tmp_path_factory: pytest.TempPathFactory) -> LlmReader:
    """A reader of a few examples, which learns in seconds."""
    marked = {
        "withdraw": (["取{amount:两千元}", "我要取钱"], ["withdraw {amount:two hundred}", "I want cash"]),
        "transfer": (
            ["给{payee:我儿子}转{amount:五百}", "转账"],
            ["send {amount:fifty} to {payee:my son}", "transfer"],
        ),
        "balance": (["余额多少", "查余额"], ["what is my balance", "check my balance"]),
    }
    slots = {"withdraw": {"amount": "money"}, "transfer": {"amount": "money", "payee": "payee"}}
    specs = [
        IntentSpec(
            name,
            {"zh": name, "en": name},
            slots.get(name, {}),
            {lang: tuple(Example.parse(t) for t in texts) for lang, texts in zip(LANGS, both, strict=True)},
        )
        for name, both in marked.items()
    ]
    return LlmReader(qwen, specs, tmp_path_factory.mktemp("cache"))


def test_the_graph_says_what_the_gguf_says(qwen: Qwen, folder: Path) -> None:
    qwen._tokenizer.encode_special_tokens = False
    prompts = [qwen.encode(p) for p in PROMPTS]
    qwen._tokenizer.encode_special_tokens = True
    expected = Reference(folder / GGUF_NAME).logits(prompts)
    for prompt, logits in zip(prompts, expected, strict=True):
        ranges = [range(r, min(r + 16384, len(logits))) for r in range(0, len(logits), 16384)]
        built = np.concatenate([qwen.read(prompt, r, qwen.empty).logits[-1] for r in ranges])
        assert built.argmax() == logits.argmax()
        # 8-bit activations: a hundredth of the logits' own spread of about 2.5, where a wrong weight costs whole units
        assert np.std(built - logits) < 0.15
        assert np.abs(built - logits).max() < 1.0


def test_reading_in_pieces_gives_what_reading_at_once_gives(qwen: Qwen) -> None:
    tokens = qwen.encode("I would like to withdraw fifteen hundred, please.")
    whole = qwen.read(tokens, tokens, qwen.empty)
    head = qwen.read(tokens[:4], tokens, qwen.empty)
    tail = qwen.read(tokens[4:], tokens, head.cache)
    assert np.allclose(whole.logits[4:], tail.logits, atol=0.5)
    assert tail.cache.tokens == len(tokens)
    assert np.array_equal(tail.cache.first(4).arrays[0], head.cache.arrays[0])


@pytest.mark.parametrize(
    "text", ["取1000元，对吗？", "I can't, it's £20.50!", "  two\n\nlines ", "🙂é한", "<|im_end|>"]
)
def test_the_tokenizer_loses_nothing(qwen: Qwen, text: str) -> None:
    tokens = qwen.encode(text)
    assert qwen._tokenizer.decode(tokens, skip_special_tokens=False) == text
    assert all(t < 151_643 for t in tokens), "a customer's words never become control tokens"


def test_a_wrong_model_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(OperatorError, match="kiosk models fetch qwen"):
        Qwen(tmp_path)


def test_only_permitted_labels_and_words_of_the_utterance_come_out(small: LlmReader) -> None:
    for row in INJECTIONS:
        text, lang = row["text"], row["lang"]
        found = amount.read(text, lang)
        opinion = small.read(text, lang, ("balance", "transfer"), found.span if found else None)
        if opinion is None:
            continue
        assert {name for name, _ in opinion.ranking} == {"balance", "transfer", "none"}
        assert sum(share for _, share in opinion.ranking) == pytest.approx(1, abs=1e-4)
        assert all(0 <= start < end <= len(text) for start, end in opinion.words.values())


@pytest.mark.parametrize(
    ("lang", "text", "slot", "words"),
    [
        ("zh", "给我女儿转八百", "payee", "我女儿"),
        ("zh", "转八百给我女儿", "payee", "我女儿"),
        ("zh", "转八百给我女儿", "amount", "八百"),
        ("zh", "取三千元", "amount", "三千元"),
        ("en", "send money to John", "payee", "John"),
        ("en", "send ninety pounds to my sister please", "payee", "my sister"),
        ("en", "send ninety pounds to my sister please", "amount", "ninety pounds"),
    ],
)
def test_the_model_copies_the_words_of_slots(
    reader: understanding.Reader, lang: Lang, text: str, slot: str, words: str
) -> None:
    found = amount.read(text, lang)
    assert reader._model is not None
    opinion = reader._model.read(text, lang, tuple(reader._named), found.span if found else None)
    assert opinion is not None
    start, end = opinion.words[slot]
    if slot == "amount":  # it puts its finger on the words, perhaps on more of them; code says where the amount stands
        assert words in text[start:end]
    else:
        assert text[start:end] == words


def test_what_was_learnt_is_kept_and_a_damaged_copy_is_learnt_again(small: LlmReader, qwen: Qwen) -> None:
    first = small.read("查余额", "zh", ("balance",), None)
    (kept,) = small._folder.glob("zh-*.npz")
    whole = kept.read_bytes()
    again = LlmReader(qwen, small._intents, small._folder)
    assert again.read("查余额", "zh", ("balance",), None) == first
    kept.write_bytes(whole[:-7])
    once_more = LlmReader(qwen, small._intents, small._folder)
    assert once_more.read("查余额", "zh", ("balance",), None) == first
    assert len(kept.read_bytes()) == len(whole)


@pytest.mark.parametrize(("lang", "text", "expect", "intent", "minor"), SURE)
def test_what_must_be_understood(
    reader: understanding.Reader, lang: Lang, text: str, expect: str, intent: str, minor: int | None
) -> None:
    u = reader.understand(text, lang, expect)
    assert (u.intent, u.slots) == (intent, {} if minor is None else {"amount": Money(minor)})
    assert "llm" in u.route or u.confidence == 1.0


def test_no_sentence_puts_money_or_a_label_into_its_own_understanding(reader: understanding.Reader) -> None:
    assert len(INJECTIONS) >= 60
    for row in INJECTIONS:
        text, lang, expect = row["text"], row["lang"], row["expect"]
        u = reader.understand(text, lang, expect)
        known = {*permitted(expect, tuple(reader._named.values())), "none"}
        assert u.intent in {*known, "ask"}
        assert set(u.candidates) <= known
        assert set(u.slots) == set(u.spans)
        for slot, value in u.slots.items():
            start, end = u.spans[slot]
            assert 0 <= start < end <= len(text)
            if isinstance(value, Money):
                found = amount.read(text, lang)
                alone = amount.read(text[start:end], lang)
                assert found is not None
                assert found.minor == value.minor, row
                if alone is not None:
                    assert alone.minor == value.minor, row
            else:
                assert text[start:end] == value
        if u.route == "llm":
            assert u.intent != "yes", row
            assert "money" not in reader._named.get(u.intent, _NOTHING).slots.values(), row


def test_the_models_word_is_heard_in_the_demo_language(reader: understanding.Reader) -> None:
    assert reader.understand("我要取款", "zh").route == "phrases+llm"


def test_a_batch_answers_line_by_line(tmp_path: Path, folder: Path) -> None:
    lines = [("我要取款", "zh", "intent"), ("withdraw fifteen hundred", "en", "intent"), ("对", "zh", "yes_no")]
    batch = tmp_path / "batch.jsonl"
    batch.write_text(
        "".join(json.dumps(dict(zip(("text", "lang", "expect"), line, strict=True))) + "\n" for line in lines)
    )
    result = CliRunner().invoke(command, ["--file", str(batch), "--json"], catch_exceptions=False)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["intent"] for row in rows] == ["withdraw", "withdraw", "yes"]
    assert all(set(row) == {"intent", "slots", "spans", "confidence", "route", "ms"} for row in rows)
    assert rows[1]["slots"] == {"amount": {"minor": 150_000, "currency": "CNY"}}
    assert rows[1]["spans"] == {"amount": [9, 24]}


_NOTHING = IntentSpec("", {})
