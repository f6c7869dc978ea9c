"""The founding scene, played: a synthetic customer before a real kiosk, and the books compared at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kiosk import paths
from kiosk.adapters.weights import need
from kiosk.demo.customer import OTHERS, Customer, Recordings
from kiosk.demo.microphone import Microphone, Room
from kiosk.demo.stage import PROMPTS, Stage
from kiosk.ports import Sound
from kiosk.run.prepare import Progress, prepare, silent
from kiosk.run.processes import OPERATORS_MISTAKE
from kiosk.run.transcript import Transcript
from kiosk.values import Lang, OperatorError

#: what the customer answers, by what the kiosk listens for
LINES: dict[Lang, dict[str, str]] = {
    "zh": {"intent": "我要取款", "money": "取一千元", "yes_no": "对"},
    "en": {"intent": "I would like to withdraw some money", "money": "one thousand yuan please", "yes_no": "yes"},
}
#: without these nothing is begun
WEIGHTS: dict[Lang, tuple[str, ...]] = {
    "zh": ("whisper-base", "qwen", "ge2e", "faces", "pictures", "kokoro", "kokoro-voices"),
    "en": ("whisper-base", "qwen", "ge2e", "faces", "pictures", "kokoro", "kokoro-voices", "piper-joe"),
}
#: a person takes a moment before answering
REACTION_S = 0.35
#: longer than any step listens
SILENCE_S = 12.0
#: a scene that hangs is a failed scene
LIMIT_S = 240.0


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a scene, and the ways a session may then safely end."""

    ends: tuple[str, ...]
    bank: tuple[str, ...] = ()
    dispenser: str = ""
    stranger: bool = False
    other_voice: bool = False
    power_cut: bool = False
    explain: dict[Lang, str] = field(default_factory=dict)


FAULTS: dict[str, Fault] = {
    "bank-timeout": Fault(
        ("bank silent",),
        bank=("authorise:timeout-after-commit:always", "status:timeout-before-commit:always"),
        explain={
            "zh": "银行冻结了款项却一直不答复：冻结必须撤销，一张钞票也不能出",
            "en": "the bank holds the money but never answers: the hold must be undone, no cash may move",
        },
    ),
    "dispense-jam": Fault(
        ("paid in part", "in doubt"),
        dispenser="jam-after=4",
        explain={
            "zh": "出钞机出到第四张卡住：只能扣确实付出的钱，说不清的记为个案",
            "en": "the dispenser jams after four notes: only what surely left may be charged, doubt is a case",
        },
    ),
    "wrong-face": Fault(
        ("face refused",),
        stranger=True,
        explain={
            "zh": "摄像头前是另一个人：不得再问钱的事",
            "en": "another person stands before the camera: nothing about money may be asked",
        },
    ),
    "other-voice": Fault(
        ("other voice",),
        other_voice=True,
        explain={
            "zh": "说金额的是另一个人的声音：再问一次，仍不是本人就结束",
            "en": "another person names the amount: asked once more, then ended, no cash may move",
        },
    ),
    "power-cut": Fault(
        ("in doubt", "paid", "paid in part", "nothing paid"),
        dispenser="power-loss-after=4",
        power_cut=True,
        explain={
            "zh": "点钞时断电：重启后只问出钞机付了多少，绝不再付一次",
            "en": "the power fails while notes are counted: after the restart the device is asked, never told again",
        },
    ),
}
_GOOD = Fault(("paid",))


async def play(
    lang: Lang,
    tell: Callable[[dict[str, Any]], None],
    *,
    fault: str = "",
    fast: bool = False,
    wavs: tuple[Path, ...] = (),
    noise_db: float = 38.0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Play it; every event goes to `tell`, the answer is the summary object of DESIGN section 6.

    The first time, prompts and examples are made ready before anyone is served; `progress` hears of that.

    Raises:
        OperatorError: weights are missing, a recording cannot be read, or a part of the stage did not start.
    """
    for name in WEIGHTS[lang]:
        need(name)
    plan = FAULTS.get(fault, _GOOD)
    people = People(lang, wavs, plan.other_voice)
    transcript = Transcript(lang)
    reasons: list[str] = []

    def pass_on(event: dict[str, Any]) -> None:
        transcript.watch.take(event)
        if event["event"] == "closed":
            reasons.append(event["reason"])
        tell(event)

    stage = Stage(
        lang, fast=fast, stranger=plan.stranger, bank_faults=plan.bank, dispenser_fault=plan.dispenser, seed=1
    )
    async with stage, asyncio.timeout(LIMIT_S):
        await asyncio.to_thread(people.prepare)
        await asyncio.to_thread(prepare, paths.FLOWS, (lang,), PROMPTS, progress)
        await attend(stage, people, pass_on, fast=fast, noise_db=noise_db, power_cut=plan.power_cut)
        if plan.power_cut:
            await stage.start_dispenser()
        if stage.core_code == OPERATORS_MISTAKE:
            raise OperatorError(stage.core_log().strip().splitlines()[-1].removeprefix("kiosk: "))
        if plan.power_cut or stage.core_code:
            async for event in stage.events("--settle"):
                pass_on(event)
        verdict, legs, _ = stage.books()
        receipts = stage.receipts()
        state = stage.dispenser_state()
        core_log = stage.core_log()
    safe = bool(reasons) and reasons[-1] in plan.ends
    notes = [sum(n) for n in zip(*(leg.notes for leg in legs), strict=True)] or [0, 0, 0]
    watch = transcript.watch
    return {
        "event": "summary",
        "lang": lang,
        "fault": fault or None,
        "ok": verdict.ok and safe,
        "books": verdict.books,
        "reasons": [
            *verdict.reasons,
            *([] if safe else [f"ended {reasons[-1:] or 'never'}, wanted one of {plan.ends}"]),
        ],
        "ended": reasons[-1] if reasons else None,
        "notes": dict(zip(("presented", "rejected", "unknown"), notes, strict=True)),
        "left_machine": state["presented"],
        "authorised_minor": sum(leg.authorised for leg in legs),
        "captured_minor": sum(leg.captured for leg in legs),
        "released_minor": sum(leg.released for leg in legs),
        "cases": [n for leg in legs for n in leg.cases],
        "receipts": receipts,
        "liveness": "off",
        "voice_to_voice_ms": {"p50": None, "p95": None} if fast else watch.waits(),
        "stages_ms": {} if fast else watch.medians(),
        "log": core_log.splitlines()[-5:] if not (verdict.ok and safe) else [],
    }


async def attend(
    stage: Stage,
    people: People,
    tell: Callable[[dict[str, Any]], None],
    *,
    fast: bool,
    noise_db: float = 38.0,
    power_cut: bool = False,
) -> None:
    """One customer, from the first word to the last note (or to the cut). Words that no ear takes are lost."""
    microphone: Microphone | None = None
    try:
        async for event in stage.events("--sessions", "1"):
            tell(event)
            if event["event"] == "listening":
                line = people.answer(event["expect"])
                if line is not None:
                    tell({"event": "customer", "text": line[0], "aside": line[2], "now_ms": event["now_ms"]})
                try:
                    if microphone is None:
                        microphone = await asyncio.to_thread(Microphone, stage.microphone, Room(noise_db), fast=fast)
                    await asyncio.to_thread(microphone.hush, REACTION_S if line else SILENCE_S)
                    if line is not None:
                        await asyncio.to_thread(microphone.say, line[1])
                except (ConnectionError, OperatorError):  # the speech process died; when it is back, we plug in again
                    if microphone is not None:
                        await asyncio.to_thread(microphone.close)
                    microphone = None
            elif event["event"] == "dispense" and power_cut and not event["ask"]:
                await stage.dispenser_died()
                await stage.cut_power()
                what = "everything in the box, in the middle of the count"
                tell({"event": "power_cut", "what": what, "now_ms": event["now_ms"]})
    finally:
        if microphone is not None:
            await asyncio.to_thread(microphone.close)


class People:
    """Who stands before the kiosk, with their words ready before the scene begins."""

    def __init__(self, lang: Lang, wavs: tuple[Path, ...], other_voice: bool) -> None:
        self._lang: Lang = lang
        self._recordings = [(wav.name, Recordings([wav]).speech(wav.name), "recording") for wav in wavs]
        self._recorded = bool(wavs)
        self._other_voice = other_voice
        self._spoken: dict[str, tuple[str, Sound, str]] = {}

    def prepare(self) -> None:
        """Render what will be said, so that no customer's voice is made while the kiosk is measured."""
        if self._recorded:
            return
        lines = LINES[self._lang]
        own, other = Customer(self._lang), Customer(self._lang, OTHERS[self._lang])
        for expect, text in lines.items():
            stranger = self._other_voice and expect != "intent"
            sound = (other if stranger else own).speech(text)
            self._spoken[expect] = (text, sound, "another person" if stranger else "")

    def answer(self, expect: str) -> tuple[str, Sound, str] | None:
        """Words, their sound and an aside; None when there is nothing left to say."""
        if self._recorded:
            return self._recordings.pop(0) if self._recordings else None
        return self._spoken.get(expect)
