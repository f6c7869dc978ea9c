"""The flow language beyond the founding scene: what it refuses, what its proof finds, and that a finding can be played."""

# ruff: noqa: E501 - a table reads better in one line a row

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from kiosk import paths
from kiosk.adapters.flowfile import Finding, inspect
from kiosk.adapters.flowkeys import schema
from kiosk.adapters.intentfile import load_intents
from kiosk.core.drawing import svg, text
from kiosk.core.engine import MAX_TURNS, advance
from kiosk.core.flow import House, Verb
from kiosk.core.fold import Entry, leg, turn_body
from kiosk.core.phrases import PhraseReader
from kiosk.core.script import samples, write
from kiosk.core.talk import TalkFailed, meant, run
from kiosk.events import Close, Done, Event, Hear, Opened, Said, Voice
from kiosk.values import LANGS, Money

#: flow, what is replaced in its flow.yaml, by what, and what `kiosk check` must say
PLANTED = [
    ("transfer", "sent before anybody was recognised", "    on: {ok: payee, failed: failed}", "    on: {ok: payee, failed: payee}", "a transfer before face and voice are verified"),
    ("transfer", "sent without a read-back", "    then: read_back\n", "    then: send\n", "a transfer over an amount that was not confirmed"),
    ("transfer", "the amount changes after the yes", "    then: send\n    on_no: payee\n", "    then: again\n    on_no: payee\n  again:\n    ask: amount\n    prompt: how_much\n    timeout: 10\n    on_timeout: silence\n    on_cancel: cancelled\n    on_no_match: staff\n    on_other_voice: other_voice_end\n    then: send\n", "a transfer over an amount that changed after it was confirmed"),
    ("transfer", "sent again when the bank is silent", "declined: why, unknown: in_doubt", "declined: why, unknown: send", "a transfer may be repeated"),
    ("transfer", "doubt without a case", "declined: why, unknown: in_doubt", "declined: why, unknown: refused", "a transfer in doubt without a case"),
    ("transfer", "a payee who was never looked up", "    then: find\n", "    then: amount\n", "payee_name has no value yet"),
    ("transfer", "an old name is read back", "on: {found: amount, absent: no_payee,", "on: {found: amount, absent: amount,", "payee_name has no value yet"),
    ("transfer", "a branch on nothing", "    branch: reason", "    branch: reasen", "`reasen` is no slot and no fact"),
    ("transfer", "a branch without an else", "    else: refused\n", "", "has no way for `else`"),
    ("transfer", "a link's end not answered", "on: {ok: payee, failed: failed}", "on: {ok: payee}", "has no way for `failed`"),
    ("transfer", "a link's end too many", "failed: failed}", "failed: failed, maybe: failed}", "has no end `maybe`"),
    ("transfer", "a link to nothing", "link: identify", "link: identity", "there is no flow `identity`"),
    ("transfer", "two choices of one word", "en: [son, my boy]", "en: [son, wife]", "means both"),
    ("transfer", "a choice in one language", "{zh: [房东, 房租], en: [landlord, rent]}", "{zh: [房东, 房租]}", "has no en words"),
    ("transfer", "a limit on a choice", "    type: payee\n", "    type: payee\n    choises: {}\n", "Did you mean `choices`?"),
    ("transfer", "a receipt in one language", "    en: [TRANSFER, \"Reference: {reference}\", \"To: {payee_name}\", \"Amount: {amount} CNY\"]\n", "", "has no en lines"),
    ("transfer", "a receipt too wide", "zh: [转账凭条,", "zh: [" + "转" * 49 + ",", "columns, more than 96"),
    ("transfer", "a receipt that names nothing", "收款人：{payee_name}", "收款人：{payee_nam}", "names `payee_nam`, which nothing gives"),
    ("deposit", "notes stored without a yes", "{counted: read_back,", "{counted: store,", "notes are stored before the customer agreed to their count"),
    ("deposit", "notes kept and not credited", "{stored: credit, unknown: in_doubt}", "{stored: receipt, unknown: in_doubt}", "notes were stored and not credited"),
    ("deposit", "notes left in escrow", "    on_cancel: give_back", "    on_cancel: nothing", "notes may stay in escrow"),
    ("deposit", "notes in doubt, no case", "{stored: credit, unknown: in_doubt}", "{stored: credit, unknown: nothing}", "notes in doubt without a case"),
    ("deposit", "credited twice", "on: {ok: receipt, queued: receipt}", "on: {ok: receipt, queued: credit}", "a credit may be repeated"),
    ("deposit", "credited what was counted", "amount: stored}", "amount: accepted}", "a credit of something else than was stored"),
    ("deposit", "credited before it is stored", "    then: store\n", "    then: credit\n", "a credit without notes that were stored"),
    ("deposit", "stored after they were handed back", "{returned: say_back,", "{returned: store,", "a store of notes that are not in escrow"),
    ("deposit", "counted on top of others", "    on_no: give_back", "    on_no: put_in", "notes are counted while others are in doubt"),
    ("pay_bill", "another amount than was read back", "    confirm: amount_due", "    confirm: balance", "a pay_bill over an amount that was not confirmed"),
    ("pay_bill", "a bill nobody named", "on: {ok: bill, failed: failed}", "on: {ok: due, failed: failed}", "bill has no value yet"),
    ("pay_bill", "asked too often for ever", "    on_no_match: staff\n", "    on_no_match: bill\n", "has no bound"),
    ("pay_bill", "nobody there, for ever", "    on_cancel: cancelled\n", "    on_cancel: bill\n", "has no bound"),
    ("pay_bill", "a goto in a circle", "  nothing: {end: nothing due}", "  nothing: {goto: nothing_due}", "has no bound"),
    ("statement", "a prompt of one language", "say: shown, then", "say: shone, then", "prompt `shone` has no zh text"),
    ("statement", "a key of another kind", "    prompt: which_period\n", "    prompt: which_period\n    then_: entries\n", "Did you mean `then`?"),
    ("withdraw", "two comparisons", "    at_least: 100\n", "    at_least: 100\n    over: 5\n", "wants `in` or one comparison"),
]  # fmt: skip


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    shutil.copytree(paths.FLOWS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def broken(flows: Path, verbs: dict[str, Verb], flow: str, old: str, new: str) -> tuple[House, list[Finding]]:
    file = flows / flow / "flow.yaml"
    words = file.read_text(encoding="utf-8")
    assert old in words, "the shipped flow changed: plant this fault anew"
    file.write_text(words.replace(old, new, 1), encoding="utf-8")
    return inspect(flows, verbs)


@pytest.mark.parametrize(("flow", "old", "new", "rule"), [(p[0], *p[2:]) for p in PLANTED], ids=[p[1] for p in PLANTED])
def test_a_planted_fault_is_found(
    flows: Path, verbs: dict[str, Verb], flow: str, old: str, new: str, rule: str
) -> None:
    _, findings = broken(flows, verbs, flow, old, new)
    hits = [f for f in findings if rule in f"{f.rule}. {f.remedy}"]
    assert hits, [str(f) for f in findings]
    assert all(f.line > 0 and f.column > 0 and f.remedy and f.file.endswith(f"{flow}/flow.yaml") for f in hits)


def test_every_counter_example_is_a_talk_that_can_be_played(
    flows: Path, verbs: dict[str, Verb], phrases: PhraseReader
) -> None:
    """The proof's own findings come with a script, and playing it on the broken flow ends at the broken step."""
    played = 0
    for flow, _, old, new, rule in PLANTED:
        house, findings = broken(flows, verbs, flow, old, new)
        for f in findings:
            if rule not in f.rule or not f.moves or "no bound" in rule:
                continue
            script = write(house.named(f.flow), house, f.moves, "zh", f.rule)
            if script is None:
                # the engine cannot speak of what is not there, and takes no word from a voice without a key
                assert "has no value yet" in f.rule or "before face and voice" in f.rule, f
                continue
            step = f.moves[-1].step
            run(script, house, phrases.read)
            played += 1
            if any("has no value yet" in other.rule for other in findings):
                continue
            with pytest.raises(TalkFailed, match="step"):
                run(script.replace(f"breaks {step}", "breaks elsewhere"), house, phrases.read)
        shutil.copyfile(paths.FLOWS / flow / "flow.yaml", flows / flow / "flow.yaml")
    assert played >= 14


def test_samples_of_every_flow_can_be_played_in_both_languages(house: House, phrases: PhraseReader) -> None:
    examples = {i.name: i.examples for i in load_intents(paths.FLOWS)}
    ends: dict[str, set[str]] = {}
    for flow in house.flows.values():
        for end, moves in samples(flow, house):
            for lang in LANGS:
                said = next(e.text for e in examples[flow.intent][lang] if not e.spans)
                script = write(flow, house, moves, lang, opening=said)
                assert script is not None, (flow.name, end)
                assert run(script, house, phrases.read).closed == end
                ends.setdefault(flow.name, set()).add(end)
    assert {"sent", "declined", "in doubt", "cancelled"} <= ends["transfer"]
    assert {"stored", "given back", "in doubt"} <= ends["deposit"]


@pytest.mark.parametrize("name", ["transfer", "deposit"])
def test_a_flow_is_drawn_whole(house: House, name: str) -> None:
    flow = house.named(name)
    drawn, picture = text(flow), svg(flow)
    for step in flow.steps:
        assert f" {step} " in drawn
        assert f">{step}</text>" in picture
    assert picture.count('<path d="M') >= len(flow.steps) - 10


def test_the_schema_says_what_the_loader_says() -> None:
    """Every flow that ships fits the schema; what the loader refuses for a key, the schema refuses too."""
    check = Draft202012Validator(schema())
    Draft202012Validator.check_schema(schema())
    files = sorted(paths.FLOWS.glob("*/flow.yaml"))
    assert len(files) >= 10
    for file in files:
        data = YAML(typ="safe", pure=True).load(file)
        assert list(check.iter_errors(data)) == [], file
        name = next(iter(data["steps"]))
        for spoiled in ({**data, "flwo": 1}, {**data, "steps": {name: {**data["steps"][name], "timout": 3}}}):
            assert not check.is_valid(spoiled)


def test_a_guard_and_compensate_are_steps_of_the_proof(
    flows: Path, verbs: dict[str, Verb], phrases: PhraseReader
) -> None:
    file = flows / "transfer" / "flow.yaml"
    words = file.read_text(encoding="utf-8")
    words = words.replace(
        "    call: transfer\n",
        "    call: transfer\n    guard: {of: amount, at_most: 2000, else: staff}\n    compensate: in_doubt\n",
    )
    words = words.replace("declined: why, unknown: in_doubt}", "declined: why}")
    file.write_text(words, encoding="utf-8")
    house, findings = inspect(flows, verbs)
    assert findings == []
    begin = "lang: zh\ncustomer: 给我儿子转三千\nkiosk: 好的，请看摄像头。\nface: ok\nvoice: ok\nbank find_payee: found payee_name=Li\nkiosk: 给儿子Li转3,000元，对吗？\ncustomer: 对\n"
    assert (
        run(begin + "kiosk: 好的，请稍等，工作人员就来。\nend: attendant\n", house, phrases.read).closed == "attendant"
    )
    assert house.named("transfer").steps["send.guarded"].on["unknown"] == "in_doubt"


@pytest.mark.parametrize("lang", LANGS)
def test_wordings_follow_the_tries(house: House, lang: str) -> None:
    prompts = house.named("transfer").prompts["zh" if lang == "zh" else "en"]
    assert house.named("transfer").steps["payee"].prompts == ("to_whom", "to_whom#2", "to_whom#3")
    assert len({prompts[p] for p in ("to_whom", "to_whom#2", "to_whom#3")}) == 3


# --- slots that are not money ---


def to_payee(house: House) -> tuple[object, object]:
    state, _ = advance(house, None, Opened("S1", "zh", "grace"))
    events: list[Event | str] = [Said(meant("transfer", "", "zh"), Voice.NEW), "ok", "ok"]
    for event in events:
        if isinstance(event, str):
            event = Done(getattr(state.waiting, "id", ""), event)
        state, effects = advance(house, state, event)
    return state, effects


@pytest.mark.parametrize(
    ("words", "payee"),
    [
        ("给我儿子", "son"),
        ("外孙", "grandson"),
        ("外孙女", "granddaughter"),
        ("孙女", "granddaughter"),
        ("儿子和女儿", None),
        ("张三", None),
        ("", None),
    ],
)
def test_a_choice_must_stand_in_the_customers_words(house: House, words: str, payee: str | None) -> None:
    state, _ = to_payee(house)
    after, _ = advance(house, state, Said(meant("transfer", words, "zh"), Voice.KEPT))  # type: ignore[arg-type]
    assert after.slots.get("payee") == payee


def test_a_slot_that_a_model_invented_is_no_slot(house: House) -> None:
    state, _ = to_payee(house)
    lie = meant("transfer", "随便", "zh")
    lie.slots["payee"], lie.spans["payee"] = "son", (0, 2)
    after, _ = advance(house, state, Said(lie, Voice.KEPT))  # type: ignore[arg-type]
    assert "payee" not in after.slots
    after, _ = advance(house, state, Said(meant("transfer", "儿子", "zh"), Voice.CHANGED))  # type: ignore[arg-type]
    assert "payee" not in after.slots


# --- the acceptor ---


def test_a_deposit_is_in_the_books_once(house: House) -> None:
    """Counted, agreed to, the power fails while the notes are stored, the acceptor is asked, the bank is told once."""
    state, journal = None, list[Entry]()
    stored = {"stored": Money(30_000)}
    script: list[Event | tuple[str, dict[str, object]]] = [
        Opened("S1", "zh", "grace"),
        Said(meant("deposit", "", "zh"), Voice.NEW),
        ("ok", {}),
        ("ok", {}),
        ("lost", {}),
        ("counted", {"accepted": Money(30_000)}),
        Said(meant("yes", "", "zh"), Voice.KEPT),
        ("lost", {}),
        ("stored", stored),
        ("queued", {}),
    ]
    kinds: list[str] = []
    for item in script:
        event = item if not isinstance(item, tuple) else Done(state.waiting.id, item[0], item[1])  # type: ignore[union-attr, arg-type]
        state, effects = advance(house, state, event)
        kinds += [type(e).__name__ for e in effects if type(e).__name__ != "Say"]
        journal.append(Entry(len(journal) + 1, "S1", "", "turn", turn_body(event, effects, {})))
    assert [k for k in kinds if k.startswith(("CashIn", "AskAcc", "CallBank"))] == [
        "CashIn",
        "AskAcceptor",
        "CashInEnd",
        "AskAcceptor",
        "CallBank",
    ]
    one = leg("S1", journal)
    assert (one.stored, one.credited, len(one.pending)) == (30_000, 0, 1)
    journal.append(Entry(99, "S1", "", "acked", {"effect": one.pending[0].id}))
    assert leg("S1", journal).credited == 30_000


def test_the_language_changes_in_every_state_that_listens(house: House) -> None:
    state, effects = to_payee(house)
    after, effects = advance(house, state, Said(meant("language", "", "zh"), Voice.KEPT))  # type: ignore[arg-type]
    assert after.lang == "en"
    assert isinstance(effects[-1], Hear)
    assert effects[-1].lang == "en"
    for _ in range(2 * MAX_TURNS):
        if isinstance(after.waiting, Close):
            break
        after, _ = advance(house, after, Said(meant("language", "", "zh"), Voice.KEPT))
    assert isinstance(after.waiting, Close)


# --- many flows ---


def test_two_hundred_flows_with_a_fault_in_each_tenth(flows: Path, verbs: dict[str, Verb]) -> None:
    """Counted, not timed: `kiosk check` on such a folder is timed in docs/benchmarks.md."""
    many(flows, 200)
    house, findings = inspect(flows, verbs)
    assert len(house.flows) == 200 + 9
    repeated = [f.flow for f in findings if f.rule == "step `pay`: a dispense may be repeated"]
    assert sorted(repeated) == sorted(f"w{n}" for n in range(0, 200, 10))
    assert {f.flow for f in findings} == set(repeated)


def many(flows: Path, count: int) -> None:
    for n in range(count):
        shutil.copytree(flows / "withdraw", flows / f"w{n}")
        words = (flows / f"w{n}" / "flow.yaml").read_text(encoding="utf-8")
        words = words.replace("flow: withdraw", f"flow: w{n}").replace("intent: withdraw", f"intent: w{n}")
        if n % 10 == 0:
            words = words.replace("none: give_back", "none: pay")
        (flows / f"w{n}" / "flow.yaml").write_text(words, encoding="utf-8")
