"""The bank's document and map: good ones load, wrong ones name file, line and remedy."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from ruamel.yaml import YAML

from kiosk.adapters.bank_map import VERBS, load_map
from kiosk.adapters.bank_openapi import MAX_DEPTH, load_document
from kiosk.demo.bank import CUSTOMERS, build_app
from kiosk.demo.bank_store import BankStore
from kiosk.paths import FLOWS, HOME
from kiosk.values import OperatorError

BANK = FLOWS / "banks" / "demo"


def test_the_document_is_what_openapi_says() -> None:
    validate(YAML(typ="safe").load((BANK / "openapi.yaml").read_text()))


def test_every_verb_of_the_flows_is_mapped() -> None:
    bank = load_map(BANK / "map.yaml")
    assert set(bank.verbs) == set(VERBS)
    assert bank.verbs["capture"].action.operation.path == "/authorisations/{authorisationId}/capture"


# --- the service keeps to its document -------------------------------------------------------------------------------

GOOD = {"customerId": "grace", "amount": {"minor": 100, "currency": "CNY"}}
#: every operation, its answers and its refusals: method, path, key, body, the status that must come
EXCHANGES: list[tuple[str, str, str | None, Any, int]] = [
    ("POST", "/authorisations", "k1", GOOD, 201),
    ("POST", "/authorisations", "k1", GOOD, 201),
    ("POST", "/authorisations", "k1", {**GOOD, "customerId": "alan"}, 409),
    ("POST", "/authorisations", "k2", {**GOOD, "customerId": "nobody"}, 201),
    ("POST", "/authorisations", "k3", {**GOOD, "customerId": "edith"}, 201),
    ("POST", "/authorisations", "k4", {**GOOD, "amount": {"minor": 10**12, "currency": "CNY"}}, 201),
    ("POST", "/authorisations", "k5", {**GOOD, "amount": {"minor": 600_000, "currency": "CNY"}}, 201),
    ("POST", "/authorisations", "k6", {**GOOD, "amount": {"minor": 100, "currency": "GBP"}}, 422),
    ("POST", "/authorisations", "k7", {**GOOD, "amount": {"minor": 100, "currency": "XXX"}}, 400),
    ("POST", "/authorisations", "k8", {**GOOD, "amount": {"minor": "100", "currency": "CNY"}}, 400),
    ("POST", "/authorisations", "k8", {**GOOD, "amount": {"minor": 100.0, "currency": "CNY"}}, 400),
    ("POST", "/authorisations", "k8", {**GOOD, "amount": {"minor": True, "currency": "CNY"}}, 400),
    ("POST", "/authorisations", "k8", {**GOOD, "amount": {"minor": 0, "currency": "CNY"}}, 400),
    ("POST", "/authorisations", "k8", {**GOOD, "more": 1}, 400),
    ("POST", "/authorisations", "k8", {"customerId": "grace"}, 400),
    ("POST", "/authorisations", "k8", b"{", 400),
    ("POST", "/authorisations", "k8", b"x" * 100_000, 400),
    ("POST", "/authorisations", None, GOOD, 400),
    ("POST", "/authorisations", "k" * 129, GOOD, 400),
    ("GET", "/authorisations?key=k1", None, None, 200),
    ("GET", "/authorisations?key=k2", None, None, 200),
    ("GET", "/authorisations?key=k99", None, None, 200),
    ("GET", "/authorisations", None, None, 400),
    ("POST", "/authorisations/A000001/capture", "c1", {"amount": {"minor": 101, "currency": "CNY"}}, 422),
    ("POST", "/authorisations/A000001/capture", "c2", {"amount": {"minor": 60, "currency": "CNY"}}, 200),
    ("POST", "/authorisations/A000001/capture", "c3", {"amount": {"minor": 60, "currency": "CNY"}}, 409),
    ("POST", "/authorisations/A999999/capture", "c4", {"amount": {"minor": 60, "currency": "CNY"}}, 404),
    ("POST", "/authorisations/x/capture", "c5", {"amount": {"minor": 60, "currency": "CNY"}}, 404),
    ("POST", "/authorisations/A000001/capture", "c6", {}, 400),
    ("GET", "/authorisations?key=c2", None, None, 200),
    ("POST", "/authorisations", "k10", GOOD, 201),
    ("POST", "/authorisations/A000006/release", "r0", None, 200),
    ("POST", "/authorisations/A000001/release", "r1", None, 409),
    ("POST", "/authorisations/A999999/release", "r2", None, 404),
    ("POST", "/authorisations/A000001/release", None, None, 400),
    ("POST", "/authorisations", "k11", GOOD, 201),
    ("POST", "/reversals", "v1", {"key": "k11"}, 200),
    ("POST", "/reversals", "v2", {"key": "never"}, 200),
    ("POST", "/reversals", "v3", {"key": "k1"}, 409),
    ("POST", "/reversals", "v4", {"key": "a b"}, 400),
    ("POST", "/authorisations", "never", GOOD, 409),
    ("GET", "/authorisations?key=k11", None, None, 200),
    ("GET", "/customers/grace/balance", None, None, 200),
    ("GET", "/customers/nobody/balance", None, None, 404),
    ("GET", "/customers/grace/payees/son", None, None, 200),
    ("GET", "/customers/grace/payees/stranger", None, None, 404),
    ("GET", "/customers/grace/bills/water", None, None, 200),
    ("GET", "/customers/grace/bills/rent", None, None, 404),
    ("POST", "/transfers", "t1", {**GOOD, "payeeId": "son"}, 201),
    ("POST", "/transfers", "t1", {**GOOD, "payeeId": "daughter"}, 409),
    ("POST", "/transfers", "t2", {**GOOD, "payeeId": "stranger"}, 201),
    ("POST", "/transfers", "t3", {**GOOD, "payeeId": "son", "amount": {"minor": 100, "currency": "GBP"}}, 422),
    ("POST", "/transfers", "t4", GOOD, 400),
    ("POST", "/bill-payments", "b1", {**GOOD, "billId": "water"}, 201),
    ("POST", "/bill-payments", "b1", {**GOOD, "billId": "gas"}, 409),
    ("POST", "/bill-payments", "b2", {**GOOD, "billId": "gas"}, 201),
    ("POST", "/bill-payments", "b3", {**GOOD, "billId": "water", "amount": {"minor": 1, "currency": "GBP"}}, 422),
    ("POST", "/bill-payments", "b4", {**GOOD, "billId": "water", "amount": 5}, 400),
    ("GET", "/payments?key=t1", None, None, 200),
    ("GET", "/payments?key=t2", None, None, 200),
    ("GET", "/payments?key=t99", None, None, 200),
    ("GET", "/payments", None, None, 400),
    ("POST", "/deposits", "d1", GOOD, 201),
    ("POST", "/deposits", "d1", {**GOOD, "amount": {"minor": 200, "currency": "CNY"}}, 409),
    ("POST", "/deposits", "d2", {**GOOD, "customerId": "nobody"}, 404),
    ("POST", "/deposits", "d3", {**GOOD, "amount": {"minor": 100, "currency": "GBP"}}, 422),
    ("POST", "/deposits", None, GOOD, 400),
    ("GET", "/customers/grace/statement?period=recent", None, None, 200),
    ("GET", "/customers/grace/statement?period=last-month", None, None, 200),
    ("GET", "/customers/grace/statement?period=never", None, None, 400),
    ("GET", "/customers/nobody/statement?period=recent", None, None, 404),
    ("GET", "/customers/grace/pension", None, None, 200),
    ("GET", "/customers/alan/pension", None, None, 404),
    ("POST", "/requests", "q1", {"customerId": "grace", "service": "passbook"}, 201),
    ("POST", "/requests", "q1", {"customerId": "grace", "service": "pin"}, 409),
    ("POST", "/requests", "q2", {"customerId": "nobody", "service": "pin"}, 404),
    ("POST", "/requests", "q3", {"customerId": "grace", "service": "cash"}, 400),
]


def test_every_answer_of_the_service_is_in_its_document(tmp_path: Path) -> None:
    document = YAML(typ="safe").load((BANK / "openapi.yaml").read_text())
    registry = Registry().with_resource("urn:d", Resource(contents=document, specification=DRAFT202012))
    app = build_app(BankStore(tmp_path / "bank.sqlite", CUSTOMERS), now=lambda: 0.0)
    seen: set[tuple[str, int]] = set()

    async def run() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bank") as http:
            for number, (method, url, key, body, status) in enumerate(EXCHANGES):
                headers = {"X-Correlation-Id": f"x{number}", **({"Idempotency-Key": key} if key else {})}
                content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
                answer = await http.request(method, url, headers=headers, content=content)
                assert answer.status_code == status, (number, answer.text)
                assert answer.headers["x-correlation-id"] == f"x{number}"
                operation = operation_of(document, method, url)
                response = operation["responses"][str(status)]
                if "$ref" in response:
                    response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
                schema = response["content"]["application/json"]["schema"]
                Draft202012Validator({"$ref": f"urn:d{schema['$ref']}"}, registry=registry).validate(answer.json())
                seen.add((operation["operationId"], status))

    asyncio.run(run())
    listed = {
        (operation["operationId"], int(status))
        for item in document["paths"].values()
        for operation in item.values()
        for status in operation["responses"]
        if status != "503"  # only a fault gives that: test_bank_client has it
    }
    assert seen == listed


def operation_of(document: dict[str, Any], method: str, url: str) -> dict[str, Any]:
    words = url.partition("?")[0].split("/")
    for path, item in document["paths"].items():
        parts = path.split("/")
        if len(parts) == len(words) and all(p == w or p[:1] == "{" for p, w in zip(parts, words, strict=True)):
            found: dict[str, Any] = item[method.lower()]
            return found
    raise AssertionError(url)


# --- wrong maps ------------------------------------------------------------------------------------------------------


def copy(folder: Path, old: str, new: str, file: str = "map.yaml") -> tuple[Path, int]:
    """The demo bank's files with one piece of text changed; gives the map and the line of the change."""
    for name in ("map.yaml", "openapi.yaml"):
        text = (BANK / name).read_text()
        if name == file:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / name).write_text(text)
    return folder / "map.yaml", (BANK / file).read_text()[: (BANK / file).read_text().index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  capture:", "  captured:", "unknown verb 'captured'"),
        ("operation: captureAuthorisation", "operation: captureAuthorization", "Did you mean 'captureAuthorisation'"),
        ("customerId: customer", "customerID: customer", "no member '/customerID'"),
        ("customerId: customer", "customerId: custmer", "Did you mean 'customer'"),
        ("customerId: customer", "customerId: amount.minor", "to be no integer"),
        ("amount: {minor: amount.minor,", "amount: {minor: amount.currency,", "to be no string"),
        ("path: {authorisationId: authorisation}", "path: {id: authorisation}", "no path parameter 'id'"),
        ("status: 201", "status: 202", "never answers 202"),
        ("status: 201", "status: yes", "no HTTP status"),
        ("/decision: authorised", "/decission: authorised", "has no '/decission'"),
        ("/decision: authorised", "decision: authorised", "no JSON pointer"),
        ("/decision: authorised", "/decision: agreed", "never answers /decision = 'agreed'"),
        ("outcome: approved", "outcome: aproved", "Did you mean 'approved'"),
        ("facts: {authorisation: /authorisationId}", "facts: {autorisation: /authorisationId}", "'autorisation'"),
        ("facts: {reason: /reason}", "facts: {reason: /why}", "has no '/why'"),
        ("balance: {minor: /available/minor,", "balance: {minor: /available/currency,", "no whole number"),
        ("  try_s: 5 ", "  try_s: 5000 ", "0.1 to 60"),
        ("  try_s: 5 ", "  tri_s: 5 ", "Did you mean 'try_s'"),
        ("idempotency_header: Idempotency-Key", "idempotency_header: Idempotent", "no header 'Idempotent'"),
        ("document: openapi.yaml", "document: ../openapi.yaml", "a file beside the map"),
    ],
)
def test_a_wrong_map_names_file_line_and_remedy(tmp_path: Path, old: str, new: str, words: str) -> None:
    path, line = copy(tmp_path, old, new)
    with pytest.raises(OperatorError) as caught:
        load_map(path)
    assert words in str(caught.value)
    where = caught.value.where
    # a header that does not fit is reported at the operation that lacks it
    assert where == f"{path}:{line}" or ("header" in words and where.startswith(f"{path}:"))


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ("          /amount/minor: amount.minor\n", "without comparing 'amount.minor'"),
        ("          /amount/currency: amount.currency\n", "without comparing 'amount.currency'"),
        ("            /authorisation/amount/minor: amount.minor\n", "without comparing 'amount.minor'"),
        ("          /captured/minor: amount.minor\n", "without comparing 'amount.minor'"),
        ("        facts: {authorisation: /authorisationId}\n", "must bring the fact 'authorisation'"),
        ("        amount: {minor: amount.minor, currency: amount.currency}\n", "requires /amount"),
        ("        customerId: customer\n", "requires /customerId"),
        ("    operation: createAuthorisation\n", "lacks 'operation'"),
        ("    request:\n      path: {customerId: customer}\n", "requires the path parameter 'customerId'"),
        ("bank: demo\n", "lacks 'bank'"),
    ],
)
def test_what_a_map_leaves_out_is_missed(tmp_path: Path, old: str, words: str) -> None:
    path, _ = copy(tmp_path, old, "")
    with pytest.raises(OperatorError) as caught:
        load_map(path)
    assert words in str(caught.value)
    assert str(path) in caught.value.where


def test_a_question_may_change_nothing(tmp_path: Path) -> None:
    path, _ = copy(
        tmp_path, "operation: findByKey\n      request:\n        query: {key: call.key}", "operation: createReversal"
    )
    with pytest.raises(OperatorError, match=r"requires a body|must be a GET|requires the header"):
        load_map(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("minor: {type: integer, minimum: 1", "minor: {type: money, minimum: 1", "is no schema"),
        ("minor: {type: integer, minimum: 1", "minor: {type: integer, minimum: one", "is no schema"),
        ("pattern: '^[A-Z]{3}$'", "pattern: '[A-Z'", "pattern"),
    ],
)
def test_a_schema_that_is_none_is_found_before_it_is_used(tmp_path: Path, old: str, new: str, words: str) -> None:
    path, _ = copy(tmp_path, old, new, "openapi.yaml")
    with pytest.raises(OperatorError, match=words):
        load_map(path)


@pytest.mark.parametrize(
    "text", ["", "- a", "bank: [", "a: 1\na: 2", "a: &x 1\nb: *x", "a: !!python/object:os.system 1", "\x00"]
)
def test_a_file_that_is_no_map_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(OperatorError, match=r"map\.yaml"):
        load_map(tmp_path / "map.yaml")


# --- wrong documents -------------------------------------------------------------------------------------------------


def document(folder: Path, text: str, name: str = "openapi.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


HEAD = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "paths: {/a: {$ref: 'https://elsewhere.example/x.yaml#/a'}}", "leads out of the document"),
        (HEAD + "paths: {/a: {$ref: 'other.yaml'}}", "leads out of the document"),
        (HEAD + "paths: {/a: {get: {operationId: a, responses: {'200': {$ref: '#/nowhere'}}}}}", "leads nowhere"),
        (HEAD + "paths: {}\ncomponents: {schemas: {A: {$ref: '#/components/schemas/A'}}}", "in a circle"),
        (HEAD + "paths: {/a: {get: {operationId: a}}, /b: {get: {operationId: a}}}", "used twice"),
        (HEAD + "paths: {/a: {get: {operationId: a, parameters: [{in: path}]}}}", "not built as OpenAPI"),
        (HEAD + "paths: {/a: 1}", "no object"),
        (HEAD + "paths: []", "no OpenAPI"),
        ("swagger: '2.0'\npaths: {}", "no OpenAPI 3"),
        (HEAD + "paths: {}\nx: &a [1]\ny: *a", "anchor or alias"),
        (HEAD + "paths: !!python/name:os.system {}", "tag"),
        (HEAD + "paths: {}\nx: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeper than"),
        (HEAD + "paths: {}\nx: [", "no YAML"),
        ("- 1", "no OpenAPI"),
        ("", "no OpenAPI"),
        ("#" * (5 * 1024 * 1024), "larger than"),
    ],
    ids=lambda t: t[-60:],
)
def test_a_hostile_document_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(OperatorError) as caught:
        load_document(document(tmp_path, text))
    assert words in str(caught.value)


def test_deep_and_damaged_json_is_refused(tmp_path: Path) -> None:
    for text in ("[" * 100_000, "{", '{"a": ' * 100 + "1" + "}" * 100):
        with pytest.raises(OperatorError):
            load_document(document(tmp_path, text, "openapi.json"))


def test_a_schema_that_contains_itself_ends(tmp_path: Path) -> None:
    text = HEAD + (
        "paths: {/a: {get: {operationId: a, responses: {'200': {content: {application/json: {schema: "
        "{$ref: '#/components/schemas/A'}}}}}}}}\n"
        "components: {schemas: {A: {anyOf: [{$ref: '#/components/schemas/A'}, {$ref: '#/components/schemas/B'}]},"
        " B: {allOf: [{$ref: '#/components/schemas/A'}], properties: {b: {type: integer}}}}}\n"
    )
    read = load_document(document(tmp_path, text))
    answer = read.operations["a"].answers["200"]
    assert answer is not None
    assert {"type": "integer"} in read.schemas_at(answer, "/b")
    read.check(answer)
    assert not read.fits(answer, {"b": "x"})


# --- documents that nobody here wrote --------------------------------------------------------------------------------

SHARED = Path(os.environ.get("KIOSK_SHARED", HOME.parent / "shared")) / "data" / "openapi"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("account-info", "GetAccountsAccountIdBalances"),
        ("payment-initiation", "CreateDomesticPayments"),
        ("confirmation-funds", "CreateFundsConfirmations"),
    ],
)
def test_open_banking_documents_load(name: str, known: str) -> None:
    file = SHARED / f"{name}-openapi.json"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    read = load_document(file)
    assert known in read.operations
    assert len(read.operations) == file.read_text().count('"operationId"')
    for operation in read.operations.values():
        for schema in (operation.body, *operation.answers.values()):
            if schema is not None:
                read.check(schema)


@pytest.mark.shared
def test_an_open_banking_balance_is_understood() -> None:
    file = SHARED / "account-info-openapi.json"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    read = load_document(file)
    answer = read.operations["GetAccountsAccountIdBalances"].answers["200"]
    assert answer is not None
    assert read.schemas_at(answer, "/Data/Balance/0/Amount/Amount")
    assert not read.schemas_at(answer, "/Data/Balance/0/Amount/Minor")
    assert not read.fits(answer, {"Data": {"Balance": []}}), "the document wants at least one balance, links and meta"
