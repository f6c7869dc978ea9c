"""The speech process: ears, voice key, understanding and mouth. It can say words, and nothing else.

It never reaches the network, the camera, the journal or a serial port. One thread per model, so the event loop always
answers. A turn: the ears cut the utterance → recognition and voice embedding at the same time → understanding → `Turn`.
Of a session it keeps one vector (the voice key) and the last utterance's; `Forget`, or the end of the connection,
overwrites both and whatever sound is held.

    python -m kiosk.run.speech --socket PATH --config FILE [--fast]

    [speech]
    source = "microphone"      # microphone:NAME, socket:PATH (s16le, 16 kHz, mono), wav:FILE,FILE
    sink = "speaker"           # speaker:NAME, null (takes its time), null-fast, wav:FILE
    langs = ["zh", "en"]       # what is spoken here; a turn in another language is refused
    prompts = ["withdraw"]     # folders of flows whose prompts are rendered ahead; left out: all
"""

from __future__ import annotations

import asyncio
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from kiosk import paths
from kiosk.core import voice_key
from kiosk.core.endpoint import NothingHeard, limits
from kiosk.events import (
    Enrol,
    Enrolled,
    Forget,
    Forgotten,
    Heard,
    Listen,
    Nothing,
    Ready,
    Speak,
    SpeakBegan,
    SpeakEnded,
    Turn,
    UtteranceEnded,
)
from kiosk.ports import RATE, Recognizer, SoundSink, Synthesizer, Understander, Vector, VoiceEmbedder
from kiosk.run.ears import Ears, Utterance
from kiosk.run.ipc import Link, ProtocolError, serve, stop_on_signals
from kiosk.values import LANGS, Lang, OperatorError

#: What a customer may say, in the recogniser's own writing: it then rather hears these words than their sound-alikes.
HINTS: dict[Lang, str] = {
    "zh": "取款。取一千元。取五百块。查余额。取消。对。是的。不对。好的。确认。",
    "en": "I want to withdraw cash. Five hundred. One thousand yuan. Yes. No. Cancel. Check my balance.",
}

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The section [speech], checked."""

    source: str
    sink: str
    langs: tuple[Lang, ...]
    flows: Path
    #: folders of flows whose prompts are rendered ahead; empty: all
    prompts: tuple[str, ...] = ()


def read_settings(path: Path) -> Settings:
    """Raises:
    OperatorError: the file cannot be read, is not TOML, or a value is missing, unknown or of another kind.
    """
    try:
        whole = tomllib.loads(path.read_text(encoding="utf-8"))
        table = whole.get("speech")
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(path), remedy="Check --config.") from e
    except ValueError as e:  # not UTF-8, or not TOML: the message names line and column
        raise OperatorError(f"is not TOML: {e}", where=str(path), remedy="Mend that line.") from e

    def wrong(what: str, remedy: str) -> OperatorError:
        return OperatorError(f"[speech] {what}", where=str(path), remedy=remedy)

    if not isinstance(table, dict):
        raise wrong("is missing", 'Add it, with source = "microphone" and sink = "speaker".')
    if unknown := sorted(set(table) - {"socket", "source", "sink", "langs", "prompts"}):
        raise wrong(f"has no option {unknown[0]!r}", "Use source, sink, langs, prompts.")
    source, sink, langs = table.get("source"), table.get("sink"), table.get("langs", list(LANGS))
    if not isinstance(source, str):
        raise wrong("source is missing", 'Write source = "microphone", "socket:PATH" or "wav:FILE,…".')
    if not isinstance(sink, str):
        raise wrong("sink is missing", 'Write sink = "speaker", "null", "null-fast" or "wav:FILE".')
    if not isinstance(langs, list) or not langs or any(lang not in LANGS for lang in langs):
        raise wrong(f"langs is {langs!r}", f"Write a list out of {', '.join(LANGS)}.")
    flows = path.resolve().parent / str(whole.get("kiosk", {}).get("flows", paths.FLOWS))
    prompts = table.get("prompts", [])
    if not isinstance(prompts, list) or not all(isinstance(name, str) for name in prompts):
        raise wrong(f"prompts is {prompts!r}", "Write a list of flow folders, or leave it out: all.")
    return Settings(source, sink, tuple(langs), flows, tuple(prompts))


@dataclass(frozen=True)
class Engines:
    """The models, each behind its interface and used by one thread."""

    recognizer: Recognizer
    embedder: VoiceEmbedder
    understander: Understander
    synthesizer: Synthesizer


class Threads:
    """One thread per engine, and one for the speaker."""

    NAMES = ("hear", "voice", "understand", "synthesise", "play")

    def __init__(self) -> None:
        self._pools = {name: ThreadPoolExecutor(1, name) for name in self.NAMES}

    async def run(self, name: str, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pools[name], work, *args)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


class Session:
    """What is known of the customer: the voice key and the last utterance's voice. Nothing else outlives a turn."""

    def __init__(self) -> None:
        self.key: Vector | None = None
        self.last: Vector | None = None

    def heard(self, voice: Vector | None) -> None:
        """This is now the last utterance's voice."""
        if self.last is not None:
            self.last.fill(0)
        self.last = voice

    def enrol(self) -> str:
        """The last voice becomes the key; returns why it cannot, or nothing."""
        if self.last is None:
            return "no utterance with enough speech to know a voice by"
        self.key = self.last.copy()
        return ""

    def forget(self) -> None:
        for vector in (self.key, self.last):
            if vector is not None:
                vector.fill(0)
        self.key = self.last = None


class Worker:
    """Answers the core's messages; see `kiosk.events` for each."""

    def __init__(
        self, engines: Engines, ears: Ears, sink: SoundSink, langs: tuple[Lang, ...], facts: dict[str, str]
    ) -> None:
        self._engines = engines
        self._ears = ears
        self._sink = sink
        self._langs = langs
        self._facts = facts
        self._threads = Threads()
        self._session = Session()
        self._mouth = asyncio.Lock()

    async def handle(self, link: Link) -> None:
        """One core, until it goes; nothing of its session outlives it."""
        await link.send(Ready("speech", self._facts))
        try:
            async with asyncio.TaskGroup() as tasks:  # what fails in a task ends the process at once
                await self._answer(link, tasks)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._forget()

    def close(self) -> None:
        self._threads.close()

    async def _answer(self, link: Link, tasks: asyncio.TaskGroup) -> None:
        turn: asyncio.Task[None] | None = None
        running: set[asyncio.Task[None]] = set()
        async for message in link:
            match message:
                case Speak():
                    task = tasks.create_task(self._speak(link, message, time.monotonic()))
                case Listen():
                    if turn is not None and not turn.done():
                        raise ProtocolError("Listen came while the last turn was still open")
                    task = turn = tasks.create_task(self._listen(link, message))
                case Enrol():
                    await link.send(Enrolled(message.id, self._session.enrol()))
                    continue
                case Forget():
                    if turn is not None:
                        turn.cancel()
                    self._forget()
                    await link.send(Forgotten(message.id))
                    continue
                case _:
                    raise ProtocolError(f"{type(message).__name__} is not for the speech process")
            running.add(task)
            task.add_done_callback(running.discard)
        for task in running:  # the core is gone: nobody waits for them
            task.cancel()

    def _forget(self) -> None:
        self._ears.forget()
        self._session.forget()
        self._engines.synthesizer.forget()

    # --- the mouth ---

    async def _speak(self, link: Link, speak: Speak, asked: float) -> None:
        async with self._mouth:
            self._ears.mute(True)
            try:
                error = await self._say(link, speak, asked)
            finally:
                self._ears.mute(False)
            await link.send(SpeakEnded(speak.id, _now_ms(), error))

    async def _say(self, link: Link, speak: Speak, asked: float) -> str:
        """Play it piece by piece, making the next piece meanwhile; returns why nothing was said."""
        pieces = self._engines.synthesizer.say(speak.text, speak.lang, speak.rate)
        try:
            piece = await self._threads.run("synthesise", next, pieces, None)
            if piece is None:
                return "there was nothing to say"
            began = time.monotonic()
            await link.send(SpeakBegan(speak.id, began * 1000, round((began - asked) * 1000, 1)))
            while piece is not None:
                sound, rate = piece
                loud = np.clip(sound * np.float32(speak.volume), -1, 1) if speak.volume != 1 else sound
                following = asyncio.ensure_future(self._threads.run("synthesise", next, pieces, None))
                await self._threads.run("play", self._sink.play, loud, rate)
                piece = await following
        except OperatorError as e:
            return str(e)
        return ""

    # --- the ears ---

    async def _listen(self, link: Link, listen: Listen) -> None:
        if listen.lang not in self._langs:
            await link.send(Nothing(listen.id, "ears"))
            return
        heard = await self._heard(listen)
        if not isinstance(heard, Utterance):
            await link.send(Nothing(listen.id, heard.why if heard else "ears"))
            return
        try:
            await self._understand(link, listen, heard)
        finally:
            heard.sound.fill(0)

    async def _heard(self, listen: Listen) -> Utterance | NothingHeard | None:
        """What the ears caught; None when the source was dead for the whole time-out."""
        waiting = asyncio.wrap_future(self._ears.listen(limits(listen.expect, listen.timeout_s)))
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=0.5)
            if not waiting.done() and self._ears.silent_for() > listen.timeout_s:
                self._ears.forget()
                return None
        return waiting.result()

    async def _understand(self, link: Link, listen: Listen, heard: Utterance) -> None:
        waited_s = heard.ended.silence_s
        audio_s = heard.ended.end_s - heard.ended.begin_s
        await link.send(
            UtteranceEnded(listen.id, (heard.cut_at - waited_s) * 1000, round(waited_s * 1000, 1), round(audio_s, 3))
        )
        voice = asyncio.ensure_future(self._threads.run("voice", _timed, self._engines.embedder.embed, heard.sound))
        try:
            transcript, hear_ms = await self._threads.run(
                "hear", _timed, self._engines.recognizer.hear, heard.sound, listen.lang, HINTS[listen.lang]
            )
            if not transcript.text:
                await link.send(Nothing(listen.id, "noise"))
                return
            confidence = round(transcript.confidence, 3)
            await link.send(Heard(listen.id, transcript.text, transcript.lang, confidence, hear_ms))
            understood = await self._threads.run(
                "understand", self._engines.understander.understand, transcript.text, listen.lang, listen.expect
            )
        finally:
            vector, voice_ms = await voice  # also when nothing was heard: the sound must not be overwritten under it
        self._session.heard(vector)
        verdict, score = voice_key.compare(self._session.key, vector, audio_s)
        await link.send(Turn(listen.id, understood, verdict, round(score, 4), voice_ms))


def _timed(work: Callable[..., T], *args: Any) -> tuple[T, float]:
    """What `work` gives, and the milliseconds it took."""
    began = time.perf_counter()
    result = work(*args)
    return result, round((time.perf_counter() - began) * 1000, 1)


def _now_ms() -> float:
    return time.monotonic() * 1000


def load_engines(langs: tuple[Lang, ...], flows: Path, prompts: tuple[str, ...] = ()) -> Engines:
    """Load every model, side by side, and use each once: the first use is the slow one.

    Raises:
        OperatorError: weights are missing or not the verified ones.
    """
    from kiosk.adapters import ge2e, silero, whisper
    from kiosk.run.prepare import ready_mouth, ready_understanding

    def recognizer() -> Recognizer:
        model = whisper.load()
        for lang in langs:
            model.hear(np.full(RATE // 2, 1e-4, np.float32), lang)
        return model

    def embedder() -> VoiceEmbedder:
        return ge2e.load(silero.load())

    def understander() -> Understander:
        return ready_understanding(flows, langs)

    def synthesizer() -> Synthesizer:
        return ready_mouth(flows, langs, prompts)

    with ThreadPoolExecutor(4) as pool:
        hear, voice = pool.submit(recognizer), pool.submit(embedder)
        understand, say = pool.submit(understander), pool.submit(synthesizer)
        return Engines(hear.result(), voice.result(), understand.result(), say.result())


def start(socket: Path, settings: Settings, fast: bool) -> None:
    """Load, serve until SIGTERM."""
    from kiosk.adapters import silero, sound

    with ExitStack() as stack:
        source = sound.source(settings.source, paced=not fast)
        stack.callback(source.close)
        sink = sound.sink(settings.sink)
        stack.callback(sink.close)
        began = time.monotonic()
        engines = load_engines(settings.langs, settings.flows, settings.prompts)
        facts = {
            "recognizer": "whisper-base int8",
            "activity": "silero-v6",
            "voice": "ge2e",
            "source": settings.source.partition(":")[0],
            "sink": settings.sink.partition(":")[0],
            "langs": ",".join(settings.langs),
            "without": getattr(engines.understander, "missing", "") or "nothing",
            "load_s": f"{time.monotonic() - began:.1f}",
        }
        ears = Ears(source, silero.load(), on_demand=fast or settings.source.startswith("wav:"))
        stack.callback(ears.close)
        asyncio.run(_serve(socket, engines, ears, sink, settings.langs, facts))


async def _serve(
    socket: Path, engines: Engines, ears: Ears, sink: SoundSink, langs: tuple[Lang, ...], facts: dict[str, str]
) -> None:
    worker = Worker(engines, ears, sink, langs, facts)
    loop = asyncio.get_running_loop()
    stop = stop_on_signals()
    broken: list[BaseException] = []

    def failed(error: BaseException | None) -> None:
        broken.append(error or OperatorError("the source of sound ended", where=facts["source"]))
        loop.call_soon_threadsafe(stop.set)

    ears.start(failed)
    try:
        await serve(socket, worker.handle, stop)
    finally:
        worker.close()
    if broken:
        raise broken[0]


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where the core finds this process.")
@click.option("--config", type=click.Path(path_type=Path), required=True, help="TOML with a section [speech].")
@click.option("--fast", is_flag=True, help="Do not pace: the source is read as fast as it comes, only while listening.")
def main(socket: Path, config: Path, fast: bool) -> None:
    """Hear, understand and speak for the core."""
    try:
        start(socket, read_settings(config), fast)
    except OperatorError as e:
        click.echo(f"kiosk speech: {e}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
