"""Rebuild: from nothing to the same bytes, while the view is in use."""

import psycopg
import pytest

from core.ledger import Ledger
from gateways.postgres import PostgresEventStore, datastore
from projections import VIEWS
from projections.projector import Projector
from projections.rebuild import rebuild
from projections.tracking import ViewTracking
from tests.support.history import ALICE, USDT, append_history, execute, fund
from tests.support.postgres import Database
from tests.support.views import live_rows, project

ALL = list(VIEWS.values())


@pytest.fixture
def head(ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> int:
    """The history, in all views."""
    last = append_history(ledger)
    project(store, tracking)
    return last


def test_rebuilt_equals_live(head: int, store: PostgresEventStore, tracking: ViewTracking) -> None:
    """A rebuild of every view finds the live rows as they must be, byte for byte, and touches none (I4)."""
    before = live_rows(tracking)
    told: list[tuple[int, int]] = []
    results = rebuild(ALL, store, tracking, lambda reached, aim: told.append((reached, aim)), batch_events_max=20)
    assert [result.view for result in results if result.changed] == []
    assert told == [(20, head), (40, head), (60, head), (head, head)]
    assert live_rows(tracking) == before
    assert {result.position for result in results} == {head}


@pytest.mark.parametrize(
    ("damage", "view", "table"),
    [
        ("UPDATE balances SET amount_minor = amount_minor + 1 WHERE code = 'Suspense'", "balances", "balances"),
        ("DELETE FROM pending_deposits", "balances", "pending_deposits"),
        (
            "DELETE FROM postings WHERE position = 24; DELETE FROM journal_entries WHERE position = 24",
            "journal",
            "postings",
        ),
        ("UPDATE payout_requests SET state = 'requested', failure_code = NULL", "payouts", "payout_requests"),
        ("UPDATE accounts SET name = 'Mallory'", "accounts", "accounts"),
        ("DELETE FROM client_events WHERE sequence = 3", "notifications", "client_events"),
        ("UPDATE observed_transactions SET amount_minor = 1", "deposits", "observed_transactions"),
        ("DELETE FROM payin_requests", "payins", "payin_requests"),
        ("UPDATE system_wallets SET status = 'inactive'", "wallets", "system_wallets"),
    ],
)
def test_damage_is_repaired(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database, damage: str, view: str, table: str
) -> None:
    """Rows that differ from the history are counted and replaced."""
    before = live_rows(tracking)
    with psycopg.connect(database.projector_url) as conn:
        conn.execute(damage)
    (result,) = rebuild([VIEWS[view]], store, tracking)
    assert result.differences[table] > 0
    assert live_rows(tracking) == before


def test_live_writes_are_not_lost(
    head: int, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """Events that are appended and projected while a rebuild runs are in the rebuilt view (FAILURES 34)."""
    with psycopg.connect(database.projector_url) as conn:
        conn.execute("DELETE FROM pending_deposits")

    def live(reached: int, aim: int) -> None:
        execute(ledger, fund(ALICE, USDT, f"while at {reached} of {aim}"))
        project(store, tracking)

    results = rebuild(ALL, store, tracking, live, batch_events_max=25)
    assert min(result.position for result in results) > head
    after = live_rows(tracking)
    assert [result.view for result in rebuild(ALL, store, tracking) if result.changed] == []
    assert live_rows(tracking) == after


def test_view_that_was_behind(head: int, store: PostgresEventStore, tracking: ViewTracking) -> None:
    """A view whose bookmark was reset catches up by the rebuild, and a projector goes on from there."""
    before = live_rows(tracking)
    with tracking.connection() as conn:
        conn.execute("DELETE FROM payout_requests")
        conn.execute("UPDATE projection_tracking SET notification_id = 0 WHERE application_name = 'payouts'")
    rebuild(ALL, store, tracking)
    assert tracking.bookmark("payouts") == head
    assert not Projector([VIEWS["payouts"]], store, tracking).step()
    assert live_rows(tracking) == before


def test_rebuild_of_nothing(store: PostgresEventStore, tracking: ViewTracking) -> None:
    """An empty history rebuilds to empty views."""
    results = rebuild(ALL, store, tracking)
    assert {result.position for result in results} == {0}
    assert not any(any(result.rows.values()) for result in results)


def test_failed_rebuild_leaves_nothing(head: int, store: PostgresEventStore, tracking: ViewTracking) -> None:
    """A rebuild that is interrupted leaves the live tables as they were, and no scratch table."""
    before = live_rows(tracking)

    def interrupt(reached: int, aim: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(ALL, store, tracking, interrupt)
    with tracking.connection() as conn:
        left = conn.execute("SELECT relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'").fetchall()
    assert left == []
    assert live_rows(tracking) == before


def test_rebuild_on_a_used_connection(head: int, ledger: Ledger, store: PostgresEventStore, database: Database) -> None:
    """A rebuild fills scratch tables even where its connection has prepared the same statements for the live ones."""
    views = datastore(database.projector_url, connections_max=2)
    tracking = ViewTracking(views)
    rebuild(ALL, store, tracking)
    for number in range(20):
        execute(ledger, fund(ALICE, USDT, str(number)))
        project(store, tracking)
    before = live_rows(tracking)
    assert [result.view for result in rebuild(ALL, store, tracking, batch_events_max=5) if result.changed] == []
    assert live_rows(tracking) == before
    views.close()
