"""Reconcile: a clean house has no differences; every kind of difference is found and named."""

from collections.abc import Iterator

import psycopg
import pytest

from core.ledger.ledger import Ledger
from core.tron.address import Address
from gateways.postgres.event_store import PostgresEventStore
from projections.audit.on_chain import Explain, OnChain
from projections.audit.reconcile import Check, Reconciliation, reconcile
from projections.audit.trial_balance import totals, trial_balance
from projections.engine.batch import project as apply
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import ALICE_ADDRESS, BOB_ADDRESS, HOT_WALLET, PAYEE, PAYER, USDT, append_history
from tests.support.postgres import Database
from tests.support.views import project

READABLE = "every event can be read and is in every view"
SEALS = "positions are contiguous, every event is sealed, and the seals chain"
BOOKS = "every book's debits equal its credits, per currency"
ENTRIES = "every journal entry's debits equal its credits"
RUNNING = "every line's running balance is the sum of the lines up to it"
LIABILITIES = "no client liability is negative"
CUSTODY = "what clients may claim is what the treasury holds for them"
ONCE = "no deposit is credited twice"
GUARD = "the guard is what the events say"
BALANCES = "balances and pending are what the events say"
POSTINGS = "postings add up to what the events say"
REFERENCES = "what one view says of another is there"
CHAIN = "ledger = chain"

AT = 10_000
"""A block behind all of the history's."""


def at(role: str, address: Address, *, usdt: int = 0, trx: int = 0, staked: int = 0, block: int = AT) -> OnChain:
    return OnChain(role, address.base58, block, usdt, trx, staked)


ON_CHAIN = (
    at("hot", HOT_WALLET, usdt=996 * USDT, trx=40_000_000 - 345_101),
    at("payin", ALICE_ADDRESS, usdt=15 * USDT),
    at("payin", BOB_ADDRESS, usdt=7 * USDT),
)


@pytest.fixture
def owner(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> Iterator[psycopg.Connection]:
    """A superuser to whom no trigger and no foreign key applies, in a database with the history in all views."""
    append_history(ledger)
    project(store, tracking)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("ALTER TABLE events DISABLE TRIGGER USER")
        conn.execute("ALTER TABLE seals DISABLE TRIGGER USER")
        yield conn


def look(database: Database, *more: OnChain, explain: Explain | None = None) -> Reconciliation:
    """`more` is what the chain says of some addresses instead."""
    said = {each.address: each for each in (*ON_CHAIN, *more)}
    with psycopg.connect(database.reader_url) as conn:
        return reconcile(conn, list(said.values()), explain=explain)


def wrong(found: Reconciliation) -> dict[str, Check]:
    return {check.name: check for check in found.checks if not check.ok}


def test_clean(database: Database, owner: psycopg.Connection) -> None:
    """An untouched history, its views and its chain agree in every check."""
    found = look(database)
    assert found.ok
    assert [check.name for check in found.checks] == [
        SEALS,
        READABLE,
        BOOKS,
        ENTRIES,
        RUNNING,
        LIABILITIES,
        CUSTODY,
        ONCE,
        GUARD,
        BALANCES,
        POSTINGS,
        REFERENCES,
        CHAIN,
    ]
    head = owner.execute("SELECT max(notification_id) FROM events").fetchone()
    assert {(found.position,), *((position,) for position in found.bookmarks.values())} == {head}


@pytest.mark.parametrize(
    ("damage", "checks", "told"),
    [
        ("UPDATE events SET state = replace(state, 'order 1', 'order 2')", {SEALS}, "is not the one that was sealed"),
        (
            "DELETE FROM events WHERE notification_id = 28",
            {SEALS},
            "the event at position 28 is missing: the next one stands at 29",
        ),
        ("DELETE FROM seals WHERE last_position = (SELECT max(last_position) FROM seals)", {SEALS}, "has no seal"),
        (
            "UPDATE seals SET previous_hash = sha256('x') WHERE first_position > 1",
            {SEALS},
            "does not follow from the one before it",
        ),
        ("UPDATE guard SET balance_minor = balance_minor + 1 WHERE balance_minor = 8000000", {GUARD}, "User_Liability"),
        ("DELETE FROM guard WHERE balance_minor = 2000000", {GUARD}, "end-user-7 USDT"),
        ("UPDATE balances SET pending_minor = 0", {BALANCES}, "User_Liability"),
        (
            "UPDATE balances SET amount_minor = amount_minor + 5 WHERE code = 'Custody_Control'",
            {BALANCES, CUSTODY},
            "Custody_Control",
        ),
        ("UPDATE balances SET amount_minor = -1 WHERE code = 'end-user-7'", {BALANCES, LIABILITIES}, "end-user-7"),
        ("DELETE FROM balances WHERE code = 'Suspense'", {BALANCES}, "Suspense TRX"),
        (
            "UPDATE postings SET amount_minor = amount_minor + 1 WHERE position = 24 AND side = 'debit' AND code ~ '^S'",
            {BOOKS, ENTRIES, POSTINGS, RUNNING},
            "off by 0.000001 USDT",
        ),
        (
            "UPDATE postings SET amount_minor = amount_minor + 1 WHERE position = 26",
            {POSTINGS, RUNNING},
            "Suspense TRX",
        ),
        (
            "UPDATE postings SET balance_minor = balance_minor + 1 WHERE position = 26 AND code = 'Suspense'",
            {RUNNING},
            "Suspense at position 26 is -39.999999 TRX, and its lines make -40.000000 TRX",
        ),
        (
            "DELETE FROM ledger_accounts WHERE code = 'end-user-7'",
            {REFERENCES},
            "its ledger_account_id caf92ab3-1979-5555-bf21-55907f761d20 is not in ledger_accounts",
        ),
        ("DELETE FROM payin_addresses", {REFERENCES}, "is not in payin_addresses"),
        ("DELETE FROM journal_entries WHERE position = 24", {REFERENCES}, "is not in journal_entries"),
        ("DELETE FROM accounts WHERE name ~ 'Bob'", {REFERENCES}, "is not in accounts"),
    ],
)
def test_damage_is_found(
    database: Database, owner: psycopg.Connection, damage: str, checks: set[str], told: str
) -> None:
    """Each kind of difference fails the checks that are about it, and a sentence says where."""
    assert owner.execute(damage).rowcount > 0
    found = wrong(look(database))
    assert set(found) == checks
    assert any(told in sentence for check in found.values() for sentence in check.differences), found


def test_second_confirmation_is_found(database: Database, owner: psycopg.Connection) -> None:
    """A deposit that stands confirmed twice in the history is named (I6)."""
    owner.execute(
        "INSERT INTO events SELECT originator_id, originator_version + 1, topic, state,"
        " (SELECT max(notification_id) + 1 FROM events) FROM events"
        " WHERE notification_id = 24"
    )
    found = wrong(look(database))
    assert {ONCE, SEALS, GUARD} <= set(found)
    assert "was confirmed 2 times" in found[ONCE].differences[0]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            at("hot", HOT_WALLET, usdt=996 * USDT - 1, trx=39_654_899),
            f"Hot_Wallet_Asset {HOT_WALLET.base58}: the ledger has 996.000000 USDT, the chain 995.999999 at block {AT}",
        ),
        (at("payin", ALICE_ADDRESS), f"Payin_Wallets_Asset {ALICE_ADDRESS.base58}: the ledger has 15.000000 USDT"),
        (
            at("cold", PAYEE, usdt=1),
            f"Cold_Wallet_Asset {PAYEE.base58}: the ledger has 0.000000 USDT, the chain 0.000001 at block {AT}",
        ),
        (at("gas", PAYER, staked=5), "Staked_Asset: the ledger has 0.000000 TRX, the chain 0.000005"),
    ],
)
def test_chain_difference_is_found(database: Database, owner: psycopg.Connection, found: OnChain, told: str) -> None:
    """An address that holds on chain another amount than in the ledger is named with both amounts and the block (I10)."""
    seen = wrong(look(database, found))
    assert set(seen) == {CHAIN}
    assert [sentence for sentence in seen[CHAIN].differences if sentence.startswith(told)], seen


def test_two_addresses_that_are_off_by_as_much_are_both_named(database: Database, owner: psycopg.Connection) -> None:
    """What one deposit address has too little and another too much is no comfort: each is compared by itself."""
    alice, bob = at("payin", ALICE_ADDRESS, usdt=14 * USDT), at("payin", BOB_ADDRESS, usdt=8 * USDT)
    seen = wrong(look(database, alice, bob))[CHAIN].differences
    assert sorted(sentence.split()[1] for sentence in seen) == sorted(f"{each.address}:" for each in (alice, bob))


def test_what_the_chain_did_later_is_no_difference(database: Database, owner: psycopg.Connection) -> None:
    """Asked before a deposit's block, its address has nothing yet, and the event of that block counts for nothing."""
    assert look(database, at("payin", ALICE_ADDRESS, block=1), at("payin", BOB_ADDRESS, block=1)).ok
    assert not look(database, at("payin", ALICE_ADDRESS)).ok


def test_a_difference_ends_with_what_may_be_behind_it(database: Database, owner: psycopg.Connection) -> None:
    """Whoever asked the node says what it knows, and the entry that would explain it stands behind."""
    seen = wrong(look(database, at("cold", PAYEE, usdt=1), explain=lambda each: f"ask {each.address}"))
    assert f"at block {AT}: ask {PAYEE.base58}; to explain it: debit Cold_Wallet_Asset" in seen[CHAIN].differences[0]


def test_views_that_are_behind(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A view that is behind is compared at its own bookmark: being late is no difference."""
    append_history(ledger)
    project(store, tracking, [VIEWS[name] for name in VIEWS if name not in ("balances", "journal", "accounts")])
    for name, events in (("balances", 24), ("journal", 36), ("accounts", 40)):
        with tracking.connection() as conn, conn.cursor() as cursor:
            records = store.read(0, events)
            tracking.advance([name], 0, events, lambda cursor, n=name, r=records: apply(cursor, [VIEWS[n]], r))  # type: ignore[misc]
            assert cursor
    found = look(database)
    assert found.ok, wrong(found)
    assert any("observed_transactions.journal_entry_id" in check.note for check in found.checks)


def test_trial_balance(database: Database, owner: psycopg.Connection) -> None:
    """Each book's columns agree in each currency, and every account stands in the column of its side."""
    with psycopg.connect(database.reader_url) as conn:
        listed = trial_balance(conn)
    assert [total.difference_minor for total in totals(listed)] == [0, 0, 0]
    by_code = {row.code: (row.debit_minor, row.credit_minor) for row in listed if row.currency == "USDT"}
    assert by_code["Custody_Control"] == (0, 1_017_800_000)
    assert by_code["Payin_Wallets_Asset"] == (22 * USDT, 0)
