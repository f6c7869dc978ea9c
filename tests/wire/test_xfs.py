"""The WebSocket endpoint as an XFS4IoT client sees it, and the rules of its queue."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from device_bench import CONFIG, PAIRING, Service, Sim, presented, signed
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from devices import token
from devices.cash import Cash
from devices.desk import MOST_WAITING, Connection, Desk, Verb
from devices.desks import CashDesk
from devices.journal import Journal
from devices.messages import Completion
from kiosk.bench.device_campaigns import Untouchable, config

ROOT = "/xfs4iot/v1.0"
CASH = f"{ROOT}/CashDispenser"


class Xfs:
    """A client: commands out, and all that came in, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self.number = 0

    async def send(self, name: str, payload: dict[str, Any] | None = None, **header: Any) -> int:
        self.number += 1
        head = {"name": name, "requestId": self.number, "type": "command", "version": VERSIONS.get(name, "2.0")}
        await self.socket.send(json.dumps({"header": head | header, "payload": payload or {}}))
        return self.number

    async def until(self, kind: str, number: int | None = None, name: str = "") -> dict[str, Any]:
        """Listen until a message of this type (for this request, of this name) came."""
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), 10))
            self.heard.append(message)
            header = message["header"]
            if header["type"] == kind and number in (None, header.get("requestId")) and name in ("", header["name"]):
                return message

    async def ask(self, name: str, payload: dict[str, Any] | None = None, **header: Any) -> dict[str, Any]:
        message = await self.until("completion", await self.send(name, payload, **header))
        return {"code": message["header"]["completionCode"], **message.get("payload", {})}


#: versions an outsider would take from the standard's tables
VERSIONS = {"Common.Status": "3.0", "Common.Capabilities": "3.0", "Storage.GetStorage": "2.1"} | dict.fromkeys(
    ["CashDispenser.Denominate", "CashDispenser.Dispense", "CashDispenser.GetPresentStatus", "Printer.PrintRaw"], "3.0"
)
AMOUNT = {"denomination": {"service": {"currencies": {"CNY": 1000}, "mix": "mix1"}}}


@pytest.fixture
def xfs(sim: Callable[..., Sim], service: Callable[[], Service], tmp_path: Path) -> Callable[..., Any]:
    """`xfs(talk)` runs `talk(connect)` against a service whose dispenser is simulated; `connect(path)` → `Xfs`."""

    def run(talk: Callable[..., Awaitable[None]], *options: str, exchange: bool = False) -> Sim:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        cash = sim("lcdm2000", *(options or ("--fast",)))
        one = Service(tmp_path)
        config = (tmp_path / "devices.toml").read_text() + f"\n[websocket]\nport = {port}\n"
        if exchange:
            config = config.replace("[service]", "[service]\nexchange = true")
        (tmp_path / "devices.toml").write_text(config)
        one.start()

        async def all_of_it() -> None:
            sockets: list[ClientConnection] = []

            async def dial(path: str, **more: Any) -> Xfs:
                sockets.append(await connect(f"ws://127.0.0.1:{port}{path}", proxy=None, **more))
                return Xfs(sockets[-1])

            try:
                await talk(dial, port)
            finally:
                for one in sockets:
                    await one.close()

        try:
            asyncio.run(all_of_it())
        finally:
            one.end()
        return cash

    return run


def test_a_withdrawal_as_the_sheet_has_it(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        publisher = await dial(ROOT + "/")
        services = await publisher.ask("ServicePublisher.GetServices")
        assert {"serviceURI": f"ws://127.0.0.1:{port}{CASH}"} in services["services"]
        x = await dial(CASH)
        await x.ask("Common.SetTransactionState", {"state": "active", "transactionID": "W1"})
        assert (await x.ask("CashDispenser.Denominate", {"request": AMOUNT}))["result"]["values"] == {"unit1": 10}
        assert (await x.ask("Common.GetTransactionState"))["transactionID"] == "W1"
        text = signed((await x.ask("Common.GetCommandNonce"))["commandNonce"])
        x.heard.clear()
        paid = await x.ask("CashDispenser.Dispense", {"denomination": AMOUNT, "token": text, "position": "outDefault"})
        assert (paid["code"], paid["denomination"]["values"]) == ("success", {"unit1": 10})
        assert paid["storage"]["out"] == {"unit1": {"presented": {"type100CNY1": {"fit": 10}}}}
        kinds = [(m["header"]["type"], m["header"]["name"].split(".")[1]) for m in x.heard]
        assert kinds[:2] == [("acknowledge", "Dispense"), ("event", "StartDispenseEvent")]
        assert set(kinds[2:-1]) == {
            ("unsolicited", "ItemsPresentedEvent"),
            ("unsolicited", "CountsChangedEvent"),
            ("unsolicited", "NonceClearedEvent"),
        }
        assert kinds[-1] == ("completion", "Dispense")
        assert all("requestId" not in m["header"] for m in x.heard if m["header"]["type"] == "unsolicited")
        status = await x.ask("CashDispenser.GetPresentStatus", {"nonce": "42"})
        assert (status["presentState"], status["denomination"]["currencies"]) == ("presented", {"CNY": 1000})
        said = token.verify(status["token"], token.device_key(PAIRING), "42")
        assert said.pairs == {
            "DISPENSEID": text[-64:],
            "DISPENSED1": "1000.00CNY",
            "PRESENTED1": "YES",
            "PRESENTEDAMOUNT1": "1000.00CNY",
            "RETRACTED1": "NO",
        }
        for name in ("CashDispenser.Present", "CashDispenser.Reject", "CashManagement.Retract"):
            assert (await x.ask(name))["code"] == "unsupportedCommand"  # it presents by itself and takes nothing back

    assert presented(xfs(talk)) == 10


def test_what_is_not_proven_is_in_the_token(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        x = await dial(CASH)
        never = await x.ask("CashDispenser.GetPresentStatus", {"nonce": "7"})
        assert token.parse(never["token"]).pairs["PRESENTED1"] == "NO"
        text = signed((await x.ask("Common.GetCommandNonce"))["commandNonce"])
        assert (await x.ask("CashDispenser.Dispense", {"denomination": AMOUNT, "token": text}))[
            "code"
        ] == "hardwareError"
        pairs = token.parse((await x.ask("CashDispenser.GetPresentStatus", {"nonce": "0" * 32}))["token"]).pairs
        assert "PRESENTED1" not in pairs
        assert (pairs["DISPENSED1"], pairs["UNKNOWNAMOUNT1"]) == ("1000.00CNY", "1000.00CNY")
        for nonce in ("abc", "", 7, "1,DISPENSED1=9"):
            assert (await x.ask("CashDispenser.GetPresentStatus", {"nonce": nonce}))["code"] == "invalidData"
        wrong = await x.ask("CashDispenser.GetPresentStatus", {"position": "outLeft"})
        assert (wrong["code"], wrong["errorCode"]) == ("commandErrorCode", "unsupportedPosition")

    xfs(talk, "--fast", "--fault", "power-loss-after=4")


def test_acknowledge_version_and_unknown(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        x = await dial(CASH)
        await x.socket.send("nonsense")
        assert (await x.until("acknowledge"))["header"]["status"] == "invalidMessage"
        await x.socket.send(b'{"header":{"name":"Common.Status","requestId":0,"type":"command","version":"3.0"}}')
        bad = (await x.until("acknowledge"))["header"]
        assert (bad["status"], bad["name"]) == ("invalidRequestID", "Common.Status")
        assert (await x.ask("Common.Status", version="3.9"))["code"] == "success"
        assert (await x.ask("Common.Status", version="2.0"))["code"] == "unsupportedCommand"
        assert (await x.ask("CardReader.ReadRawData"))["code"] == "unsupportedCommand"
        assert (await x.ask("Common.SetVersions", {"commands": {"Common.Status": 3}}))["code"] == "success"
        assert (await x.ask("Common.SetVersions", {"commands": {"Common.Status": 2}}))["code"] == "unsupportedData"
        assert [m["header"].get("status") for m in x.heard if m["header"]["type"] == "acknowledge"][2:] == [None] * 5
        told = await x.ask("Common.Capabilities")
        assert told["common"]["endToEndSecurity"]["commands"] == ["CashDispenser.Dispense"]
        offered = {name for i in told["interfaces"] for name in i["commands"]}
        for name in offered - {"Common.Cancel", "Common.ClearCommandNonce", "CashDispenser.Dispense"}:
            assert (await x.ask(name))["code"] != "unsupportedCommand"
        for name in ("CashAcceptor", "CardReader", "Lights", "Auxiliaries"):
            other = await dial(f"{ROOT}/{name}")
            assert (await other.ask("Common.Status"))["common"]["device"] == "noDevice"
            assert (await other.ask(f"{name}.Anything"))["code"] == "unsupportedCommand"

    xfs(talk)


def test_who_may_not_come_in(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        with pytest.raises(InvalidStatus, match="403"):
            await dial(CASH, origin="http://127.0.0.1")
        with pytest.raises(InvalidStatus, match="404"):
            await dial(f"{ROOT}/Nothing")
        with pytest.raises(urllib.error.HTTPError, match="400"):
            await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}{CASH}")
        x = await dial(CASH, max_size=None)
        await x.socket.send("x" * (2 * 1024 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await x.until("acknowledge")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009

    xfs(talk)


def test_queue_cancel_time_out_and_hang_up(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        a, b = await dial(CASH), await dial(CASH)
        text = signed((await a.ask("Common.GetCommandNonce"))["commandNonce"], 120_000)
        order = {"denomination": AMOUNT, "token": text}
        running = await a.send("CashDispenser.Dispense", order | {"dispenseId": "D1"})
        await a.until("event", running)  # the notes move
        queued = await a.send("CashDispenser.GetMixTypes")
        late = await a.send("CashDispenser.GetMixTypes", timeout=50)
        assert (await a.ask("Common.Status"))["common"]["device"] == "deviceBusy"  # beside the queue
        await b.send("CashDispenser.Dispense", order | {"dispenseId": "D2"})
        await b.until("acknowledge")
        await b.socket.close()  # D2 has not begun: it never will
        assert (await a.until("completion", late))["header"]["completionCode"] == "timeOut"
        assert (await a.ask("Common.Cancel", {"requestIds": [999]}))["errorCode"] == "noMatchingRequestIDs"
        a.heard.clear()
        cancel = await a.send("Common.Cancel")
        assert (await a.until("completion", queued))["header"]["completionCode"] == "canceled"
        assert [m["header"]["requestId"] for m in a.heard if m["header"]["type"] == "completion"] == [cancel, queued]
        assert (await a.until("completion", running))["header"]["completionCode"] == "success"  # it goes on
        assert (await a.ask("CashDispenser.GetPresentStatus", {"dispenseId": "D2"}))["presentState"] == "notPresented"

    assert presented(xfs(talk, "--seed", "1")) == 10


def test_a_client_that_hangs_up_does_not_stop_the_notes(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        a = await dial(CASH)
        text = signed((await a.ask("Common.GetCommandNonce"))["commandNonce"])
        number = await a.send("CashDispenser.Dispense", {"denomination": AMOUNT, "token": text, "dispenseId": "D1"})
        await a.until("event", number)
        a.socket.transport.abort()
        b = await dial(CASH)
        status = await b.ask("CashDispenser.GetPresentStatus", {"dispenseId": "D1"})  # waits for the running one
        assert status["result"]["outcome"] == "paid"

    assert presented(xfs(talk, "--seed", "1")) == 10


def count(upper: object, lower: object = None) -> dict[str, Any]:
    def unit(note: str, n: object) -> dict[str, Any]:
        return {"cash": {"status": {"initial": {note: {"fit": n}}}}}

    both = {"unit1": unit("type100CNY1", upper)} | ({} if lower is None else {"unit2": unit("type50CNY1", lower)})
    return {"storage": both}


def test_the_operator_counts(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        x, watcher = await dial(CASH), await dial(CASH)
        text = signed((await x.ask("Common.GetCommandNonce"))["commandNonce"])
        order = {"denomination": AMOUNT, "token": text}
        assert (await x.ask("CashDispenser.Dispense", order))["code"] == "hardwareError"
        assert (await x.ask("Storage.SetStorage", count(1, 1), version="2.1"))["errorCode"] == "noExchangeActive"
        await x.ask("Storage.StartExchange")
        changed = await watcher.until("unsolicited", None, "Common.StatusChangedEvent")
        assert changed["payload"] == {"common": {"exchange": "active"}}
        assert (await x.ask("CashDispenser.Dispense", order | {"dispenseId": "D2"}))["errorCode"] == "exchangeActive"
        for wrong in (count(500), count(-1, 5), count("5", 5), count(True, 5), {"storage": {}}, {}):
            assert (await x.ask("Storage.SetStorage", wrong, version="2.1"))["code"] == "invalidData"
        assert (await x.ask("Storage.SetStorage", {"storage": {"unit9": {}}}, version="2.1"))[
            "errorCode"
        ] == "invalidUnit"
        assert (await x.ask("Storage.SetStorage", count(400, 300), version="2.1"))["code"] == "success"
        await x.ask("Storage.EndExchange")
        assert (await x.ask("Storage.EndExchange"))["errorCode"] == "noExchangeActive"
        units = (await x.ask("Storage.GetStorage"))["storage"]
        status = units["unit2"]["cash"]["status"]
        assert (status["initial"], status["out"]) == ({"type50CNY1": {"fit": 300}}, {})
        assert (await x.ask("Common.Status"))["cashManagement"]["dispenser"] != "stop"

    xfs(talk, "--fast", "--fault", "jam-after=4", exchange=True)


def test_without_leave_nobody_sets_counts(xfs: Any) -> None:
    async def talk(dial: Any, port: int) -> None:
        x = await dial(CASH)
        for name in ("Storage.StartExchange", "Storage.SetStorage", "Storage.EndExchange"):
            assert (await x.ask(name, count(1, 1), version=""))["code"] == "unsupportedCommand"

    xfs(talk)


def test_receipts(xfs: Any, sim: Callable[..., Sim]) -> None:
    paper = sim("escpos", "--fast")

    async def talk(dial: Any, port: int) -> None:
        x = await dial(f"{ROOT}/Printer")
        for data, code in ((b"\x1b@\x1bc5\x01", "invalidData"), ("收据\n100元\n".encode("gb18030"), "success")):
            answer = await x.ask("Printer.PrintRaw", {"data": base64.b64encode(data).decode()})
            assert answer["code"] == code
        assert (await x.ask("Common.Status"))["common"]["device"] == "online"

    xfs(talk)
    assert paper.truth["jobs"] == [["收据", "100元"]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "requestIds",
        "state",
        "transactionID",
        "commands",
        "events",
        "position",
        "nonce",
        "dispenseId",
        "token",
        "denomination",
        "request",
        "storage",
        "service",
        "currencies",
        "CNY",
        "unit1",
        "cash",
        "status",
        "initial",
        "type100CNY1",
        "fit",
    ]
)
PAYLOAD = st.dictionaries(KEYS, st.recursive(JSON, lambda inner: st.dictionaries(KEYS, inner, max_size=3)), max_size=4)


@settings(max_examples=150)
@given(payload=PAYLOAD, exchange=st.booleans())
def test_any_payload_gets_one_completion_and_never_an_internal_error(payload: dict[str, Any], exchange: bool) -> None:
    async def run(folder: Path) -> None:
        journal = Journal(folder / "devices.db")
        journal.load({"upper": 10, "lower": 10})
        cash = Cash(replace(config(folder, 10), exchange=True), journal, Untouchable())  # type: ignore[arg-type]
        desk = CashDesk(cash)
        for number, name in enumerate(desk.verbs, 1):
            if name != "Storage.EndExchange":
                cash.exchange = exchange
                heard: list[dict[str, Any]] = []
                client = Connection(lambda _: desk, lambda message, heard=heard: heard.append(json.loads(message)))
                header = {"name": name, "requestId": number, "type": "command"}
                client.receive(json.dumps({"header": header, "payload": payload}))
                await client.finish()
                assert [m["header"]["type"] for m in heard] == ["acknowledge", "completion"]
                assert heard[1]["header"]["completionCode"] != "internalError", (name, payload)
        assert cash.dispenser.paid == 0  # type: ignore[attr-defined]
        journal.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


def test_a_full_queue_says_so() -> None:
    async def run() -> list[dict[str, Any]]:
        desk, go = Desk("Test"), asyncio.Event()

        async def slow(payload: Any, event: Any) -> Completion:
            await go.wait()
            return Completion()

        desk.verbs["Test.Slow"] = Verb(slow)
        heard: list[dict[str, Any]] = []
        client = Connection(lambda name: desk, lambda message: heard.append(json.loads(message)))
        for number in range(1, MOST_WAITING + 3):
            header = {"name": "Test.Slow", "requestId": number, "type": "command", "version": "2.0"}
            client.receive(json.dumps({"header": header}))
        client.receive(json.dumps({"header": header | {"requestId": 1}}))
        go.set()
        await client.finish()
        assert not desk.turn.locked()
        return heard

    heard = asyncio.run(run())
    status = [m["header"].get("status") for m in heard if m["header"]["type"] == "acknowledge"]
    assert status == [None] * MOST_WAITING + ["tooManyRequests"] * 2 + ["invalidRequestID"]
    ended = [m["header"]["requestId"] for m in heard if m["header"]["type"] == "completion"]
    assert ended == list(range(1, MOST_WAITING + 1))  # in the order of arrival


def test_a_port_that_is_taken_is_one_sentence(sim: Callable[..., Sim], tmp_path: Path) -> None:
    sim("lcdm2000", "--fast")
    one = Service(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (tmp_path / "devices.toml").write_text(CONFIG + f"\n[websocket]\nport = {taken.getsockname()[1]}\n")
        ended = subprocess.run(one.command("serve"), capture_output=True, text=True, check=False, timeout=20)
    assert ended.returncode == 2
    assert "no port is free for the WebSocket" in ended.stderr
