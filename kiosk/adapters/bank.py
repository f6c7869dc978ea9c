"""The only way to the bank: a call of a mapped verb under one idempotency key, with an outcome within a deadline.

What is not proven is `unknown`. A request is repeated only under the same key and only within the deadline; then the
bank is asked what became of that key. Answers are bounded, checked against the bank's own OpenAPI document, and
compared with what was asked: one that names another amount, customer or key is never believed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from kiosk.adapters.bank_map import ACKNOWLEDGED, CALL_KEY, VERBS, Action, BankMap, MappedVerb, Rule
from kiosk.adapters.bank_openapi import depth_of
from kiosk.events import SlotValue
from kiosk.values import EXPONENTS, Money, OperatorError

Fact = SlotValue | int

#: pauses between repetitions: doubled each time, never longer than the cap
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
#: the part of the deadline that is kept for asking what became of the key
ASKING_SHARE = 0.25
#: one request may take no more of the deadline than this, so that there is time for a second
TRY_SHARE = 0.3
#: with less time left than this part of a usual try, no request is begun: cut short, it would only add doubt
LEAST_SHARE = 0.5
#: beyond any amount that a kiosk can meet, and exact in every JSON reader
MAX_MINOR = 10**15
MAX_TEXT = 128
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_log = logging.getLogger("kiosk.bank")


class Why(StrEnum):
    """What kept a call from a known outcome."""

    NOTHING = ""
    TIMEOUT = "timeout"  #: no whole answer in time
    UNREACHABLE = "unreachable"  #: no connection
    TLS = "tls"  #: the other side could not prove who it is, or did not accept us
    LOST = "lost"  #: the connection broke
    SERVER = "server"  #: 5xx, 408 or 429
    BAD_ANSWER = "bad answer"  #: damaged, too large, too deep, or not what the document describes
    STRAY = "stray"  #: the answer to another request
    MISMATCH = "mismatch"  #: names another amount, customer, key or authorisation than was asked
    UNMAPPED = "unmapped"  #: an answer that the map does not list


#: what a repetition under the same key may mend
_AGAIN = (Why.TIMEOUT, Why.UNREACHABLE, Why.LOST, Why.SERVER, Why.BAD_ANSWER, Why.STRAY)
#: what no further question can mend: somebody else may be answering
_FINAL = (Why.TLS, Why.MISMATCH)


@dataclass(frozen=True)
class BankResult:
    """How a call ended: `outcome` as `bank_map.VERBS` lists, or `unknown` with `why`. `attempts`: requests sent."""

    outcome: str
    facts: dict[str, Fact] = field(default_factory=dict)
    attempts: int = 0
    why: str = ""


@dataclass(frozen=True)
class Tls:
    """The bank's authority, and the kiosk's own certificate with its key where the bank wants one."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None


class BankClient:
    """Calls one bank. Belongs to one event loop; close it with `close`.

    Args:
        deadline_s: the whole of a call, instead of the map's own.
        tls: needed for `https`; plain `http` is only for this box itself.

    Raises:
        OperatorError: an address that is not allowed, or certificates that cannot be read.
    """

    def __init__(self, map: BankMap, base_url: str, *, deadline_s: float | None = None, tls: Tls | None = None) -> None:
        self._map = map
        self._deadline_s = map.deadline_s if deadline_s is None else deadline_s
        self._try_s = min(map.try_s, self._deadline_s * TRY_SHARE)
        self._base = _checked_url(base_url, tls)
        self._requests = 0
        # These two write addresses and headers, so customers and keys, at their talkative levels.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._http = httpx.AsyncClient(
            verify=_context(tls) if tls else False,  # False only where there is no TLS at all: plain http on this box
            trust_env=False,  # no proxy and no authority from the environment
            follow_redirects=False,
            timeout=None,  # each request runs under its own clock below, from the first byte to the last
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=2, keepalive_expiry=5),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, verb: str, fields: Mapping[str, SlotValue], key: str) -> BankResult:
        """Have the bank carry out `verb` at most once under `key`. Never raises for anything that the bank does.

        Raises:
            ValueError: a verb or field that the map does not have, or a key that is not 1–128 visible ASCII characters.
        """
        mapped, sources = self._prepare(verb, fields, key)
        now = asyncio.get_running_loop().time
        least = self._try_s * LEAST_SHARE
        end = now() + self._deadline_s
        stop = end - self._deadline_s * ASKING_SHARE if mapped.asking else end
        attempts = 0
        while True:
            attempts += 1
            reading = await self._send(mapped.action, sources, key, min(self._try_s, stop - now()))
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempts - 1))
            if reading.why not in _AGAIN or now() + pause + least > stop:
                break
            await asyncio.sleep(pause)
        if reading.outcome == "unknown" and reading.why not in _FINAL and mapped.asking and end - now() > least:
            asked = await self._send(mapped.asking, sources, key, end - now())
            if asked.outcome != "unknown" or asked.why in _FINAL:
                reading = asked
        return self._told(verb, key, attempts, reading)

    async def advise(self, verb: str, fields: Mapping[str, SlotValue], key: str) -> BankResult:
        """Send an advice once. The caller repeats it, with the same key and over restarts, until the outcome is `ok`.

        Raises:
            ValueError: as `call`, or a verb that is never acknowledged with `ok`.
        """
        mapped, sources = self._prepare(verb, fields, key)
        if ACKNOWLEDGED not in VERBS[verb].outcomes or "error" in VERBS[verb].outcomes:
            raise ValueError(f"{verb} is no advice")
        reading = await self._send(mapped.action, sources, key, min(self._map.try_s, self._deadline_s))
        return self._told(verb, key, 1, reading)

    # --- one request -------------------------------------------------------------------------------------------------

    def _prepare(self, verb: str, fields: Mapping[str, SlotValue], key: str) -> tuple[MappedVerb, dict[str, str | int]]:
        mapped = self._map.verbs.get(verb)
        if mapped is None:
            raise ValueError(f"the map of {self._map.name} has no verb {verb!r}")
        kinds = VERBS[verb].fields
        if set(fields) != set(kinds):
            raise ValueError(f"{verb} takes {sorted(kinds)}, not {sorted(fields)}")
        sources: dict[str, str | int] = {CALL_KEY: _visible(key, "the key")}
        for name, value in fields.items():
            if kinds[name] == "money":
                if not isinstance(value, Money) or not 0 < value.minor <= MAX_MINOR:
                    raise ValueError(f"{name} must be money, more than nothing")
                sources |= {f"{name}.minor": value.minor, f"{name}.currency": value.currency}
            else:
                sources[name] = _visible(value, name)
        return mapped, sources

    async def _send(self, action: Action, sources: Mapping[str, str | int], key: str, limit_s: float) -> _Reading:
        """One request and its answer, read whole and judged, in `limit_s` seconds altogether."""
        self._requests += 1
        correlation = f"{self._requests}.{key}"[:MAX_TEXT]
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if action.operation.parameter("header", self._map.idempotency_header):
            headers[self._map.idempotency_header] = key
        if self._map.correlation_header:
            headers[self._map.correlation_header] = correlation
        content = None
        if action.body is not None:
            content = json.dumps(_filled(action.body, sources)).encode()
            headers["Content-Type"] = "application/json"
        path = action.operation.path
        for name, source in action.path.items():
            path = path.replace("{" + name + "}", _segment(str(sources[source])))
        request = self._http.build_request(
            action.operation.method,
            self._base + path,
            params={name: sources[source] for name, source in action.query.items()} or None,
            headers=headers,
            content=content,
        )
        try:
            async with asyncio.timeout(max(limit_s, 0)):
                response = await self._http.send(request, stream=True)
                try:
                    data = await self._body(response)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            return _Reading(why=Why.TIMEOUT)
        except _BadAnswer:
            return _Reading(why=Why.BAD_ANSWER)
        except httpx.RemoteProtocolError as e:
            return _Reading(why=Why.LOST if "disconnected" in str(e) or "closed" in str(e) else Why.BAD_ANSWER)
        except httpx.HTTPError as e:
            if _is_tls(e):
                return _Reading(why=Why.TLS)
            return _Reading(why=Why.UNREACHABLE if isinstance(e, httpx.ConnectError) else Why.LOST)
        if response.status_code >= 500 or response.status_code in (408, 429):
            return _Reading(why=Why.SERVER)
        if self._map.correlation_header and response.headers.get(self._map.correlation_header) != correlation:
            return _Reading(why=Why.STRAY)
        return self._judge(action, response, data, sources)

    async def _body(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise _BadAnswer("packed, though we asked for plain")
        data = b""
        async for piece in response.aiter_raw():
            data += piece
            if len(data) > self._map.max_bytes:
                raise _BadAnswer("too large")
        return data

    def _judge(
        self, action: Action, response: httpx.Response, data: bytes, sources: Mapping[str, str | int]
    ) -> _Reading:
        rules = [r for r in action.rules if r.status == response.status_code]
        if not rules:
            return _Reading(why=Why.UNMAPPED)
        try:
            value = self._parsed(action, response, data)
            for rule in rules:
                if all(_equals_any(_at(value, way), accepted) for way, accepted in rule.when.items()):
                    if not all(_equals_any(_at(value, way), (sources[s],)) for way, s in rule.match.items()):
                        return _Reading(why=Why.MISMATCH)
                    return _Reading(rule.outcome, _facts(rule, value, action.optional))
        except _BadAnswer:
            return _Reading(why=Why.BAD_ANSWER)
        return _Reading(why=Why.UNMAPPED)

    def _parsed(self, action: Action, response: httpx.Response, data: bytes) -> Any:
        if response.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise _BadAnswer("no JSON")
        try:
            value = json.loads(data, parse_constant=_refuse, parse_float=Decimal, object_pairs_hook=_once_each)
        except (ValueError, RecursionError) as e:
            raise _BadAnswer("damaged JSON") from e
        if depth_of(value, self._map.max_depth) > self._map.max_depth:
            raise _BadAnswer("nests too deep")
        answers = action.operation.answers
        status = str(response.status_code)
        schema = answers.get(status, answers.get(f"{status[0]}XX", answers.get("default")))
        if schema is not None and not self._map.document.fits(schema, value):
            raise _BadAnswer("not what the document describes")
        return value

    def _told(self, verb: str, key: str, attempts: int, reading: _Reading) -> BankResult:
        result = BankResult(reading.outcome, reading.facts, attempts, reading.why.value)
        # Neither customers nor amounts nor authorisations: the journal has them, a log must not.
        level = logging.ERROR if reading.why in (*_FINAL, Why.STRAY) else logging.INFO
        _log.log(level, "%s %s: %s after %d %s", verb, key, result.outcome, attempts, result.why)
        return result


@dataclass(frozen=True)
class _Reading:
    """What one answer proves."""

    outcome: str = "unknown"
    facts: dict[str, Fact] = field(default_factory=dict)
    why: Why = Why.NOTHING


class _BadAnswer(Exception):
    """The answer cannot be used."""


def _facts(rule: Rule, value: Any, optional: tuple[str, ...]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for name, way in rule.facts.items():
        if name in optional and _at(value, way[0] if isinstance(way, tuple) else way) is None:
            continue
        if isinstance(way, tuple):
            minor, currency = _at(value, way[0]), _at(value, way[1])
            if type(minor) is not int or not 0 <= minor <= MAX_MINOR or currency not in EXPONENTS:
                raise _BadAnswer("no amount of money")
            facts[name] = Money(minor, currency)
        else:
            text = _at(value, way)
            if type(text) is not str or not 0 < len(text) <= MAX_TEXT or not text.isprintable():
                raise _BadAnswer("no plain text")
            facts[name] = text
    return facts


def _at(value: Any, way: str) -> Any:
    """The member at a JSON pointer, or None."""
    for token in way.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(token)
        elif isinstance(value, list) and token.isdigit() and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value


def _equals_any(value: Any, accepted: tuple[Any, ...]) -> bool:
    """Equal in value and in type: 1 is neither true nor "1"."""
    return any(type(value) is type(a) and value == a for a in accepted)


def _filled(body: Mapping[str, Any], sources: Mapping[str, str | int]) -> dict[str, Any]:
    return {k: _filled(v, sources) if isinstance(v, Mapping) else sources[v] for k, v in body.items()}


def _visible(text: object, name: str) -> str:
    if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT or not all("!" <= c <= "~" for c in text):
        raise ValueError(f"{name} must be 1 to {MAX_TEXT} visible ASCII characters")
    return text


def _segment(text: str) -> str:
    """One segment of a path, which cannot climb out of it."""
    if text in (".", ".."):
        raise ValueError(f"{text!r} is no name")
    return quote(text, safe="")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member comes twice")
    return members


def _is_tls(error: BaseException) -> bool:
    """Whether a refusal by TLS is behind this error (a connection that merely ended is not one)."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError) and not isinstance(seen, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _checked_url(url: str, tls: Tls | None) -> str:
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname or "", parts.port
    except ValueError as e:
        raise OperatorError(f"{url!r} is no address: {e}", remedy="Write https://host:port.") from e
    if not host or parts.query or parts.fragment or parts.username is not None:
        raise OperatorError(
            f"{url!r} is no address of a bank", remedy="Write https://host:port, without user or query."
        )
    if parts.scheme == "https":
        if tls is None:
            raise OperatorError(
                f"{url} wants the bank's authority", remedy="Give the CA file that vouches for the bank."
            )
    elif parts.scheme != "http" or host not in _LOOPBACK:
        raise OperatorError(f"{url} is not protected", remedy="Use https; plain http is only for 127.0.0.1.")
    elif tls is not None:
        raise OperatorError(f"certificates were given, but {url} does not use TLS", remedy="Use https.")
    return url.rstrip("/")


def _context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer, only the bank's own authority, names checked."""
    if (tls.cert is None) != (tls.key is None):
        raise OperatorError("a certificate and its key go together", remedy="Give both, or none.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        where = tls.ca
        context.load_verify_locations(tls.ca)
        if tls.cert is not None and tls.key is not None:
            where = tls.cert
            context.load_cert_chain(tls.cert, tls.key, password=_no_password)
    except (OSError, ValueError) as e:
        raise OperatorError(f"cannot be used: {e}", where=str(where), remedy="Check the file and its rights.") from e
    return context


def _no_password() -> str:
    """Never ask on the terminal: a kiosk has none."""
    raise ValueError("the key is locked with a password")
