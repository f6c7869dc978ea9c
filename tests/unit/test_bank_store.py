"""The demo bank's money rules, and its ledger under any sequence of requests."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.demo.bank_store import Answer, BankStore, Customer, read_books
from kiosk.values import Money, OperatorError

CUSTOMERS = (
    Customer("grace", Money(800_000), daily_limit=Money(500_000)),
    Customer("edith", Money(300_000), daily_limit=Money(500_000), blocked=True),
)
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> BankStore:
    return BankStore(tmp_path / "bank.sqlite", CUSTOMERS)


def available(store: BankStore) -> int:
    return store.balance("grace").body["available"]["minor"]


def test_a_hold_lowers_what_is_available_and_not_what_is_booked(store: BankStore) -> None:
    answer = store.authorise("k1", "grace", Money(100_000), 0.0)
    assert (answer.status, answer.body["decision"], answer.body["state"]) == (201, "authorised", "held")
    assert store.balance("grace").body["booked"]["minor"] == 800_000
    assert available(store) == 700_000


def test_capture_takes_what_was_paid_and_gives_the_rest_back(store: BankStore) -> None:
    held = store.authorise("k1", "grace", Money(100_000), 0.0).body["authorisationId"]
    answer = store.capture("k2", held, Money(30_000), 0.0)
    assert answer.body["captured"]["minor"] == 30_000
    assert answer.body["released"]["minor"] == 70_000
    assert available(store) == 770_000
    assert store.total("cash", "CNY") == 30_000
    assert store.total("holds", "CNY") == 0


def test_more_than_the_hold_is_never_captured(store: BankStore) -> None:
    held = store.authorise("k1", "grace", Money(100_000), 0.0).body["authorisationId"]
    assert store.capture("k2", held, Money(100_001), 0.0).status == 422
    assert store.capture("k3", held, Money(100_000, "GBP"), 0.0).body["code"] == "wrongCurrency"
    assert store.capture("k4", held, Money(100_000), 0.0).status == 200


@pytest.mark.parametrize("first", ["capture", "release"])
@pytest.mark.parametrize("second", ["capture", "release"])
def test_a_hold_ends_once(store: BankStore, first: str, second: str) -> None:
    held = store.authorise("k1", "grace", Money(100_000), 0.0).body["authorisationId"]

    def end(how: str, key: str) -> Answer:
        if how == "capture":
            return store.capture(key, held, Money(100_000), 0.0)
        return store.release(key, held, 0.0)

    assert end(first, "k2").status == 200
    assert end(second, "k3").body["code"] == "wrongState"


@pytest.mark.parametrize(
    ("customer", "minor", "reason"),
    [("grace", 800_001, "insufficientFunds"), ("grace", 500_001, "dailyLimit"), ("edith", 100, "blocked"),
     ("nobody", 100, "unknownCustomer")],
)  # fmt: skip
def test_reasons_to_decline(store: BankStore, customer: str, minor: int, reason: str) -> None:
    answer = store.authorise("k1", customer, Money(minor), 0.0)
    assert (answer.body["decision"], answer.body["reason"]) == ("declined", reason)
    assert store.total("holds", "CNY") == 0


def test_the_daily_limit_counts_what_is_held_or_taken_and_ends_with_the_day(store: BankStore) -> None:
    first = store.authorise("k1", "grace", Money(300_000), 0.0).body["authorisationId"]
    assert store.authorise("k2", "grace", Money(200_001), 1.0).body["reason"] == "dailyLimit"
    store.capture("k3", first, Money(100_000), 2.0)
    assert store.authorise("k4", "grace", Money(400_000), 3.0).body["decision"] == "authorised"
    assert store.authorise("k5", "grace", Money(100), 4.0).body["reason"] == "dailyLimit"
    assert store.authorise("k6", "grace", Money(300_000), DAY).body["decision"] == "authorised"


def test_same_key_same_request_is_carried_out_once_and_answered_alike(store: BankStore) -> None:
    first = store.authorise("k1", "grace", Money(100_000), 0.0)
    store.capture("k2", first.body["authorisationId"], Money(100_000), 0.0)
    assert store.authorise("k1", "grace", Money(100_000), 9.0) == first
    assert available(store) == 700_000


def test_same_key_other_request_is_refused(store: BankStore) -> None:
    store.authorise("k1", "grace", Money(100_000), 0.0)
    for other in (
        store.authorise("k1", "grace", Money(100_001), 0.0),
        store.authorise("k1", "edith", Money(100_000), 0.0),
        store.release("k1", "A000001", 0.0),
    ):
        assert (other.status, other.body["code"]) == (409, "keyReused")
    assert available(store) == 700_000


def test_a_reversal_lifts_the_hold_and_bars_the_key(store: BankStore) -> None:
    store.authorise("k1", "grace", Money(100_000), 0.0)
    assert store.reverse("r1", "k1", 0.0).body == {"key": "k1", "effect": "released"}
    assert available(store) == 800_000
    # even the very same request, which came before, finds no stored "authorised" any more
    assert store.authorise("k1", "grace", Money(100_000), 0.0).body["code"] == "keyReversed"
    assert store.reverse("r1", "k1", 0.0).body["effect"] == "released"
    assert store.reverse("r2", "k1", 0.0).body["effect"] == "nothingHeld"
    assert store.find("k1").body["operation"] == "reversed"


def test_a_reversal_that_overtakes_its_authorisation_leaves_a_tombstone(store: BankStore) -> None:
    assert store.reverse("r1", "k1", 0.0).body["effect"] == "nothingHeld"
    assert store.authorise("k1", "grace", Money(100_000), 0.0).body["code"] == "keyReversed"
    assert available(store) == 800_000


def test_what_was_paid_is_not_reversed(store: BankStore) -> None:
    held = store.authorise("k1", "grace", Money(100_000), 0.0).body["authorisationId"]
    store.capture("k2", held, Money(100_000), 0.0)
    assert store.reverse("r1", "k1", 0.0).status == 409
    assert available(store) == 700_000


def test_a_key_leads_to_what_it_did(store: BankStore) -> None:
    held = store.authorise("k1", "grace", Money(100_000), 0.0).body["authorisationId"]
    store.capture("k2", held, Money(100_000), 0.0)
    assert store.find("k0").body == {"key": "k0", "operation": "absent"}
    assert store.find("k1").body["operation"] == "authorise"
    assert store.find("k2").body["operation"] == "capture"
    assert store.find("k1").body["authorisation"]["state"] == "captured"


def test_the_ledger_only_grows(store: BankStore, tmp_path: Path) -> None:
    store.authorise("k1", "grace", Money(100_000), 0.0)
    db = apsw.Connection(str(tmp_path / "bank.sqlite"))
    for sql in ("UPDATE entries SET minor = 0", "DELETE FROM entries"):
        with pytest.raises(apsw.ConstraintError, match="only grow"):
            db.execute(sql)


def test_a_deed_that_fails_halfway_leaves_nothing(store: BankStore, monkeypatch: pytest.MonkeyPatch) -> None:
    held = store.authorise("k1", "grace", Money(100_000), 0.0).body["authorisationId"]
    with monkeypatch.context() as broken:
        broken.setattr(store, "_settle", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.capture("k2", held, Money(100_000), 0.0)
    assert store.total("holds", "CNY") == 100_000
    assert store.find("k2").body["operation"] == "absent"
    assert store.capture("k2", held, Money(100_000), 0.0).status == 200


def test_money_and_keys_outlive_the_process(store: BankStore, tmp_path: Path) -> None:
    first = store.authorise("k1", "grace", Money(100_000), 0.0)
    store.close()
    again = BankStore(tmp_path / "bank.sqlite", CUSTOMERS)
    assert again.authorise("k1", "grace", Money(100_000), 0.0) == first
    assert available(again) == 700_000


def test_the_books_can_be_read_beside_a_running_bank(store: BankStore, tmp_path: Path) -> None:
    held = store.authorise("k1", "grace", Money(100_000), 0.0).body["authorisationId"]
    store.authorise("k2", "edith", Money(100_000), 0.0)
    store.capture("k3", held, Money(40_000), 0.0)
    first, second = read_books(tmp_path / "bank.sqlite")
    assert (first.key, first.authorised, first.captured, first.released, first.open) == (
        "k1", Money(100_000), Money(40_000), Money(60_000), Money(0),
    )  # fmt: skip
    assert (second.state, second.authorised, second.open) == ("declined", Money(0), Money(0))


def test_a_file_that_is_no_ledger_is_an_operators_mistake(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 50)
    with pytest.raises(OperatorError, match="text"):
        BankStore(tmp_path / "text")
    with pytest.raises(OperatorError, match="missing"):
        read_books(tmp_path / "missing")


KEYS = st.sampled_from([f"k{i}" for i in range(6)])
IDS = st.sampled_from([f"A{i:06d}" for i in range(1, 5)])
AMOUNTS = st.builds(
    Money, st.sampled_from([100, 10_000, 250_000, 500_000, 900_000]), st.sampled_from(["CNY", "CNY", "GBP"])
)
REQUESTS = st.one_of(
    st.tuples(st.just("authorise"), KEYS, st.sampled_from(["grace", "edith", "nobody"]), AMOUNTS),
    st.tuples(st.just("capture"), KEYS, IDS, AMOUNTS),
    st.tuples(st.just("release"), KEYS, IDS),
    st.tuples(st.just("reverse"), KEYS, KEYS),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(REQUESTS, st.floats(0, 3 * DAY)), max_size=30))
def test_nothing_is_lost_whatever_is_asked(requests: list[tuple[tuple, float]]) -> None:
    store = BankStore(Path(":memory:"), CUSTOMERS)
    barred: set[str] = set()
    said: dict[tuple, Answer] = {}
    for (verb, *rest), now in requests:
        answer = getattr(store, verb)(*rest, now)
        if verb == "reverse" and answer.status == 200:
            barred.add(rest[1])
        if verb == "authorise" and rest[0] in barred:
            assert answer.body["code"] == "keyReversed"
        else:
            assert answer == said.setdefault((verb, *rest), answer)

        books = store.books()
        for book in books:
            assert book.authorised.minor == book.captured.minor + book.released.minor + book.open.minor
            assert not (book.key in barred and book.open.minor)
        assert store.total("holds", "CNY") == sum(b.open.minor for b in books)
        assert store.total("cash", "CNY") == sum(b.captured.minor for b in books)
        own = {c.id: store.total(f"customer:{c.id}", "CNY") for c in CUSTOMERS}
        assert min(own.values()) >= 0
        assert sum(own.values()) + store.total("holds", "CNY") + store.total("cash", "CNY") == 1_100_000
    store.close()
