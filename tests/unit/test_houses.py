"""A reload is whole or not at all, and a session that is open keeps the flows that it began with (FAULTS E2, A5)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kiosk import paths
from kiosk.adapters.journal import Journal
from kiosk.core.engine import advance
from kiosk.core.flow import House, Verb
from kiosk.core.fold import Diverged, digests, fold, turn_body
from kiosk.events import Done, Event, Opened, Restarted
from kiosk.prove.world import World, said
from kiosk.run.houses import Houses
from kiosk.values import Money, OperatorError


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    shutil.copytree(paths.FLOWS, tmp_path / "flows")
    return tmp_path / "flows"


def edit(flows: Path, file: str, old: str, new: str) -> None:
    words = (flows / file).read_text(encoding="utf-8")
    assert old in words
    (flows / file).write_text(words.replace(old, new), encoding="utf-8")


def test_a_broken_edit_changes_nothing(flows: Path, verbs: dict[str, Verb], tmp_path: Path) -> None:
    houses = Houses(flows, verbs, tmp_path / "shelf")
    before = houses.current
    edit(flows, "balance/prompts.zh.yaml", "好的，请看摄像头。", "请看这里。")  # good, but not alone
    edit(flows, "withdraw/flow.yaml", "none: give_back", "none: pay")
    with pytest.raises(OperatorError, match="may be repeated") as e:
        houses.reload()
    assert e.value.where.startswith(str(flows / "withdraw" / "flow.yaml"))
    assert houses.current is before
    edit(flows, "withdraw/flow.yaml", "none: pay", "none: give_back")
    assert houses.reload().named("balance").prompts["zh"]["look_here"] == "请看这里。"
    assert houses.current is not before


@pytest.mark.parametrize("file", ["withdraw/prompts.zh.yaml", "common/prompts.zh.yaml"])
def test_every_text_that_is_spoken_is_in_a_flows_digest(
    flows: Path, verbs: dict[str, Verb], tmp_path: Path, file: str
) -> None:
    houses = Houses(flows, verbs, tmp_path / "shelf")
    before = digests(houses.current)
    edit(flows, file, "cancelled: 已取消，您的钱没有动。", "cancelled: 取消了，您的钱没有动。")
    assert digests(houses.reload())["withdraw"] != before["withdraw"]


EVENTS: tuple[Event | tuple[str, dict[str, Money | str | int]], ...] = (
    Opened("S1", "zh", "grace"),
    said("取一千元", "withdraw", Money(100_000), (1, 4)),
    ("ok", {}),
    ("ok", {}),
    ("ok", {}),
    said("对", "yes"),
    ("approved", {"authorisation": "A1"}),
)


@pytest.mark.parametrize("cut", range(2, len(EVENTS) + 1))
def test_an_interrupted_session_is_settled_by_the_flows_it_began_with(
    flows: Path, verbs: dict[str, Verb], tmp_path: Path, cut: int
) -> None:
    """At each state: the power fails, everything is edited, and another kiosk process settles the session."""
    journal, houses = Journal(tmp_path / "journal.db", "K1"), Houses(flows, verbs, tmp_path / "shelf")
    state = None
    for item in EVENTS[:cut]:
        event = Done(getattr(state.waiting, "id", ""), *item) if isinstance(item, tuple) and state else item
        assert not isinstance(event, tuple)
        state, effects = advance(houses.current, state, event)
        journal.append("S1", "", "turn", turn_body(event, effects, digests(houses.current)))
    edit(flows, "withdraw/prompts.zh.yaml", "好的，请看摄像头。", "请看这里。")
    edit(flows, "withdraw/flow.yaml", "version: 2", "version: 3")
    later = Houses(flows, verbs, tmp_path / "shelf")
    with pytest.raises(Diverged):
        fold(later.current, journal.entries("S1"))
    own = later.of(next(journal.entries("S1")).body["flows"])
    assert own.named("withdraw").version == 2
    assert fold(own, journal.entries("S1")) == state
    assert state is not None
    settled, _ = advance(own, state, Restarted())
    assert settled.gone
    assert later.of({"withdraw": "0" * 16}) is later.current
    journal.close()


def test_sessions_before_and_after_a_reload_each_agree(flows: Path, verbs: dict[str, Verb], tmp_path: Path) -> None:
    houses = Houses(flows, verbs, tmp_path / "shelf")
    old: House = houses.current
    for seed in range(20):
        world = World(houses.current, seed)
        world.session()
        world.settle_advices()
        assert world.books().ok, seed
        if seed == 10:
            edit(flows, "withdraw/prompts.zh.yaml", "好的，请看摄像头。", "请看这里。")
            houses.reload()
    assert houses.current is not old
    assert houses.of(digests(old)).named("withdraw").digest == old.named("withdraw").digest
