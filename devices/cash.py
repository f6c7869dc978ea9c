"""The cash side of the service: nonces, tokens, one dispense at a time, and the journal around it.

Order of a dispense: id known? → id refused? → token → stock → device answers STATUS → intent synced (the token's
amount is reserved with it) → the one command → result synced → answer. Whatever breaks in between leaves an open
entry, which the next start settles, or numbers as a case, before it serves.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from devices import token as tokens
from devices.config import Config
from devices.driver.lcdm import CashDispenser, Health, denominate
from devices.journal import Dispense, Journal
from devices.messages import Completion, Refusal
from devices.protocol.lcdm_booking import UNITS, lost

log = logging.getLogger("devices.cash")

#: sends an event (name, payload): to the client whose command runs, or (`tell`) to everybody connected
Event = Callable[[str, dict[str, Any]], None]
#: XFS4IoT's storage unit ids
UNIT_IDS = {"upper": "unit1", "lower": "unit2"}
POSITION = "outFront"
NEEDED = ("DISPENSE1", "SESSION", "TERMINAL", "EXPIRES")


@dataclass
class Nonce:
    """The live command nonce. The first valid token binds to it; `spent` is reserved of that token's amounts."""

    text: str
    made_at: float
    token: str = ""
    spent: dict[str, int] = field(default_factory=dict)


class Cash:
    """All of it needs the event loop; movements are one after the other."""

    def __init__(self, config: Config, journal: Journal, dispenser: CashDispenser) -> None:
        self.config = config
        self.journal = journal
        self.dispenser = dispenser
        self._lock = asyncio.Lock()
        self._nonce: Nonce | None = None
        self._running: dict[str, asyncio.Future[None]] = {}
        self.tell: Event = lambda name, payload: None
        #: the operator has the cassettes out: nothing is paid
        self.exchange = False

    async def settle(self) -> None:
        """At start: no entry stays open. Its answer may still come, or a case gets a number."""
        if not self.journal.books.known:
            self.journal.load(self.config.dispenser.counts)
        for one in list(self.journal.books.dispenses.values()):
            if not one.open:
                continue
            booking = None
            if one.taken:
                log.warning("dispense %s is open: listening for its answer", one.id)
                booking = await self.dispenser.late_reply(one.requested, self.config.dispenser.reply_timeout_s)
            done = self.journal.result(
                one.id, booking or lost(one.requested, "the service stopped in the middle of it")
            )
            log.warning("dispense %s settled: %s %s", one.id, self.report(done)["outcome"], done.case)

    # --- nonce ---

    def nonce(self) -> str:
        """The live nonce if no token has used it yet, else a new one (128 bits that never come again).

        So a client that died before it cleared its nonce does not stand in the way of the next one.
        """
        live = self._live()
        if live is None or live.token:
            live = self._nonce = Nonce(secrets.token_hex(16).upper(), time.monotonic())
        return live.text

    def clear_nonce(self) -> None:
        """The nonce dies, and with it the token that is bound to it."""
        if self._nonce is not None:
            self._nonce = None
            self.tell("Common.NonceClearedEvent", {})

    def _live(self) -> Nonce | None:
        if self._nonce and time.monotonic() - self._nonce.made_at > self.config.nonce_timeout_s:
            self.clear_nonce()
        return self._nonce

    # --- commands ---

    async def status(self) -> tuple[Health, str]:
        """The device's own words and XFS4IoT's `device` state; while notes move, only the state."""
        if self._lock.locked():
            return Health(False, "busy"), "deviceBusy"
        async with self._lock:
            health = await self._health()
        return health, "online" if health.ok else "offline" if not health.error else "hardwareError"

    async def _health(self) -> Health:
        """STATUS of the machine that the books belong to; a new one is let in by counting."""
        known = self.journal.books.identity
        health = await self.dispenser.status(known)
        if health.ok and not known:
            self.journal.identity(health.identity)
        return health

    def denominate(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """What would be paid.

        Raises:
            Refusal: these cassettes can not make it.
        """
        self._no_exchange()
        minor = self._amount(payload.get("request"))
        return {"result": self._denomination(minor, self._mix(minor))}

    async def dispense(self, payload: Mapping[str, Any], event: Event) -> Completion:
        """Pay once. An id that is known moves nothing and is answered again.

        `event` tells the client when the device took the command, and when less was given than asked for.

        Raises:
            Refusal: nothing moved and nothing will.
        """
        _position(payload)
        text = payload.get("token")
        minor = self._amount(payload.get("denomination"))
        if not isinstance(text, str) or not text:
            raise Refusal("authorisationRequired", "a dispense needs a token")
        id = payload.get("dispenseId") or text[-64:]
        if not isinstance(id, str) or len(id) > 128 or not id.isprintable():
            raise Refusal("invalidData", "dispenseId is a printable string of at most 128 characters")
        async with self._lock:
            known = self.journal.books.dispenses.get(id)
            if known is not None:
                if known.minor != minor:
                    raise Refusal("invalidData", f"dispense {id} is known with another amount")
                return self._completion(known)
            self._no_exchange()
            self._may_be_paid(id)
            token = self._checked(text, minor)
            counts = self._mix(minor)
            if self.journal.books.stopped:
                raise Refusal("deviceNotReady", self.journal.books.stopped)
            health = await self._health()
            if not health.ok:
                raise Refusal("deviceNotReady", health.words)
            self._may_be_paid(id)  # asked about while we waited: then it is refused for ever
            nonce = self._bind(token, minor)
            return await self._pay(id, minor, counts, nonce, event)

    async def _pay(self, id: str, minor: int, counts: dict[str, int], nonce: Nonce, event: Event) -> Completion:
        currency = self.config.dispenser.currency
        ended = self._running[id] = asyncio.get_running_loop().create_future()

        async def taken() -> None:
            self.journal.taken(id)
            event("CashDispenser.StartDispenseEvent", {})

        try:
            nonce.spent[currency] = nonce.spent.get(currency, 0) + minor
            self.journal.intent(id, minor, currency, counts, nonce.token)
            try:
                booking = await self.dispenser.dispense(counts, taken)
                done = self.journal.result(id, booking)
            except Exception:
                # Notes may have moved and it can not be written down. Only a new start, which settles the open entry,
                # may answer for it.
                log.critical("dispense %s: open, and this process gives up", id, exc_info=True)
                os._exit(70)
        finally:
            del self._running[id]
            ended.set_result(None)
        report = self.report(done)
        if report["outcome"] != "paid":
            event("CashDispenser.IncompleteDispenseEvent", self._present(done)["denomination"])
        log.info("dispense %s: %s", id, report)
        if report["presentedNotes"]:
            self.tell("CashManagement.ItemsPresentedEvent", {"position": POSITION, "additionalBunches": "0"})
        moved = self._moved(done)["out"]
        units = {u: {"cash": {"status": unit["cash"]["status"]}} for u, unit in self.units().items() if u in moved}
        self.tell("Storage.CountsChangedEvent", units)
        nonce.spent[currency] -= max(0, minor - report["presentedMinor"] - report["unknownMinor"])
        if nonce is self._nonce and nonce.spent[currency] >= nonce.spent.get("total", 0):
            self.clear_nonce()
        return self._completion(done)

    async def present_status(self, payload: Mapping[str, Any]) -> Completion:
        """What became of a dispense. Waits while it runs; an id never heard of is refused from now on, for ever.

        With the asker's `nonce`, a token signed with the device's own key says it too.
        """
        _position(payload)
        nonce, id = payload.get("nonce"), payload.get("dispenseId")
        if nonce is not None and not (isinstance(nonce, str) and re.fullmatch("[0-9A-F]{32}|[0-9]{1,100}", nonce)):
            raise Refusal("invalidData", "nonce is 32 hex digits in upper case, or at most 100 decimal digits")
        dispenses = self.journal.books.dispenses
        if id is None:
            id = next(reversed(dispenses), "")
        elif not isinstance(id, str) or not id or len(id) > 128:
            raise Refusal("invalidData", "dispenseId is a string of at most 128 characters")
        if id in self._running:
            await self._running[id]
        one = dispenses.get(id)
        if one is not None:
            if one.open:
                raise Refusal("internalError", f"dispense {id} is open and does not run: restart the service")
            answer = self._present(one)
        else:
            if id and id not in self.journal.books.tombstones:
                self.journal.tombstone(id)
            answer = {"presentState": "notPresented"} | ({"result": _NONE} if id else {})
        return Completion(answer | ({"token": self._status_token(nonce, one)} if nonce else {}))

    def _status_token(self, nonce: str, one: Dispense | None) -> str:
        """Present status token (section 14): all that was paid on the token of `one`.

        DISPENSED1 bounds what left, PRESENTEDAMOUNT1 is proven. Where they differ, UNKNOWNAMOUNT1 (ours) is the rest,
        and PRESENTED1 is left out unless something is proven: neither YES nor NO would be true.
        """
        currency, pairs = self.config.dispenser.currency, {}
        same = [d for d in self.journal.books.dispenses.values() if one and (d is one or (d.token == one.token != ""))]
        reports = [self.report(d) for d in same if not d.open]
        presented, unknown = (sum(r[key] for r in reports) for key in ("presentedMinor", "unknownMinor"))
        if one is not None and one.token:
            pairs["DISPENSEID"] = one.token
        pairs["DISPENSED1"] = tokens.amount(presented + unknown, currency)
        if presented or not unknown:
            pairs["PRESENTED1"] = "YES" if presented else "NO"
        pairs["PRESENTEDAMOUNT1"] = tokens.amount(presented, currency)
        if unknown:
            pairs["UNKNOWNAMOUNT1"] = tokens.amount(unknown, currency)
        pairs["RETRACTED1"] = "NO"
        return tokens.sign(tokens.device_key(self.config.pairing_key), nonce, pairs)

    # --- the operator ---

    def start_exchange(self) -> Completion:
        """From now on nothing is paid, and counts may be set."""
        self._may_exchange()
        self._exchange(True)
        return Completion()

    def end_exchange(self) -> Completion:
        """Counts are set; paying goes on."""
        if not self.exchange:
            raise Refusal("commandErrorCode", "no exchange is active", "noExchangeActive")
        self._exchange(False)
        return Completion()

    def set_storage(self, payload: Mapping[str, Any]) -> Completion:
        """Somebody counted: the books are opened anew with `initial` of each unit named; the others keep their notes.

        Raises:
            Refusal: nothing was changed. When the books are stopped, all units must be counted.
        """
        self._may_exchange()
        if not self.exchange:
            raise Refusal("commandErrorCode", "counts are set in an exchange only", "noExchangeActive")
        units = payload.get("storage")
        if not isinstance(units, dict) or not units:
            raise Refusal("invalidData", "storage is an object of units")
        counted = {}
        for id, unit in units.items():
            name = next((u for u, known in UNIT_IDS.items() if known == id), None)
            if name is None:
                raise Refusal("commandErrorCode", f"there is no unit {id}", "invalidUnit")
            note = self._note(name)
            match unit:
                case {"cash": {"status": {"initial": dict(initial), **status}, **cash}, **rest} if not (
                    status or cash or rest
                ) and initial.keys() <= {note}:
                    kinds = initial.get(note, {})
                case _:
                    raise Refusal("invalidData", f"of {id} only cash.status.initial of {note} can be set")
            number = kinds.get("fit", 0) if isinstance(kinds, dict) and kinds.keys() <= {"fit"} else None
            if type(number) is not int or not 0 <= number <= 100_000:
                raise Refusal("invalidData", f"{note} of {id} is {{'fit': number of notes}}")
            counted[name] = number
        books = self.journal.books
        if books.stopped and counted.keys() != set(UNITS):
            raise Refusal("invalidData", f"all units must be counted, for it was stopped: {books.stopped}")
        self.journal.load(books.cassettes | counted)
        log.warning("the operator counted %s", counted)
        self.tell(
            "Storage.CountsChangedEvent",
            {u: {"cash": {"status": unit["cash"]["status"]}} for u, unit in self.units().items()},
        )
        return Completion()

    def _exchange(self, active: bool) -> None:
        if self.exchange != active:
            self.exchange = active
            self.tell("Common.StatusChangedEvent", {"common": {"exchange": "active" if active else "inactive"}})

    def _may_exchange(self) -> None:
        if not self.config.exchange:
            raise Refusal("authorisationRequired", "counts are set here only with `exchange = true` under [service]")

    def _no_exchange(self) -> None:
        if self.exchange:
            raise Refusal("commandErrorCode", "the operator has the cassettes", "exchangeActive")

    def note_types(self) -> dict[str, Any]:
        """CashManagement.GetBankNoteTypes."""
        dispenser = self.config.dispenser
        items = {}
        for index, unit in enumerate(UNITS, 1):
            value = _major(dispenser.values[unit], dispenser.currency)
            item = {"noteID": index, "currency": dispenser.currency, "value": value, "release": 1}
            items[self._note(unit)] = {"cashItem": item, "enabled": True}
        return {"items": items}

    def units(self) -> dict[str, Any]:
        """The books, per unit, as Storage.GetStorage has them."""
        books, dispenser = self.journal.books, self.config.dispenser
        units = {}
        for index, unit in enumerate(UNITS, 1):
            note = self._note(unit)
            out = {kind: {note: {"fit": n[unit]}} for kind, n in books.out.items() if n[unit]}
            left = books.cassettes[unit]
            units[UNIT_IDS[unit]] = {
                "id": f"CST{index}",
                "positionName": unit,
                "capacity": 0,
                "status": "ok",
                "cash": {
                    "capabilities": {"types": {"cashOut": True}, "items": {"fit": True}, "cashItems": [note]},
                    "configuration": {
                        "types": {"cashOut": True},
                        "currency": dispenser.currency,
                        "value": _major(dispenser.values[unit], dispenser.currency),
                        "cashItems": [note],
                    },
                    "status": {
                        "index": index,
                        "initial": {note: {"fit": books.loaded[unit]}},
                        "out": out,
                        "accuracy": "inaccurate" if books.stopped or books.out["unknown"][unit] else "accurateSet",
                        "replenishmentStatus": "empty" if left <= 0 else "low" if unit in books.unusable else "ok",
                    },
                },
            }
        return units

    # --- checks ---

    def _may_be_paid(self, id: str) -> None:
        if id in self.journal.books.tombstones:
            raise Refusal("sequenceError", f"dispense {id} was asked about before it came: it is refused for ever")

    def _checked(self, text: str, minor: int) -> tokens.Token:
        """Shape, HMAC, nonce, same token, terminal, expiry, currency and what is left of it.

        Raises:
            Refusal: with the code of the first check that fails.
        """
        currency, nonce = self.config.dispenser.currency, self._live()
        try:
            shape = tokens.parse(text)
            if missing := [key for key in NEEDED if key not in shape.pairs]:
                raise tokens.TokenError("invalidTokenKeyNoValue", f"{missing[0]} is missing")
            key = tokens.session_key(self.config.pairing_key, shape.pairs["SESSION"])
            token = tokens.verify(text, key, nonce.text if nonce else None)
        except tokens.TokenError as e:
            raise Refusal(e.code, str(e)) from e
        assert nonce is not None
        if nonce.token and not hmac.compare_digest(nonce.token, token.hmac):
            raise Refusal("invalidToken", "another token has used this nonce")
        if not hmac.compare_digest(token.pairs["TERMINAL"].encode(), self.config.terminal.encode()):
            raise Refusal("invalidToken", "the token is for another terminal")
        if not token.pairs["EXPIRES"].isdigit() or time.time() >= int(token.pairs["EXPIRES"]):
            raise Refusal("invalidToken", "the token has expired")
        if nonce.spent.get(currency, 0) + minor > token.amounts.get(currency, 0):
            raise Refusal("invalidToken", "more than the token allows")
        return token

    def _bind(self, token: tokens.Token, minor: int) -> Nonce:
        """Check again after the waiting (nothing may have changed the nonce), and tie the token to it."""
        self._checked(token.text, minor)
        assert self._nonce is not None
        self._nonce.token = token.hmac
        self._nonce.spent["total"] = token.amounts[self.config.dispenser.currency]
        return self._nonce

    def _amount(self, request: Any) -> int:
        """Minor units of a DenominateRequest with one currency."""
        try:
            currencies = request["denomination"]["service"]["currencies"]
            ((currency, number),) = currencies.items()
            amount = Decimal(number)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation):
            raise Refusal("invalidData", "denomination.service.currencies must name one currency and amount") from None
        if currency != self.config.dispenser.currency:
            raise Refusal("commandErrorCode", f"there is no {currency} in the cassettes", "invalidCurrency")
        if not amount.is_finite() or amount <= 0 or amount > 10**9:
            raise Refusal("commandErrorCode", f"{amount} can not be paid", "invalidDenomination")
        minor = amount.scaleb(tokens.EXPONENTS[currency])
        if minor != minor.to_integral_value():
            raise Refusal("commandErrorCode", f"{amount} can not be paid", "invalidDenomination")
        return int(minor)

    def _mix(self, minor: int) -> dict[str, int]:
        books = self.journal.books
        stock = {u: 0 if u in books.unusable else max(0, books.cassettes[u]) for u in UNITS}
        counts = denominate(minor, self.config.dispenser.values, stock)
        if counts is None:
            raise Refusal("commandErrorCode", "these cassettes can not make this amount", "notDispensable")
        return counts

    # --- reports ---

    def report(self, one: Dispense) -> dict[str, Any]:
        """Our own plain words about a dispense that has ended."""
        assert one.counts is not None
        values = self.config.dispenser.values
        presented = sum(c.presented * values[u] for u, c in one.counts.items())
        unknown = sum(c.unknown * values[u] for u, c in one.counts.items())
        outcome = "paid" if presented >= one.minor else "partial" if presented else "none"
        return {
            "outcome": "unknown" if unknown else outcome,
            "requestedMinor": one.minor,
            "presentedMinor": presented,
            "presentedNotes": sum(c.presented for c in one.counts.values()),
            "rejectedNotes": sum(c.rejected for c in one.counts.values()),
            "unknownNotes": sum(c.unknown for c in one.counts.values()),
            "unknownMinor": unknown,
            "case": one.case,
            "words": one.words,
        }

    def _completion(self, one: Dispense) -> Completion:
        if one.open:
            raise Refusal("internalError", f"dispense {one.id} is open and does not run: restart the service")
        report = self.report(one)
        payload = self._present(one) | {
            "bunches": "1" if report["presentedNotes"] else "0",
            "storage": self._moved(one),
        }
        if report["outcome"] == "paid":
            return Completion(payload)
        if report["outcome"] == "unknown":
            return Completion(payload, "hardwareError", one.words)
        return Completion(payload | {"errorCode": "cashUnitError"}, "commandErrorCode", one.words)

    def _present(self, one: Dispense) -> dict[str, Any]:
        report = self.report(one)
        state = {"unknown": "unknown", "none": "notPresented"}.get(report["outcome"], "presented")
        assert one.counts is not None
        given = {u: c.presented for u, c in one.counts.items()}
        denomination = self._denomination(report["presentedMinor"], given)
        return {"presentState": state, "denomination": denomination, "result": report}

    def _denomination(self, minor: int, counts: Mapping[str, int]) -> dict[str, Any]:
        currency = self.config.dispenser.currency
        values = {UNIT_IDS[u]: n for u, n in counts.items() if n}
        return {"currencies": {currency: _major(minor, currency)}, "values": values}

    def _moved(self, one: Dispense) -> dict[str, Any]:
        assert one.counts is not None
        out: dict[str, Any] = {}
        for unit, c in one.counts.items():
            kinds = {"presented": c.presented, "rejected": c.rejected, "unknown": c.unknown}
            out[UNIT_IDS[unit]] = {k: {self._note(unit): {"fit": n}} for k, n in kinds.items() if n}
        return {"out": {unit: kinds for unit, kinds in out.items() if kinds}}

    def _note(self, unit: str) -> str:
        currency = self.config.dispenser.currency
        return f"type{_major(self.config.dispenser.values[unit], currency)}{currency}1".replace(".", "")


_NONE = {
    "outcome": "none",
    "requestedMinor": 0,
    "presentedMinor": 0,
    "presentedNotes": 0,
    "rejectedNotes": 0,
    "unknownNotes": 0,
    "unknownMinor": 0,
    "case": "",
    "words": "never heard of",
}


def _major(minor: int, currency: str) -> int | float:
    """A JSON number in main units."""
    whole, rest = divmod(minor, 10 ** tokens.EXPONENTS[currency])
    return whole if not rest else float(Decimal(minor).scaleb(-tokens.EXPONENTS[currency]))


def _position(payload: Mapping[str, Any]) -> None:
    if payload.get("position") not in (None, "outDefault", POSITION):
        raise Refusal("commandErrorCode", f"the only position is {POSITION}", "unsupportedPosition")
