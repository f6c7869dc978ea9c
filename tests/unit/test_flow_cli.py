"""`kiosk flow` and `kiosk check` as an operator calls them."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kiosk import paths
from kiosk.adapters.bank_map import VERBS, load_map
from kiosk.adapters.scaffold import draft
from kiosk.cli import cli
from kiosk.values import OperatorError


def kiosk(*args: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in args])


def test_check_prints_a_talk_that_the_talk_command_plays(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    shutil.copytree(paths.FLOWS, flows)
    file = flows / "deposit" / "flow.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("on_cancel: give_back", "on_cancel: nothing"), "utf-8")
    result = kiosk("check", flows, "--json")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert (rows[0]["rule"], rows[-1]["findings"]) == ("step `no_notes`: notes may stay in escrow", 1)
    assert rows[0]["line"] > 0
    assert rows[0]["column"] > 0
    script = tmp_path / "found.talk"
    script.write_text(rows[0]["talk"], encoding="utf-8")
    assert kiosk("talk", script, "--flows", flows, "--unproven").exit_code == 0
    assert isinstance(kiosk("talk", script, "--flows", flows).exception, OperatorError)


def test_an_operation_that_the_document_lacks_is_a_finding(tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    shutil.copytree(paths.FLOWS, flows)
    file = flows / "banks" / "demo" / "map.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("operation: getBill", "operation: getBil"), "utf-8")
    result = kiosk("check", flows)
    assert result.exit_code == 1
    assert "no operation 'getBil'. Did you mean 'getBill'?" in result.output


def test_graph_and_schema(tmp_path: Path) -> None:
    assert "  find                     call find_payee" in kiosk("flow", "graph", "transfer").output
    assert kiosk("flow", "graph", "transfer", "--svg", tmp_path / "t.svg").exit_code == 0
    root = ET.parse(tmp_path / "t.svg").getroot()
    assert len(root.findall("{http://www.w3.org/2000/svg}g")) > 30
    assert json.loads(kiosk("flow", "schema").output)["title"] == "A flow of kiosk"
    assert isinstance(kiosk("flow", "graph", "transfr").exception, OperatorError)


def test_samples_are_talks_that_pass(tmp_path: Path) -> None:
    assert kiosk("flow", "sample", "pay_bill", "--out", tmp_path / "s").exit_code == 0
    files = sorted((tmp_path / "s").glob("*.talk"))
    assert len(files) >= 20
    result = kiosk("talk", *files)
    assert result.exit_code == 0, result.output


DEMO = paths.FLOWS / "banks" / "demo" / "openapi.yaml"


@pytest.mark.parametrize(
    ("operation", "verb"),
    [("createTransfer", "transfer"), ("getBalance", "balance"), ("captureAuthorisation", "capture"),
     ("createDeposit", "deposit"), ("getStatement", "statement"), ("createReversal", "reverse")],
)  # fmt: skip
def test_a_draft_names_the_verb_and_what_the_document_has(operation: str, verb: str) -> None:
    files = draft(DEMO, operation)
    assert f"  {verb}:\n    operation: {operation}\n" in files["map.yaml"]
    assert f"call: {verb}" in files[f"{verb}/flow.yaml"]


def test_a_draft_is_refused_until_it_is_finished_and_then_loads(tmp_path: Path) -> None:
    shutil.copyfile(DEMO, tmp_path / "openapi.yaml")
    words = draft(DEMO, "createTransfer")["map.yaml"]
    (tmp_path / "map.yaml").write_text(words, encoding="utf-8")
    with pytest.raises(OperatorError, match="TODO"):
        load_map(tmp_path / "map.yaml")
    words = words.replace("currency: TODO", "currency: amount.currency").replace("/TODO: payee", "/partyId: payee")
    (tmp_path / "map.yaml").write_text(words, encoding="utf-8")
    assert "transfer" in load_map(tmp_path / "map.yaml").verbs


def test_operations_of_a_document_that_nobody_here_wrote(shared: Path) -> None:
    """The Open Banking UK documents: every GET that speaks of balances or transactions gives a draft."""
    folder = shared / "openapi"
    document = folder / "account-info-openapi.json"
    for operation, verb in (
        ("GetAccountsAccountIdBalances", "balance"),
        ("GetAccountsAccountIdTransactions", "statement"),
    ):
        words = draft(document, operation)["map.yaml"]
        assert f"  {verb}:\n    operation: {operation}\n" in words
        assert "/Data/" in words
    with pytest.raises(OperatorError, match="no operation"):
        draft(folder / "payment-initiation-openapi.json", "Nothing")
    assert set(VERBS) >= {"balance", "statement"}
