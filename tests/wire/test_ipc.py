"""The link between core and worker over a real unix socket: whole values, hang-ups, damage, one core at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kiosk.events import Enrolled, Forget, Forgotten, Listen, Speak
from kiosk.run import ipc
from kiosk.run.ipc import Link, ProtocolError, connect, serve
from kiosk.values import OperatorError


def talk(path: Path, handler: Callable[[Link], Awaitable[None]], core: Callable[[], Awaitable[Any]]) -> Any:
    """Serve `handler` at `path` while `core` runs; gives what `core` gives, and stops the worker."""

    async def both() -> Any:
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(path, handler, stop))
        try:
            return await asyncio.wait_for(core(), 20)
        finally:
            stop.set()
            await serving

    return asyncio.run(both())


async def echo(link: Link) -> None:
    async for value in link:
        await link.send(value)


def test_values_come_back_whole(tmp_path: Path) -> None:
    said = [Speak("1", "请说「一千」\n", "zh", 0.8), Listen("2", "en", "money", 8.0), Forget("3")]

    async def core() -> list[Any]:
        link = await connect(tmp_path / "s", 5)
        for value in said:
            await link.send(value)
        return [await link.receive() for _ in said]

    assert talk(tmp_path / "s", echo, core) == said
    assert not (tmp_path / "s").exists()


def test_a_hang_up_ends_the_loop_and_the_next_core_is_served(tmp_path: Path) -> None:
    ended = []

    async def handler(link: Link) -> None:
        async for value in link:
            await link.send(value)
        ended.append(True)

    async def core() -> Any:
        for n in range(3):
            link = await connect(tmp_path / "s", 5)
            await link.send(Forget(str(n)))
            assert await link.receive() == Forget(str(n))
            await link.close()
        return await (await connect(tmp_path / "s", 5)).send(Forget("last"))

    talk(tmp_path / "s", handler, core)
    assert len(ended) == 3


def test_the_worker_hangs_up(tmp_path: Path) -> None:
    async def handler(link: Link) -> None:
        await link.send(Forgotten("1"))

    async def core() -> list[Any]:
        link = await connect(tmp_path / "s", 5)
        return [await link.receive(), await link.receive()]

    assert talk(tmp_path / "s", handler, core) == [Forgotten("1"), None]


DAMAGE = [
    b"hello\n",
    b"[1]\n",
    b'{"kind": "Nobody"}\n',
    b'{"kind": "Forget"}\n',
    b'{"kind": "Forget", "id": 3}\n',
    b'{"kind": "Forget", "id": "1", "more": 1}\n',
    b'{"kind": "Listen", "id": "1", "lang": "zh", "expect": "money", "timeout_s": NaN}\n',
    b'{"kind": "Forget", "id": "\xff"}\n',
    b'{"kind": "Forget", "id": "1"}',  # no end of line
    b"[" * 100_000 + b"\n",
    b"x" * (ipc.MAX_LINE + 10) + b"\n",
]


@pytest.mark.parametrize("line", DAMAGE, ids=range(len(DAMAGE)))
def test_damage_is_loud_and_the_worker_lives_on(
    tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[BaseException] = []

    async def handler(link: Link) -> None:
        try:
            await echo(link)
        except ProtocolError as e:
            seen.append(e)
            raise

    async def core() -> Any:
        _reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(line)
        writer.close()
        link = await connect(tmp_path / "s", 5)
        await link.send(Forget("after"))
        return await link.receive()

    async def ready_core() -> Any:
        await (await connect(tmp_path / "s", 5)).close()
        return await core()

    assert talk(tmp_path / "s", handler, ready_core) == Forget("after")
    assert len(seen) == 1
    assert "dropped the core" in capsys.readouterr().err


def test_a_second_core_is_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipc, "CHANGE_OVER_S", 0.1)

    async def core() -> Any:
        first = await connect(tmp_path / "s", 5)
        await first.send(Forget("1"))
        assert await first.receive() == Forget("1")
        second = await connect(tmp_path / "s", 5)
        assert await second.receive() is None
        await first.send(Forget("2"))
        return await first.receive()

    assert talk(tmp_path / "s", echo, core) == Forget("2")


def test_a_bug_in_the_worker_ends_it(tmp_path: Path) -> None:
    async def handler(link: Link) -> None:
        raise ZeroDivisionError("a bug")

    async def core() -> Any:
        link = await connect(tmp_path / "s", 5)
        return await link.receive()

    with pytest.raises(ZeroDivisionError):
        talk(tmp_path / "s", handler, core)


def test_nobody_there_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no worker answers"):
        asyncio.run(connect(tmp_path / "none", 0.1))


def test_a_dead_workers_socket_is_replaced_a_living_ones_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))

    async def core() -> Any:
        link = await connect(path, 5)
        await link.send(Forget("1"))
        assert await link.receive() == Forget("1")
        with pytest.raises(OperatorError, match="another worker"):
            await serve(path, echo, asyncio.Event())
        return True

    assert talk(path, echo, core)


def test_no_folder_for_the_socket(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no socket can be made"):
        asyncio.run(serve(tmp_path / "no" / "s", echo, asyncio.Event()))


def test_systemd_hears_ready_and_watchdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "20000")

        async def core() -> Any:
            link = await connect(tmp_path / "s", 5)
            loop = asyncio.get_running_loop()
            got = [await loop.run_in_executor(None, systemd.recv, 100) for _ in range(3)]
            await link.close()
            return got

        assert talk(tmp_path / "s", echo, core) == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_what_is_too_large_or_no_json_is_never_sent(tmp_path: Path) -> None:
    async def core() -> Any:
        link = await connect(tmp_path / "s", 5)
        with pytest.raises(ValueError, match="larger"):
            await link.send(Enrolled("1", "x" * ipc.MAX_LINE))
        with pytest.raises(ValueError, match="JSON"):
            await link.send(Listen("1", "zh", "money", float("inf")))
        await link.send(Forget("1"))
        return await link.receive()

    assert talk(tmp_path / "s", echo, core) == Forget("1")
