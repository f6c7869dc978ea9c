"""What the documents name still exists: names that rot are found here, not by a newcomer."""

from __future__ import annotations

import importlib
import re

import pytest

from kiosk import paths

TEXT = (paths.HOME / "docs" / "one-withdrawal.md").read_text(encoding="utf-8")
DOTTED = sorted(set(re.findall(r"`((?:kiosk|devices)(?:\.\w+)+)`", TEXT)))
CLASSES = {
    "BankClient": "kiosk.adapters.bank",
    "Conversation": "kiosk.run.session",
    "DeviceClient": "devices.client",
    "Eyes": "kiosk.run.senses",
    "FaceCheck": "kiosk.core.face_check",
    "Ge2e": "kiosk.adapters.ge2e",
    "Journal": "kiosk.adapters.journal",
    "LlmReader": "kiosk.adapters.llm_reader",
    "Office": "kiosk.run.session",
    "PhraseReader": "kiosk.core.phrases",
    "Slot": "kiosk.core.flow",
    "SpokenEars": "kiosk.run.senses",
    "State": "kiosk.core.engine",
    "Till": "kiosk.run.till",
    "Whisper": "kiosk.adapters.whisper",
    "_Walk": "kiosk.core.engine",
}
METHODS = sorted(set(re.findall(r"`(\w+)\.(\w+)`", TEXT)) - {("CashDispenser", "Dispense")})  # a message, not a class


@pytest.mark.parametrize("name", DOTTED)
def test_a_dotted_name_is_there(name: str) -> None:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            there: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            there = getattr(there, part)
        return
    pytest.fail(f"no module of {name}")


@pytest.mark.parametrize(("cls", "method"), METHODS)
def test_a_method_is_there(cls: str, method: str) -> None:
    if cls in ("kiosk", "devices"):
        return
    owner = getattr(importlib.import_module(CLASSES[cls]), cls)
    assert hasattr(owner, method) or method in getattr(owner, "__dataclass_fields__", {})
