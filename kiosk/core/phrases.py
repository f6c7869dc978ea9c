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
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import zhconv  # type: ignore[import-untyped]

from kiosk.core.amount import Reading, reading
from kiosk.core.amount_zh import fold as fold_zh
from kiosk.core.intents import COMMANDS, EXPECTS, IntentSpec
from kiosk.core.phrase_words import AROUND_AMOUNT, FILLERS, KIN, NEGATED, NOT_NEGATED, SOUND_ALIKE
from kiosk.events import SlotValue, Span, Understood
from kiosk.values import DEFAULT_CURRENCY, LANGS, Lang, Money

ROUTE = "phrases"
#: stands for an amount in a phrase
MASK = "#"
#: similarity below which nothing is meant, and the lead that the best intent must have over the second
#: (tests/data/utterances.*: chosen where the wrong answers are fewest, not where the right ones are most)
ENOUGH: dict[Lang, float] = {"zh": 0.45, "en": 0.45}
LEAD = 0.05
#: words that weigh something beside an amount; with more, the sentence is about something else
BESIDE_AMOUNT: dict[Lang, int] = {"zh": 6, "en": 4}
_ANSWERS = ("yes", "no")


class PhraseReader:
    """Reads utterances by the examples of `intents`; built in milliseconds, holds no state between utterances."""

    def __init__(self, intents: Sequence[IntentSpec], currency: str = DEFAULT_CURRENCY) -> None:
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
        phrase = normal(masked(text, money), lang)
        answer = self._answer(phrase, lang, expect, money) or self._similar(phrase, lang, expect)
        return self._understood(text, lang, money, answer)

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
        other = self._indexes[lang].best(phrase)[:1]
        if other and other[0][1] >= 0.3 and set(self._specs[other[0][0]].slots) - {"amount"}:
            return _Answer("none", 0.5)  # 转五百给儿子 is no answer to "how much?"
        return _Answer("amount", 0.9) if size <= BESIDE_AMOUNT[lang] and money.amount else None

    def _similar(self, phrase: str, lang: Lang, expect: str) -> _Answer:
        index = self._indexes[lang]
        scores = {name: score for name, score in index.best(phrase) if name not in (*_ANSWERS, "amount")}
        heard = _sound_alike(phrase, lang)
        if heard != phrase:
            for name, score in index.best(heard):
                if name not in (*_ANSWERS, "amount"):
                    scores[name] = max(scores.get(name, 0.0), score * 0.95)
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        if not ranked or ranked[0][1] < ENOUGH[lang]:
            return _Answer("none", 1.0 - (ranked[0][1] if ranked else 0.0))
        (name, score), *others = ranked
        if score < 0.999 and _negated(phrase, lang):
            return _Answer("none", 0.5)
        rivals = [other for other, its in others if score - its < LEAD and score < 0.999]
        if expect != "intent" and name not in (*EXPECTS[expect], *COMMANDS):
            return _Answer("none", 0.5)
        if rivals:
            return _Answer("ask", score, (name, *rivals[:2]))
        return _Answer(name, min(1.0, round(score, 3)))

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
    if not money.spans:
        return text
    return f"{text[: money.spans[0][0]]}{MASK}{text[money.spans[-1][1] :]}"


def normal(text: str, lang: Lang) -> str:
    """One writing of a phrase: Simplified or small letters, no punctuation, no fillers, nobody addressed."""
    if lang == "zh":
        plain = re.sub(rf"[^\w{MASK}]|_", "", fold_zh(zhconv.convert(text, "zh-hans")).text)
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


def _negated(phrase: str, lang: Lang) -> bool:
    return bool(NEGATED[lang].search(NOT_NEGATED[lang].sub(" ", phrase)))


# --- similarity ------------------------------------------------------------------------------------------------------

_Vector = Mapping[str, float]


class _Index:
    """The examples of one language as weighted letter groups, and the words of yes and no."""

    def __init__(self, intents: Sequence[IntentSpec], lang: Lang) -> None:
        self._lang = lang
        phrases: list[tuple[str, str]] = []
        self._words: dict[str, set[str]] = {name: set() for name in _ANSWERS}
        for spec in intents:
            for example in spec.examples[lang]:
                phrase = normal(masked(example.text, reading(example.text, lang)), lang)
                phrases.append((spec.name, phrase))
                if spec.name in self._words:
                    self._words[spec.name].add(phrase)
        counts = [Counter(_grams(phrase, lang)) for _, phrase in phrases]
        seen = Counter(gram for count in counts for gram in count)
        self._weights = {gram: math.log((1 + len(counts)) / (1 + n)) + 1 for gram, n in seen.items()}
        self._rare = math.log(1 + len(counts)) + 1
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self._owners = [name for name, _ in phrases]
        self._exact: dict[str, set[str]] = defaultdict(set)
        for i, (name, phrase) in enumerate(phrases):
            self._exact[phrase].add(name)
            for gram, weight in self._vector(counts[i]).items():
                self._postings[gram].append((i, weight))

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

    def best(self, phrase: str) -> list[tuple[str, float]]:
        """Intents with the similarity of their most similar example, best first; the same words score 1."""
        if phrase in self._exact:
            return [(name, 1.0) for name in sorted(self._exact[phrase])]
        scores = [0.0] * len(self._owners)
        for gram, weight in self._vector(Counter(_grams(phrase, self._lang))).items():
            for i, its in self._postings.get(gram, ()):
                scores[i] += weight * its
        top: dict[str, float] = {}
        for name, score in zip(self._owners, scores, strict=True):
            if score > top.get(name, 0.0):
                top[name] = score
        return sorted(top.items(), key=lambda item: -item[1])

    def _vector(self, counts: Counter[str]) -> _Vector:
        weighted = {g: (1 + math.log(n)) * self._weights.get(g, self._rare) for g, n in counts.items()}
        size = math.sqrt(sum(w * w for w in weighted.values())) or 1.0
        return {gram: weight / size for gram, weight in weighted.items()}


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
