"""Views: the same events in any split give the same rows, and the rows say what happened (I4)."""

from collections.abc import Iterator
from uuid import UUID

import msgspec
import psycopg
import pytest

from core.ledger import books
from core.ledger.journal import TREASURY, TREASURY_ACCOUNT_ID, derived_id, ledger_account_id
from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from projections.views.deposits import Deposit
from projections.views.payouts import Payout
from tests.support.history import (
    ALICE,
    BOB,
    BOB_ADDRESS,
    HOT_WALLET,
    USDT,
    append_history,
    confirm,
    detect,
    execute,
    orphan,
    transfer,
    txid,
)
from tests.support.postgres import Database
from tests.support.views import project


@pytest.fixture
def projected(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> Iterator[psycopg.Connection]:
    """The whole history in all views, and a reader's connection to look at it."""
    append_history(ledger)
    project(store, tracking)
    with psycopg.connect(database.reader_url, autocommit=True) as conn:
        yield conn


def test_balances(projected: psycopg.Connection) -> None:
    """A balance is in its account's normal direction; a detected deposit is pending, a confirmed or orphaned one is not."""
    expected = {
        # 15 deposited, 2 x 2.1 paid out, 1000 funded, 3 moved to the end user
        (ALICE, books.USER_LIABILITY, "USDT"): (1_007_800_000, 1 * USDT),
        (ALICE, "end-user-7", "USDT"): (2 * USDT, 0),
        (ALICE, books.CLEARING, "USDT"): (0, 0),
        (ALICE, books.CLIENT_ASSET, "USDT"): (1_009_800_000, 0),
        (BOB, books.USER_LIABILITY, "USDT"): (8 * USDT, 3 * USDT),
        (BOB, books.CLEARING, "USDT"): (0, 0),
        (BOB, books.CLIENT_ASSET, "USDT"): (8 * USDT, 0),
        (TREASURY, books.CUSTODY_CONTROL, "USDT"): (1_017_800_000, 0),
        (TREASURY, books.PAYIN_WALLETS, "USDT"): (22 * USDT, 0),
        (TREASURY, books.HOT_WALLET, "USDT"): (996 * USDT, 0),
        (TREASURY, books.HOT_WALLET, "TRX"): (40_000_000 - 345_000 - 100 - 1, 0),
        (TREASURY, books.NETWORK_FEE, "TRX"): (345_101, 0),
        (TREASURY, books.SUSPENSE, "TRX"): (40_000_000, 0),
        (TREASURY, books.FEE_REVENUE, "USDT"): (200_000, 0),
    }
    kept = projected.execute("SELECT ledger_account_id, currency, amount_minor, pending_minor FROM balances").fetchall()
    assert {(account, currency): tuple(amounts) for account, currency, *amounts in kept} == {
        (ledger_account_id(book, code), currency): amounts for (book, code, currency), amounts in expected.items()
    }


def test_pending_counts_once(ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> None:
    """A deposit seen in two blocks at once is pending once, and not at all when it is orphaned."""
    append_history(ledger)
    seen = transfer("pending", BOB_ADDRESS, 2 * USDT, block=180)
    again = transfer("pending", BOB_ADDRESS, 2 * USDT, block=181)
    pending = []
    for step in (detect(seen), detect(again), orphan(again)):
        execute(ledger, step)
        project(store, tracking, [VIEWS["balances"]], batch_events_max=3)
        with tracking.connection() as conn:
            row = conn.execute(
                "SELECT pending_minor FROM balances WHERE ledger_account_id = %s",
                (ledger_account_id(BOB, books.USER_LIABILITY),),
            ).fetchone()
            assert row is not None
            pending.append(row[0])
    assert pending == [5 * USDT, 5 * USDT, 3 * USDT]


def test_payouts(projected: psycopg.Connection) -> None:
    """Each payout stands in its last state, with the txid of the attempt that ended it."""
    shown = projected.execute(
        "SELECT client_reference, state, attempts, failure_code, tron_tx_hash IS NOT NULL FROM payout_requests ORDER BY 1"
    ).fetchall()
    assert shown == [
        ("p1", "confirmed", 1, None, True),
        ("p2", "confirmed", 2, None, True),
        ("p3", "failed", 2, "reverted", True),
        ("p4", "cancelled", 0, None, False),
    ]


def test_deposits(projected: psycopg.Connection) -> None:
    """One transaction may pay twice; what was orphaned and seen again keeps its first sighting; TRX has no log index."""
    shown = projected.execute(
        "SELECT log_index, amount_minor, status, block_number, detected_at < confirmed_at, journal_entry_id IS NOT NULL,"
        " account_id = %s FROM observed_transactions ORDER BY amount_minor",
        (TREASURY_ACCOUNT_ID,),
    ).fetchall()
    assert shown == [
        (0, 1 * USDT, "detected", 160, None, False, False),
        (0, 3 * USDT, "detected", 170, None, False, False),
        (1, 5 * USDT, "confirmed", 100, True, True, False),
        (0, 7 * USDT, "confirmed", 100, True, True, False),
        (0, 10 * USDT, "confirmed", 100, True, True, False),
        (None, 40_000_000, "confirmed", 100, True, True, True),
    ]


def test_trx_by_contracts(
    ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """Shares of one transaction are deposits of their own beside its logs, in the treasury's book."""
    shares = [transfer("gift", HOT_WALLET, 4 * USDT, log_index=index, wallet="hot") for index in (-1, -2)]
    execute(ledger, *(confirm(each) for each in (*shares, transfer("gift", HOT_WALLET, USDT, wallet="hot"))))
    project(store, tracking)
    with psycopg.connect(database.reader_url, autocommit=True) as conn:
        shown = conn.execute(
            "SELECT log_index, amount_minor, currency, status, account_id = %s FROM observed_transactions"
            " WHERE tx_hash = %s ORDER BY log_index",
            (TREASURY_ACCOUNT_ID, txid("gift")),
        ).fetchall()
        booked = conn.execute(
            "SELECT currency, amount_minor FROM balances WHERE code = 'Suspense' AND currency = 'TRX'"
        ).fetchall()
    assert shown == [
        (-2, 4 * USDT, "TRX", "confirmed", True),
        (-1, 4 * USDT, "TRX", "confirmed", True),
        (0, 1 * USDT, "USDT", "confirmed", True),
    ]
    assert booked == [("TRX", 8 * USDT)]


def test_journal_entries_per_book(projected: psycopg.Connection) -> None:
    """An event that touches two books makes two entries, so no entry holds lines of two accounts (I12)."""
    mixed = projected.execute(
        "SELECT e.id FROM journal_entries e JOIN postings p ON p.journal_entry_id = e.id"
        " JOIN ledger_accounts l ON l.id = p.ledger_account_id WHERE l.account_id <> e.account_id"
    ).fetchall()
    two_books = projected.execute(
        'SELECT count(*) FROM (SELECT FROM journal_entries GROUP BY "position" HAVING count(*) = 2) AS twice'
    ).fetchone()
    assert mixed == []
    assert two_books == (8,)  # three deposits, two payouts and a failed one, the opening balance, a transfer


def test_accounts(projected: psycopg.Connection) -> None:
    """Accounts show their last name, status and secret; the treasury is an account of its own at position 0."""
    shown = projected.execute(
        'SELECT name, status, webhook_url, webhook_secret_generation, "position" = 0 FROM accounts ORDER BY name'
    ).fetchall()
    assert shown == [
        ("Alice Ltd", "active", "https://alice.example/hook", 2, False),
        ("Bob & Sons", "active", "https://bob.example/hook", 1, False),
        ("Treasury", "active", None, 1, True),
    ]


def test_payins(projected: psycopg.Connection) -> None:
    """A payin shows its address; disabling labels both."""
    shown = projected.execute(
        "SELECT p.client_reference, p.state, a.status, a.tron_address_base58 FROM payin_requests p"
        " JOIN payin_addresses a ON a.id = p.address_id ORDER BY p.position"
    ).fetchall()
    assert [row[:3] for row in shown] == [("order 1", "active", "active"), (None, "disabled", "disabled")]
    assert shown[1][3] == BOB_ADDRESS.base58


def test_client_events_are_gapless(projected: psycopg.Connection) -> None:
    """Every account counts its own events from 1 without a gap, and their ids sort like their sequence."""
    for account_id in (ALICE, BOB):
        told = projected.execute(
            "SELECT sequence, id FROM client_events WHERE account_id = %s ORDER BY sequence", (account_id,)
        ).fetchall()
        assert [sequence for sequence, _ in told] == list(range(1, len(told) + 1))
        assert [row_id for _, row_id in told] == sorted(row_id for _, row_id in told)
        assert {UUID(str(row_id)).version for _, row_id in told} == {7}


def test_client_events_tell_the_story(projected: psycopg.Connection) -> None:
    """A payout that was sent twice is told as broadcasted twice and confirmed once, each with the state it had then."""
    subject = f"payout-{derived_id('payout', ALICE, 'p2')}"
    told = projected.execute(
        "SELECT type, data ->> 'state', data ->> 'amount' FROM client_events WHERE subject = %s ORDER BY sequence",
        (subject,),
    ).fetchall()
    assert told == [
        ("payout.broadcasted", "broadcasted", "2.000000"),
        ("payout.broadcasted", "broadcasted", "2.000000"),
        ("payout.confirmed", "confirmed", "2.000000"),
    ]


def test_nobody_is_told_of_the_treasury(projected: psycopg.Connection) -> None:
    """Coins that reach a wallet of our own are told to no client."""
    told = projected.execute("SELECT FROM client_events WHERE account_id = %s", (TREASURY_ACCOUNT_ID,)).fetchall()
    assert told == []


def test_final_objects_are_forgotten(projected: psycopg.Connection) -> None:
    """The notifications view keeps only objects whose last event has not come."""
    kept = projected.execute("SELECT count(*) FROM client_events WHERE type = 'deposit.detected'").fetchone()
    assert kept is not None
    assert kept[0] > 2
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        projected.execute("SELECT FROM client_objects")


def test_client_events_look_like_answers(projected: psycopg.Connection) -> None:
    """The data of every client event is the answer of its object's GET, field by field, with nothing more or less."""
    answers = {"deposit": Deposit, "payout": Payout}
    told = projected.execute("SELECT type, data FROM client_events").fetchall()
    assert told
    for kind, data in told:
        answer = answers[kind.partition(".")[0]]
        written, operators = {"position", "lane"}, {"account_id", "burned", "burned_sun"}
        assert data.keys() == set(answer.__struct_fields__) - written - operators
        msgspec.convert(data, answer)
