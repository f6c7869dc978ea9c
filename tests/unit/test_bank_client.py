"""The bank client against the real demo bank with every fault, and against servers that answer whatever they like."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import logging
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kiosk.adapters.bank import BankClient, BankResult, Tls
from kiosk.adapters.bank_map import load_map
from kiosk.demo.bank import CUSTOMERS, build_app, settings
from kiosk.demo.bank_faults import Fault
from kiosk.demo.bank_store import BankStore, read_books
from kiosk.paths import FLOWS
from kiosk.values import Money, OperatorError

MAP = load_map(FLOWS / "banks" / "demo" / "map.yaml")
DEADLINE_S = 2.0
ASK = {"customer": "grace", "amount": Money(100_000)}


@asynccontextmanager
async def bank(store: BankStore, *faults: str, **tls: Any) -> AsyncIterator[str]:
    """The real service on a free port, in this loop; gives its address."""
    line = socket.socket()
    line.bind(("127.0.0.1", 0))
    app = build_app(store, faults=[Fault.parse(f) for f in faults], now=lambda: 0.0)
    server = uvicorn.Server(settings(app, **tls))
    serving = asyncio.create_task(server.serve(sockets=[line]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{line.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await serving


@asynccontextmanager
async def client(url: str, deadline_s: float = DEADLINE_S, tls: Tls | None = None) -> AsyncIterator[BankClient]:
    c = BankClient(MAP, url, deadline_s=deadline_s, tls=tls)
    try:
        yield c
    finally:
        await c.close()


@pytest.fixture
def store(tmp_path: Path) -> BankStore:
    return BankStore(tmp_path / "bank.sqlite", CUSTOMERS)


def play(store: BankStore, faults: tuple[str, ...], deed: Callable[[BankClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with bank(store, *faults) as url, client(url) as c:
            return await deed(c)

    return asyncio.run(run())


def authorise(store: BankStore, *faults: str) -> BankResult:
    return play(store, faults, lambda c: c.call("authorise", ASK, "s1.hold"))


# --- the good way ----------------------------------------------------------------------------------------------------


def test_a_withdrawal(store: BankStore) -> None:
    async def deed(c: BankClient) -> None:
        held = await c.call("authorise", ASK, "s1.hold")
        assert held == BankResult("approved", {"authorisation": "A000001"}, 1)
        paid = {"authorisation": "A000001", "amount": Money(70_000)}
        assert await c.call("capture", paid, "s1.take") == BankResult("ok", {}, 1)
        assert await c.advise("capture", paid, "s1.take") == BankResult("ok", {}, 1)
        balance = await c.call("balance", {"customer": "grace"}, "s1.look")
        assert balance == BankResult("ok", {"balance": Money(730_000)}, 1)
        assert (await c.call("balance", {"customer": "nobody"}, "s1.look2")).outcome == "error"
        found = await c.call("status", {"key": "s1.hold"}, "s1.ask")
        assert found.outcome == "found"
        assert found.facts == {"state": "captured", "authorisation": "A000001", "amount": Money(100_000)}

    play(store, (), deed)


def test_a_hold_is_released(store: BankStore) -> None:
    async def deed(c: BankClient) -> None:
        await c.call("authorise", ASK, "k1")
        assert (await c.call("release", {"authorisation": "A000001"}, "k2")).outcome == "ok"
        assert (await c.call("release", {"authorisation": "A000001"}, "k3")).why == "unmapped"

    play(store, (), deed)
    assert store.total("holds", "CNY") == 0


def test_money_moves_to_a_payee_and_a_bill_once(store: BankStore) -> None:
    son = {"customer": "grace", "payee": "son", "amount": Money(20_000)}

    async def deed(c: BankClient) -> None:
        found = await c.call("find_payee", {"customer": "grace", "payee": "son"}, "q1")
        assert found.facts == {"payee_name": "Li*Jun"}
        assert (await c.call("find_payee", {"customer": "grace", "payee": "cat"}, "q2")).outcome == "absent"
        for _ in range(2):
            assert (await c.call("transfer", son, "t1")).facts == {"reference": "P000001"}
        stranger = await c.call("transfer", {**son, "payee": "cat"}, "t2")
        assert (stranger.outcome, stranger.facts) == ("declined", {"reason": "unknownPayee"})
        over = await c.call("transfer", {**son, "amount": Money(490_000)}, "t3")
        assert over.facts == {"reason": "dailyLimit"}
        water = {"customer": "grace", "bill": "water"}
        assert (await c.call("bills", water, "q3")).facts == {"amount_due": Money(4_380)}
        assert (await c.call("pay_bill", {**water, "amount": Money(4_380)}, "b1")).outcome == "done"
        assert (await c.call("bills", water, "q4")).outcome == "nothing_due"
        assert (await c.call("pay_bill", {**water, "amount": Money(1)}, "b2")).facts == {"reason": "moreThanDue"}
        lines = (await c.call("statement", {"customer": "grace", "period": "recent"}, "q5")).facts
        assert list(lines) == ["entry1", "entry2", "entry3"]
        assert str(lines["entry1"]).endswith("bill -43.80")

    play(store, (), deed)
    assert store.total("customer:grace", "CNY") == 800_000 - 20_000 - 4_380
    assert store.total("payees:son", "CNY") == 20_000


@pytest.mark.parametrize("fault", ["timeout-after-commit", "reset", "wrong-json", "drip", "5xx"])
def test_a_transfer_is_carried_out_once_whatever_becomes_of_its_answer(store: BankStore, fault: str) -> None:
    fields = {"customer": "grace", "payee": "son", "amount": Money(20_000)}
    result = play(store, (f"transfer:{fault}",), lambda c: c.call("transfer", fields, "t1"))
    assert (result.outcome, result.facts) == ("done", {"reference": "P000001"})
    assert store.total("payees:son", "CNY") == 20_000


def test_a_transfer_to_somebody_else_is_never_believed(store: BankStore) -> None:
    fields = {"customer": "grace", "payee": "son", "amount": Money(20_000)}
    result = play(store, ("transfer:wrong-amount:always",), lambda c: c.call("transfer", fields, "t1"))
    assert (result.outcome, result.why) == ("unknown", "mismatch")


def test_a_deposit_is_an_advice_and_credited_once(store: BankStore) -> None:
    async def deed(c: BankClient) -> None:
        for _ in range(3):
            assert (await c.advise("deposit", {"customer": "grace", "amount": Money(30_000)}, "d1")).outcome == "ok"
        assert (await c.call("pension", {"customer": "alan"}, "q1")).outcome == "absent"
        assert (await c.call("pension", {"customer": "grace"}, "q2")).facts["pension"] == Money(321_500)
        ticket = await c.call("request", {"customer": "grace", "service": "pin"}, "r1")
        assert ticket.facts == {"ticket": "C001"}
        assert await c.call("request", {"customer": "grace", "service": "pin"}, "r1") == ticket

    play(store, (), deed)
    assert store.total("customer:grace", "CNY") == 830_000


@pytest.mark.parametrize(
    ("customer", "minor", "reason"),
    [("grace", 900_000, "insufficientFunds"), ("grace", 600_000, "dailyLimit"), ("edith", 100, "blocked"),
     ("nobody", 100, "unknownCustomer")],
)  # fmt: skip
def test_declined_with_the_banks_reason(store: BankStore, customer: str, minor: int, reason: str) -> None:
    fields = {"customer": customer, "amount": Money(minor)}
    result = play(store, (), lambda c: c.call("authorise", fields, "k1"))
    assert (result.outcome, result.facts) == ("declined", {"reason": reason})


def test_a_reversed_key_never_holds_money_again(store: BankStore) -> None:
    async def deed(c: BankClient) -> BankResult:
        assert (await c.call("status", {"key": "s1.hold"}, "k0")).outcome == "absent"
        assert (await c.advise("reverse", {"key": "s1.hold"}, "s1.undo")).outcome == "ok"
        assert (await c.call("status", {"key": "s1.hold"}, "k0")).outcome == "reversed"
        return await c.call("authorise", ASK, "s1.hold")

    assert play(store, (), deed) == BankResult("declined", {"reason": "keyReversed"}, 1)
    assert store.total("holds", "CNY") == 0


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["timeout-before-commit", "timeout-after-commit", "5xx", "reset", "drip", "wrong-json", "duplicate"]
)
def test_one_fault_is_mended_by_the_same_key(store: BankStore, name: str) -> None:
    result = authorise(store, f"authorise:{name}")
    assert (result.outcome, result.attempts) == ("approved", 2)
    assert [b.open for b in store.books()] == [Money(100_000)], "held exactly once"


@pytest.mark.parametrize("name", ["timeout-after-commit", "reset", "drip", "wrong-json", "duplicate"])
def test_a_hold_whose_answers_never_come_is_found_by_asking_for_the_key(store: BankStore, name: str) -> None:
    result = authorise(store, f"authorise:{name}:always")
    assert (result.outcome, result.facts) == ("approved", {"authorisation": "A000001"})
    assert result.attempts >= 2
    assert [b.open for b in store.books()] == [Money(100_000)], "held exactly once"


def test_a_capture_whose_answers_never_come_is_found_too(store: BankStore) -> None:
    async def deed(c: BankClient) -> BankResult:
        await c.call("authorise", ASK, "k1")
        return await c.call("capture", {"authorisation": "A000001", "amount": Money(60_000)}, "k2")

    assert play(store, ("capture:timeout-after-commit:always",), deed).outcome == "ok"
    assert [(b.captured, b.released) for b in store.books()] == [(Money(60_000), Money(40_000))]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("timeout-before-commit", "timeout"),
        ("timeout-after-commit", "timeout"),
        ("5xx", "server"),
        ("reset", "lost"),
        ("drip", "timeout"),
        ("wrong-json", "bad answer"),
        ("wrong-amount", "mismatch"),
        ("duplicate", "stray"),
    ],
)
def test_a_bank_that_stays_broken_is_unknown_within_the_deadline_and_then_reversed(
    store: BankStore, name: str, why: str
) -> None:
    async def broken(c: BankClient) -> tuple[BankResult, float]:
        began = asyncio.get_running_loop().time()
        return await c.call("authorise", ASK, "s1.hold"), asyncio.get_running_loop().time() - began

    result, took = play(store, (f"any:{name}:always",), broken)
    assert (result.outcome, result.why, result.facts) == ("unknown", why, {})
    # a deadline is a promise, not a measurement: half a second of grace for a busy machine
    assert took < DEADLINE_S + 0.5
    assert play(store, (), lambda c: c.advise("reverse", {"key": "s1.hold"}, "s1.undo")).outcome == "ok"
    assert store.total("holds", "CNY") == 0
    assert store.balance("grace").body["available"]["minor"] == 800_000


def test_a_wrong_amount_is_not_believed_and_not_asked_about(store: BankStore) -> None:
    result = authorise(store, "authorise:wrong-amount")
    assert result == BankResult("unknown", {}, 1, "mismatch")


def test_the_answer_before_is_not_taken_for_this_one(store: BankStore) -> None:
    async def deed(c: BankClient) -> list[BankResult]:
        rich = await c.call("authorise", ASK, "k1")
        # the bank declines this one, but the answer to the one before comes instead
        return [rich, await c.call("authorise", {"customer": "grace", "amount": Money(900_000)}, "k2")]

    rich, poor = play(store, ("authorise:reset", "authorise:duplicate"), deed)
    assert rich.outcome == "approved"
    assert poor.outcome == "declined"


def test_an_advice_is_tried_once(store: BankStore) -> None:
    result = play(store, ("reverse:5xx",), lambda c: c.advise("reverse", {"key": "k1"}, "k2"))
    assert result == BankResult("unknown", {}, 1, "server")


def test_nobody_listens() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))  # bound but never listening: the port stays ours and closed
        url = f"http://127.0.0.1:{line.getsockname()[1]}"

        async def run() -> BankResult:
            async with client(url) as c:
                return await c.call("authorise", ASK, "k1")

        result = asyncio.run(run())
    assert (result.outcome, result.why) == ("unknown", "unreachable")
    assert result.attempts >= 3


# --- answers that no bank should give --------------------------------------------------------------------------------

BALANCE = {
    "customerId": "grace",
    "booked": {"minor": 5, "currency": "CNY"},
    "available": {"minor": 5, "currency": "CNY"},
}


@asynccontextmanager
async def canned(
    body: bytes, *, asked: list[str] | None = None, status: int = 200, kind: str = "application/json", extra: str = ""
) -> AsyncIterator[str]:
    """A server that gives everyone the same answer, under the right correlation id; `asked` collects the paths."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if asked is not None:
            asked.append(head.split()[1])
        ids = [v for k, _, v in (h.partition(": ") for h in head.splitlines()) if k.lower() == "x-correlation-id"]
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nX-Correlation-Id: {ids[0]}\r\n{extra}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        try:
            await writer.drain()
        except ConnectionError:  # the client hung up on a body that was too large
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def ask_canned(body: bytes, **how: Any) -> BankResult:
    async def run() -> BankResult:
        async with canned(body, **how) as url, client(url, deadline_s=20) as c:
            return await c.call("balance", {"customer": "grace"}, "k1")

    return asyncio.run(run())


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that no deadline allows: what the first answer proves, and no waiting."""
    monkeypatch.setattr("kiosk.adapters.bank.FIRST_PAUSE_S", 100.0)
    monkeypatch.setattr("kiosk.adapters.bank.LONGEST_PAUSE_S", 100.0)


def changed(**members: Any) -> bytes:
    return json.dumps({**BALANCE, **members}).encode()


def test_the_canned_answer_is_good_as_it_stands() -> None:
    assert ask_canned(changed()) == BankResult("ok", {"balance": Money(5)}, 1)


@pytest.mark.parametrize(
    "body",
    [
        changed(available={"minor": float("nan"), "currency": "CNY"}),
        changed(available={"minor": float("inf"), "currency": "CNY"}),
        changed(available={"minor": "x", "currency": "CNY"}).replace(b'"x"', b"1e999"),
        changed(available={"minor": "x", "currency": "CNY"}).replace(b'"x"', b"9" * 5000),
        changed(available={"minor": 5.0, "currency": "CNY"}),
        changed(available={"minor": "5", "currency": "CNY"}),
        changed(available={"minor": True, "currency": "CNY"}),
        changed(available={"minor": None, "currency": "CNY"}),
        changed(available={"minor": -5, "currency": "CNY"}),
        changed(available={"minor": 5, "currency": "XXX"}),
        changed(available={"minor": 5}),
        changed(available=5),
        changed(more=1),
        changed().replace(b"{", b'{"customerId": "grace", ', 1),
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        changed(pad="x" * 70_000),
        b" " * 10_000_000 + changed(),
    ],
    ids=lambda b: b[:40].decode("latin-1"),
)
@pytest.mark.usefixtures("one_try")
def test_a_damaged_answer_proves_nothing(body: bytes) -> None:
    result = ask_canned(body)
    assert (result.outcome, result.facts, result.why) == ("unknown", {}, "bad answer")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"kind": "text/html"}, "bad answer"),
        ({"extra": "Content-Encoding: gzip\r\n"}, "bad answer"),
        ({"status": 201}, "unmapped"),
        ({"status": 302, "extra": "Location: http://127.0.0.1:1/\r\n"}, "unmapped"),
        ({"status": 429}, "server"),
        ({"status": 500}, "server"),
    ],
)
@pytest.mark.usefixtures("one_try")
def test_a_wrapping_that_is_not_mapped_proves_nothing(how: dict[str, Any], why: str) -> None:
    result = ask_canned(changed(), **how)
    assert (result.outcome, result.why) == ("unknown", why)


def test_another_customers_balance_is_a_mismatch() -> None:
    assert ask_canned(changed(customerId="alan")) == BankResult("unknown", {}, 1, "mismatch")


@pytest.mark.parametrize(
    "other",
    [{"key": "k2"}, {"customerId": "alan"}, {"amount": {"minor": 100_001, "currency": "CNY"}},
     {"amount": {"minor": 100_000, "currency": "GBP"}}],
)  # fmt: skip
def test_an_approval_of_something_else_is_a_mismatch(other: dict[str, Any]) -> None:
    nothing = {"minor": 0, "currency": "CNY"}
    good = {"authorisationId": "A1", "key": "k1", "customerId": "grace", "decision": "authorised", "state": "held",
            "amount": {"minor": 100_000, "currency": "CNY"}, "captured": nothing, "released": nothing}  # fmt: skip

    async def run(body: dict[str, Any]) -> BankResult:
        async with canned(json.dumps(body).encode(), status=201) as url, client(url, deadline_s=20) as c:
            return await c.call("authorise", ASK, "k1")

    assert asyncio.run(run(good)).outcome == "approved"
    assert asyncio.run(run({**good, **other})) == BankResult("unknown", {}, 1, "mismatch")


# --- what may be asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "fields", "key"),
    [
        ("refund", {}, "k1"),
        ("balance", {}, "k1"),
        ("balance", {"customer": "grace", "iban": "1"}, "k1"),
        ("balance", {"customer": "gr ace"}, "k1"),
        ("balance", {"customer": ".."}, "k1"),
        ("balance", {"customer": "grace\r\nX: 1"}, "k1"),
        ("balance", {"customer": "grace"}, ""),
        ("balance", {"customer": "grace"}, "k\n"),
        ("balance", {"customer": "grace"}, "k" * 129),
        ("authorise", {"customer": "grace", "amount": "100000"}, "k1"),
        ("authorise", {"customer": "grace", "amount": Money(0)}, "k1"),
    ],
)
def test_what_the_map_does_not_list_cannot_be_sent(verb: str, fields: dict[str, Any], key: str) -> None:
    async def run() -> None:
        async with client("http://127.0.0.1:1") as c:
            await c.call(verb, fields, key)

    with pytest.raises(ValueError, match=r"."):
        asyncio.run(run())


def test_a_question_is_no_advice() -> None:
    async def run() -> None:
        async with client("http://127.0.0.1:1") as c:
            await c.advise("balance", {"customer": "grace"}, "k1")

    with pytest.raises(ValueError, match="advice"):
        asyncio.run(run())


@pytest.mark.usefixtures("one_try")
def test_a_field_cannot_climb_out_of_its_place_in_the_address() -> None:
    asked: list[str] = []

    async def run() -> None:
        async with canned(changed(), asked=asked) as url, client(url, deadline_s=20) as c:
            await c.call("balance", {"customer": "../a?key=k1#"}, "k1")
            await c.call("status", {"key": "a&key=b#/"}, "k1")

    asyncio.run(run())
    assert asked[0] == "/customers/..%2Fa%3Fkey%3Dk1%23/balance"
    assert asked[1].count("&") == 0
    assert asked[1].startswith("/authorisations?key=a%26key%3Db%23")


def test_no_customer_and_no_amount_reaches_the_log(store: BankStore, caplog: pytest.LogCaptureFixture) -> None:
    async def deed(c: BankClient) -> None:
        await c.call("authorise", ASK, "k1")
        await c.call("balance", {"customer": "grace"}, "k2")

    with caplog.at_level(logging.DEBUG):
        play(store, (), deed)
    assert "authorise k1: approved" in caplog.text
    for secret in ("grace", "100000", "A000001"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    "url",
    ["http://bank.example", "ftp://127.0.0.1", "http://user@127.0.0.1", "http://127.0.0.1/?a=1", "https://bank.example",
     "http://127.0.0.1:99999", "bank.example", ""],
)  # fmt: skip
def test_an_address_that_is_not_protected_is_refused(url: str) -> None:
    with pytest.raises(OperatorError):
        BankClient(MAP, url)


# --- TLS -------------------------------------------------------------------------------------------------------------


class Authority:
    """Makes certificates. Days are counted from now."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = folder / f"{name}.ca.pem"
        self.ca.write_bytes(self._sign(name, self._key.public_key(), None, -1, 30, ca=True))

    def issue(self, name: str, host: str = "127.0.0.1", days: tuple[float, float] = (-1, 30)) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        cert, secret = self._folder / f"{self._name}.{name}.pem", self._folder / f"{self._name}.{name}.key"
        cert.write_bytes(self._sign(name, key.public_key(), host, *days))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert, secret

    def _sign(
        self,
        name: str,
        public: ec.EllipticCurvePublicKey,
        host: str | None,
        first: float,
        last: float,
        ca: bool = False,
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self._name)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=first))
            .not_valid_after(now + datetime.timedelta(days=last))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if host:
            try:
                names: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
            except ValueError:
                names = x509.DNSName(host)
            builder = builder.add_extension(x509.SubjectAlternativeName([names]), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def over_tls(store: BankStore, tls: Tls, cert: Path, key: Path, client_ca: Path | None = None) -> BankResult:
    how: dict[str, Any] = {"ssl_certfile": str(cert), "ssl_keyfile": str(key)}
    if client_ca:
        how |= {"ssl_ca_certs": str(client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}

    async def run() -> BankResult:
        async with bank(store, **how) as url, client(url, tls=tls) as c:
            return await c.call("authorise", ASK, "k1")

    return asyncio.run(run())


def test_both_sides_prove_who_they_are(store: BankStore, ours: Authority) -> None:
    tls = Tls(ours.ca, *ours.issue("kiosk"))
    assert over_tls(store, tls, *ours.issue("bank"), client_ca=ours.ca).outcome == "approved"


@pytest.mark.parametrize("wrong", ["authority", "expired", "not yet", "name", "no certificate", "other certificate"])
def test_tls_that_proves_nothing_is_refused(store: BankStore, ours: Authority, tmp_path: Path, wrong: str) -> None:
    theirs = Authority(tmp_path, "theirs")
    server = ours.issue("bank")
    mine: tuple[Path, ...] = ours.issue("kiosk")
    if wrong == "authority":
        server = theirs.issue("bank")
    elif wrong == "expired":
        server = ours.issue("bank", days=(-10, -1))
    elif wrong == "not yet":
        server = ours.issue("bank", days=(1, 10))
    elif wrong == "name":
        server = ours.issue("bank", host="bank.example")
    elif wrong == "no certificate":
        mine = ()
    else:
        mine = theirs.issue("kiosk")
    result = over_tls(store, Tls(ours.ca, *mine), *server, client_ca=ours.ca)
    assert result.outcome == "unknown"
    if "certificate" in wrong:
        # TLS 1.3 tells a client of its refusal after the handshake; the bank's hanging up may be faster than its word
        assert result.why in ("tls", "lost")
    else:
        assert (result.why, result.attempts) == ("tls", 1)
    assert store.books() == ()


def test_old_tls_is_refused(ours: Authority) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(*ours.issue("bank"))
    old.set_ciphers("ALL:@SECLEVEL=0")
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.load_verify_locations(ours.ca)
    careless.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the point of the test
        careless.minimum_version = old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1

    async def run() -> BankResult:
        async with await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=old) as server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=careless)
            assert writer.get_extra_info("ssl_object").version() in ("TLSv1", "TLSv1.1"), "this server does speak it"
            writer.close()
            async with client(f"https://127.0.0.1:{port}", tls=Tls(ours.ca)) as c:
                return await c.call("authorise", ASK, "k1")

    result = asyncio.run(run())
    assert result.outcome == "unknown"
    assert result.why in ("tls", "unreachable"), "the handshake ended without a common version"


def test_certificates_that_cannot_be_used_are_an_operators_mistake(ours: Authority, tmp_path: Path) -> None:
    cert, key = ours.issue("kiosk")
    other = ours.issue("other")[1]
    (tmp_path / "empty.pem").write_text("")
    for tls in (
        Tls(tmp_path / "missing.pem"),
        Tls(tmp_path / "empty.pem"),
        Tls(ours.ca, cert),
        Tls(ours.ca, cert, other),
        Tls(ours.ca, cert, tmp_path / "missing.key"),
    ):
        with pytest.raises(OperatorError):
            BankClient(MAP, "https://127.0.0.1:1", tls=tls)
    with pytest.raises(OperatorError, match="does not"):
        BankClient(MAP, "http://127.0.0.1:1", tls=Tls(ours.ca, cert, key))


# --- the service as a process ----------------------------------------------------------------------------------------


def test_the_service_as_a_process_survives_a_kill(tmp_path: Path) -> None:
    db, port = tmp_path / "bank.sqlite", tmp_path / "port"

    def start() -> subprocess.Popen[bytes]:
        port.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "kiosk.demo.bank", "--db", db, "--port-file", port, "--allow-faults"],
            stdout=subprocess.DEVNULL,
        )
        while not port.exists():
            assert process.poll() is None, "the bank did not start"
            time.sleep(0.02)
        return process

    async def hold() -> BankResult:
        async with client(f"http://127.0.0.1:{int(port.read_text())}") as c:
            return await c.call("authorise", ASK, "k1")

    for _ in range(2):
        process = start()
        try:
            assert asyncio.run(hold()).outcome == "approved"
        finally:
            process.kill()
            process.wait()
    assert [(b.key, b.open) for b in read_books(db)] == [("k1", Money(100_000))]


@pytest.mark.parametrize(
    ("flags", "word"),
    [(["--fault", "authorise:fire"], "VERB:NAME"), (["--fault", "capture:5xx:0"], "count"), (["--tls-cert", "x"], "x")],
)
def test_a_wrong_flag_is_one_sentence(tmp_path: Path, flags: list[str], word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kiosk.demo.bank", "--db", tmp_path / "b.sqlite", *flags],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "b.sqlite").exists()
