"""What a kiosk has ready before its first customer: spoken prompts, and the language model's reading of the examples.

Both are made once and kept under `paths.CACHE` by content hash, so a start finds them there in moments. The first time
takes a minute or two; whoever starts a kiosk for a person shows the progress.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kiosk.adapters import mouth, understanding
from kiosk.adapters.flowfile import prompt_texts
from kiosk.values import Lang

#: (what is being made, done, of how many; 0 = not known)
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, of: int) -> None:
    """A progress that nobody watches."""


def ready_mouth(
    flows: Path, langs: Sequence[Lang], names: Sequence[str] = (), progress: Progress = silent
) -> mouth.Mouth:
    """A mouth with every prompt of the flows (or of these `names`) ready, and the read-backs of usual amounts."""
    made = mouth.load(langs=langs)
    for lang in langs:

        def tell(done: int, of: int, lang: Lang = lang) -> None:
            progress(f"prompts {lang}", done, of)

        made.prepare(prompt_texts(flows, lang, names), lang, fields={"amount": mouth.USUAL_AMOUNTS}, progress=tell)
    return made


def ready_understanding(flows: Path, langs: Sequence[Lang], progress: Progress = silent) -> understanding.Reader:
    """An understander that has read the flows' examples in these languages."""
    return understanding.load(flows, langs=langs, progress=lambda what: progress(what, 0, 0))


def prepare(flows: Path, langs: Sequence[Lang], names: Sequence[str] = (), progress: Progress = silent) -> None:
    """Make both and let go of the models: what is on disk afterwards is what a start wants."""
    with ThreadPoolExecutor(2) as both:
        mouth_made = both.submit(ready_mouth, flows, langs, names, progress)
        both.submit(ready_understanding, flows, langs, progress).result()
        mouth_made.result().close()
