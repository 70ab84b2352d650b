"""A version that must not serve never does, and the swap to one that may disturbs no reader."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.ledger.events import TOPICS, Recorded
from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.projector import Projector
from projections.engine.rows import Rows
from projections.engine.set_aside import Unfoldable
from projections.engine.tracking import ViewTracking
from projections.rebuild import rebuilds
from projections.views import VIEWS
from projections.views.balances import BalancesView
from projections.views.journal import JournalView
from tests.projections.rebuild.world import ALL, BALANCES, finish
from tests.support.history import ALICE, USDT, execute, fund
from tests.support.postgres import Database
from tests.support.rebuilding import connect, differing, rebuilt, rows, wish, worker
from tests.support.views import live_rows, project


def test_rollback(
    head: int, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """The version that served before serves again at once, and is brought up; rolled back twice, it is undone."""
    with connect(database) as conn:
        conn.execute("UPDATE balances SET amount_minor = 12345 WHERE code = 'Suspense'")
    damaged = live_rows(tracking)["balances"]
    rebuilt(database, store, [BALANCES])
    execute(ledger, fund(ALICE, USDT, "after the swap"))
    project(store, tracking)
    right = live_rows(tracking)["balances"]
    rebuild = worker(database, store, ALL)
    with connect(database) as conn:
        assert rebuilds.roll_back(conn, "balances", "operator:test")
        rebuild.step()
        assert rows(database, ALL)["balances"].state == "rolled back"
        assert (live_rows(tracking)["balances"], tracking.bookmark("balances")) == (damaged, head)
        project(store, tracking)
        assert any("12345" in row for row in live_rows(tracking)["balances"])
        assert rebuilds.roll_back(conn, "balances", "operator:test")
        rebuild.step()
    rebuild.close()
    assert live_rows(tracking)["balances"] == right
    assert tracking.bookmark("balances") == store.head()


def test_what_was_never_rebuilt_cannot_be_rolled_back(head: int, database: Database) -> None:
    """Without a version before there is nothing to go back to."""
    with connect(database) as conn:
        assert not rebuilds.roll_back(conn, "balances", "operator:test")


class Broken(BalancesView):
    """A new version of the fold, with a defect."""

    def fold(self, rows: Rows, record: Recorded) -> None:
        assert record.position < 50, "this fold is wrong"
        super().fold(rows, record)


def test_a_broken_fold_fails_alone(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """A defect stops the process and ends the rebuild with a sentence; what serves goes on, and the next start is quiet."""
    before = live_rows(tracking)
    wish(database, [BALANCES])
    rebuild = worker(database, store, [Broken()])
    with pytest.raises(Unfoldable, match="this fold is wrong"):
        finish(rebuild)
    row = rows(database, ALL)["balances"]
    [event] = [record.event for record in store.read(49, 1)]
    assert (row.state, row.error) == (
        "failed",
        f"Unfoldable: balances cannot fold {TOPICS[type(event)]} at position 50: AssertionError: this fold is wrong",
    )
    assert not rebuild.step()
    rebuild.close()
    assert live_rows(tracking) == before
    rebuilt(database, store, [BALANCES])
    assert live_rows(tracking) == before


class Unbalanced(JournalView):
    """A fold that loses a line."""

    def fold(self, rows: Rows, record: Recorded) -> None:
        super().fold(rows, record)
        if record.position == 24:
            rows.added(self.tables[1]).pop()


def test_an_unbalanced_version_never_serves(head: int, database: Database, store: PostgresEventStore) -> None:
    """Debits must equal credits before a new journal may serve (I1)."""
    rebuilt(database, store, [Unbalanced()])
    row = rows(database, ALL)["journal"]
    assert row.state == "failed"
    assert "debits must equal credits (I1): journal entry" in (row.error or "")


def test_a_changed_view_shows_its_difference(
    head: int, database: Database, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A new fold that says something else is compared with what serves, then serves."""

    class Shouting(type(VIEWS["accounts"])):  # type: ignore[misc]
        def fold(self, rows: Rows, record: Recorded) -> None:
            super().fold(rows, record)
            accounts = rows[self.tables[0]]
            for key in list(accounts.touched):
                accounts.put(key, _louder(accounts[key]))

    row = rebuilt(database, store, [Shouting()])["accounts"]
    assert differing(row).keys() == {"accounts"}
    assert differing(row)["accounts"]["changed"] == 2
    assert any("ALICE LTD" in line for line in live_rows(tracking)["accounts"])


def _louder(row: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(row, name=row.name.upper()) if row.position else row


@pytest.fixture
def reader(database: Database) -> Iterator[psycopg.Connection]:
    """A reader whose statements are prepared, as the API's are."""
    with psycopg.connect(database.reader_url, autocommit=True, prepare_threshold=0) as conn:
        yield conn


def test_prepared_statements_follow_the_swap(
    head: int, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, database: Database, reader: Any
) -> None:
    """A reader and a projector that prepared their statements before a swap read and write the new tables after it."""
    query = "SELECT sum(amount_minor) FROM balances WHERE code = 'User_Liability'"
    projector = Projector(ALL, store, tracking)
    for number in range(8):
        execute(ledger, fund(ALICE, USDT, f"before {number}"))
        projector.step()
        before = reader.execute(query).fetchone()
    rebuilt(database, store, ALL)
    assert reader.execute(query).fetchone() == before
    execute(ledger, fund(ALICE, USDT, "after"))
    projector.step()
    assert reader.execute(query).fetchone() == (before[0] + USDT,)
    rebuilt(database, store, ALL)
    assert reader.execute(query).fetchone() == (before[0] + USDT,)


def test_a_slow_reader_holds_no_other_reader(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database, reader: Any
) -> None:
    """While somebody reads for long, a swap lets go of its place in the queue and tries again; then it succeeds."""
    with psycopg.connect(database.reader_url) as slow:
        slow.execute("SELECT count(*) FROM balances")
        wish(database, [BALANCES])
        rebuild = worker(database, store, ALL)
        finish(rebuild)
        assert rows(database, ALL)["balances"].state == "verified"
        assert not rebuild.step()
        assert reader.execute("SELECT count(*) > 0 FROM balances").fetchone() == (True,)
        slow.rollback()
    finish(rebuild)
    rebuild.close()
    assert rows(database, ALL)["balances"].state == "done"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT make_view_tables('balances', 'public')",
        "SELECT drop_view_tables('balances', 'public')",
        "SELECT move_view_tables('balances', 'public', 'retired')",
        "ALTER TABLE postings DISABLE TRIGGER postings_added",
        "DROP TABLE balances",
        "ALTER TABLE balances SET SCHEMA retired",
        "CREATE TABLE building.events (id int)",
        "CREATE TABLE public.mine (id int)",
        "INSERT INTO view_tables VALUES ('balances', 9, 'events', true)",
        "INSERT INTO retired_views VALUES ('balances', 0)",
        "TRUNCATE balances",
    ],
)
def test_the_projector_owns_nothing(database: Database, statement: str) -> None:
    """It can build, swap and roll back the views' tables, and alter, drop or add nothing else (I1, I2)."""
    with connect(database) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)
