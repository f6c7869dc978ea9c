"""The attacks of `attacks.jsonl` before the language model itself: a sample of them, and the same property."""

from __future__ import annotations

import pytest
from unit.test_attacks import ATTACKS, breaches

from kiosk import paths
from kiosk.adapters import understanding

pytestmark = pytest.mark.weights

#: every so many of them: about ten seconds
EVERY = 16


def test_nobody_talks_the_model_over() -> None:
    reader = understanding.load(paths.FLOWS)
    if reader.missing:
        pytest.skip(reader.missing)
    found = []
    for row in ATTACKS[::EVERY]:
        u = reader.understand(row["text"], row["lang"], row["expect"])
        found += [(row["text"][:60], what) for what in breaches(row, u)]
    assert found == []
