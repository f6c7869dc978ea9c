"""What the language model is asked, and the grammar that its answer cannot leave.

The prompt is the flows' own examples, one a line, and then the utterance: `取{amount:一千元}` becomes the line
`取一千元 = withdraw|amount=一千元`, and the model goes on after `=`. It may only write

    label, then for some of that intent's slots `|name=` and words of the utterance, then the end of the line

where the label is one of those permitted now. A label that does not exist or words that were not said have no way into
the answer: their tokens are not among the ones that are weighed. What the words are worth is not the model's business.

The examples are the same for every utterance of a language, so what the model thought while reading them is computed
once and kept on disk, under the hash of model and examples. An utterance costs its own tokens and one more pass for
its slots: the words that code already found (`drafts`) are put before the model whole, and it says where it would have
written something else.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiosk.adapters.qwen import BYTE_LETTERS, Cache, Qwen
from kiosk.core.intents import Example, IntentSpec
from kiosk.core.judge import NONE, Opinion
from kiosk.events import Span
from kiosk.values import LANGS, Lang, OperatorError

#: examples of one intent that are shown to the model; more slow every utterance down and did not read better
EXAMPLES = 3
#: out-of-scope talk takes many forms
NONE_EXAMPLES = 6
#: an utterance with more tokens is no utterance at a kiosk: it is not put before the model
LONGEST = 120
#: tokens of one slot's words
_LONGEST_WORDS = 40
#: bytes of the longest token that is looked for
_LONGEST_TOKEN = 24
_ARROW = " ="
#: what is said at kiosks and means nothing to one, so that `none` is an answer the model has seen
_CHATTER: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "明天会下雨吗", "你吃饭了吗", "唱首歌", "几点了", "我肚子饿", "你是谁", "门口能停车吗", "昨天的球赛谁赢了",
        "我女儿要结婚了",
    ),
    "en": (
        "will it rain tomorrow", "sing a song", "how old are you", "who won the match", "I am hungry",
        "can I park outside", "what day is it", "my daughter is getting married", "are you a robot",
    ),
}  # fmt: skip


class LlmReader:
    """Reads utterances with `model`; prefixes are kept under `cache` (None: only in memory).

    Raises:
        OperatorError: an intent has a name that cannot be a label, or two names begin with the same token.
    """

    def __init__(self, model: Qwen, intents: Sequence[IntentSpec], cache: Path | None) -> None:
        self._model = model
        self._folder = cache
        self._intents = {i.name: i for i in intents}
        self._slots: dict[str, dict[str, str]] = {i.name: i.slots for i in intents} | {NONE: {}}
        self._labels = {name: model.encode(f" {name}") for name in self._slots}
        (self._end,) = model.encode("\n")
        firsts: dict[int, str] = {}
        for name, tokens in self._labels.items():
            other = firsts.setdefault(tokens[0], name)
            if other != name:
                raise OperatorError(
                    f"the intents {other} and {name} begin alike for the language model",
                    remedy="Rename one so that their first words differ.",
                )
        self._prefixes: dict[Lang, Cache] = {}

    def warm(self) -> None:
        """Read the examples of every language now: seconds the first time, then milliseconds from disk."""
        for lang in LANGS:
            self._prefix(lang)

    def read(self, text: str, lang: Lang, permitted: Sequence[str], money: Span | None) -> Opinion | None:
        """Label `text` with one of `permitted` or `none`, and find the words of the label's slots.

        `money` is where code found the utterance's amount: without it, no words are looked for that would be one.
        None: there is nothing to read, or more than the model is given.
        """
        line = "".join(c if c.isprintable() else " " for c in text)
        query = self._model.encode(line.strip() + _ARROW)
        if not line.strip() or len(query) > LONGEST:
            return None
        names = list(dict.fromkeys([*permitted, NONE]))
        logits, cache = self._model.read(query, [self._labels[n][0] for n in names], self._prefix(lang))
        share = _softmax(logits[-1])
        ranking = tuple((names[i], float(share[i])) for i in np.argsort(-share, kind="stable"))
        label = ranking[0][0]
        slots = {slot: kind for slot, kind in self._slots[label].items() if kind != "money" or money}
        if not slots:
            return Opinion(ranking)
        said = _Said(self._model, line, lang)
        places = {
            slot: self._words(said, label, slot, money if kind == "money" else None, cache)
            for slot, kind in slots.items()
        }
        return Opinion(ranking, {slot: place for slot, place in places.items() if place})

    def _words(self, said: _Said, label: str, slot: str, draft: Span | None, cache: Cache) -> Span | None:
        """The words that the model writes for `slot`, or None when it writes the end of the line instead.

        Greedy decoding under the grammar. The draft is read in one pass and kept as far as it is what greedy decoding
        would have written; behind that, tokens come one by one.
        """
        opening = self._model.encode(f"|{slot}=")
        head = [*self._labels[label], *opening]
        drafted = self._model.encode(said.drafted(draft)) if draft else []
        wanted = [self._end, opening[0], *said.tokens]
        logits, longer = self._model.read([*head, *drafted], wanted, cache)
        end, opens = logits[len(self._labels[label]) - 1, :2]
        if end >= opens:
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
                rows, longer = self._model.read([choice], wanted, longer)
        return said.place(words, draft)

    def _prefix(self, lang: Lang) -> Cache:
        if lang not in self._prefixes:
            tokens = self._model.encode(self._prompt(lang))
            self._prefixes[lang] = self._stored(tokens)
        return self._prefixes[lang]

    def _prompt(self, lang: Lang) -> str:
        """The examples as lines, intents taking turns: a run of one label would make the model expect more of it."""
        columns = [
            [(e, name) for e in spec.examples.get(lang, ())[:EXAMPLES]] for name, spec in sorted(self._intents.items())
        ]
        columns.append([(Example(text), NONE) for text in _CHATTER[lang][:NONE_EXAMPLES]])
        rounds = [pair for turn in zip_longest(*columns) for pair in turn if pair]
        return "".join(f"{e.text}{_ARROW} {name}{_slots(e, lang)}\n" for e, name in rounds)

    def _stored(self, tokens: list[int]) -> Cache:
        """What reading `tokens` leaves: from disk if it is there whole, else computed and put there."""
        key = hashlib.sha256(f"{self._model.fingerprint} {tokens}".encode()).hexdigest()
        path = self._folder / f"prefix-{key[:32]}.npy" if self._folder else None
        shape = (len(self._model.empty.arrays), 1, self._model.empty.arrays[0].shape[1], len(tokens), -1)
        if path and path.is_file():
            whole = path.read_bytes()
            digest, body = whole[:32], whole[32:]
            if hashlib.sha256(body).digest() == digest:
                return Cache(tuple(np.load(io.BytesIO(body)).reshape(shape)))
        _, cache = self._model.read(tokens, [self._end], self._model.empty)
        if path:
            body = io.BytesIO()
            np.save(body, np.stack(cache.arrays))
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(hashlib.sha256(body.getvalue()).digest() + body.getvalue())
            part.replace(path)
        return cache


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


def _softmax(x: NDArray[np.float32]) -> NDArray[np.float32]:
    e = np.exp(x - x.max())
    return e / e.sum()
