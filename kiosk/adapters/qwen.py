"""The language model on the box: tokens in, logits of a few wanted tokens out, and a cache of what was read already.

It runs the graph of `qwen_build` on plain onnxruntime. What the model is asked, and how its answer is kept inside a
grammar, is the business of `llm_reader.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kiosk.values import OperatorError

#: the longest prompt and utterance together; the rotary tables of the graph end here
MAX_TOKENS = 2048


def _letters() -> tuple[str, ...]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = iter(range(0x100, 0x200))
    return tuple(chr(b) if b in printable else chr(next(rest)) for b in range(256))


#: how a byte is written in the vocabulary of a byte-level BPE: itself if printable, else the next letter from U+0100 on
BYTE_LETTERS = _letters()


@dataclass(frozen=True)
class Cache:
    """Keys and values of the tokens read so far, [1, 2, tokens, 64] a layer and kind. Never changed in place."""

    arrays: tuple[NDArray[np.float32], ...]

    @property
    def tokens(self) -> int:
        return int(self.arrays[0].shape[2])

    def first(self, tokens: int) -> Cache:
        """Only what the first `tokens` left: the way back from a draft that did not hold."""
        return Cache(tuple(a[:, :, :tokens] for a in self.arrays))


class Read(NamedTuple):
    """What reading some tokens gave; row i belongs to token i.

    `logits` [tokens, wanted]: what may follow. `hidden` [tokens, 896]: the last layer's normed state. `cache`: the
    longer cache.
    """

    logits: NDArray[np.float32]
    hidden: NDArray[np.float32]
    cache: Cache


class Qwen:
    """A loaded model. One user at a time: onnxruntime's threads are shared.

    Raises:
        OperatorError: the built graph or the tokenizer is missing or damaged.
    """

    def __init__(self, folder: Path, threads: int = 2) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        graph = folder / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # a thread that spins while it waits would take the core from hearing and speaking
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._tokenizer.encode_special_tokens = True
            # It would remember the words that it has cut up: they are customers' words, and are not to be kept.
            self._tokenizer.model._resize_cache(0)
            #: names the very graph, so that what was computed with another one is not taken for this one's
            self.fingerprint = hashlib.sha256(graph.read_bytes()).hexdigest()
        except Exception as e:
            raise OperatorError(
                f"the language model cannot be loaded: {str(e).splitlines()[0]}",
                where=str(folder),
                remedy="Run: kiosk models fetch qwen",
            ) from e
        self._past = [i.name for i in self._session.get_inputs() if i.name.startswith("past.")]
        self._outputs = [o.name for o in self._session.get_outputs()]
        if self._outputs[:2] != ["logits", "hidden"]:
            raise OperatorError("was built by another version", where=str(graph), remedy="Run: kiosk models fetch qwen")
        _, heads, _, size = self._session.get_inputs()[-1].shape
        self.empty = Cache(tuple(np.zeros((1, heads, 0, size), np.float32) for _ in self._past))

    def encode(self, text: str) -> list[int]:
        """Tokens of `text`; words that look like control tokens are ordinary text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def token(self, spelled: str) -> int | None:
        """The token that stands for exactly these bytes, each written as its letter in `BYTE_LETTERS`."""
        found: int | None = self._tokenizer.token_to_id(spelled)
        return found

    def read(self, tokens: Sequence[int], wanted: Sequence[int], cache: Cache) -> Read:
        """Read `tokens` after what `cache` holds.

        Raises:
            ValueError: nothing to read, or more than `MAX_TOKENS` together.
        """
        total = cache.tokens + len(tokens)
        if not tokens or total > MAX_TOKENS:
            raise ValueError(f"{len(tokens)} tokens after {cache.tokens}: 1 to {MAX_TOKENS} in all")
        feed = dict(zip(self._past, cache.arrays, strict=True))
        feed["input_ids"] = np.array([tokens], np.int64)
        feed["wanted"] = np.array(wanted, np.int64)
        feed["last"] = np.array([total - 1], np.int32)
        feed["total"] = np.array(total, np.int32)
        logits, hidden, *arrays = self._session.run(self._outputs, feed)
        return Read(logits, hidden, Cache(tuple(arrays)))
