"""Every event, effect and message survives the way through JSON; nothing else gets in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk import events
from kiosk.events import from_dict, to_dict
from kiosk.values import Money

KINDS = sorted(events._KINDS.values(), key=lambda c: c.__name__)
st.register_type_strategy(Money, st.builds(Money, st.integers(0, 10**12), st.sampled_from(["CNY", "JPY"])))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_round_trip(kind: type) -> None:
    @given(st.from_type(kind))
    def through_json(value: Any) -> None:
        assert from_dict(json.loads(json.dumps(to_dict(value)))) == value

    through_json()


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=5) | st.none(), max_size=5))
def test_anything_else_is_a_value_error(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_dict(data)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "Done", "effect": "1"},
        {"kind": "Done", "effect": "1", "outcome": "ok", "more": 1},
        {"kind": "Done", "effect": 1, "outcome": "ok"},
        {"kind": "Dispense", "id": "1", "amount": {"minor": -1, "currency": "CNY"}},
        {"kind": "Dispense", "id": "1", "amount": {"minor": 1.5, "currency": "CNY"}},
        {"kind": "Dispense", "id": "1", "amount": {"minor": True, "currency": "CNY"}},
        {"kind": "NotHeard", "why": "bored"},
        {"kind": "Turn", "id": "1", "understood": {}, "voice": "kept", "voice_score": 1.0, "voice_ms": 1.0},
    ],
)
def test_a_wrong_field_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_dict(data)
