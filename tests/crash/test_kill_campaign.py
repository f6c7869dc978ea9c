"""A small `kiosk prove kill`: processes die at seeded moments, several times over, and the books agree in the end."""

from __future__ import annotations

import asyncio
import os

import pytest

from kiosk.prove.kill import campaign
from kiosk.values import OperatorError

pytestmark = pytest.mark.weights
#: KIOSK_KILL_CAMPAIGN=N kills N; the long one is `kiosk prove kill --kills N`
KILLS = int(os.environ.get("KIOSK_KILL_CAMPAIGN", "4"))


def test_whoever_dies_the_books_agree() -> None:
    from kiosk.adapters.weights import need

    try:
        need("faces")
        need("pictures")
    except OperatorError as e:
        pytest.skip(str(e))
    report = asyncio.run(campaign(KILLS, 3, lambda _: None))
    assert report.unsafe == []
    assert report.kills >= KILLS
    assert sum(report.victims.values()) == report.kills
    assert report.sessions > 0
    assert set(report.books) <= {"agree", "case"}
