"""The kiosk's events as a person reads them: who said what, and what each stage took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kiosk.values import Lang, Money

_WORDS: dict[Lang, dict[str, str]] = {
    "zh": {
        "customer": "顾客",
        "kiosk": "柜员机",
        "face": "人脸",
        "voice": "声音",
        "bank": "银行",
        "cash": "现金",
        "paper": "凭条",
        "case": "个案",
        "note": "说明",
    },
    "en": {
        "customer": "customer",
        "kiosk": "kiosk",
        "face": "face",
        "voice": "voice",
        "bank": "bank",
        "cash": "cash",
        "paper": "receipt",
        "case": "case",
        "note": "note",
    },
}


@dataclass
class Stopwatch:
    """What each stage took, in milliseconds, and how long a customer waited for the first sound of an answer."""

    stages: dict[str, list[float]] = field(default_factory=dict)
    voice_to_voice: list[float] = field(default_factory=list)
    _speech_end: float | None = None

    def take(self, event: dict[str, Any]) -> None:
        name = event["event"]
        one = {"heard": "hear", "understood": "understand", "face": "face", "bank": "bank"}.get(name)
        if one:
            self.stages.setdefault(one, []).append(event["ms"])
        if name == "utterance":
            self.stages.setdefault("endpoint", []).append(event["endpoint_ms"])
            self._speech_end = event["speech_end_ms"]
        elif name == "turn":
            self.stages.setdefault("flow", []).append(event["flow_ms"])
        elif name == "speaking":
            self.stages.setdefault("speak first sound", []).append(event["first_ms"])
            if self._speech_end is not None and event["at_ms"]:
                self.voice_to_voice.append(event["at_ms"] - self._speech_end)
                self._speech_end = None

    def medians(self) -> dict[str, float]:
        return {k: round(statistics.median(v), 1) for k, v in self.stages.items()}

    def waits(self) -> dict[str, float | None]:
        """p50 and p95 of voice to voice; None where nothing was measured."""
        if not self.voice_to_voice:
            return {"p50": None, "p95": None}
        ordered = sorted(self.voice_to_voice)
        return {
            "p50": round(statistics.median(ordered), 1),
            "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        }


class Transcript:
    """Turns events into lines; silent about what only a machine wants to know."""

    def __init__(self, lang: Lang, *, timed: bool = True) -> None:
        self._words = _WORDS[lang]
        self._timed = timed
        self._start: float | None = None
        self._waited: list[float] = []
        self.watch = Stopwatch()

    def lines(self, event: dict[str, Any]) -> Iterable[str]:
        """The lines that this event is worth."""
        before = len(self.watch.voice_to_voice)
        self.watch.take(event)
        self._waited = self.watch.voice_to_voice[before:]
        now = event.get("now_ms", 0.0)
        if event["event"] in ("session", "recovering"):
            self._start = now if self._start is None else self._start
        at = (now - self._start) / 1000 if self._start is not None else 0.0
        for who, text in self._rows(event):
            yield f"{at:6.1f} s  {self._words.get(who, who):<9}{text}"

    def _rows(self, e: dict[str, Any]) -> Iterable[tuple[str, str]]:
        match e["event"]:
            case "customer":
                yield "customer", f"「{e['text']}」" + (f"  ({e['aside']})" if e.get("aside") else "")
            case "heard":
                yield "", f"  heard {e['text']!r} {self._ms(hear=e['ms'])}"
            case "understood":
                slots = " ".join(f"{k}={_shown(v)}" for k, v in e["slots"].items())
                what = f"{e['intent']} {slots}".strip() + (f" {e['candidates']}" if "candidates" in e else "")
                yield "", f"  understood {what} ({e['confidence']:.2f}, {e['route']}) {self._ms(understand=e['ms'])}"
            case "voice" if e["outcome"] != "new":
                yield "voice", f"{e['outcome']} ({e['score']:.2f})"
            case "voice_key":
                yield "voice", f"this voice is now the session's key: {e['outcome']}"
            case "face":
                yield (
                    "face",
                    f"{e['outcome']} (score {e['score']:.2f}; liveness is {e['liveness']}) {self._ms(face=e['ms'])}",
                )
            case "say":
                yield "kiosk", e["text"]
            case "speaking":
                yield "", f"  {self._ms(**{'first sound': e['first_ms']})}{self._wait(self._waited)}"
            case "bank":
                yield "bank", f"{e['verb']}: {e['outcome']}{_why(e)} {self._ms(bank=e['ms'])}"
            case "dispense" if e["ask"]:
                yield "cash", f"asking the dispenser what became of {_shown(e['amount'])}"
            case "dispense":
                yield "cash", f"dispense {_shown(e['amount'])}"
            case "dispensed":
                counts = f"{e.get('presented_notes', 0)} notes presented, {e.get('rejected_notes', 0)} rejected"
                yield "cash", f"{e['outcome']}: {counts}, {e.get('unknown_notes', 0)} unknown"
            case "receipt":
                yield "paper", e["outcome"]
            case "case":
                yield "case", f"No. {e['case']}: {e['reason']}, {_shown(e['unknown'])} in doubt"
            case "forgotten":
                yield "note", f"face, voice and key of the session are forgotten ({e['ms']:.0f} ms)"
            case "absent" | "process_down" | "mute" | "deaf" | "blind" | "broken":
                yield "note", f"{e['event']}: {e.get('process') or e.get('name') or ''} {e.get('why', '')}"
            case "power_cut" | "recovering" | "recovered" | "advice_acknowledged" | "closed":
                more = {k: v for k, v in e.items() if k in ("session", "reason", "verb", "what")}
                yield "note", f"{e['event'].replace('_', ' ')}: " + ", ".join(f"{v}" for v in more.values())

    def _ms(self, **stages: float) -> str:
        return "[" + " · ".join(f"{k} {v:.0f} ms" for k, v in stages.items()) + "]" if self._timed else ""

    def _wait(self, waits: list[float]) -> str:
        return f" voice to voice {waits[-1]:.0f} ms" if waits and self._timed else ""


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "minor" in value:
        money = Money(value["minor"], value["currency"])
        return f"{money.shown()} {money.currency}"
    return str(value)


def _why(e: dict[str, Any]) -> str:
    return f" ({e['why']}, {e['attempts']} tries)" if e.get("why") else ""
