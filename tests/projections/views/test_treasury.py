"""Views of the treasury: sweeps, instructions and holdings say what happened, however the history is cut (I4)."""

from collections.abc import Iterator

import psycopg
import pytest

from core.ledger.ledger import Ledger
from core.streams.quarantine import QuarantineAddress
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.holdings import PostgresHoldings
from gateways.postgres.roles import SIGNER
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import ALICE_ADDRESS, BOB_ADDRESS, HOT_WALLET, USDT, execute, txid
from tests.support.postgres import Database
from tests.support.treasury import append_treasury, attempt_of, step, sweep_order, treasury_batches
from tests.support.views import project

NAMES = ("sweeps", "holdings", "journal", "balances", "wallets")
ALL = [VIEWS[name] for name in NAMES]


@pytest.fixture
def projected(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> Iterator[psycopg.Connection]:
    """The whole history in all views, and a reader's connection to look at it."""
    append_treasury(ledger)
    project(store, tracking)
    with psycopg.connect(database.reader_url, autocommit=True) as conn:
        yield conn


def test_sweeps(projected: psycopg.Connection) -> None:
    """Each sweep with its end, what it burned in all, and nothing lent any more."""
    found = projected.execute(
        "SELECT number, state, reason, method, amount_minor, cost_sun, burned_sun, fuel_sun, lent_sun, tron_tx_hash"
        "  FROM sweeps ORDER BY number"
    ).fetchall()
    first, second = sweep_order(1), sweep_order(2)
    moved = step(first, 2, "sweep", "payin", ALICE_ADDRESS, treasury_batches()[4][1].instruction.act)  # type: ignore[attr-defined]
    again = step(second, 0, "sweep", "payin", ALICE_ADDRESS, moved.act)
    burned = 1_100_000 + 280_000 + 0 + 1_100_000  # the account, the loan, the transfer, the loan's return
    assert found == [
        (1, "confirmed", None, "loan", 15 * USDT, 1_100_000, burned, 1, 0, attempt_of(moved).txid),
        (2, "failed", "reverted", "loan", 15 * USDT, 1_100_000, 862_400, 0, 0, attempt_of(again).txid),
        (3, "deferred", "too dear", "fuel", 15 * USDT, 1_100_000, 0, 0, 0, None),
    ]


def test_instructions(projected: psycopg.Connection) -> None:
    """Each transaction that was to be made, in order, with its end."""
    found = projected.execute('SELECT purpose, act, state, attempts FROM instructions ORDER BY "position"').fetchall()
    assert found == [
        ("fuel", "send_trx", "confirmed", 1),
        ("loan", "delegate", "confirmed", 2),
        ("sweep", "send_token", "confirmed", 1),
        ("loan_return", "undelegate", "confirmed", 1),
        ("sweep", "send_token", "failed", 1),
        ("fuel", "send_trx", "withdrawn", 0),
    ]


def test_holdings_add_up_to_the_account(projected: psycopg.Connection) -> None:
    """Address by address they are Payin_Wallets_Asset, and the signer reads them where they are."""
    held = dict(projected.execute("SELECT address, usdt_minor FROM address_holdings").fetchall())
    assert held == {ALICE_ADDRESS.base58: 0, BOB_ADDRESS.base58: 7 * USDT}
    sums = projected.execute("SELECT sum(usdt_minor)::bigint, sum(trx_sun)::bigint FROM address_holdings").fetchone()
    booked = projected.execute(
        "SELECT currency, amount_minor FROM balances WHERE code = 'Payin_Wallets_Asset' ORDER BY currency DESC"
    ).fetchall()
    assert sums is not None
    assert dict(booked) == {"USDT": sums[0], "TRX": sums[1]}
    # TRX that the gas wallet sent is booked when the scanner sees it arrive, which this history leaves out.
    assert sums[1] == -862_400


def test_entries_are_called_what_they_are(projected: psycopg.Connection) -> None:
    """Moved coins are sweeps, burned TRX is gas; an auditor finds each by its txid."""
    found = projected.execute(
        "SELECT event_type, count(*) FROM journal_entries WHERE topic LIKE 'instruction.%' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert found == [("gas", 3), ("sweep", 2)]
    row = projected.execute(
        "SELECT external_ref FROM journal_entries WHERE topic = 'token.funds-destroyed/2'"
    ).fetchone()
    assert row in (None, (txid("funds_destroyed"),))


def test_the_signer_finds_what_is_worth_it(
    projected: psycopg.Connection, database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """The richest first, those set aside left out, with the number of sweeps there were."""
    holdings = PostgresHoldings(Connections(database.role_urls[SIGNER]))
    assert [(it.address, it.usdt_minor, it.sweeps) for it in holdings.richest(1, 10)] == [
        (BOB_ADDRESS.base58, 7 * USDT, 0)
    ]
    assert holdings.richest(8 * USDT, 10) == []
    assert holdings.left_over(1, 1, 10) == []
    execute(ledger, QuarantineAddress(BOB_ADDRESS.base58, "blacklisted", "the token says so", "system:test"))
    project(store, tracking)
    assert holdings.richest(1, 10) == []
    assert holdings.set_aside() == [BOB_ADDRESS.base58]
    assert HOT_WALLET.base58 not in holdings.set_aside()
