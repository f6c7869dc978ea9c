"""The speech process over its real sockets, with ears that read a script instead of models.

The scripted microphone plays levels: 0.5 stands for the customer's speech, 0.25 for another person's, 0 for silence.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kiosk.adapters.sound import NullSink, SocketSource
from kiosk.events import (
    Enrol,
    Enrolled,
    Forget,
    Forgotten,
    Heard,
    Listen,
    Look,
    Nothing,
    Ready,
    Speak,
    SpeakBegan,
    SpeakEnded,
    Turn,
    Understood,
    UtteranceEnded,
    Voice,
)
from kiosk.ports import FRAME, RATE, Sound, Transcript, Vector
from kiosk.run.ears import Ears
from kiosk.run.ipc import Link, connect, serve
from kiosk.run.speech import Engines, Worker, read_settings
from kiosk.values import Lang, OperatorError

CUSTOMER, OTHER, MURMUR = 0.5, 0.25, 0.375
FRAMES_A_SECOND = RATE // FRAME


class Loud:
    def probability(self, frame: Sound) -> float:
        return 0.9 if np.abs(frame).max() > 0.1 else 0.1

    def reset(self) -> None: ...


class Script:
    """All engines in one: what is heard, and whose voice it is, follows from the level. It keeps the sounds it got."""

    def __init__(self) -> None:
        self.sounds: list[Sound] = []
        self.said: list[tuple[str, float]] = []
        self.forgot = threading.Event()
        self.slow = threading.Event()
        self.slow.set()

    def hear(self, sound: Sound, lang: Lang | None, hint: str = "") -> Transcript:
        self.slow.wait(10)
        self.sounds.append(sound)
        assert hint
        text = "" if np.isclose(sound.max(), MURMUR, atol=0.01) else "取一千元"
        return Transcript(text, lang or "zh", 0.9)

    def embed(self, sound: Sound) -> Vector | None:
        if np.count_nonzero(np.abs(sound) > 0.1) < RATE // 4:
            return None
        return np.array([1, 0] if sound.max() > 0.4 else [0, 1], np.float32)

    def understand(self, text: str, lang: Lang, expect: str = "intent") -> Understood:
        return Understood(text, lang, "withdraw" if expect == "intent" else "amount", confidence=1.0, route="script")

    def say(self, text: str, lang: Lang, rate: float = 1.0) -> Iterator[tuple[Sound, int]]:
        if text == "broken":
            raise OperatorError("the voice is missing")
        for part in text.split("。"):
            self.said.append((part, rate))
            yield np.full(160, 0.9, np.float32), 16_000

    def forget(self) -> None:
        self.forgot.set()


class Microphone:
    """Writes levels into the socket as fast as the worker takes them."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def plays(self, *parts: tuple[float, float]) -> None:
        """Pairs of level and seconds."""
        for level, seconds in parts:
            frames = round(seconds * FRAMES_A_SECOND)
            self._writer.write(np.full(frames * FRAME, int(level * 32767), "<i2").tobytes())
        await self._writer.drain()


Talk = Callable[[Link, Microphone, Script], Awaitable[Any]]


def converse(tmp_path: Path, *talks: Talk, langs: tuple[Lang, ...] = ("zh", "en")) -> Any:
    """Serve a worker, run each of `talks` as a core of its own, one after the other; gives what the last one gave."""

    async def run() -> Any:
        script = Script()
        ears = Ears(SocketSource(tmp_path / "mic"), Loud(), on_demand=True)
        failed: list[BaseException | None] = []
        ears.start(failed.append)
        worker = Worker(Engines(script, script, script, script), ears, NullSink(pace=False), langs, {"who": "script"})
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(tmp_path / "s", worker.handle, stop))
        _, writer = await asyncio.open_unix_connection(str(tmp_path / "mic"))
        answer = None
        try:
            for talk in talks:
                link = await connect(tmp_path / "s", 5)
                assert await link.receive() == Ready("speech", {"who": "script"})
                answer = await asyncio.wait_for(talk(link, Microphone(writer), script), 20)
                await link.close()
        finally:
            stop.set()
            script.slow.set()
            await serving
            worker.close()
            ears.close()
            writer.close()
        assert failed == []
        return answer

    return asyncio.run(run())


async def listen(link: Link, expect: str = "intent", lang: Lang = "zh", timeout_s: float = 3.0) -> list[Any]:
    """Everything that answers one Listen."""
    await link.send(Listen("1", lang, expect, timeout_s))
    got = []
    while not got or not isinstance(got[-1], Turn | Nothing):
        got.append(await link.receive())
    return got


def test_one_turn_from_sound_to_meaning(tmp_path: Path) -> None:
    async def talk(link: Link, mic: Microphone, script: Script) -> list[Any]:
        await mic.plays((0, 0.5), (CUSTOMER, 1), (0, 1.5))
        got = await listen(link)
        assert not any(sound.any() for sound in script.sounds), "the sound was not overwritten"
        return got

    ended, heard, turn = converse(tmp_path, talk)
    assert isinstance(ended, UtteranceEnded)
    assert ended.audio_s == pytest.approx(1.0, abs=0.04)
    assert ended.endpoint_ms == pytest.approx(700, abs=33)
    assert heard == Heard("1", "取一千元", "zh", 0.9, heard.ms)
    assert turn.understood == Understood("取一千元", "zh", "withdraw", confidence=1.0, route="script")
    assert (turn.voice, turn.voice_score) == (Voice.NEW, 0.0)


def test_the_key_knows_its_voice(tmp_path: Path) -> None:
    async def talk(link: Link, mic: Microphone, script: Script) -> list[Any]:
        voices = []
        for number, (level, seconds) in enumerate([(CUSTOMER, 1), (CUSTOMER, 1), (OTHER, 1), (CUSTOMER, 0.15)]):
            await mic.plays((level, seconds), (0, 1.5))
            *_, turn = await listen(link, "money")
            voices.append((turn.voice, turn.voice_score))
            if number == 0:
                await link.send(Enrol("e"))
                assert await link.receive() == Enrolled("e")
        return voices

    assert converse(tmp_path, talk) == [
        (Voice.NEW, 0.0),
        (Voice.KEPT, 1.0),
        (Voice.CHANGED, 0.0),
        (Voice.UNSURE, 0.0),
    ]


async def no_key(link: Link, mic: Microphone, _: Script) -> Any:
    await mic.plays((CUSTOMER, 1), (0, 1.5))
    *_, turn = await listen(link)
    assert turn.voice is Voice.NEW


async def with_key(link: Link, mic: Microphone, _: Script) -> Any:
    await mic.plays((CUSTOMER, 1), (0, 1.5))
    await listen(link)
    await link.send(Enrol("e"))
    assert await link.receive() == Enrolled("e")


def test_forget_drops_key_and_last_voice(tmp_path: Path) -> None:
    async def talk(link: Link, mic: Microphone, script: Script) -> Any:
        await with_key(link, mic, script)
        await link.send(Forget("f"))
        assert await link.receive() == Forgotten("f")
        assert script.forgot.is_set()
        await link.send(Enrol("e"))
        answer = await link.receive()
        await no_key(link, mic, script)
        return answer

    assert "no utterance" in converse(tmp_path, talk).error


def test_a_dead_cores_session_is_forgotten_and_the_next_core_served(tmp_path: Path) -> None:
    converse(tmp_path, with_key, no_key)


def test_a_core_that_dies_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    async def dies(link: Link, mic: Microphone, script: Script) -> None:
        script.slow.clear()
        await mic.plays((CUSTOMER, 1), (0, 1.5))
        await link.send(Listen("1", "zh", "intent", 3.0))
        assert isinstance(await link.receive(), UtteranceEnded)

    async def after(link: Link, mic: Microphone, script: Script) -> None:
        script.slow.set()
        await no_key(link, mic, script)

    converse(tmp_path, dies, after)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([(0, 4)], "silence"),
        ([(0, 0.5), (CUSTOMER, 0.064), (0, 3.5)], "noise"),
        ([(MURMUR, 1), (0, 1.5)], "noise"),  # the recogniser believes none of it
    ],
)
def test_nothing_usable(tmp_path: Path, parts: list[tuple[float, float]], why: str) -> None:
    async def talk(link: Link, mic: Microphone, _: Script) -> Any:
        await mic.plays(*parts)
        return (await listen(link))[-1]

    assert converse(tmp_path, talk) == Nothing("1", why)


def test_a_dead_microphone_is_said(tmp_path: Path) -> None:
    async def talk(link: Link, _mic: Microphone, _: Script) -> Any:
        return await listen(link, timeout_s=0.3)

    assert converse(tmp_path, talk) == [Nothing("1", "ears")]


def test_a_language_that_is_not_spoken_here(tmp_path: Path) -> None:
    async def talk(link: Link, _mic: Microphone, _: Script) -> Any:
        return await listen(link, lang="en")

    assert converse(tmp_path, talk, langs=("zh",)) == [Nothing("1", "ears")]


def test_speaking_in_pieces(tmp_path: Path) -> None:
    async def talk(link: Link, _mic: Microphone, script: Script) -> Any:
        await link.send(Speak("1", "你好。再见", "zh", rate=0.8))
        await link.send(Speak("2", "broken", "zh"))
        got = [await link.receive() for _ in range(3)]
        return got, script.said

    (began, ended, broken), said = converse(tmp_path, talk)
    assert isinstance(began, SpeakBegan)
    assert ended == SpeakEnded("1", ended.at_ms)
    assert broken == SpeakEnded("2", broken.at_ms, "the voice is missing")
    assert said == [("你好", 0.8), ("再见", 0.8)]


def test_a_message_for_another_process_ends_the_connection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def strays(link: Link, _mic: Microphone, _: Script) -> Any:
        await link.send(Look("1", "anna", 1.0))
        return await link.receive()

    assert converse(tmp_path, strays) is None
    assert "Look is not for the speech process" in capsys.readouterr().err


def test_what_is_heard_while_speaking_is_dropped() -> None:
    """A live source is read all the time: only frames of an open turn, outside of the kiosk's own speech, count."""
    go, frames = threading.Semaphore(0), threading.Semaphore(0)
    levels: list[float] = []

    class Live:
        def frames(self) -> Iterator[Sound]:
            while True:
                go.acquire()
                if not levels:
                    return
                yield np.full(FRAME, levels.pop(0), np.float32)
                frames.release()

        def close(self) -> None: ...

    def plays(level: float, seconds: float) -> None:
        for _ in range(round(seconds * FRAMES_A_SECOND)):
            levels.append(level)
            go.release()
            frames.acquire()  # it was taken: the next one is asked for

    from kiosk.core.endpoint import limits

    ears = Ears(Live(), Loud(), on_demand=False)
    ears.start(lambda _: None)
    plays(CUSTOMER, 0.5)  # nobody listens
    answer = ears.listen(limits("intent", 3.0))
    ears.mute(True)
    plays(OTHER, 0.5)  # the kiosk's own voice
    ears.mute(False)
    plays(CUSTOMER, 1)
    plays(0, 1)
    heard = answer.result(timeout=5)
    assert heard.ended.end_s == pytest.approx(1.0, abs=0.04)
    assert OTHER not in heard.sound
    go.release()
    ears.close()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "[speech] is missing"),
        ("[speech", "is not TOML"),
        ('[speech]\nsink = "null"', "source is missing"),
        ('[speech]\nsource = "microphone"', "sink is missing"),
        ('[speech]\nsource = "microphone"\nsink = "null"\nvolume = 3', "no option 'volume'"),
        ('[speech]\nsource = "microphone"\nsink = "null"\nlangs = ["de"]', "langs is"),
        ('[speech]\nsource = "microphone"\nsink = "null"\nlangs = [["zh"]]', "langs is"),
    ],
)
def test_settings_name_what_is_wrong(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "k.toml").write_text(text)
    with pytest.raises(OperatorError) as e:
        read_settings(tmp_path / "k.toml")
    assert what in str(e.value)
    assert "k.toml" in str(e.value)
