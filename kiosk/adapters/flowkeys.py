"""Every key that a flow file may have, in one table: the loader refuses what is not here, editors complete what is.

`schema` turns the table into a JSON Schema, so an editor and the loader cannot disagree.
"""

from __future__ import annotations

from typing import Any

from kiosk.core.flow import ACCEPTS, COMPARES, OUTCOMES, VERIFIES, Kind
from kiosk.core.intents import SLOT_TYPES
from kiosk.values import EXPONENTS, LANGS

#: what stands behind a key: `text`, `texts`, `number`, `step` (the name of one), `steps` (outcome → step), `words`
#: (name → name), `limit` (a number, or the name of a slot or fact), `guard`, or a list of the words that are allowed
Shape = str | tuple[str, ...]

FLOW: dict[str, tuple[Shape, str]] = {
    "flow": ("text", "The folder's name."),
    "version": ("number", "Counted up with each change."),
    "intent": ("text", "What a customer means, from understanding.yaml. Without one, the flow is only for `link`."),
    "title": ("titles", "What the flow is called, per language."),
    "slots": ("slots", "What the customer has to say."),
    "start": ("step", "The first step."),
    "steps": ("stepmap", "The steps by name; each does exactly one thing."),
    "receipts": ("receipts", "Lines of paper by name and language."),
}
SLOT: dict[str, tuple[Shape, str]] = {
    "type": (SLOT_TYPES, "Money is computed from the words; the others are one of `choices`."),
    "currency": (tuple(EXPONENTS), "ISO 4217."),
    "min": ("number", "The least, in main units."),
    "max": ("number", "The most, in main units."),
    "multiple": ("number", "The amount must be a multiple of it."),
    "choices": ("choices", "What the bank is told → the words for it, per language."),
}
GUARD: dict[str, tuple[Shape, str]] = {
    "of": ("text", "The slot or fact that is looked at."),
    **{how: ("limit", "A number in main units, or another slot or fact.") for how in COMPARES},
    "else": ("step", "Where it goes on when the guard does not hold."),
}
_THEN: tuple[Shape, str] = ("step", "The next step.")
_ON: tuple[Shape, str] = ("steps", "Outcome → next step.")
_TIMEOUT: tuple[Shape, str] = ("number", "Seconds.")
#: keys that any step may have
ANY: dict[str, tuple[Shape, str]] = {
    "compensate": ("step", "Where every outcome leads that is not named and not as it was meant."),
    "guard": ("guard", "The step is only done while this holds."),
}
#: what stands behind the kind's own key, with the further keys of that kind; `on_OUTCOME` comes from `OUTCOMES`
STEP: dict[Kind, tuple[Shape, str, dict[str, tuple[Shape, str]]]] = {
    Kind.SAY: ("text", "Speak this prompt.", {"then": _THEN}),
    Kind.ASK: (
        "text",
        "Ask until this slot is filled.",
        {
            "prompts": ("texts", "For the first, second and third try."),
            "prompt": ("text", "One prompt; its variants in prompts.LANG.yaml are the tries."),
            "timeout": _TIMEOUT,
            "then": _THEN,
        },
    ),
    Kind.CONFIRM: (
        "text",
        "Read this slot or fact back and want a yes.",
        {
            "prompts": ("texts", "For the first, second and third try."),
            "prompt": ("text", "One prompt."),
            "timeout": _TIMEOUT,
            "then": _THEN,
        },
    ),
    Kind.VERIFY: (
        tuple(VERIFIES),
        "Who is it?",
        {"say": ("text", "Spoken meanwhile."), "timeout": _TIMEOUT, "on": _ON},
    ),
    Kind.PLAN: ("text", "Can the cassettes pay this slot?", {"on": _ON}),
    Kind.CALL: ("text", "A verb of the bank's map.", {"with": ("words", "Field → slot, fact, or =word."), "on": _ON}),
    Kind.DISPENSE: ("text", "Pay this slot in cash.", {"on": _ON}),
    Kind.ACCEPT: (
        tuple(ACCEPTS),
        "Notes from the customer.",
        {"say": ("text", "Spoken meanwhile."), "timeout": _TIMEOUT, "on": _ON},
    ),
    Kind.PRINT: ("text", "Print this receipt.", {"then": _THEN}),
    Kind.CASE: ("text", "Open a numbered case for the operator.", {"then": _THEN}),
    Kind.BRANCH: (
        "text",
        "Go on by the value of this slot or fact.",
        {
            "in": ("steps", "Value → step."),
            **{how: ("limit", "Compare with a number in main units, or another slot or fact.") for how in COMPARES},
            "then": _THEN,
            "else": ("step", "Where every other value leads."),
        },
    ),
    Kind.GOTO: ("step", "Go on at this step.", {}),
    Kind.LINK: ("text", "Run another flow; its ends lead on here.", {"on": _ON}),
    Kind.END: ("text", "The session is over, for this reason.", {}),
}


def step_keys(kind: Kind) -> dict[str, tuple[Shape, str]]:
    """Every key that a step of this kind may have."""
    shape, words, more = STEP[kind]
    talking = {f"on_{o}": _THEN for o in OUTCOMES[kind] if o != "then"} if "then" in OUTCOMES[kind] else {}
    alone = kind in (Kind.GOTO, Kind.END)
    return {kind.value: (shape, words), **more, **talking, **({} if alone else ANY)}


def schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of `flow.yaml`."""
    steps = [
        {
            "title": kind.value,
            "type": "object",
            "properties": {k: _schema(s, words) for k, (s, words) in step_keys(kind).items()},
            "required": [kind.value],
            "additionalProperties": False,
        }
        for kind in Kind
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A flow of kiosk",
        "type": "object",
        "properties": {k: _schema(s, words) for k, (s, words) in FLOW.items()},
        "required": ["flow", "version", "title", "start", "steps"],
        "additionalProperties": False,
        "$defs": {
            "step": {"oneOf": steps},
            "slot": _object(SLOT, ["type"]),
            "guard": _object(GUARD, ["of", "else"]),
            "texts": {
                "type": "object",
                "properties": {lang: {"type": "array", "items": {"type": "string"}} for lang in LANGS},
                "required": list(LANGS),
                "additionalProperties": False,
            },
        },
    }


def _object(table: dict[str, tuple[Shape, str]], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {k: _schema(s, words) for k, (s, words) in table.items()},
        "required": required,
        "additionalProperties": False,
    }


def _schema(shape: Shape, words: str) -> dict[str, Any]:
    named: dict[str, dict[str, Any]] = {
        "text": {"type": "string"},
        "step": {"type": "string"},
        "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "number": {"type": "number"},
        "limit": {"type": ["number", "string"]},
        "steps": {"type": "object", "additionalProperties": {"type": "string"}},
        "words": {"type": "object", "additionalProperties": {"type": "string"}},
        "guard": {"$ref": "#/$defs/guard"},
        "titles": {
            "type": "object",
            "properties": {lang: {"type": "string"} for lang in LANGS},
            "required": list(LANGS),
            "additionalProperties": False,
        },
        "slots": {"type": "object", "additionalProperties": {"$ref": "#/$defs/slot"}},
        "stepmap": {"type": "object", "additionalProperties": {"$ref": "#/$defs/step"}},
        "receipts": {"type": "object", "additionalProperties": {"$ref": "#/$defs/texts"}},
        "choices": {"type": "object", "additionalProperties": {"$ref": "#/$defs/texts"}},
    }
    made = {"enum": list(shape)} if isinstance(shape, tuple) else named[shape]
    return {**made, "description": words}
