"""The fast reader: an utterance against the flows' own examples, without a model.

Amounts are taken out first (by `amount`, the only way from words to money) and replaced by `#`, so that 取一千元 and
取八百块 are one phrase. Then: yes and no by a strict reading of the whole utterance, the same words as an example, or
else the most similar example by weighted letter groups. What is not similar enough is `none`; what is similar to two
intents is `ask`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiosk.core.amount import Reading, reading
from kiosk.core.amount_zh import fold as fold_zh
from kiosk.core.intents import COMMANDS, EXPECTS, IntentSpec
from kiosk.core.phrase_words import (
    AROUND_AMOUNT,
    ASKED,
    FILLERS,
    KIN,
    LONGEST_PHRASE,
    NEGATED,
    NOT_CANCELLED,
    NOT_NEGATED,
    NOTHING_MEANT,
    QUESTION,
    SOUND_ALIKE,
    TALKED_ABOUT,
    UNSPOKEN,
)
from kiosk.events import SlotValue, Span, Understood
from kiosk.values import DEFAULT_CURRENCY, LANGS, Lang, Money

ROUTE = "phrases"
#: stands for an amount in a phrase
MASK = "#"
#: below this score nothing is meant; within `LEAD` of each other two intents are both meant, and the customer is asked
#: (chosen on tests/data/utterances.*: where wrong answers are fewest, not where right ones are most)
ENOUGH = 0.3
LEAD = 0.1
#: ridge of the least-squares fit: larger trusts the examples less
RIDGE = 0.1
NONE = "none"
#: confidence in `none` where the words themselves say that nothing is asked for: no other reader may overrule it
VETO = 1.0
#: the most confidence in `none` that being unlike every example can give
UNLIKE = 0.95
#: the most that one English word beside the point of an example counts ("do", left of "please do")
ONE_WORD = 0.7
#: words that weigh something beside an amount; with more, the sentence is about something else
BESIDE_AMOUNT: dict[Lang, int] = {"zh": 6, "en": 4}
_ANSWERS = ("yes", "no")


class PhraseReader:
    """Reads utterances by the examples of `intents`; holds no state between utterances."""

    def __init__(
        self,
        intents: Sequence[IntentSpec],
        currency: str = DEFAULT_CURRENCY,
        simplified: Callable[[str], str] = lambda text: text,
    ) -> None:
        """`simplified` writes Traditional characters in the Simplified way; the tables for it live in an adapter."""
        self._simplified = simplified
        self._specs = {spec.name: spec for spec in intents}
        self._currency = currency
        self._indexes = {lang: _Index(intents, lang) for lang in LANGS}

    def read(self, text: str, lang: Lang, expect: str = "intent") -> Understood:
        """What `text` means where the flow expects `expect` (a key of `EXPECTS`).

        Raises:
            ValueError: `expect` is no such key.
        """
        if expect not in EXPECTS:
            raise ValueError(f"nothing expects {expect!r}; known: {', '.join(EXPECTS)}")
        money = reading(text, lang, self._currency)
        if money.why == "too long" or UNSPOKEN.search(text):
            return Understood(text, lang, NONE, confidence=VETO, route=ROUTE)
        phrase = self._normal(masked(text, money), lang)
        answer = self._answer(phrase, lang, expect, money) or self._similar(phrase, lang, expect)
        if answer.intent == "yes" and (QUESTION.search(text) or (MASK in phrase and not money.amount)):
            # 「对？」 asks, and 「对，五六百」 names something that cannot have been read back
            answer = _Answer("ask", 0.5, ("yes", "no"))
        return self._understood(text, lang, money, answer)

    def _normal(self, text: str, lang: Lang) -> str:
        return normal(self._simplified(text) if lang == "zh" else text, lang)

    def _answer(self, phrase: str, lang: Lang, expect: str, money: Reading) -> _Answer | None:
        """Yes, no, and an amount that was asked for or stands alone: whole utterances, never a part of a sentence."""
        said = self._indexes[lang].yes_no(_bare(phrase, lang) if MASK in phrase else phrase)
        if said == {"yes", "no"}:
            return _Answer("ask", 0.5, ("yes", "no"))
        if said:
            (which,) = said
            return _Answer("amount" if which == "no" and money.amount else which, 1.0)
        if MASK not in phrase or (expect == "intent" and phrase != MASK) or expect in ("digits", "payee"):
            return None
        beside = _bare(phrase, lang).replace(MASK, " ")
        size = len(beside.replace(" ", "")) if lang == "zh" else len(beside.split())
        if size == 0:
            return _Answer("amount", 1.0 if money.amount else 0.5)
        if TALKED_ABOUT[lang].search(phrase):
            return _Answer(NONE, VETO)
        if not ASKED[lang].search(phrase):
            return _Answer(NONE, 0.5)
        other, score = self._indexes[lang].ranked(phrase)[0]
        if other != NONE and score >= ENOUGH and set(self._specs[other].slots) - {"amount"}:
            return _Answer(NONE, 0.5)  # 转五百给儿子 is no answer to "how much?"
        return _Answer("amount", 0.9) if size <= BESIDE_AMOUNT[lang] and money.amount else None

    def _similar(self, phrase: str, lang: Lang, expect: str) -> _Answer:
        """The intent whose examples are most like the phrase, as it stands or as it may have been misheard."""
        index = self._indexes[lang]
        exact = index.exact(phrase) or index.exact(_sound_alike(phrase, lang))
        ranked = [(exact, 1.0)] if exact else index.ranked(_sound_alike(phrase, lang))
        name, score = ranked[0]
        if name == NONE or score < ENOUGH:
            return _Answer(NONE, min(UNLIKE, max(0.0, 1.0 - score) if name != NONE else max(0.5, score)))
        if not exact and (_negated(phrase, lang, name) or self._no_request(phrase, lang, name)):
            return _Answer(NONE, VETO)
        if not exact and lang == "en" and " " not in phrase:
            score = min(score, ONE_WORD)
        if expect != "intent" and name not in (*EXPECTS[expect], *COMMANDS):
            return _Answer(NONE, 0.5)
        rivals = [other for other, its in ranked[1:] if score - its < LEAD]
        if NONE in rivals:
            return _Answer(NONE, 0.5)
        if rivals:
            return _Answer("ask", min(0.99, score), (name, *rivals[:2]))
        return _Answer(name, 1.0 if exact else min(0.99, score))

    def _no_request(self, phrase: str, lang: Lang, intent: str) -> bool:
        """Is the phrase about money, and yet nobody's request?"""
        size = len(phrase) if lang == "zh" else len(phrase.split())
        weighty = "money" in self._specs[intent].slots.values()
        return weighty and (size > LONGEST_PHRASE[lang] or bool(TALKED_ABOUT[lang].search(phrase)))

    def ranking(self, text: str, lang: Lang) -> list[tuple[str, float]]:
        """Every intent and `none` by how much its examples are like `text`, best first: what `read` decides upon."""
        phrase = self._normal(masked(text, reading(text, lang, self._currency)), lang)
        return self._indexes[lang].ranked(_sound_alike(phrase, lang))

    def _understood(self, text: str, lang: Lang, money: Reading, answer: _Answer) -> Understood:
        slots: dict[str, SlotValue] = {}
        spans: dict[str, Span] = {}
        flags: tuple[str, ...] = ()
        spec = self._specs.get(answer.intent)
        takes = [n for n, kind in spec.slots.items() if kind == "money"] if spec else []
        if answer.intent == "yes":
            takes = ["amount"]
        if takes and money.amount:
            slots[takes[0]] = Money(money.amount.minor, self._currency)
            spans[takes[0]] = money.amount.span
            flags = money.amount.flags
        return Understood(
            text, lang, answer.intent, slots, spans, answer.confidence, ROUTE, answer.candidates, flags
        )  # fmt: skip


@dataclass(frozen=True)
class _Answer:
    intent: str
    confidence: float
    candidates: tuple[str, ...] = ()


# --- from text to phrase ---------------------------------------------------------------------------------------------


def masked(text: str, money: Reading) -> str:
    """`text` with everything from its first to its last amount (corrections included) as one `#`."""
    text = text.replace(MASK, " ")
    if not money.weighed:
        return text
    return f"{text[: money.weighed[0][0]]}{MASK}{text[money.weighed[-1][1] :]}"


def normal(text: str, lang: Lang) -> str:
    """One writing of a phrase: small letters, no punctuation, no fillers, nobody addressed."""
    if lang == "zh":
        plain = re.sub(rf"[^\w{MASK}]|_", "", fold_zh(text).text)
        stripped = KIN[lang].sub("", FILLERS[lang].sub("", plain))
        return stripped or plain
    plain = re.sub(rf"[^\w'{MASK} ]+|_", " ", text.lower().replace("’", "'"))
    plain = " ".join(plain.split())
    stripped = " ".join(KIN[lang].sub(" ", FILLERS[lang].sub(" ", plain)).split())
    return stripped or plain


def _bare(phrase: str, lang: Lang) -> str:
    """A phrase with an amount, without the small words around it."""
    return " ".join(AROUND_AMOUNT[lang].sub(" ", phrase).split())


def _sound_alike(phrase: str, lang: Lang) -> str:
    for wrong, right in SOUND_ALIKE[lang]:
        phrase = phrase.replace(wrong, right) if lang == "zh" else re.sub(rf"\b{wrong}\b", right, phrase)
    return phrase


def _negated(phrase: str, lang: Lang, intent: str) -> bool:
    """Does the phrase name the intent only to say that it is not meant?"""
    words = NOT_CANCELLED if intent == "cancel" else NEGATED
    return bool(words[lang].search(NOT_NEGATED[lang].sub(" ", phrase)))


# --- similarity ------------------------------------------------------------------------------------------------------


class _Index:
    """The examples of one language as weighted letter groups with a least-squares fit over them, and the words of yes
    and no.

    The fit is closed-form and has one answer: with K the similarities between examples and Y their intents, the score
    of intent c for a phrase is k·(K + ridge)⁻¹·Y[c]. It is near the share of such phrases that mean c, so it serves as
    the confidence. Yes, no and bare amounts take no part: they are never read by similarity.
    """

    def __init__(self, intents: Sequence[IntentSpec], lang: Lang) -> None:
        self._lang = lang
        self._words: dict[str, set[str]] = {name: set() for name in _ANSWERS}
        phrases: list[tuple[str, str]] = []
        for spec in intents:
            texts = [normal(masked(e.text, reading(e.text, lang)), lang) for e in spec.examples[lang]]
            if spec.name in _ANSWERS:
                self._words[spec.name].update(texts)
            elif spec.name != "amount":
                phrases += [(text, spec.name) for text in texts]
        self._exact = dict(phrases)
        phrases += [(normal(text, lang), NONE) for text in NOTHING_MEANT[lang]]
        counts = [Counter(_grams(phrase, lang)) for phrase, _ in phrases]
        seen = Counter(gram for count in counts for gram in count)
        self._column = {gram: i for i, gram in enumerate(seen)}
        self._weights = {gram: math.log((1 + len(counts)) / (1 + n)) + 1 for gram, n in seen.items()}
        self._rare = math.log(1 + len(counts)) + 1
        self._names = sorted({name for _, name in phrases})
        examples = np.stack([self._vector(count) for count in counts])
        wanted = np.array([[name == owner for name in self._names] for _, owner in phrases], dtype=np.float64)
        likeness = examples @ examples.T
        fit = np.linalg.solve(likeness + RIDGE * np.eye(len(phrases)), wanted)
        self._fit: NDArray[np.float64] = examples.T @ fit

    def exact(self, phrase: str) -> str:
        """The intent that has this very phrase as an example, or nothing."""
        return self._exact.get(phrase, "")

    def ranked(self, phrase: str) -> list[tuple[str, float]]:
        """Every intent, and `none`, with its score for the phrase, best first."""
        columns, weights = self._weighed(Counter(_grams(phrase, self._lang)))
        scores = np.array(weights) @ self._fit[columns]
        return sorted(((n, float(s)) for n, s in zip(self._names, scores, strict=True)), key=lambda item: -item[1])

    def yes_no(self, phrase: str) -> set[str]:
        """{"yes"}, {"no"} or both when the whole phrase consists of such words; empty otherwise."""
        found: set[str] = set()
        rest = phrase.replace(MASK, "").strip()
        longest = max(len(p) for words in self._words.values() for p in words) if any(self._words.values()) else 0
        while rest:
            for size in range(min(longest, len(rest)), 0, -1):
                head = rest[:size]
                ends = self._lang == "zh" or size == len(rest) or rest[size] == " "
                owner = [name for name, words in self._words.items() if head in words]
                if ends and owner:
                    found.add(owner[0])
                    rest = rest[size:].lstrip()
                    break
            else:
                return set()
        return found

    def _vector(self, counts: Counter[str]) -> NDArray[np.float64]:
        vector = np.zeros(len(self._column))
        columns, weights = self._weighed(counts)
        vector[columns] = weights
        return vector

    def _weighed(self, counts: Counter[str]) -> tuple[list[int], list[float]]:
        """Columns and weights of the letter groups that an example has; of unit length only when all are known."""
        weights = {gram: (1 + math.log(n)) * self._weights.get(gram, self._rare) for gram, n in counts.items()}
        size = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        known = [gram for gram in weights if gram in self._column]
        return [self._column[gram] for gram in known], [weights[gram] / size for gram in known]


def _grams(phrase: str, lang: Lang) -> Iterable[str]:
    """Letter groups: one to three characters of Mandarin; words, pairs of words and parts of words of English."""
    if lang == "zh":
        edged = f"^{phrase}$"
        for size in (1, 2, 3):
            yield from (edged[i : i + size] for i in range(len(edged) - size + 1) if edged[i : i + size] not in "^$")
        return
    words = phrase.split()
    yield from words
    yield from (f"{a} {b}" for a, b in itertools.pairwise(words))
    for word in words:
        edged = f"<{word}>"
        yield from (edged[i : i + 4] for i in range(len(edged) - 3))
