"""Understanding as a whole: the flows' intents, the two readers, the amount reader and the judge, behind one interface.

The rules by which they agree or ask are in `kiosk.core.judge`; this file only brings the readers together, and goes on
without the language model when its weights are not there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from kiosk import paths
from kiosk.adapters import weights
from kiosk.adapters.intentfile import load_intents
from kiosk.adapters.simplified import simplified
from kiosk.core import amount
from kiosk.core.intents import IntentSpec
from kiosk.core.judge import Opinion, judge, permitted
from kiosk.core.phrases import PhraseReader
from kiosk.events import Span, Understood
from kiosk.values import LANGS, Lang, OperatorError

#: characters of one utterance; a recogniser writes a tenth of it
LONGEST = amount.LONGEST


class Phrases(Protocol):
    def read(self, text: str, lang: Lang, expect: str = "intent") -> Understood: ...


class Model(Protocol):
    def read(self, text: str, lang: Lang, permitted: Sequence[str], money: Span | None) -> Opinion | None: ...


class Reader:
    """The understander of a kiosk (`kiosk.ports.Understander`). `missing` says why the language model does not read."""

    def __init__(self, intents: Sequence[IntentSpec], phrases: Phrases, model: Model | None, missing: str = "") -> None:
        self._intents = tuple(intents)
        self._named = {i.name: i for i in intents}
        self._phrases = phrases
        self._model = model
        self.missing = missing

    def understand(self, text: str, lang: Lang, expect: str = "intent") -> Understood:
        """Read one utterance, narrowed by what the flow expects.

        Raises:
            ValueError: `text` is longer than `LONGEST`, or `expect` is not one of `kiosk.core.intents.EXPECTS`.
        """
        if len(text) > LONGEST:
            raise ValueError(f"{len(text)} characters; an utterance has at most {LONGEST}")
        began = time.monotonic()
        labels = permitted(expect, self._intents)
        phrases = self._phrases.read(text, lang, expect)
        # what cannot be meant now is no candidate either
        phrases = replace(phrases, candidates=tuple(c for c in phrases.candidates if c in labels))
        found = amount.read(text, lang)
        opinion = self._model.read(text, lang, labels, found.span if found else None) if self._model else None
        u = judge(phrases, opinion, found, self._named)
        return replace(u, text=text, lang=lang, ms=round((time.monotonic() - began) * 1000, 1))


def load(
    flows: Path,
    *,
    model: bool = True,
    langs: Sequence[Lang] = LANGS,
    progress: Callable[[str], None] = lambda _: None,
) -> Reader:
    """The understander for the flows under `flows`; two seconds with the model, which `model` may leave out.

    The first time that the model meets these flows it learns their examples of each of `langs`, about half a minute a
    language, which `progress` hears of. A language that is not named is learnt when it is first spoken.
    Weights that are missing or damaged are no error here: the phrases read alone, and `missing` says why.

    Raises:
        OperatorError: the flows' `understanding.yaml` files are wrong.
    """
    intents = load_intents(flows)
    phrases = PhraseReader(intents, simplified=simplified)
    if not model:
        return Reader(intents, phrases, None, "left out")
    from kiosk.adapters.llm_reader import LlmReader
    from kiosk.adapters.qwen import Qwen

    try:
        qwen = Qwen(weights.need("qwen"))
    except OperatorError as e:
        return Reader(intents, phrases, None, str(e))
    reader = LlmReader(qwen, intents, paths.CACHE / "understanding")
    for lang in langs:
        reader.warm(lang, progress)
    return Reader(intents, phrases, reader)
