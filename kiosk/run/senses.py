"""Ears, mouth and eyes as the conversation uses them: every failure of a worker is an outcome, never an exception."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, Protocol

from kiosk.events import (
    Enrol,
    Enrolled,
    Forget,
    Forgotten,
    Hear,
    Heard,
    Listen,
    Look,
    Looked,
    NotHeard,
    Nothing,
    Said,
    Say,
    Speak,
    SpeakBegan,
    SpeakEnded,
    Turn,
    Understood,
    UtteranceEnded,
    VerifyFace,
    Voice,
)
from kiosk.ports import Understander
from kiosk.run.links import Gone, Worker

#: the worker counts the silence itself; this is only for a worker that hangs
PATIENCE_S = 30.0
#: the longest prompt at the slowest rate
SPEAK_S = 60.0
ENROL_S = 5.0
#: face and voice are forgotten within a second of the session's end (DESIGN)
FORGET_S = 1.0
Tell = Callable[..., None]


class Ears(Protocol):
    """Where the customer's words come from and where ours go."""

    #: nobody will ever say anything again
    ended: bool

    async def say(self, say: Say) -> None: ...
    async def quiet(self) -> None: ...
    async def listen(self, hear: Hear) -> Said | NotHeard: ...
    async def keep_voice(self, id_: str) -> str: ...
    async def forget(self, id_: str) -> bool: ...


class SpokenEars:
    """The speech process."""

    ended = False  # a worker that died may come back

    def __init__(self, worker: Worker, tell: Tell) -> None:
        self._worker = worker
        self._tell = tell
        self._speaking: list[asyncio.Task[None]] = []
        self._order = asyncio.Lock()

    async def say(self, say: Say) -> None:
        """Begin to speak; returns at once. `quiet` waits for the end."""
        self._speaking.append(asyncio.create_task(self._speak(say)))
        await asyncio.sleep(0)

    async def _speak(self, say: Say) -> None:
        async with self._order:
            try:
                began = self._worker.expect(say.id, SpeakBegan, SpeakEnded)
                message = Speak(say.id, say.text, say.lang, say.rate, say.volume)
                ended = asyncio.create_task(self._worker.ask(message, SpeakEnded, timeout_s=SPEAK_S))
                await asyncio.wait({began, ended}, return_when=asyncio.FIRST_COMPLETED)
                if began.done() and not began.exception() and isinstance(began.result(), SpeakBegan):
                    self._tell("speaking", id=say.id, at_ms=began.result().at_ms, first_ms=began.result().first_ms)
                result = await ended
                if result.error:
                    self._tell("mute", id=say.id, why=result.error)
            except Gone as e:
                self._tell("mute", id=say.id, why=str(e))

    async def quiet(self) -> None:
        """Until everything that was to be said has been said (or could not be)."""
        if self._speaking:
            await asyncio.gather(*self._speaking)
            self._speaking.clear()

    async def listen(self, hear: Hear) -> Said | NotHeard:
        self._tell("listening", id=hear.id, expect=hear.expect)
        message = Listen(hear.id, hear.lang, hear.expect, hear.timeout_s)
        try:
            answer = await self._worker.ask(message, Turn, Nothing, timeout_s=hear.timeout_s + PATIENCE_S)
        except Gone as e:
            self._tell("deaf", id=hear.id, why=str(e))
            return NotHeard("ears")
        if isinstance(answer, Nothing):
            return NotHeard(answer.why)
        return Said(answer.understood, answer.voice, answer.voice_score)

    async def keep_voice(self, id_: str) -> str:
        try:
            answer = await self._worker.ask(Enrol(id_), Enrolled, timeout_s=ENROL_S)
        except Gone as e:
            self._tell("deaf", id=id_, why=str(e))
            return "error"
        return "error" if answer.error else "ok"

    async def forget(self, id_: str) -> bool:
        return await _forget(self._worker, id_)


class TypedEars:
    """`--text`: lines of a terminal instead of a microphone. There is no voice, so none is compared."""

    def __init__(self, understander: Understander, tell: Tell) -> None:
        self._understander = understander
        self._tell = tell
        self._lines: asyncio.Queue[str] | None = None
        self.ended = False

    async def say(self, say: Say) -> None:
        return None

    async def quiet(self) -> None:
        return None

    async def listen(self, hear: Hear) -> Said | NotHeard:
        self._tell("listening", id=hear.id, expect=hear.expect)
        line = await self._line()
        if not line:
            self.ended = True
            return NotHeard("ears")
        text = line.strip()
        if not text:
            return NotHeard("silence")
        u = await asyncio.get_running_loop().run_in_executor(
            None, self._understander.understand, text[:2000], hear.lang, hear.expect
        )
        self._tell("understood", **understood_facts(u))
        return Said(u, Voice.KEPT, 1.0)

    async def _line(self) -> str:
        """The next line with its end; empty when there are no more."""
        if self.ended:
            return ""
        if self._lines is None:
            self._lines = asyncio.Queue()
            reading = (asyncio.get_running_loop(), self._lines)
            threading.Thread(target=_read_lines, args=reading, daemon=True, name="typed").start()
        return await self._lines.get()

    async def keep_voice(self, id_: str) -> str:
        return "ok"

    async def forget(self, id_: str) -> bool:
        return True


def _read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    """Lines of the terminal into the queue, then an empty one. A thread that nobody waits for, so that Ctrl-C ends the
    kiosk while it still reads; and it reads the descriptor itself, because Python would wait for the lock of
    `sys.stdin` at its exit."""
    rest = b""
    try:
        while chunk := os.read(0, 1 << 16):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace") + "\n")
    except OSError:
        pass  # the terminal is gone: as good as its end
    except RuntimeError:
        return  # the loop is closed: nobody listens any more
    try:
        for line in (rest.decode(errors="replace"), ""):
            loop.call_soon_threadsafe(lines.put_nowait, line)
    except RuntimeError:
        return


class Eyes:
    """The vision process."""

    def __init__(self, worker: Worker, tell: Tell) -> None:
        self._worker = worker
        self._tell = tell

    async def verify(self, look: VerifyFace) -> str:
        message = Look(look.id, look.claimed, look.timeout_s)
        try:
            answer: Looked = await self._worker.ask(message, Looked, timeout_s=look.timeout_s + PATIENCE_S)
        except Gone as e:
            self._tell("blind", id=look.id, why=str(e))
            return "error"
        liveness = (self._worker.ready.facts if self._worker.ready else {}).get("liveness", "unknown")
        self._tell("face", id=look.id, outcome=answer.outcome, score=answer.score, ms=answer.ms, liveness=liveness)
        return answer.outcome

    async def forget(self, id_: str) -> bool:
        return await _forget(self._worker, id_)


async def _forget(worker: Worker, id_: str) -> bool:
    """True when nothing is left: the worker said so, or there is none; every worker forgets when its connection ends.
    One that hangs is dropped, and False is told."""
    if not worker.connected:
        return True
    try:
        await worker.ask(Forget(id_), Forgotten, timeout_s=FORGET_S)
    except Gone:
        return False
    return True


def understood_facts(u: Understood) -> dict[str, Any]:
    """What may be told of an utterance to a developer's screen."""
    slots = {k: v.to_dict() if hasattr(v, "to_dict") else v for k, v in u.slots.items()}
    facts = {"text": u.text, "intent": u.intent, "slots": slots, "confidence": round(u.confidence, 3), "route": u.route}
    return facts | ({"candidates": list(u.candidates)} if u.candidates else {}) | {"ms": round(u.ms, 1)}


def speech_event(tell: Tell) -> Callable[[str, Any], None]:
    """What the workers say on the way to an answer, as events for people to look at."""

    def on_event(worker: str, value: Any) -> None:
        match value:
            case UtteranceEnded():
                tell("utterance", id=value.id, speech_end_ms=value.speech_end_ms, endpoint_ms=value.endpoint_ms)
            case Turn():
                tell("understood", **understood_facts(value.understood))
                tell(
                    "voice",
                    id=value.id,
                    outcome=value.voice.value,
                    score=round(value.voice_score, 3),
                    ms=value.voice_ms,
                )
            case Exception():
                tell("broken", worker=worker, why=str(value))
            case Heard():
                tell("heard", id=value.id, text=value.text, lang=value.lang, confidence=value.confidence, ms=value.ms)

    return on_event
