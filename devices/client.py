"""A client of the device service, for whoever holds a pairing key and for tests."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from devices.messages import LONGEST, line
from devices.token import EXPONENTS


class DeviceRefused(Exception):
    """The service ended a command that is no dispense with something else than success. `code` is XFS4IoT's."""

    def __init__(self, code: str, error_code: str, words: str) -> None:
        super().__init__(words or code)
        self.code = code
        self.error_code = error_code


@dataclass(frozen=True)
class DispenseResult:
    """What became of a dispense. `outcome`: paid, partial, none, unknown.

    `unknown_minor` bounds what may have been given besides `presented_minor`; `case` numbers it for the operator.
    `code` is the completionCode; when a command was refused (outcome none), it says why, and `words` in prose.
    """

    outcome: str
    presented_minor: int = 0
    presented_notes: int = 0
    rejected_notes: int = 0
    unknown_notes: int = 0
    unknown_minor: int = 0
    case: str = ""
    code: str = "success"
    words: str = ""


@dataclass(frozen=True)
class PrintResult:
    ok: bool
    error: str = ""
    words: str = ""


@dataclass(frozen=True)
class _Ended:
    code: str
    words: str
    payload: Mapping[str, Any]


class DeviceClient:
    """One connection. Commands may overlap. After `ConnectionError`, connect again and ask `present_status`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[_Ended]] = {}
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, path: str | Path) -> DeviceClient:
        """Raises: ConnectionError or FileNotFoundError when nobody serves there."""
        return cls(*await asyncio.open_unix_connection(str(path), limit=LONGEST))

    async def close(self) -> None:
        self._writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def nonce(self) -> str:
        """The device's live nonce."""
        return str((await self._good("Common.GetCommandNonce"))["commandNonce"])

    async def clear_nonce(self) -> None:
        await self._good("Common.ClearCommandNonce")

    async def status(self) -> Mapping[str, Any]:
        return await self._good("Common.Status")

    async def capabilities(self) -> Mapping[str, Any]:
        return await self._good("Common.Capabilities")

    async def storage(self) -> Mapping[str, Any]:
        """Storage units by id."""
        return dict((await self._good("Storage.GetStorage"))["storage"])

    async def denominate(self, minor: int, currency: str) -> dict[str, int] | None:
        """Unit → notes that would be paid, or None when the cassettes can not make it."""
        ended = await self._ask("CashDispenser.Denominate", {"request": _request(minor, currency)})
        if ended.code == "commandErrorCode":
            return None
        return dict(_checked(ended)["result"]["values"])

    async def dispense(self, dispense_id: str, amount_minor: int, currency: str, token: str) -> DispenseResult:
        """Pay once under this id.

        Raises:
            ConnectionError: the answer is lost; the dispense may go on. Ask `present_status`.
        """
        payload = {"denomination": _request(amount_minor, currency), "position": "outDefault"}
        return _result(await self._ask("CashDispenser.Dispense", payload | {"token": token, "dispenseId": dispense_id}))

    async def present_status(self, dispense_id: str) -> DispenseResult:
        """What became of it; never heard of = `none`, and it will never be paid.

        Raises:
            DeviceRefused: the service can not say.
        """
        ended = await self._ask("CashDispenser.GetPresentStatus", {"dispenseId": dispense_id})
        _checked(ended)
        return _result(ended)

    async def print_lines(self, lines: Sequence[str]) -> PrintResult:
        """Print and cut one receipt."""
        ended = await self._ask("Printer.PrintRaw", {"lines": list(lines)})
        return PrintResult(ended.code == "success", str(ended.payload.get("errorCode", ended.code)), ended.words)

    async def _good(self, name: str) -> Mapping[str, Any]:
        return _checked(await self._ask(name, {}))

    async def _ask(self, name: str, payload: Mapping[str, Any]) -> _Ended:
        if self._task.done():
            raise ConnectionError("the device service hung up")
        number = next(self._ids)
        future: asyncio.Future[_Ended] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._writer.write(line(name, "command", number, dict(payload)))
        return await future

    async def _listen(self) -> None:
        try:
            while text := await self._reader.readline():
                message = json.loads(text)
                header = message["header"]
                future = self._waiting.get(header.get("requestId", 0))
                if future is None or header["type"] not in ("completion", "acknowledge"):
                    continue
                if header["type"] == "completion":
                    ended = _Ended(
                        header["completionCode"], header.get("errorDescription", ""), message.get("payload", {})
                    )
                elif header.get("status"):
                    ended = _Ended(header["status"], "", {})
                else:
                    continue
                del self._waiting[header["requestId"]]
                if not future.done():
                    future.set_result(ended)
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("the device service hung up"))


def _checked(ended: _Ended) -> Mapping[str, Any]:
    if ended.code != "success":
        raise DeviceRefused(ended.code, str(ended.payload.get("errorCode", "")), ended.words)
    return ended.payload


def _request(minor: int, currency: str) -> dict[str, Any]:
    major = Decimal(minor).scaleb(-EXPONENTS[currency])
    number = int(major) if major == major.to_integral_value() else float(major)
    return {"denomination": {"service": {"currencies": {currency: number}, "mix": "mix1"}}}


def _result(ended: _Ended) -> DispenseResult:
    own = ended.payload.get("result")
    if own is None:
        if ended.code == "internalError":
            raise ConnectionError(f"the device service failed: {ended.words}")
        return DispenseResult("none", code=ended.code, words=ended.words)
    return DispenseResult(
        own["outcome"],
        own["presentedMinor"],
        own["presentedNotes"],
        own["rejectedNotes"],
        own["unknownNotes"],
        own["unknownMinor"],
        own["case"],
        ended.code,
        own["words"],
    )
