"""What may go wrong between a kiosk and its bank, on demand: an ASGI layer around the demo bank's service.

A fault is written `VERB:NAME[:COUNT]`, e.g. `authorise:timeout-after-commit` (once) or `any:5xx:always`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from kiosk.values import OperatorError

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ALWAYS = 1 << 30
VERBS = (
    *("authorise", "capture", "release", "reverse", "balance", "status"),
    *("find_payee", "transfer", "bills", "pay_bill", "deposit", "statement", "pension", "request", "any"),
)
#: between two bytes of a dripping answer: slow enough to outlast a call's deadline, never a read timeout
DRIP_S = 0.2


class FaultName(StrEnum):
    TIMEOUT_BEFORE_COMMIT = "timeout-before-commit"  #: nothing done, no answer
    TIMEOUT_AFTER_COMMIT = "timeout-after-commit"  #: done, no answer
    SERVER_ERROR = "5xx"  #: nothing done, 503
    RESET = "reset"  #: done, then the connection is reset
    DRIP = "drip"  #: done, the answer comes byte by byte
    WRONG_JSON = "wrong-json"  #: done, the answer is damaged
    WRONG_AMOUNT = "wrong-amount"  #: done, the answer names other amounts
    DUPLICATE = "duplicate"  #: done, but an earlier call's answer comes in place of this one's


@dataclass(frozen=True)
class Fault:
    """`name` happens to the next `count` calls of `verb`."""

    verb: str
    name: FaultName
    count: int

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `VERB:NAME[:COUNT]`; COUNT is a number or `always`, and 1 if it is left out.

        Raises:
            OperatorError: an unknown verb or name, or a count that is none.
        """
        verb, _, rest = text.partition(":")
        name, _, count = rest.partition(":")
        if verb not in VERBS or name not in list(FaultName):
            raise OperatorError(
                f"unknown fault {text!r}",
                where="--fault",
                remedy=f"Write VERB:NAME[:COUNT] with VERB of {' '.join(VERBS)} and NAME of {' '.join(FaultName)}.",
            )
        if count not in ("", "always") and not (count.isascii() and count.isdigit() and int(count)):
            raise OperatorError(
                f"{count!r} is no count", where="--fault", remedy="Write a number of calls, or `always`."
            )
        return cls(verb, FaultName(name), ALWAYS if count == "always" else int(count or 1))


class Lines(H11Protocol):
    """uvicorn's connection, which also remembers its socket, so that a fault can break it."""

    open: dict[Any, asyncio.Transport] = {}  # noqa: RUF012 - one process, one table

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")
        self.open[self._peer] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.pop(self._peer, None)
        super().connection_lost(exc)


def _break(scope: Scope) -> None:
    """Reset the connection (RST, not FIN)."""
    transport = Lines.open.get(tuple(scope["client"]))
    if transport is not None:
        line = transport.get_extra_info("socket")
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


@dataclass
class _Recorded:
    """An answer held back until the fault has decided what becomes of it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Faulty:
    """The service `app` with faults. `verb_of` names a request's kiosk verb; `silence_s`: how long no answer lasts."""

    def __init__(self, app: App, verb_of: Callable[[str, str], str], faults: list[Fault], silence_s: float) -> None:
        self._app, self._verb_of, self.silence_s = app, verb_of, silence_s
        self._last: _Recorded | None = None
        self.set(faults)

    def set(self, faults: list[Fault]) -> None:
        """These faults from now on, and no others."""
        self._faults, self._left = faults, [fault.count for fault in faults]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = self._take(self._verb_of(scope["method"], scope["path"]))
        if name is FaultName.SERVER_ERROR:
            body = json.dumps({"code": "unavailable", "message": "a fault was asked for"}).encode()
            await _answer(send, _Recorded(503, [(b"content-type", b"application/json")], body))
            return
        if name is FaultName.TIMEOUT_BEFORE_COMMIT:
            await _hung_up(receive, self.silence_s)
            _break(scope)
            return
        answer = await self._record(scope, receive)
        before, self._last = self._last, answer
        if name is FaultName.TIMEOUT_AFTER_COMMIT:
            await _hung_up(receive, self.silence_s)
            _break(scope)
        elif name is FaultName.RESET:
            _break(scope)
        elif name is FaultName.DRIP:
            await _drip(receive, send, answer)
        elif name is FaultName.WRONG_JSON:
            await _answer(
                send, _Recorded(answer.status, answer.headers, answer.body[: len(answer.body) // 2] + b" NaN")
            )
        elif name is FaultName.WRONG_AMOUNT:
            wrong = json.dumps(_more(json.loads(answer.body))).encode()
            await _answer(send, _Recorded(answer.status, answer.headers, wrong))
        elif name is FaultName.DUPLICATE:
            await _answer(
                send, before or _Recorded(answer.status, [(b"content-type", b"application/json")], answer.body)
            )
        else:
            await _answer(send, answer)

    def _take(self, verb: str) -> FaultName | None:
        for i, fault in enumerate(self._faults):
            if self._left[i] and fault.verb in (verb, "any"):
                self._left[i] -= 1
                return fault.name
        return None

    async def _record(self, scope: Scope, receive: Receive) -> _Recorded:
        answer = _Recorded(500, [], b"")

        async def keep(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [(k, v) for k, v in message["headers"] if k.lower() != b"content-length"]
            elif message["type"] == "http.response.body":
                answer.body += message.get("body", b"")

        await self._app(scope, receive, keep)
        return answer


async def _answer(send: Send, answer: _Recorded) -> None:
    await _begin(send, answer)
    await send({"type": "http.response.body", "body": answer.body})


async def _begin(send: Send, answer: _Recorded) -> None:
    headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _drip(receive: Receive, send: Send, answer: _Recorded) -> None:
    await _begin(send, answer)
    for byte in answer.body:
        await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        if await _hung_up(receive, DRIP_S):
            return
    await send({"type": "http.response.body"})


async def _hung_up(receive: Receive, limit_s: float) -> bool:
    """Wait until the caller hangs up, `limit_s` at most: nobody is kept waiting for a caller who is gone."""
    try:
        async with asyncio.timeout(limit_s):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


def _more(value: Any) -> Any:
    """The same JSON with every amount a little larger."""
    if isinstance(value, dict):
        return {k: v + 10_000 if k == "minor" and isinstance(v, int) else _more(v) for k, v in value.items()}
    return [_more(v) for v in value] if isinstance(value, list) else value
