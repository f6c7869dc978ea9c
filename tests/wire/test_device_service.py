"""The device service as its clients see it: a real process and socket, simulators on ptys, enemies with tokens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from device_bench import CONFIG, PAIRING, ROOT, Service, Sim, pay, presented, signed

from devices import token
from devices.client import DeviceClient
from devices.journal import Journal


def test_paid_once_and_only_once(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    cash, paper = sim("lcdm2000", "--fast"), sim("escpos", "--fast")

    async def talk(c: DeviceClient) -> None:
        assert await c.denominate(105_000, "CNY") == {"unit1": 10, "unit2": 1}
        assert await c.denominate(1_000, "CNY") is None
        first = await pay(c, "D1", 105_000)
        assert (first.outcome, first.presented_minor, first.presented_notes) == ("paid", 105_000, 11)
        assert await pay(c, "D1", 105_000) == first  # the same id, even with a fresh token, moves nothing
        assert await c.present_status("D1") == first
        assert (await c.print_lines(["好"])).ok
        status = await c.status()
        assert status["common"]["device"] == "online"
        assert status["printer"]["paper"]["upper"] == "full"
        unit = (await c.storage())["unit1"]["cash"]["status"]
        assert unit["out"] == {"presented": {"type100CNY1": {"fit": 10}}}
        assert {i["name"] for i in (await c.capabilities())["interfaces"]} == {
            "Common",
            "Storage",
            "CashDispenser",
            "CashManagement",
            "Printer",
        }

    service().ask(talk)
    assert presented(cash) == 11
    assert paper.truth["jobs"] == [["好"]]


def test_no_token_that_is_not_right_moves_a_note(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    cash = sim("lcdm2000", "--fast")

    async def talk(c: DeviceClient) -> None:
        async def code(text: str, minor: int = 100_000, id: str = "X") -> str:
            result = await c.dispense(id, minor, "CNY", text)
            assert (result.outcome, result.presented_notes) == ("none", 0)
            return result.code

        assert await code(signed("0" * 32)) == "noCommandNonce"
        nonce = await c.nonce()
        assert nonce == await c.nonce()  # one live nonce a device
        assert await code("") == "authorisationRequired"
        assert await code("rubbish") == "invalidTokenFormat"
        assert await code(signed("0" * 32)) == "invalidTokenNonce"
        assert await code(signed(nonce, pairing=bytes(32).hex())) == "invalidTokenHMAC"
        assert await code(signed(nonce, SESSION="S2")) == "invalidTokenHMAC"  # another session's key made it
        assert await code(signed(nonce).replace("1000.00CNY", "9000.00CNY")) == "invalidTokenHMAC"
        assert await code(signed(nonce, TERMINAL="T0002")) == "invalidToken"
        assert await code(signed(nonce, EXPIRES=str(int(time.time()) - 1))) == "invalidToken"
        assert await code(signed(nonce), minor=105_000) == "invalidToken"
        bare = token.make(token.session_key(PAIRING, "S1"), nonce, [(100_000, "CNY")], {"SESSION": "S1"})
        assert await code(bare) == "invalidTokenKeyNoValue"
        good = signed(nonce)
        assert (await c.dispense("D1", 100_000, "CNY", good)).outcome == "paid"
        assert await code(good, id="D2") == "noCommandNonce"  # replayed: its nonce died with its last yuan
        assert await c.nonce() != nonce
        cleared = signed(await c.nonce())
        await c.clear_nonce()
        assert await code(cleared, id="D3") == "noCommandNonce"
        await c.nonce()
        assert await code(cleared, id="D3") == "invalidTokenNonce"

    service().ask(talk)
    assert presented(cash) == 10


def test_a_token_lasts_for_its_total_and_no_other_may_join(
    sim: Callable[..., Sim], service: Callable[[], Service]
) -> None:
    cash = sim("lcdm2000", "--fast")

    async def talk(c: DeviceClient) -> None:
        nonce = await c.nonce()
        text = signed(nonce, 100_000)
        assert (await c.dispense("A", 60_000, "CNY", text)).outcome == "paid"
        assert (await c.dispense("B", 60_000, "CNY", text)).code == "invalidToken"
        assert (
            await c.dispense("C", 20_000, "CNY", signed(nonce, 20_000, EXPIRES="9999999999"))
        ).code == "invalidToken"
        assert (await c.dispense("D", 40_000, "CNY", text)).outcome == "paid"
        assert await c.nonce() != nonce

    service().ask(talk)
    assert presented(cash) == 10


def test_an_id_that_was_asked_about_first_is_never_paid(
    sim: Callable[..., Sim], service: Callable[[], Service]
) -> None:
    cash = sim("lcdm2000", "--fast")
    one = service()
    assert one.ask(lambda c: c.present_status("late")).outcome == "none"
    assert one.ask(lambda c: pay(c, "late")).code == "sequenceError"
    one.end(signal.SIGKILL)
    one.start()
    assert one.ask(lambda c: pay(c, "late")).code == "sequenceError"
    assert one.ask(lambda c: c.present_status("late")).outcome == "none"
    assert presented(cash) == 0


def test_a_client_that_hangs_up_does_not_stop_the_notes(
    sim: Callable[..., Sim], service: Callable[[], Service]
) -> None:
    cash = sim("lcdm2000")  # at its real speed: ten notes take three seconds
    one = service()

    async def hang_up(c: DeviceClient) -> None:
        task = asyncio.create_task(pay(c, "D1", 40_000))
        while not presented(cash):
            await asyncio.sleep(0.05)
        task.cancel()

    one.ask(hang_up)
    assert one.ask(lambda c: c.present_status("D1")).outcome == "paid"  # waits for the running one
    assert presented(cash) == 4


def test_killed_in_mid_dispense_and_back_in_time(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    """The device had acknowledged the command; its answer comes while the new process listens."""
    cash = sim("lcdm2000")
    one = service()

    async def kill(c: DeviceClient) -> None:
        task = asyncio.create_task(pay(c, "D1", 40_000))
        while not presented(cash):
            await asyncio.sleep(0.02)
        one.end(signal.SIGKILL)
        with pytest.raises(ConnectionError):
            await task

    one.ask(kill)
    one.start()
    result = one.ask(lambda c: c.present_status("D1"))
    assert (result.outcome, result.presented_notes, result.case) == ("paid", 4, "")
    assert presented(cash) == 4


def test_killed_in_mid_dispense_and_back_too_late(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    cash = sim("lcdm2000", "--fault", "lose-reply=3")
    one = service()

    async def kill(c: DeviceClient) -> None:
        task = asyncio.create_task(pay(c, "D1", 40_000))
        while not presented(cash):
            await asyncio.sleep(0.02)
        one.end(signal.SIGKILL)
        with pytest.raises(ConnectionError):
            await task

    one.ask(kill)
    one.start()
    result = one.ask(lambda c: c.present_status("D1"))
    assert (result.outcome, result.unknown_notes, result.unknown_minor) == ("unknown", 4, 40_000)
    assert result.case == "D0001"
    refused = one.ask(lambda c: pay(c, "D2"))
    assert (refused.outcome, refused.code) == ("none", "deviceNotReady")
    one.end()
    counted = [*one.command("load"), "--upper", "496", "--lower", "500"]
    assert subprocess.run(counted, cwd=ROOT, check=False).returncode == 0
    one.start()
    assert one.ask(lambda c: pay(c, "D2")).outcome == "paid"
    assert one.ask(lambda c: c.present_status("D1")).case == "D0001"
    assert presented(cash) == 14


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "again"),
    [
        ("jam-after=4", "unknown", "hardwareError", "deviceNotReady"),
        ("pick-fail-after=4", "partial", "commandErrorCode", "success"),
        ("empty-after=4", "partial", "commandErrorCode", "success"),
        ("power-loss-after=4", "unknown", "hardwareError", "deviceNotReady"),
    ],
)
def test_faults(
    sim: Callable[..., Sim],
    service: Callable[[], Service],
    tmp_path: Path,
    fault: str,
    outcome: str,
    code: str,
    again: str,
) -> None:
    cash = sim("lcdm2000", "--fast", "--fault", fault)
    one = service()
    result = one.ask(lambda c: pay(c, "D1"))
    assert (result.outcome, result.code) == (outcome, code)
    truth = presented(cash) * 10_000
    assert result.presented_minor <= truth <= result.presented_minor + result.unknown_minor
    assert bool(result.case) == (outcome == "unknown")
    assert one.ask(lambda c: pay(c, "D2", 50_000)).code == again
    one.end()
    journal = Journal(tmp_path / "devices.db")
    assert not journal.books.violated()
    journal.close()


def test_the_port_is_found_again(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    first = sim("lcdm2000", "--fast")
    one = service()
    assert one.ask(lambda c: pay(c, "D1")).outcome == "paid"
    first.stop()
    assert one.ask(lambda c: pay(c, "D2")).code == "deviceNotReady"
    again = sim("lcdm2000", "--fast")
    assert one.ask(lambda c: pay(c, "D3")).outcome == "paid"
    assert presented(again) == 20


def test_the_client_hears_of_motion_while_it_lasts(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    sim("lcdm2000", "--fast", "--fault", "pick-fail-after=4")
    one = service()
    nonce = one.ask(lambda c: c.nonce())
    denomination = {"denomination": {"service": {"currencies": {"CNY": 1000}, "mix": "mix1"}}}
    payload = {"denomination": denomination, "token": signed(nonce), "dispenseId": "D1"}
    header = {"name": "CashDispenser.Dispense", "requestId": 5, "type": "command", "version": "3.0"}
    heard = raw(one, json.dumps({"header": header, "payload": payload}).encode())
    assert [(m["header"]["type"], m["header"]["name"].split(".")[1]) for m in heard] == [
        ("acknowledge", "Dispense"),
        ("event", "StartDispenseEvent"),
        ("event", "IncompleteDispenseEvent"),
        ("completion", "Dispense"),
    ]
    assert {m["header"]["requestId"] for m in heard} == {5}
    assert heard[2]["payload"] == {"currencies": {"CNY": 400}, "values": {"unit1": 4}}


def raw(one: Service, *lines: bytes) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(one.socket))
        s.sendall(b"".join(line + b"\n" for line in lines))
        s.settimeout(5)
        data = b""
        while not data.endswith(b"\n") or not (b"completion" in data or b'"status"' in data):
            data += s.recv(65536)
    return [json.loads(line) for line in data.splitlines()]


def test_the_wire_of_the_socket(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    sim("lcdm2000", "--fast")
    one = service()
    header = '{"header":{"name":"%s","requestId":%s,"type":"command","version":"2.0"},"payload":%s}'
    assert raw(one, b"nonsense", b"[]", b'{"header":{}}')[0]["header"]["status"] == "invalidMessage"
    (answer,) = raw(one, (header % ("Common.Status", 0, "{}")).encode())
    assert answer["header"]["status"] == "invalidRequestID"

    async def refused(c: DeviceClient) -> None:
        for name, payload, code in [
            ("Common.Nonsense", {}, "unsupportedCommand"),
            ("CashDispenser.Denominate", {}, "invalidData"),
            ("CashDispenser.GetPresentStatus", {"dispenseId": 7}, "invalidData"),
            ("Printer.PrintRaw", {"lines": ["x"]}, "unsupportedCommand"),
        ]:
            assert (await c._ask(name, payload)).code == code

    one.ask(refused)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lcdm2000", "elsewhere"), "there is no such port"),
        (("LCDM-2000", "LCDM-9"), "model is one of LCDM-2000"),
        (("value = 50", "worth = 50"), "[dispenser.lower] value is missing"),
        (("[service]", "[service]\nspeed = 3"), "[service] speed is not known"),
        (("pairing.key", "other.key"), "others may read the pairing key"),
        (("[service]", "[service]\nproduction = true"), "obeys whoever holds its cable"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_and_2(
    sim: Callable[..., Sim], tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    sim("lcdm2000", "--fast")
    one = Service(tmp_path)
    (tmp_path / "other.key").write_text(PAIRING.hex())
    os.chmod(tmp_path / "other.key", 0o644)  # noqa: PTH101
    (tmp_path / "devices.toml").write_text(CONFIG.replace(*change))
    ended = subprocess.run(one.command("serve"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_systemd_hears_that_it_serves_and_lives(
    sim: Callable[..., Sim], service: Callable[[], Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim("lcdm2000", "--fast")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        one = service()
        assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        one.end()
        while (last := systemd.recv(100)) == b"WATCHDOG=1":
            pass
        assert last == b"STOPPING=1"


def test_one_service_a_port_and_a_journal(sim: Callable[..., Sim], service: Callable[[], Service]) -> None:
    sim("lcdm2000", "--fast")
    one = service()
    ended = subprocess.run(one.command("serve"), cwd=ROOT, capture_output=True, text=True, check=False, timeout=20)
    assert ended.returncode == 2
    assert "another service has it" in ended.stderr
