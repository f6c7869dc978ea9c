"""Fixtures of the device tests: what they start is stopped afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from device_bench import Service, Sim, spawn_sim


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Callable[..., Sim]]:
    """`sim("lcdm2000", "--fast", …)` starts one in the test's folder; all are stopped afterwards."""
    started: list[Sim] = []

    def start(name: str, *options: str) -> Sim:
        started.append(spawn_sim(name, tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[[], Service]]:
    started: list[Service] = []

    def start() -> Service:
        started.append(Service(tmp_path))
        return started[-1].start()

    yield start
    for one in started:
        one.end()
