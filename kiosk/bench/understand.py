"""How well utterances are understood, and what it costs: on our own sets and on data that nobody here wrote.

Readers in one run: the phrases alone, the language model alone, both under the judge, and TF-IDF with a linear SVM
(where scikit-learn can be imported), trained on the same examples. Data from outside is looked for in `shared/data`
beside or above the checkout, or under `KIOSK_BENCH_DATA`; what is not there is left out and said to be.

    python -c "from kiosk.bench.understand import main; main('small', 1, False)"
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from kiosk import paths
from kiosk.adapters import understanding
from kiosk.adapters.chatter import CHATTER
from kiosk.adapters.simplified import simplified
from kiosk.core import amount
from kiosk.core.intents import Example, IntentSpec
from kiosk.core.judge import ASK, NONE, Opinion, permitted
from kiosk.core.number_en import BEYOND, NUMBER
from kiosk.core.phrase_words import NOTHING_MEANT
from kiosk.core.phrases import PhraseReader, masked, normal
from kiosk.events import Span, Understood
from kiosk.values import LANGS, Lang, Money

#: `small`: rows of each own set and language, and of each outside set; examples a class of BANKING77, of CLINC150
SMALL = {"own": 60, "outside": 400, "banking77": 10, "clinc150": 30}
#: `full`: everything, but no more examples of a class of BANKING77 than a dense fit of the phrases can hold
FULL = {"own": 10**6, "outside": 10**6, "banking77": 40, "clinc150": 100}
#: share of in-scope utterances that must be right where an out-of-scope threshold is chosen
IN_SCOPE = 0.95
#: a label's words where a slot is one of a few things and not the customer's own words
BILLS = {
    "electricity": re.compile(r"电(?!话)|電|垫费|electric|leccy|\bkey\b"),
    "water": re.compile(r"水|water"),
    "gas": re.compile(r"气|gas"),
    "phone": re.compile(r"话费|手机|电话|phone|mobile"),
    "internet": re.compile(r"网|宽带|internet|wi-?fi|broad ?band"),
}


@dataclass
class Score:
    """One reader on one set of labelled utterances."""

    rows: int = 0
    intent: int = 0
    frame: int = 0
    scope: int = 0
    scope_right: int = 0
    asked: int = 0
    missed: int = 0
    outside: int = 0
    outside_right: int = 0
    silent: int = 0
    wrong_amount: int = 0
    false_yes: int = 0
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def add(self, row: dict[str, Any], u: Understood) -> None:
        money = u.slots.get("amount")
        minor = money.minor if isinstance(money, Money) else None
        right = u.intent == row["intent"]
        wrong_amount = minor is not None and minor != row["amount"]
        self.rows += 1
        self.intent += right
        self.frame += right and minor == row["amount"] and _same_words(row, u)
        self.wrong_amount += wrong_amount
        self.silent += wrong_amount or (not right and u.intent not in (NONE, ASK))
        self.false_yes += u.intent == "yes" and not right
        if row["intent"] == NONE:
            self.outside += 1
            self.outside_right += right
        elif row["intent"] != ASK:
            self.scope += 1
            self.scope_right += right
            self.asked += u.intent == ASK
            self.missed += u.intent == NONE

    def shown(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "intent": _share(self.intent, self.rows),
            "frame": _share(self.frame, self.rows),
            "in_scope": _share(self.scope_right, self.scope),
            "ask": _share(self.asked, self.scope),
            "missed": _share(self.missed, self.scope),
            "oos_recall": _share(self.outside_right, self.outside),
            "silent": _share(self.silent, self.rows),
            "wrong_amount": self.wrong_amount,
            "false_yes": self.false_yes,
            "ms_p50": _percentile(self.wall_ms, 50),
            "ms_p95": _percentile(self.wall_ms, 95),
            "cpu_ms_p50": _percentile(self.cpu_ms, 50),
            "cpu_ms_p95": _percentile(self.cpu_ms, 95),
        }


def main(size: str, seed: int, as_json: bool) -> int:
    """Measure, print a line for each reader and set, and return 0; 2 for a size that is not known."""
    if size not in ("small", "full"):
        click.echo(f"kiosk bench understand: unknown size {size!r}. Use small or full.", err=True)
        return 2
    limits = SMALL if size == "small" else FULL
    for row in _measure(limits, random.Random(seed)):
        row = {"bench": "understand", "size": size, "seed": seed, **row}
        click.echo(json.dumps(row, ensure_ascii=False) if as_json else _line(row))
    return 0


def _measure(limits: dict[str, int], rng: random.Random) -> Iterator[dict[str, Any]]:
    yield from _own(limits, rng)
    data = _data()
    if data is None:
        yield {"set": "outside", "left_out": "no shared/data beside the checkout and no KIOSK_BENCH_DATA"}
        return
    yield from _banking77(data / "intents", limits, rng)
    yield from _clinc150(data / "intents", limits, rng)
    yield from _numbers(data / "numbers" / "oracles.jsonl")


# --- our own sets ----------------------------------------------------------------------------------------------------


def _own(limits: dict[str, int], rng: random.Random) -> Iterator[dict[str, Any]]:
    loaded = understanding.load(paths.FLOWS, progress=lambda text: click.echo(text, err=True))
    specs = loaded._intents
    model: _Once | None = None
    peers: dict[str, Peer] = {"phrases": _Phrases(PhraseReader(specs, simplified=simplified), specs)}
    if loaded._model is None:
        yield {"set": "own", "reader": "llm", "left_out": loaded.missing}
    else:
        model = _Once(loaded._model)
        peers["llm"] = _Model(model, specs)
        peers["judge"] = _Judge(PhraseReader(specs, simplified=simplified), model, specs)
    svm = _own_svm(specs)
    if svm is None:
        yield {"set": "own", "reader": "svm", "left_out": "scikit-learn is not installed"}
    else:
        peers["svm"] = svm
    for name, rows in _own_sets():
        rows = rng.sample(rows, min(limits["own"], len(rows)))
        scores = {peer: Score() for peer in peers}
        for row in rows:
            for peer, reader in peers.items():
                wall, cpu = time.perf_counter(), time.process_time()
                u = reader.read(row["text"], row["lang"], row["expect"])
                saved = (model.saved() if model else (0.0, 0.0)) if peer == "judge" else (0.0, 0.0)
                scores[peer].cpu_ms.append((time.process_time() - cpu + saved[1]) * 1000)
                scores[peer].wall_ms.append((time.perf_counter() - wall + saved[0]) * 1000)
                scores[peer].add(row, u)
        yield from ({"set": name, "reader": peer, **score.shown()} for peer, score in scores.items())


def _own_sets() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """`held` was not looked at while anything was mended; `seen` and `first` were."""
    folder = paths.HOME / "tests" / "data"
    for lang in LANGS:
        wild = _jsonl(folder / f"wild.{lang}.jsonl")
        # the first set states no slots but the amount
        yield f"first {lang}", [{**row, "slots": None} for row in _jsonl(folder / f"utterances.{lang}.jsonl")]
        yield f"seen {lang}", [row for row in wild if not row.get("held")]
        yield f"held {lang}", [row for row in wild if row.get("held")]


def _same_words(row: dict[str, Any], u: Understood) -> bool:
    """Are the slots that the row names there, in the customer's words, and no further ones? None: it names none."""
    wanted: dict[str, str] | None = row.get("slots", {})
    if wanted is None:
        return True
    found = {slot: value for slot, value in u.slots.items() if isinstance(value, str)}
    if set(wanted) != set(found):
        return False
    for slot, value in wanted.items():
        if slot == "bill":
            if found[slot] != value and not BILLS[value].search(found[slot].lower()):
                return False
        elif normal(found[slot], row["lang"]) != normal(value, row["lang"]):
            return False
    return True


class Peer:
    """A reader of the comparison."""

    def __init__(self, specs: Sequence[IntentSpec]) -> None:
        self.specs = specs
        self.named = {spec.name: spec for spec in specs}

    def read(self, text: str, lang: Lang, expect: str) -> Understood:
        raise NotImplementedError

    def with_amount(self, text: str, lang: Lang, intent: str, spans: dict[str, Span] | None = None) -> Understood:
        """`intent` with the amount that code finds, for a peer that has no words for slots of its own."""
        spans = spans or {}
        u = Understood(text, lang, intent, {k: text[a:b] for k, (a, b) in spans.items()}, dict(spans))
        kinds = self.named[intent].slots if intent in self.named else {}
        found = amount.read(text, lang)
        if "money" not in kinds.values() or found is None:
            return replace(u, slots={k: v for k, v in u.slots.items() if kinds.get(k) != "money"})
        return replace(u, slots={**u.slots, "amount": Money(found.minor)})


class _Phrases(Peer):
    def __init__(self, phrases: PhraseReader, specs: Sequence[IntentSpec]) -> None:
        super().__init__(specs)
        self._reader = understanding.Reader(specs, phrases, None)

    def read(self, text: str, lang: Lang, expect: str) -> Understood:
        return self._reader.understand(text, lang, expect)


class _Model(Peer):
    def __init__(self, model: understanding.Model, specs: Sequence[IntentSpec]) -> None:
        super().__init__(specs)
        self._model = model

    def read(self, text: str, lang: Lang, expect: str) -> Understood:
        found = amount.read(text, lang)
        opinion = self._model.read(text, lang, permitted(expect, self.specs), found.span if found else None)
        return self.with_amount(text, lang, opinion.intent, opinion.words) if opinion else Understood(text, lang, NONE)


class _Once:
    """The model, asked once for an utterance that two readers of the comparison want; the second is told its cost."""

    def __init__(self, model: understanding.Model) -> None:
        self._model = model
        self._key: tuple[Any, ...] = ()
        self._opinion: Opinion | None = None
        self._cost = self._saved = (0.0, 0.0)

    def read(self, text: str, lang: Lang, permitted: Sequence[str], money: Span | None) -> Opinion | None:
        key = (text, lang, tuple(permitted), money)
        if key == self._key:
            self._saved = self._cost
            return self._opinion
        wall, cpu = time.perf_counter(), time.process_time()
        self._opinion = self._model.read(text, lang, permitted, money)
        self._cost, self._key = (time.perf_counter() - wall, time.process_time() - cpu), key
        self._saved = (0.0, 0.0)
        return self._opinion

    def saved(self) -> tuple[float, float]:
        """Seconds, of the clock and of the processor, that the last answer would have taken anew."""
        saved, self._saved = self._saved, (0.0, 0.0)
        return saved


class _Judge(Peer):
    def __init__(self, phrases: PhraseReader, model: understanding.Model, specs: Sequence[IntentSpec]) -> None:
        super().__init__(specs)
        self._reader = understanding.Reader(specs, phrases, model)

    def read(self, text: str, lang: Lang, expect: str) -> Understood:
        return self._reader.understand(text, lang, expect)


class _Svm(Peer):
    """One TF-IDF and linear SVM a language; a state's permitted labels narrow it like the others."""

    def __init__(self, models: dict[Lang, Any], specs: Sequence[IntentSpec]) -> None:
        super().__init__(specs)
        self._models = models

    def read(self, text: str, lang: Lang, expect: str) -> Understood:
        model = self._models[lang]
        phrase = normal(masked(text, amount.reading(text, lang)), lang)
        scores = model.decision_function([phrase])[0]
        allowed = {*permitted(expect, self.specs), NONE}
        best = max((score, name) for score, name in zip(scores, model.classes_, strict=True) if name in allowed)
        return self.with_amount(text, lang, str(best[1]))


def _own_svm(specs: Sequence[IntentSpec]) -> _Svm | None:
    models: dict[Lang, Any] = {}
    for lang in LANGS:
        pairs = [(e.text, spec.name) for spec in specs for e in spec.examples[lang]]
        pairs += [(text, NONE) for text in (*CHATTER[lang], *NOTHING_MEANT[lang])]
        phrases = [normal(masked(text, amount.reading(text, lang)), lang) for text, _ in pairs]
        model = _svm(phrases, [name for _, name in pairs], lang)
        if model is None:
            return None
        models[lang] = model
    return _Svm(models, specs)


def _svm(texts: Sequence[str], labels: Sequence[str], lang: Lang) -> Any:
    """TF-IDF over letters (1–3 of Mandarin; 2–5 in words of English) and a linear SVM; None without scikit-learn."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-not-found]
        from sklearn.pipeline import make_pipeline  # type: ignore[import-not-found]
        from sklearn.svm import LinearSVC  # type: ignore[import-not-found]
    except ImportError:
        return None
    letters: dict[str, Any] = (
        {"analyzer": "char", "ngram_range": (1, 3)} if lang == "zh" else {"analyzer": "char_wb", "ngram_range": (2, 5)}
    )
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True, lowercase=True, **letters), LinearSVC(random_state=0))
    return model.fit(list(texts), list(labels))


# --- data from outside -----------------------------------------------------------------------------------------------


def _banking77(folder: Path, limits: dict[str, int], rng: random.Random) -> Iterator[dict[str, Any]]:
    with (folder / "banking77_train.csv").open(encoding="utf-8", newline="") as f:
        train = [(row["text"], row["category"]) for row in csv.DictReader(f)]
    with (folder / "banking77_test.csv").open(encoding="utf-8", newline="") as f:
        test = [(row["text"], row["category"]) for row in csv.DictReader(f)]
    test = rng.sample(test, min(limits["outside"], len(test)))
    few = _few(train, limits["banking77"], rng)
    for name, pairs, peers in (("few", few, ("phrases", "svm")), ("all", train, ("svm",))):
        for peer in peers:
            best = _top(peer, pairs)
            if best is None:
                yield {"set": f"BANKING77 {name}", "reader": peer, "left_out": "scikit-learn is not installed"}
                continue
            began = time.process_time()
            right = sum(best(text)[0] == label for text, label in test)
            cpu = (time.process_time() - began) * 1000 / len(test)
            yield {
                "set": f"BANKING77 {name}", "reader": peer, "trained_on": len(pairs), "rows": len(test),
                "intent": _share(right, len(test)), "cpu_ms": round(cpu, 2),
            }  # fmt: skip


def _clinc150(folder: Path, limits: dict[str, int], rng: random.Random) -> Iterator[dict[str, Any]]:
    """Banking and credit cards with out-of-scope as a class of its own, and a threshold chosen on `val`."""
    data = json.loads((folder / "clinc150_banking_oos.json").read_text(encoding="utf-8"))
    train = _few([tuple(pair) for pair in data["train"]], limits["clinc150"], rng)
    train += [(text, "oos") for text, _ in data["oos_train"]]
    tests = {
        part: [tuple(pair) for pair in rng.sample(data[part], min(limits["outside"], len(data[part])))]
        for part in ("val", "oos_val", "test", "oos_test")
    }
    for peer in ("phrases", "svm"):
        best = _top(peer, train)
        if best is None:
            yield {"set": "CLINC150", "reader": peer, "left_out": "scikit-learn is not installed"}
            continue
        read = {part: [(*best(text), label) for text, label in pairs] for part, pairs in tests.items()}
        threshold = _threshold(read["val"], read["oos_val"])
        kept = sum(name == label and score >= threshold for name, score, label in read["test"])
        found = sum(name == "oos" or score < threshold for name, score, _ in read["oos_test"])
        yield {
            "set": "CLINC150", "reader": peer, "trained_on": len(train), "threshold": round(threshold, 3),
            "in_scope": _share(kept, len(read["test"])), "oos_recall": _share(found, len(read["oos_test"])),
            "rows": len(read["test"]) + len(read["oos_test"]),
        }  # fmt: skip


def _threshold(inside: list[tuple[str, float, str]], outside: list[tuple[str, float, str]]) -> float:
    """The score below which nothing is meant: as high as `IN_SCOPE` of `inside` allows, else where most is right."""
    scores = sorted({score for _, score, _ in (*inside, *outside)})
    right = {s: sum(n == label and score >= s for n, score, label in inside) / len(inside) for s in scores}
    enough = [s for s in scores if right[s] >= IN_SCOPE]
    return enough[-1] if enough else scores[0]


def _top(peer: str, pairs: Sequence[tuple[str, str]]) -> Callable[[str], tuple[str, float]] | None:
    """A reader of English trained on `pairs`: text → the likeliest label and its score."""
    labels = sorted({label for _, label in pairs})
    if peer == "svm":
        model = _svm([text for text, _ in pairs], [label for _, label in pairs], "en")
        if model is None:
            return None

        def by_svm(text: str) -> tuple[str, float]:
            scores = model.decision_function([text])[0]
            i = int(np.argmax(scores))
            return str(model.classes_[i]), float(scores[i])

        return by_svm
    specs = [
        IntentSpec(label, {}, {}, {"en": tuple(Example(t) for t, own in pairs if own == label), "zh": ()})
        for label in labels
    ]
    phrases = PhraseReader(specs, simplified=simplified)

    def by_phrases(text: str) -> tuple[str, float]:
        name, score = phrases.ranking(text, "en")[0]
        return ("oos" if name == NONE and "oos" in labels else name), score

    return by_phrases


def _numbers(path: Path) -> Iterator[dict[str, Any]]:
    """Plain whole numbers, spoken to written, each once.

    Left out: what is not a bare positive whole number on the written side (fractions, 万 kept as a letter, signs,
    ranges), digits read one by one (telephones), lakh and crore, and numbers of 10¹² and more.
    """
    rows: dict[tuple[Lang, str], str] = {}
    for row in _jsonl(path):
        plain = row["direction"] in ("spoken->written", "spoken->value") and re.fullmatch(
            r"\d{1,3}(?:,\d{3})+|\d+", row["expected"]
        )
        if plain and 0 < int(row["expected"].replace(",", "")) < 10**12 and not _one_by_one(row["input"], row["lang"]):
            rows[row["lang"], row["input"].lower()] = row["expected"].replace(",", "")
    for lang in LANGS:
        mine = {text: int(value) for (its, text), value in rows.items() if its == lang}
        read = {text: amount.read(text, lang) for text in mine}
        right = sum(found is not None and found.minor == mine[text] * 100 for text, found in read.items())
        wrong = [text for text, found in read.items() if found is not None and found.minor != mine[text] * 100]
        none = [text for text, found in read.items() if found is None]
        yield {
            "set": f"numbers {lang}", "reader": "amount", "rows": len(mine), "right": _share(right, len(mine)),
            "wrong": wrong, "not_read": none,
        }  # fmt: skip


def _one_by_one(text: str, lang: Lang) -> bool:
    if lang == "zh":
        return bool(re.search(r"[幺]|[零一二三四五六七八九]{3,}", text)) or not re.fullmatch(
            r"[零〇一二两三四五六七八九十百千万亿]+", text
        )
    words = re.findall(r"[a-z]+", text.lower())
    digits = [w for w in words if w in ("zero", "oh", "o", *_DIGITS)]
    return not set(words) <= NUMBER - BEYOND | {"and", "a"} or (len(words) > 1 and len(digits) == len(words))


_DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


# --- small things ----------------------------------------------------------------------------------------------------


def _few(pairs: Sequence[tuple[str, str]], count: int, rng: random.Random) -> list[tuple[str, str]]:
    """At most `count` of each label."""
    by: dict[str, list[str]] = {}
    for text, label in pairs:
        by.setdefault(label, []).append(text)
    return [(t, label) for label, texts in sorted(by.items()) for t in rng.sample(texts, min(count, len(texts)))]


def _data() -> Path | None:
    named = os.environ.get("KIOSK_BENCH_DATA")
    places: Iterable[Path] = [Path(named)] if named else (up / "shared" / "data" for up in paths.HOME.parents)
    return next((place for place in places if (place / "intents").is_dir()), None)


def _jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _percentile(values: Sequence[float], q: int) -> float:
    return round(float(np.percentile(values, q)), 1) if values else 0.0


def _line(row: dict[str, Any]) -> str:
    return "  ".join(f"{key} {value}" for key, value in row.items() if key not in ("bench", "size", "seed"))
