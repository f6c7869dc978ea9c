"""The demo bank's money: who has how much, what is held, and a ledger that only ever grows.

It knows nothing of HTTP. Each deed is one synced transaction that writes the ledger entries, the state of the hold and
the answer under the request's idempotency key together, so that a repeated request finds the first one's answer or
nothing at all. Time is an argument.

Money moves between accounts as pairs of entries that sum to zero:

    hold      customer → holds
    capture   holds → cash (what was paid)  and  holds → customer (the rest)
    release   holds → customer
    transfer  customer → payees:ID    (and a bill: customer → billers:ID)
    deposit   cash → customer
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from kiosk.values import Money, OperatorError

Body = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (
    id TEXT PRIMARY KEY, currency TEXT NOT NULL, blocked INTEGER NOT NULL, daily_limit INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, deed INTEGER NOT NULL, what TEXT NOT NULL, account TEXT NOT NULL,
    currency TEXT NOT NULL, minor INTEGER NOT NULL, at REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS entries_account ON entries (account, currency);
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries only grow'); END;
CREATE TRIGGER IF NOT EXISTS entries_keep BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries only grow'); END;
CREATE TABLE IF NOT EXISTS authorisations (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, customer TEXT NOT NULL, currency TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0), reason TEXT NOT NULL, state TEXT NOT NULL,
    captured INTEGER NOT NULL DEFAULT 0, released INTEGER NOT NULL DEFAULT 0, day INTEGER NOT NULL,
    CHECK (captured >= 0 AND released >= 0 AND captured + released <= amount)) STRICT;
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY, operation TEXT NOT NULL, digest TEXT NOT NULL, status INTEGER NOT NULL,
    body TEXT NOT NULL, authorisation INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS payees (
    customer TEXT NOT NULL, payee TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (customer, payee)) STRICT;
CREATE TABLE IF NOT EXISTS bills (
    customer TEXT NOT NULL, bill TEXT NOT NULL, minor INTEGER NOT NULL CHECK (minor >= 0),
    PRIMARY KEY (customer, bill)) STRICT;
CREATE TABLE IF NOT EXISTS pensions (
    customer TEXT PRIMARY KEY, minor INTEGER NOT NULL, paid_on TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS payments (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, what TEXT NOT NULL, customer TEXT NOT NULL,
    party TEXT NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL, day INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS reversed_keys (key TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
"""


@dataclass(frozen=True)
class Customer:
    """Someone the bank knows. `opening` is what the account begins with; `daily_limit` bounds what a day may take."""

    id: str
    opening: Money
    daily_limit: Money
    blocked: bool = False
    #: registered payees (id → name), bills that are due (id → minor units), and the pension (minor units, date)
    payees: tuple[tuple[str, str], ...] = ()
    bills: tuple[tuple[str, int], ...] = ()
    pension: tuple[int, str] | None = None


@dataclass(frozen=True)
class Answer:
    """What the bank says: a status in HTTP's numbers and a JSON object that fits its OpenAPI document."""

    status: int
    body: Body


@dataclass(frozen=True)
class Book:
    """One authorisation as the ledger has it. Always authorised = captured + released + open; all 0 if declined."""

    key: str
    authorisation: str
    customer: str
    state: str
    authorised: Money
    captured: Money
    released: Money
    open: Money


class _Refused(Exception):
    """Ends a deed with a problem answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = problem(status, code, message)


def problem(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"code": code, "message": message})


class BankStore:
    """The bank's database file, created with `customers` when it is new. One writer, one thread.

    Raises:
        OperatorError: the file cannot be opened, or is something else.
    """

    def __init__(self, path: Path, customers: tuple[Customer, ...] = ()) -> None:
        try:
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(2000)
            self._db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL").fetchall()
            with self._db:
                self._db.execute(_SCHEMA)
                if not self._value("SELECT count(*) FROM customers"):
                    for c in customers:
                        self._open_account(c)
        except apsw.Error as e:
            raise OperatorError(
                f"the bank's ledger cannot be opened: {e}", where=str(path), remedy="Name another --db."
            ) from e

    def close(self) -> None:
        self._db.close()

    # --- deeds -------------------------------------------------------------------------------------------------------

    def authorise(self, key: str, customer: str, amount: Money, now: float) -> Answer:
        """Hold `amount`, or decline with a reason. 409 `keyReversed` once the key was reversed."""

        def work() -> tuple[int, Body, int | None]:
            reason = self._reason_against(customer, amount, now)
            self._db.execute(
                "INSERT INTO authorisations (key, customer, currency, amount, reason, state, day)"
                " VALUES (?,?,?,?,?,?,?)",
                (key, customer, amount.currency, amount.minor, reason, "declined" if reason else "held", _day(now)),
            )
            seq = self._db.last_insert_rowid()
            if not reason:
                self._move("hold", now, amount.currency, {_of(customer): -amount.minor, "holds": amount.minor})
            return 201, self._authorisation(seq), seq

        if self._is_reversed(key):
            return problem(409, "keyReversed", "this key was reversed and can never hold money again")
        return self._once(key, "authorise", {"customer": customer, **amount.to_dict()}, work)

    def capture(self, key: str, authorisation: str, amount: Money, now: float) -> Answer:
        """Take `amount` out of the hold and give the rest of it back."""

        def work() -> tuple[int, Body, int | None]:
            seq, customer, currency, held = self._held(authorisation)
            if currency != amount.currency:
                raise _Refused(422, "wrongCurrency", f"the hold is in {currency}")
            if amount.minor > held:
                raise _Refused(422, "tooMuch", "more than is held")
            rest = held - amount.minor
            self._move(
                "capture",
                now,
                currency,
                {"holds": -held, "cash": amount.minor, **({_of(customer): rest} if rest else {})},
            )
            self._settle(seq, "captured", captured=amount.minor, released=rest)
            return 200, self._authorisation(seq), seq

        return self._once(key, "capture", {"authorisation": authorisation, **amount.to_dict()}, work)

    def release(self, key: str, authorisation: str, now: float) -> Answer:
        """Give the whole hold back."""

        def work() -> tuple[int, Body, int | None]:
            seq, customer, currency, held = self._held(authorisation)
            self._move("release", now, currency, {"holds": -held, _of(customer): held})
            self._settle(seq, "released", captured=0, released=held)
            return 200, self._authorisation(seq), seq

        return self._once(key, "release", {"authorisation": authorisation}, work)

    def reverse(self, key: str, reversed_key: str, now: float) -> Answer:
        """Lift the hold that `reversed_key` made, if it made one, and bar that key for ever. Never after a capture."""

        def work() -> tuple[int, Body, int | None]:
            row = self._row(
                "SELECT seq, customer, currency, amount, state FROM authorisations WHERE key = ?", (reversed_key,)
            )
            seq, effect = None, "nothingHeld"
            if row is not None:
                seq, customer, currency, amount, state = row
                if state == "captured":
                    raise _Refused(409, "wrongState", "already captured: the money was paid")
                if state == "held":
                    self._move("reversal", now, currency, {"holds": -amount, _of(customer): amount})
                    self._settle(seq, "reversed", captured=0, released=amount)
                    effect = "released"
            self._db.execute("INSERT OR IGNORE INTO reversed_keys VALUES (?, ?)", (reversed_key, now))
            return 200, {"key": reversed_key, "effect": effect}, seq

        return self._once(key, "reverse", {"key": reversed_key}, work)

    def transfer(self, key: str, customer: str, payee: str, amount: Money, now: float) -> Answer:
        """Move `amount` to a registered payee at once, or decline with a reason."""
        known = self._row("SELECT 1 FROM payees WHERE customer = ? AND payee = ?", (customer, payee))
        return self._pay(key, "transfer", customer, payee, amount, now, "" if known else "unknownPayee")

    def pay_bill(self, key: str, customer: str, bill: str, amount: Money, now: float) -> Answer:
        """Pay a bill that is due, whole or in part, at once; or decline with a reason."""
        row = self._row("SELECT minor FROM bills WHERE customer = ? AND bill = ?", (customer, bill))
        against = "unknownBill" if row is None else "moreThanDue" if amount.minor > row[0] else ""
        return self._pay(key, "bill", customer, bill, amount, now, against)

    def deposit(self, key: str, customer: str, amount: Money, now: float) -> Answer:
        """Credit notes that a machine stored."""

        def work() -> tuple[int, Body, int | None]:
            row = self._row("SELECT currency FROM customers WHERE id = ?", (customer,))
            if row is None:
                raise _Refused(404, "notFound", "no such customer")
            if row[0] != amount.currency:
                raise _Refused(422, "wrongCurrency", f"the account is in {row[0]}")
            self._move("deposit", now, amount.currency, {"cash": -amount.minor, _of(customer): amount.minor})
            return 201, {"key": key, "customerId": customer, "amount": amount.to_dict()}, None

        return self._once(key, "deposit", {"customer": customer, **amount.to_dict()}, work)

    def request(self, key: str, customer: str, service: str) -> Answer:
        """Note that a customer wants a service at the counter; the ticket is called there."""

        def work() -> tuple[int, Body, int | None]:
            if self._row("SELECT 1 FROM customers WHERE id = ?", (customer,)) is None:
                raise _Refused(404, "notFound", "no such customer")
            count = self._value("SELECT count(*) FROM requests WHERE operation = 'request' AND status = 201")
            return 201, {"key": key, "customerId": customer, "service": service, "ticket": f"C{count + 1:03d}"}, None

        return self._once(key, "request", {"customer": customer, "service": service}, work)

    def _pay(self, key: str, what: str, customer: str, party: str, amount: Money, now: float, against: str) -> Answer:
        def work() -> tuple[int, Body, int | None]:
            reason = self._reason_against(customer, amount, now) or against
            self._db.execute(
                "INSERT INTO payments (key, what, customer, party, currency, amount, reason, day)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (key, what, customer, party, amount.currency, amount.minor, reason, _day(now)),
            )
            if not reason:
                side = f"{'payees' if what == 'transfer' else 'billers'}:{party}"
                self._move(what, now, amount.currency, {_of(customer): -amount.minor, side: amount.minor})
                if what == "bill":
                    self._db.execute(
                        "UPDATE bills SET minor = minor - ? WHERE customer = ? AND bill = ?",
                        (amount.minor, customer, party),
                    )
            return 201, self._payment(key), None

        return self._once(key, what, {"customer": customer, "party": party, **amount.to_dict()}, work)

    # --- questions ---------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Answer:
        """What the request under `key` did, and the authorisation it acted on as it stands now."""
        row = self._row("SELECT operation, status, authorisation FROM requests WHERE key = ?", (key,))
        body: Body = {"key": key, "operation": "absent"}
        if row is not None and row[2] is not None and row[0] != "reverse":
            body = {"key": key, "operation": row[0], "authorisation": self._authorisation(row[2])}
        if self._is_reversed(key):
            body["operation"] = "reversed"
        return Answer(200, body)

    def balance(self, customer: str) -> Answer:
        row = self._row("SELECT currency FROM customers WHERE id = ?", (customer,))
        if row is None:
            return problem(404, "notFound", "no such customer")
        available = self._sum(_of(customer), row[0])
        held = self._value(
            "SELECT coalesce(sum(amount), 0) FROM authorisations WHERE customer = ? AND state = 'held'",
            (customer,),
        )
        return Answer(
            200,
            {
                "customerId": customer,
                "booked": {"minor": available + held, "currency": row[0]},
                "available": {"minor": available, "currency": row[0]},
            },
        )

    def payment(self, key: str) -> Answer:
        """What the transfer or bill payment under `key` did."""
        if self._row("SELECT 1 FROM payments WHERE key = ?", (key,)) is None:
            return Answer(200, {"key": key, "state": "absent"})
        return Answer(200, self._payment(key))

    def payee(self, customer: str, payee: str) -> Answer:
        row = self._row("SELECT name FROM payees WHERE customer = ? AND payee = ?", (customer, payee))
        if row is None:
            return problem(404, "notFound", "no such payee")
        return Answer(200, {"customerId": customer, "payeeId": payee, "name": row[0]})

    def bill(self, customer: str, bill: str) -> Answer:
        row = self._row(
            "SELECT b.minor, c.currency FROM bills b JOIN customers c ON c.id = b.customer"
            " WHERE b.customer = ? AND b.bill = ?",
            (customer, bill),
        )
        if row is None:
            return problem(404, "notFound", "no such bill")
        due = {"minor": row[0], "currency": row[1]}
        return Answer(200, {"customerId": customer, "billId": bill, "state": "due" if row[0] else "paid", "due": due})

    def pension(self, customer: str) -> Answer:
        row = self._row(
            "SELECT p.minor, p.paid_on, c.currency FROM pensions p"
            " JOIN customers c ON c.id = p.customer WHERE c.id = ?",
            (customer,),
        )
        if row is None:
            return problem(404, "notFound", "no pension is paid to this account")
        return Answer(200, {"customerId": customer, "amount": {"minor": row[0], "currency": row[2]}, "paidOn": row[1]})

    def statement(self, customer: str, period: str, now: float) -> Answer:
        """The last five entries of `period` (`recent this-month last-month`), newest first, a line of text each."""
        if self._row("SELECT 1 FROM customers WHERE id = ?", (customer,)) is None:
            return problem(404, "notFound", "no such customer")
        begin, end = _period(period, now)
        lines = [
            f"{datetime.fromtimestamp(at, UTC):%m-%d} {what} {'+' if minor > 0 else '-'}"
            f"{Money(abs(minor), cur).decimal()}"
            for what, minor, cur, at in self._db.execute(
                "SELECT what, minor, currency, at FROM entries WHERE account = ? AND at >= ? AND at < ?"
                " ORDER BY seq DESC LIMIT 5",
                (_of(customer), begin, end),
            )
        ]
        return Answer(200, {"customerId": customer, "period": period, "entries": lines})

    def total(self, account: str, currency: str) -> int:
        """The sum of an account's entries: `holds`, `cash`, `opening` or `customer:ID`. Only `opening` goes below 0."""
        return self._sum(account, currency)

    def books(self) -> tuple[Book, ...]:
        """Every authorisation, oldest first."""
        return _books(self._db)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _once(
        self, key: str, operation: str, request: Body, work: Callable[[], tuple[int, Body, int | None]]
    ) -> Answer:
        """Carry `work` out under `key` exactly once, whatever it answers; later calls get the first one's answer."""
        digest = hashlib.sha256(json.dumps([operation, request], sort_keys=True).encode()).hexdigest()
        with self._db:  # one transaction; anything unforeseen rolls all of it back and leaves the key free
            row = self._row("SELECT digest, status, body FROM requests WHERE key = ?", (key,))
            if row is not None:
                if row[0] != digest:
                    return problem(409, "keyReused", "this key was used for another request")
                return Answer(row[1], json.loads(row[2]))
            try:
                with self._db:  # a savepoint: a refusal undoes what was begun, but is itself kept under the key
                    status, body, seq = work()
            except _Refused as e:
                status, body, seq = e.answer.status, e.answer.body, None
            self._db.execute(
                "INSERT INTO requests VALUES (?,?,?,?,?,?)", (key, operation, digest, status, json.dumps(body), seq)
            )
        return Answer(status, body)

    def _reason_against(self, customer: str, amount: Money, now: float) -> str:
        row = self._row("SELECT currency, blocked, daily_limit FROM customers WHERE id = ?", (customer,))
        if row is None:
            return "unknownCustomer"
        currency, blocked, limit = row
        if blocked:
            return "blocked"
        if currency != amount.currency:
            raise _Refused(422, "wrongCurrency", f"the account is in {currency}")
        if self._sum(_of(customer), currency) < amount.minor:
            return "insufficientFunds"
        spent = self._value(
            "SELECT coalesce(sum(amount - released), 0) FROM authorisations"
            " WHERE customer = ? AND day = ? AND state != 'declined'",
            (customer, _day(now)),
        ) + self._value(
            "SELECT coalesce(sum(amount), 0) FROM payments WHERE customer = ? AND day = ? AND reason = ''",
            (customer, _day(now)),
        )
        return "dailyLimit" if spent + amount.minor > limit else ""

    def _held(self, authorisation: str) -> tuple[int, str, str, int]:
        row = self._row(
            "SELECT seq, customer, currency, amount, state FROM authorisations WHERE seq = ?", (_seq(authorisation),)
        )
        if row is None:
            raise _Refused(404, "notFound", "no such authorisation")
        if row[4] != "held":
            raise _Refused(409, "wrongState", f"it is {row[4]}")
        return row[0], row[1], row[2], row[3]

    def _settle(self, seq: int, state: str, captured: int, released: int) -> None:
        self._db.execute(
            "UPDATE authorisations SET state = ?, captured = ?, released = ? WHERE seq = ?",
            (state, captured, released, seq),
        )

    def _move(self, what: str, now: float, currency: str, changes: dict[str, int]) -> None:
        if sum(changes.values()):
            raise AssertionError(f"{what} does not sum to nothing: {changes}")
        deed = self._value("SELECT coalesce(max(deed), 0) + 1 FROM entries")
        for account, minor in changes.items():
            self._db.execute(
                "INSERT INTO entries (deed, what, account, currency, minor, at) VALUES (?,?,?,?,?,?)",
                (deed, what, account, currency, minor, now),
            )

    def _open_account(self, c: Customer) -> None:
        currency = c.opening.currency
        self._db.execute(
            "INSERT INTO customers VALUES (?,?,?,?)", (c.id, currency, int(c.blocked), c.daily_limit.minor)
        )
        for payee, name in c.payees:
            self._db.execute("INSERT INTO payees VALUES (?,?,?)", (c.id, payee, name))
        for bill, minor in c.bills:
            self._db.execute("INSERT INTO bills VALUES (?,?,?)", (c.id, bill, minor))
        if c.pension:
            self._db.execute("INSERT INTO pensions VALUES (?,?,?)", (c.id, *c.pension))
        self._move("opening", 0.0, currency, {"opening": -c.opening.minor, _of(c.id): c.opening.minor})

    def _authorisation(self, seq: int) -> Body:
        row = self._row(
            "SELECT key, customer, currency, amount, reason, state, captured, released"
            " FROM authorisations WHERE seq = ?",
            (seq,),
        )
        assert row is not None
        key, customer, currency, amount, reason, state, captured, released = row
        body: Body = {
            "authorisationId": _id(seq),
            "key": key,
            "customerId": customer,
            "decision": "declined" if reason else "authorised",
            "state": state,
            "amount": {"minor": amount, "currency": currency},
            "captured": {"minor": captured, "currency": currency},
            "released": {"minor": released, "currency": currency},
        }
        return {**body, "reason": reason} if reason else body

    def _payment(self, key: str) -> Body:
        row = self._row(
            "SELECT seq, what, customer, party, currency, amount, reason FROM payments WHERE key = ?", (key,)
        )
        assert row is not None
        seq, what, customer, party, currency, amount, reason = row
        body: Body = {
            "key": key,
            "state": "declined" if reason else "done",
            "what": what,
            "customerId": customer,
            "partyId": party,
            "amount": {"minor": amount, "currency": currency},
            "reference": f"P{seq:06d}",
        }
        return {**body, "reason": reason} if reason else body

    def _is_reversed(self, key: str) -> bool:
        return self._row("SELECT 1 FROM reversed_keys WHERE key = ?", (key,)) is not None

    def _sum(self, account: str, currency: str) -> int:
        return self._value(
            "SELECT coalesce(sum(minor), 0) FROM entries WHERE account = ? AND currency = ?", (account, currency)
        )

    def _row(self, sql: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        return self._db.execute(sql, values).fetchone()

    def _value(self, sql: str, values: tuple[Any, ...] = ()) -> int:
        row = self._row(sql, values)
        assert row is not None
        return int(row[0])


def read_books(path: Path) -> tuple[Book, ...]:
    """Every authorisation in the ledger file at `path`, oldest first. The bank may be running.

    Raises:
        OperatorError: the file is missing or is no ledger of this bank.
    """
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        books = _books(db)
        db.close()
    except apsw.Error as e:
        raise OperatorError(f"is no ledger of the demo bank: {e}", where=str(path)) from e
    return books


def _books(db: apsw.Connection) -> tuple[Book, ...]:
    books = []
    for seq, key, customer, state, currency, amount, captured, released in db.execute(
        "SELECT seq, key, customer, state, currency, amount, captured, released FROM authorisations ORDER BY seq"
    ):
        held = 0 if state == "declined" else amount
        taken, back, left = (Money(n, currency) for n in (captured, released, held - captured - released))
        books.append(Book(key, _id(seq), customer, state, Money(held, currency), taken, back, left))
    return tuple(books)


def _of(customer: str) -> str:
    return f"customer:{customer}"


def _id(seq: int) -> str:
    return f"A{seq:06d}"


def _seq(authorisation: str) -> int:
    digits = authorisation[1:]
    return (
        int(digits) if authorisation[:1] == "A" and digits.isascii() and digits.isdigit() and len(digits) < 18 else -1
    )


def _period(period: str, now: float) -> tuple[float, float]:
    today = datetime.fromtimestamp(now, UTC)
    this = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = (this - timedelta(days=1)).replace(day=1)
    return {
        "this-month": (this.timestamp(), now + 1),
        "last-month": (last.timestamp(), this.timestamp()),
    }.get(period, (0.0, now + 1))


def _day(now: float) -> int:
    """The banking day: whole days of UTC."""
    return int(now // 86_400)
