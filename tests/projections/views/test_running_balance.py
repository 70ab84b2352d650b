"""Every line of the journal knows what its ledger account had booked after it."""

from importlib import resources

import psycopg

from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import append_history
from tests.support.postgres import Database
from tests.support.views import live_rows, project

JOURNAL = [VIEWS["journal"]]


def test_a_journal_from_before_is_filled_in(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """The migration gives the lines that stand already the balances that the view would have given them."""
    append_history(ledger)
    project(store, tracking, JOURNAL, batch_events_max=7)
    expected = live_rows(tracking, JOURNAL)
    text = (resources.files("schema") / "migrations" / "0020_running_balance.sql").read_text(encoding="utf-8")
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("ALTER TABLE postings DROP COLUMN balance_minor")
        conn.execute(text)  # type: ignore[call-overload]
    assert live_rows(tracking, JOURNAL) == expected
    assert expected["postings"]
