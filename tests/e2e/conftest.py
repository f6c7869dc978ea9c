"""End-to-end tests need the fetched weights; without them they are skipped, with the remedy in the reason."""

from __future__ import annotations

import pytest

from kiosk.adapters.weights import need
from kiosk.values import OperatorError

NEEDED = ("whisper-base", "qwen", "kokoro", "kokoro-voices", "piper-joe", "ge2e", "faces", "pictures")


@pytest.fixture(autouse=True, scope="session")
def _weights() -> None:
    try:
        for name in NEEDED:
            need(name)
    except OperatorError as e:
        pytest.skip(str(e))
