"""Everything that is said between the processes and between the engine and the world: frozen values, one line each.

Three families. *Events* happened and go into the flow engine. *Effects* are what the engine wants done. *Messages* pass
between the core and its workers over unix sockets. All of them turn into JSON objects and back by one pair of
functions, derived from the fields: there is no second list to forget.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypeVar, Union

from kiosk.values import Lang, Money

SlotValue = Money | str
Span = tuple[int, int]


class Voice(StrEnum):
    """How the voice of this utterance compares with the session's key."""

    NEW = "new"  #: the session has no key yet
    KEPT = "kept"
    UNSURE = "unsure"
    CHANGED = "changed"


class WhenUnknown(StrEnum):
    """What may be done with an effect whose outcome is not known (DESIGN 4.1)."""

    AGAIN = "again"
    SAME_KEY = "same key"
    ASK_DEVICE = "ask the device"


# --- understanding ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Understood:
    """An utterance read as an intent with slots. `none` is out of scope, `ask` names `candidates`."""

    text: str
    lang: Lang
    intent: str
    slots: dict[str, SlotValue] = field(default_factory=dict)
    #: where each slot's words stand in `text`; no span, no slot
    spans: dict[str, Span] = field(default_factory=dict)
    confidence: float = 0.0
    #: which readers decided, e.g. `phrases+llm`
    route: str = ""
    candidates: tuple[str, ...] = ()
    #: why a value must be confirmed aloud: `approximate`, `ambiguous`
    flags: tuple[str, ...] = ()
    ms: float = 0.0


# --- events: into the engine -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A session begins in `lang`; `claimed` is the customer who the card (or the demo) says stands here."""

    session: str
    lang: Lang
    claimed: str


@dataclass(frozen=True)
class Said:
    """The customer said something, and this is what was understood and whose voice it was."""

    understood: Understood
    voice: Voice = Voice.NEW
    voice_score: float = 0.0


@dataclass(frozen=True)
class NotHeard:
    """The customer was asked and nothing usable came: `silence`, `noise`, or `ears` when hearing itself failed."""

    why: Literal["silence", "noise", "ears"] = "silence"


@dataclass(frozen=True)
class Done:
    """An effect ended. `outcome` is one of the words the step lists; `facts` are values that came with it."""

    effect: str
    outcome: str
    facts: dict[str, SlotValue | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Restarted:
    """The kiosk came up again with this session open: the customer is taken to be gone, nothing more may be paid."""


Event = Opened | Said | NotHeard | Done | Restarted


# --- effects: out of the engine --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Say:
    """Speak and show `text`. `prompt` is its name in the flow's prompt file."""

    id: str
    prompt: str
    text: str
    lang: Lang
    rate: float = 1.0
    volume: float = 1.0
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class Hear:
    """Open the ears. `expect` narrows understanding: `intent`, `money`, `yes_no`, … (see `core.intents.EXPECTS`)."""

    id: str
    expect: str
    lang: Lang
    timeout_s: float
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class VerifyFace:
    """Compare the face at the camera with the template of `claimed`. Outcomes: `ok refused no_face error`."""

    id: str
    claimed: str
    timeout_s: float
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class KeepVoice:
    """The voice heard so far becomes the session's key (only after the face was verified). Outcomes: `ok error`."""

    id: str
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class CallBank:
    """One bank verb of the mapping under one idempotency key (`id`). `advice`: repeated until acknowledged."""

    id: str
    verb: str
    fields: dict[str, SlotValue]
    advice: bool = False
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.SAME_KEY


@dataclass(frozen=True)
class Denominate:
    """Can the cassettes pay `amount` now? Moves nothing. Outcomes: `ok`, `not_payable` (with the fact `payable`: the
    most, below `amount`, that they could pay), `error`."""

    id: str
    amount: Money
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class Dispense:
    """Pay `amount`, which the bank authorised. Outcomes: `paid partial none unknown`, or `lost`: ask the device."""

    id: str
    amount: Money
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.ASK_DEVICE


@dataclass(frozen=True)
class AskDispenser:
    """What became of the dispense with this very `id`? Moves nothing. Outcomes as `Dispense`, without `lost`."""

    id: str
    amount: Money
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class CashIn:
    """Open the note acceptor and count into escrow what the customer puts in. Outcomes: `counted` (with the fact
    `accepted`), `nothing error unknown`, or `lost`: ask the device."""

    id: str
    timeout_s: float
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.ASK_DEVICE


@dataclass(frozen=True)
class CashInEnd:
    """Store the notes in escrow for good. Outcomes: `stored` (with the fact `stored`), `unknown`, or `lost`."""

    id: str
    amount: Money
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.ASK_DEVICE


@dataclass(frozen=True)
class CashInRollback:
    """Hand the notes in escrow back. Outcomes: `returned`, `unknown`, or `lost`."""

    id: str
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.ASK_DEVICE


@dataclass(frozen=True)
class AskAcceptor:
    """What became of the cash-in deed with this very `id`? Moves nothing. Outcomes as that deed's, without `lost`."""

    id: str
    deed: Literal["count", "store", "return"]
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class PrintReceipt:
    """Print these lines. Outcomes: `ok error`."""

    id: str
    lines: tuple[str, ...]
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class OpenCase:
    """Hand what cannot be known to the operator, under a number. `unknown` bounds the money in doubt."""

    id: str
    reason: str
    unknown: Money
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


@dataclass(frozen=True)
class Close:
    """The session is over: face and voice are forgotten within a second."""

    id: str
    reason: str
    when_unknown: ClassVar[WhenUnknown] = WhenUnknown.AGAIN


Effect = (
    Say | Hear | VerifyFace | KeepVoice | CallBank | Denominate | Dispense | AskDispenser
    | CashIn | CashInEnd | CashInRollback | AskAcceptor | PrintReceipt | OpenCase | Close
)  # fmt: skip


# --- messages: core to workers and back; `at_ms` is CLOCK_MONOTONIC, which all processes of one box share ------------


@dataclass(frozen=True)
class Ready:
    """A worker can serve. `facts` says which models it holds and what it cannot do."""

    process: str
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Speak:
    """To speech: say this. `rate` and `volume` are factors, 1.0 = normal."""

    id: str
    text: str
    lang: Lang
    rate: float = 1.0
    volume: float = 1.0


@dataclass(frozen=True)
class SpeakBegan:
    """From speech: the first sound went out at `at_ms`; `first_ms` after the request came."""

    id: str
    at_ms: float
    first_ms: float


@dataclass(frozen=True)
class SpeakEnded:
    """From speech: the last sound went out, or `error` says why none did."""

    id: str
    at_ms: float
    error: str = ""


@dataclass(frozen=True)
class Listen:
    """To speech: open the ears until one utterance ended or `timeout_s` passed without speech."""

    id: str
    lang: Lang
    expect: str
    timeout_s: float


@dataclass(frozen=True)
class UtteranceEnded:
    """From speech: the endpointer cut. Speech really ended at `speech_end_ms`; waiting for more took `endpoint_ms`."""

    id: str
    speech_end_ms: float
    endpoint_ms: float
    audio_s: float


@dataclass(frozen=True)
class Heard:
    """From speech: what the recogniser wrote. `confidence` is 0…1; `ms` is what recognition took."""

    id: str
    text: str
    lang: Lang
    confidence: float
    ms: float


@dataclass(frozen=True)
class Turn:
    """From speech: one whole turn, understood and compared with the session's voice key. `voice_ms` was in parallel."""

    id: str
    understood: Understood
    voice: Voice
    voice_score: float
    voice_ms: float


@dataclass(frozen=True)
class Nothing:
    """From speech: the ears closed without a usable utterance."""

    id: str
    why: Literal["silence", "noise", "ears"]


@dataclass(frozen=True)
class Enrol:
    """To speech: the last utterance's voice becomes the key. To vision: the `picture` (a path) becomes `person`'s
    template."""

    id: str
    person: str = ""
    picture: str = ""


@dataclass(frozen=True)
class Enrolled:
    """From a worker: `error` is empty when it worked."""

    id: str
    error: str = ""


@dataclass(frozen=True)
class Look:
    """To vision: verify the face at the camera 1:1 against `person`'s template."""

    id: str
    person: str
    timeout_s: float


@dataclass(frozen=True)
class Looked:
    """From vision: `ok refused no_face error`, the best cosine `score`, and the time from request to answer."""

    id: str
    outcome: Literal["ok", "refused", "no_face", "error"]
    score: float
    ms: float


@dataclass(frozen=True)
class Forget:
    """To a worker: the session is over, drop its face, voice and sound now."""

    id: str


@dataclass(frozen=True)
class Forgotten:
    """From a worker: nothing of the session is left in memory."""

    id: str


Message = (
    Ready | Speak | SpeakBegan | SpeakEnded | Listen | UtteranceEnded | Heard | Turn | Nothing
    | Enrol | Enrolled | Look | Looked | Forget | Forgotten
)  # fmt: skip


# --- to and from JSON ------------------------------------------------------------------------------------------------

_KINDS: dict[str, type[Any]] = {}
T = TypeVar("T")


def to_dict(value: Any) -> dict[str, Any]:
    """A frozen value as a JSON object: `kind` is its class name, the rest its fields."""
    return {"kind": type(value).__name__, **{f.name: _out(getattr(value, f.name)) for f in dataclasses.fields(value)}}


def from_dict(data: dict[str, Any]) -> Any:
    """The value that `to_dict` wrote.

    Raises:
        ValueError: the kind is unknown, a field is missing, unknown or of another type.
    """
    data = dict(data)
    kind = data.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"unknown kind {kind!r}")
    return _build(_KINDS[kind], data)


def _out(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _out(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {k: _out(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_out(v) for v in value]
    return value


@functools.cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    """Reading the annotations is most of the cost of reading an entry back, and they do not change."""
    return typing.get_type_hints(cls)


def _build(cls: type[T], data: Any) -> T:
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__} wants an object, not {data!r}")
    kind: Any = cls
    hints = _hints(kind)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = set(data) - set(fields)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {sorted(unknown)[0]!r}")
    for name, f in fields.items():
        if name not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ValueError(f"{cls.__name__} lacks field {name!r}")
    return cls(**{name: _in(hints[name], item) for name, item in data.items()})


def _in(hint: Any, value: Any) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        for option in args:
            try:
                return _in(option, value)
            except ValueError:
                continue
        raise ValueError(f"{value!r} is none of {hint}")
    if origin is Literal:
        if value not in args:
            raise ValueError(f"{value!r} is none of {args}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no object")
        return {_in(args[0], k): _in(args[1], v) for k, v in value.items()}
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{value!r} is no list")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_in(args[0], v) for v in value)
        if len(args) != len(value):
            raise ValueError(f"{value!r} wants {len(args)} members")
        return tuple(_in(a, v) for a, v in zip(args, value, strict=True))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _build(hint, value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    if hint is float and type(value) is int:
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{value!r} is not {hint}")


_KINDS.update(
    {
        cls.__name__: cls
        for cls in (*typing.get_args(Event), *typing.get_args(Effect), *typing.get_args(Message), Understood)
    }
)
