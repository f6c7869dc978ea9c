"""What the language model is asked, and the grammar that its answer cannot leave.

The prompt is the flows' own examples, one a line, and then the utterance: `取{amount:一千元}` becomes the line
`取一千元 = withdraw|amount=一千元`, and the model goes on after `=`. It may only write

    label, then for that intent's slots `|name=` and words of the utterance, then the end of the line

where the label is one of those permitted now. A label that does not exist or words that were not said have no way into
the answer: they are not among what is weighed. What the words are worth is not the model's business.

The label is told from the model's state after `=` by a `label_head` fitted to the flows' examples; the words of the
slots are written token by token. The words that code already found for an amount are put before the model whole, and it
says where it would have written something else: that takes one pass instead of one a token.

The prompt's few examples are the same for every utterance of a language, so what the model keeps of them is computed
once; so is the head, for which the model reads every example. Both lie on disk under the hash of model and examples.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kiosk.adapters.chatter import CHATTER
from kiosk.adapters.label_head import Head, fit
from kiosk.adapters.qwen import BYTE_LETTERS, Cache, Qwen, Read
from kiosk.core.intents import Example, IntentSpec
from kiosk.core.judge import NONE, Opinion
from kiosk.events import Span
from kiosk.values import Lang

#: examples of one intent that the prompt shows
EXAMPLES = 2
#: an utterance with more tokens is no utterance at a kiosk: it is not put before the model
LONGEST = 120
#: tokens of one slot's words
_LONGEST_WORDS = 40
#: bytes of the longest token that is looked for
_LONGEST_TOKEN = 24
_ARROW = " ="


class LlmReader:
    """Reads utterances with `model`; what it learns from `intents` is kept under `cache`."""

    def __init__(self, model: Qwen, intents: Sequence[IntentSpec], cache: Path) -> None:
        self._model = model
        self._folder = cache
        self._intents = tuple(intents)
        self._slots: dict[str, dict[str, str]] = {i.name: i.slots for i in intents} | {NONE: {}}
        self._labels = {name: model.encode(f" {name}") for name in self._slots}
        (self._end,) = model.encode("\n")
        self._ready: dict[Lang, tuple[Cache, Head]] = {}

    def warm(self, lang: Lang, progress: Callable[[str], None] = lambda _: None) -> None:
        """Be ready for `lang`: milliseconds, or half a minute if these examples were never learnt on this box."""
        if lang in self._ready:
            return
        prompt = self._model.encode(self._prompt(lang))
        examples = [(e.text, spec.name) for spec in self._intents for e in spec.examples[lang]]
        examples += [(text, NONE) for text in CHATTER[lang]]
        key = hashlib.sha256(json.dumps([self._model.fingerprint, prompt, examples]).encode()).hexdigest()
        path = self._folder / f"{lang}-{key[:32]}.npz"
        stored = _load(path)
        if stored is None:
            stored = self._learn(prompt, examples, lang, progress)
            _save(path, stored)
        labels = tuple(str(label) for label in stored["labels"])
        head = Head(labels, *(stored[name] for name in ("mean", "scale", "weight", "bias")))
        self._ready[lang] = Cache(tuple(stored["prefix"])), head

    def _learn(
        self, prompt: list[int], examples: list[tuple[str, str]], lang: Lang, progress: Callable[[str], None]
    ) -> dict[str, NDArray[Any]]:
        prefix = self._model.read(prompt, [self._end], self._model.empty).cache
        states = []
        for i, (text, _) in enumerate(examples):
            if i % 20 == 0:
                progress(f"language model: learning the flows' {lang} examples, {i} of {len(examples)}")
            states.append(_state(self._model.read(self._query(_line(text)), [self._end], prefix)))
        head = fit(np.stack(states), [name for _, name in examples])
        progress(f"language model: learnt the flows' {lang} examples")
        return {"prefix": np.stack(prefix.arrays), "labels": np.array(head.labels)} | {
            name: getattr(head, name) for name in ("mean", "scale", "weight", "bias")
        }

    def _query(self, line: str) -> list[int]:
        return self._model.encode(line.strip() + _ARROW)

    def read(self, text: str, lang: Lang, permitted: Sequence[str], money: Span | None) -> Opinion | None:
        """Label `text` with one of `permitted` or `none`, and find the words of the label's slots.

        `money` is where code found the utterance's amount: without it, no words are looked for that would be one.
        None: there is nothing to read, or more than the model is given.
        """
        line = _line(text)
        query = self._query(line)
        if not line.strip() or len(query) > LONGEST:
            return None
        self.warm(lang)
        prefix, head = self._ready[lang]
        names = [*permitted, NONE]
        read = self._model.read(query, [self._end], prefix)
        share = head.shares(_state(read), names)
        ranking = tuple((names[i], float(share[i])) for i in np.argsort(-share, kind="stable"))
        label = ranking[0][0]
        slots = {slot: kind for slot, kind in self._slots[label].items() if kind != "money" or money}
        if not slots:
            return Opinion(ranking)
        said = _Said(self._model, line, lang)
        places = {
            slot: self._words(said, label, slot, money if kind == "money" else None, read.cache)
            for slot, kind in slots.items()
        }
        return Opinion(ranking, {slot: place for slot, place in places.items() if place})

    def _words(self, said: _Said, label: str, slot: str, draft: Span | None, cache: Cache) -> Span | None:
        """The words that the model writes for `slot`. Without a draft it may write the end of the line instead: None.

        Greedy decoding under the grammar. The draft is read in one pass and kept as far as it is what greedy decoding
        would have written; behind that, tokens come one by one.
        """
        opening = self._model.encode(f"|{slot}=")
        head = [*self._labels[label], *opening]
        drafted = self._model.encode(said.drafted(draft)) if draft else []
        wanted = [self._end, opening[0], *said.tokens]
        logits, _, longer = self._model.read([*head, *drafted], wanted, cache)
        end, opens = logits[len(self._labels[label]) - 1, :2]
        if not draft and end >= opens:
            return None
        rows = logits[len(head) - 1 :]
        words: list[int] = []
        on_draft = True
        while len(words) < _LONGEST_WORDS:
            choice = said.best(words, rows[len(words) if on_draft else -1])
            if choice is None:
                break
            words.append(choice)
            if on_draft and words != drafted[: len(words)]:
                on_draft = False
                longer = longer.first(cache.tokens + len(head) + len(words) - 1)
            if not on_draft:
                rows, _, longer = self._model.read([choice], wanted, longer)
        return said.place(words, draft)

    def _prompt(self, lang: Lang) -> str:
        """Examples as lines, intents taking turns: a run of one label would make the model expect more of it.

        Of each intent the one with the most slots is shown, and the first others.
        """
        columns = []
        for spec in self._intents:
            fullest = max(spec.examples[lang], key=lambda e: len(e.spans))
            others = [e for e in spec.examples[lang] if e is not fullest]
            columns.append([(e, spec.name) for e in (fullest, *others)[:EXAMPLES]])
        columns.append([(Example(text), NONE) for text in CHATTER[lang][:EXAMPLES]])
        rounds = [pair for turn in zip_longest(*columns) for pair in turn if pair]
        return "".join(f"{e.text}{_ARROW} {name}{_slots(e, lang)}\n" for e, name in rounds)


def _line(text: str) -> str:
    """`text` on one line, character for character: spans stay where they are."""
    return "".join(c if c.isprintable() else " " for c in text)


def _state(read: Read) -> NDArray[np.float32]:
    """What the head looks at: the state at the end, and the mean over the utterance."""
    return np.concatenate([read.hidden[-1], read.hidden.mean(axis=0)])


def _load(path: Path) -> dict[str, NDArray[Any]] | None:
    """What `_save` wrote, or None if it is not there whole."""
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, body = whole[:32], whole[32:]
    if hashlib.sha256(body).digest() != digest:
        return None
    with np.load(io.BytesIO(body)) as arrays:
        return dict(arrays)


def _save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(hashlib.sha256(body.getvalue()).digest() + body.getvalue())
    part.replace(path)


class _Said:
    """The utterance as the words that may be copied from it: its tokens, and where they stand."""

    def __init__(self, model: Qwen, line: str, lang: Lang) -> None:
        # English words are known to the model with the blank before them
        self._lead = " " if lang == "en" else ""
        self._text = self._lead + line
        self._letters = _spell(self._text)
        #: byte offset → character offset, where a word may begin or end
        self._edges: dict[int, int] = {}
        at = 0
        for i, c in enumerate(f"{self._text} "):
            before = self._text[i - 1] if i else " "
            if not (_joins(before) and _joins(c)):
                self._edges[at] = i
            at += len(c.encode())
        spelled: dict[int, str] = {}
        for start in range(len(self._letters)):
            for end in range(start + 1, min(len(self._letters), start + _LONGEST_TOKEN) + 1):
                token = model.token(self._letters[start:end])
                if token is not None:
                    spelled[token] = self._letters[start:end]
        self._spelled = spelled
        self.tokens = list(spelled)

    def drafted(self, span: Span) -> str:
        """The words of `span`, with the blank before them that they have in the text."""
        start, end = (i + len(self._lead) for i in span)
        return self._text[start - 1 if start and self._text[start - 1] == " " else start : end]

    def best(self, words: list[int], row: NDArray[np.float32]) -> int | None:
        """The likeliest token after `words` of those that the utterance has there; None = the words end here.

        `row` holds the logits of the line's end, of a slot's opening, and of `tokens`.
        """
        sofar = "".join(self._spelled[w] for w in words)
        options = [
            (float(row[2 + i]), token)
            for i, token in enumerate(self.tokens)
            if self._starts(sofar + self._spelled[token])
        ]
        ended = bool(words) and any(s + len(sofar) in self._edges for s in self._starts(sofar))
        value, token = max(options, default=(float("-inf"), -1))
        return None if not options or (ended and float(row[0]) >= value) else token

    def place(self, words: list[int], near: Span | None) -> Span | None:
        """Where `words` stand: the place that overlaps `near` if they stand there too, else the first."""
        sofar = "".join(self._spelled[w] for w in words)
        places = []
        for start in self._starts(sofar):
            end = start + len(sofar)
            if end not in self._edges:
                continue
            raw = self._text[self._edges[start] : self._edges[end]]
            first = self._edges[start] + len(raw) - len(raw.lstrip()) - len(self._lead)
            places.append((max(first, 0), first + len(raw.strip())))
        places = [p for p in places if p[0] < p[1]]
        return next((p for p in places if near and p[0] < near[1] and near[0] < p[1]), places[0] if places else None)

    def _starts(self, sofar: str) -> list[int]:
        return [i for i in self._edges if self._letters.startswith(sofar, i)] if sofar else []


def _joins(c: str) -> bool:
    """Is this a character inside a longer word? Chinese ones are words of their own."""
    return c.isascii() and c.isalnum()


def _spell(text: str) -> str:
    return "".join(BYTE_LETTERS[b] for b in text.encode())


def _slots(example: Example, lang: Lang) -> str:
    blank = " " if lang == "en" else ""
    return "".join(f"|{slot}={blank}{example.text[start:end]}" for slot, (start, end) in example.spans.items())
