"""What all tests share: the house of flows that ships, and where data and weights lie (or why a test is skipped)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from kiosk import paths
from kiosk.adapters.bank_map import load_map
from kiosk.adapters.flowfile import load_house, verbs_of
from kiosk.adapters.intentfile import load_intents
from kiosk.core.flow import House, Verb
from kiosk.core.phrases import PhraseReader

# Tests do not time things (benchmarks do): a busy machine must not fail one.
settings.register_profile("kiosk", deadline=None)
settings.load_profile("kiosk")
sys.path.insert(0, str(Path(__file__).parent))  # helpers of the tests: `import world`


@pytest.fixture(scope="session")
def verbs() -> dict[str, Verb]:
    return verbs_of(load_map(paths.FLOWS / "banks" / "demo" / "map.yaml"))


@pytest.fixture(scope="session")
def house(verbs: dict[str, Verb]) -> House:
    return load_house(paths.FLOWS, verbs)


@pytest.fixture(scope="session")
def phrases() -> PhraseReader:
    return PhraseReader(load_intents(paths.FLOWS))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data that nobody here wrote; tests that measure on it are skipped where it is absent."""
    folder = Path(os.environ.get("KIOSK_SHARED", paths.HOME.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set KIOSK_SHARED")
    return folder
