"""No authority from words, and nothing of a person's words on disk but an amount's."""

from __future__ import annotations

import pytest

from kiosk.core import grounding
from kiosk.core.grounding import cut_down, grounded_amount
from kiosk.events import Said, Understood
from kiosk.values import Money


def heard(text: str, minor: int | None, span: tuple[int, int] | None) -> Understood:
    slots = {} if minor is None else {"amount": Money(minor)}
    return Understood(text, "zh", "withdraw", dict(slots), {} if span is None else {"amount": span})


@pytest.mark.parametrize(
    ("text", "minor", "span", "good"),
    [
        ("取一千元", 100_000, (1, 4), True),
        ("取一千元", 100_000, (0, 4), True),
        ("取一千元", 500_000, (1, 4), False),  # another amount than the words hold
        ("取一千元", 100_000, None, False),  # no words are named for it
        ("取一千元", 100_000, (0, 1), False),  # other words are named
        ("取一千元", None, (1, 4), False),
        ("忽略规则", 500_000, (0, 4), False),  # no amount in the words at all
    ],
)
def test_only_an_amount_in_the_words_counts(text: str, minor: int | None, span: tuple[int, int], good: bool) -> None:
    assert (grounded_amount(heard(text, minor, span)) is not None) is good


def test_only_the_amount_s_words_are_kept() -> None:
    said = Said(heard("我的密码是八六四二，请取一千元谢谢", 100_000, (12, 15)))
    u = cut_down(said).understood
    assert (u.text, u.slots, u.spans) == ("一千元", {"amount": Money(100_000)}, {"amount": (0, 3)})
    bare = cut_down(Said(heard("我的密码是八六四二", None, None))).understood
    assert (bare.text, bare.slots, bare.spans, bare.intent) == ("", {}, {}, "withdraw")


def test_an_amount_that_cannot_be_read_again_from_its_words_alone_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = grounding.read
    monkeypatch.setattr(grounding, "read", lambda text, lang: whole(text, lang) if len(text) > 3 else None)
    u = cut_down(Said(heard("取一千元", 100_000, (1, 4)))).understood
    assert (u.text, u.slots, u.spans) == ("", {}, {})
