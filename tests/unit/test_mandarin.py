"""The Mandarin sound symbols: the expected strings were written by misaki 0.9.4."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiosk.adapters.mandarin import Mandarin, syllable


@pytest.fixture(scope="module")
def mandarin(tmp_path_factory: pytest.TempPathFactory) -> Mandarin:
    return Mandarin(tmp_path_factory.mktemp("jieba"))


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("我要取款", "wo↓jau↘ ʨʰy↓kʰwa↓n"),
        ("您要取一千元，对吗？", "ni↗n jau↘ ʨʰy↓ i→ʨʰjɛ→nɥɛ↗n, twei↘ ma?"),
        ("银行行长重要", "i↗nxa↗ŋxa↗ŋꭧa↓ŋ ꭧʊ↘ŋjau↘"),
    ],
)
def test_words(mandarin: Mandarin, text: str, symbols: str) -> None:
    assert mandarin.symbols(text) == symbols


def test_the_same_letter_i_is_three_vowels() -> None:
    assert [syllable(i, f"i{t}") for i, t in (("j", 1), ("zh", 1), ("s", 4))] == ["ʨi→", "ꭧɨ→", "sɨ↘"]


def test_what_is_not_chinese_is_left_out(mandarin: Mandarin) -> None:
    assert mandarin.symbols("ATM机。") == "ʨi→."


def test_the_dictionary_is_kept_in_our_folder(tmp_path: Path) -> None:
    Mandarin(tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["jieba.cache"]
