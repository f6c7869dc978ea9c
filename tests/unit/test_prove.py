"""The proof must bite: faults planted in the flow that ships are all found, each by the rule that speaks of it."""

# ruff: noqa: E501 - a table reads better in one line a row

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kiosk import paths
from kiosk.adapters.flowfile import inspect, load_house
from kiosk.core.flow import Verb
from kiosk.values import OperatorError

#: what is replaced in flows/withdraw/flow.yaml, by what, and what `kiosk check` must say
PLANTED = [
    ("a hold without a face", "start: face\n", "start: amount\n", "a hold before face and voice are verified"),
    ("no voice key", "on: {ok: voice, refused", "on: {ok: amount, refused", "a hold before face and voice are verified"),
    ("no read-back", "{ok: read_back, not_payable", "{ok: hold, not_payable", "a hold over an amount that was not confirmed"),
    ("cash before the hold", "    then: hold\n", "    then: wait\n", "cash without an open hold"),
    ("cash after a declined hold", "declined: declined, unknown: undo_hold", "declined: wait, unknown: undo_hold", "cash without an open hold"),
    ("cash after a silent bank", "unknown: undo_hold}", "unknown: wait}", "cash without an open hold"),
    ("a silent bank is not undone", "unknown: undo_hold}", "unknown: say_bank_silent}", "a hold may stay open"),
    ("pay again on none", "none: give_back", "none: pay", "a dispense may be repeated"),
    ("pay again on unknown", "unknown: in_doubt}", "unknown: pay}", "a dispense may be repeated"),
    ("doubt without a case", "unknown: in_doubt}", "unknown: say_nothing_paid}", "cash in doubt without a case"),
    ("doubt is given back", "unknown: in_doubt}", "unknown: give_back}", "a release although cash moved or may have moved"),
    ("paid but released", "{paid: capture,", "{paid: give_back,", "a release although cash moved or may have moved"),
    ("paid but not captured", "{paid: capture,", "{paid: receipt,", "a hold may stay open"),
    ("part is captured whole", "authorisation: authorisation, amount: presented", "authorisation: authorisation, amount: amount", "a capture of something else than was paid"),
    ("nothing paid, but captured", "none: give_back", "none: capture", "a capture without cash that was paid"),
    ("hold twice", "{paid: capture,", "{paid: hold,", "a second hold"),
    ("no time-out", "    on_timeout: silence\n    on_cancel: cancelled\n    on_no_match: staff\n    on_other_voice: other_voice_end\n  plan", "    on_cancel: cancelled\n    on_no_match: staff\n    on_other_voice: other_voice_end\n  plan", "has no way for `timeout`"),
    ("no cancel", "    on_cancel: cancelled\n    on_no_match: staff\n    on_other_voice: other_voice_end\n  plan", "    on_no_match: staff\n    on_other_voice: other_voice_end\n  plan", "has no way for `cancel`"),
    ("another voice is not answered", "    on_other_voice: other_voice_end\n\n  hold", "\n  hold", "has no way for `other_voice`"),
    ("an outcome too many", "error: out_of_service}", "error: out_of_service, maybe: staff}", "cannot have the outcome `maybe`"),
    ("a dispense outcome missing", "partial: capture_part, ", "", "has no way for `partial`"),
    ("an unknown key", "    timeout: 15\n", "    timout: 15\n", "unknown key `timout`"),
    ("an unknown step", "then: take_cash\n", "then: take_csh\n", "leads to `take_csh`"),
    ("an unknown verb", "call: authorise", "call: authorize", "no verb `authorize`"),
    ("an unknown slot", "    confirm: amount", "    confirm: amout", "`amout` is no slot"),
    ("an unknown factor", "verify: face", "verify: fase", "`verify: fase` is unknown"),
    ("a prompt that is not written", "say: counting", "say: countin", "prompt `countin` has no zh text"),
    ("a bank field missing", "with: {customer: customer, amount: amount}", "with: {amount: amount}", "wants the fields"),
    ("a step that nobody reaches", "  paid: {end: paid}", "  paid: {end: paid}\n  lost: {end: lost}", "no path leads here"),
    ("a loop without a person", "say: nothing_paid\n    then: nothing", "say: nothing_paid\n    then: give_back", "has no bound"),
    ("two things in one step", "    say: counting", "    say: counting\n    end: paid", "must do exactly one thing"),
    ("a limit that leaves nothing", "min: 100, max: 5000", "min: 6000, max: 5000", "leave no amount"),
    ("a receipt that is not written", "print: receipt_part", "print: receipt_prt", "receipt `receipt_prt` is not written"),
    ("a value before it exists", "no_face: face_refused, error", "no_face: hold, error", "amount has no value yet"),
]  # fmt: skip


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    for name in ("withdraw", "common"):
        shutil.copytree(paths.FLOWS / name, tmp_path / name)
    return tmp_path


def test_the_flows_that_ship_are_proven(verbs: dict[str, Verb]) -> None:
    house, findings = inspect(paths.FLOWS, verbs)
    assert findings == []
    assert set(house.flows) >= {"withdraw", "balance"}


@pytest.mark.parametrize(("old", "new", "rule"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_a_planted_fault_is_found(flows: Path, verbs: dict[str, Verb], old: str, new: str, rule: str) -> None:
    file = flows / "withdraw" / "flow.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text, "the shipped flow changed: plant this fault anew"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    _, findings = inspect(flows, verbs)
    hits = [f for f in findings if rule in f.rule]
    assert hits, [str(f) for f in findings]
    assert all(f.line > 0 and f.remedy for f in hits)


def test_a_finding_names_the_path_that_breaks_the_rule(flows: Path, verbs: dict[str, Verb]) -> None:
    file = flows / "withdraw" / "flow.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("none: give_back", "none: pay", 1), encoding="utf-8")
    _, findings = inspect(flows, verbs)
    (found,) = [f for f in findings if "may be repeated" in f.rule]
    assert found.path[-2:] == ("pay: none", "pay")


def test_a_prompt_too_long_for_a_person_is_refused(flows: Path, verbs: dict[str, Verb]) -> None:
    file = flows / "withdraw" / "prompts.zh.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("已取消，您的钱没有动。", "已" * 21), encoding="utf-8")
    _, findings = inspect(flows, verbs)
    assert [f.rule for f in findings] == ["prompt `cancelled`: 21 characters, more than 20"]
    assert findings[0].file.endswith("prompts.zh.yaml")
    assert findings[0].line == 24


def test_a_house_with_a_finding_does_not_open(flows: Path, verbs: dict[str, Verb]) -> None:
    file = flows / "withdraw" / "flow.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("{paid: capture,", "{paid: receipt,"), encoding="utf-8")
    with pytest.raises(OperatorError, match="See: kiosk check"):
        load_house(flows, verbs)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("flow: [", "is no YAML"),
        ("- a\n- b\n", "is not a mapping"),
        ("flow: &a {x: 1}\n", "an anchor or alias"),
        ("flow: !!python/object:os.system {}\n", "the tag"),
        ("a: " + "[" * 30 + "]" * 30, "nesting deeper"),
        ("flow: withdraw\nflow: withdraw\n", "is no YAML"),
        ("flow: other\nversion: 1\n", "lies in folder"),
        ("", "is not a mapping"),
    ],
)
def test_bad_yaml_is_one_clear_error(flows: Path, verbs: dict[str, Verb], text: str, what: str) -> None:
    (flows / "withdraw" / "flow.yaml").write_text(text, encoding="utf-8")
    _, findings = inspect(flows, verbs)
    assert what in str(findings[0])
