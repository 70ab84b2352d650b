"""Migrations and versions of views: what no longer has the serving tables' shape never serves again (FAILURES 56)."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.ledger.ledger import Ledger
from gateways.postgres import migrate as migrating
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.migrate import Migration, migrate, migrations
from gateways.postgres.server import EmbeddedPostgres
from gateways.postgres.view_versions import FORGOTTEN, left_behind
from projections.engine.tracking import ViewTracking
from projections.rebuild import rebuilds
from projections.rebuild.rebuilds import RebuildRow
from projections.views import VIEWS
from tests.support.history import ALICE, append_history, execute, order, request_payout
from tests.support.postgres import Database
from tests.support.rebuilding import BY, connect, rebuilt, rows, wish, worker
from tests.support.views import project

PAYOUTS, BALANCES = VIEWS["payouts"], VIEWS["balances"]
TABLES = {view.name: [table.name for table in view.tables] for view in VIEWS.values()}
_DONE = (
    "INSERT INTO rebuilds (view, state, wish, hold, requested_by) VALUES (%s, 'done', 'go', false, 'nobody')"
    " ON CONFLICT DO NOTHING"
)
CHANGES = {
    "a column more": "ALTER TABLE payout_requests ADD COLUMN memo text",
    "another type": "ALTER TABLE payout_requests ALTER COLUMN attempts TYPE bigint",
    "null allowed": "ALTER TABLE payout_requests ALTER COLUMN currency DROP NOT NULL",
    "another order": "ALTER TABLE payout_requests DROP COLUMN attempts, ADD COLUMN attempts int NOT NULL DEFAULT 0",
    "a check more": "ALTER TABLE payout_requests ADD CHECK (fee_minor >= 0)",
}


@pytest.fixture
def history(
    ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, monkeypatch: pytest.MonkeyPatch
) -> PostgresEventStore:
    """The history in every view. Versions are built in segments, however short it is."""
    monkeypatch.setattr("projections.rebuild.rebuild.NEAR_EVENTS", 3)
    append_history(ledger)
    project(store, tracking)
    return store


def upgrade(database: Database, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Migrate to a version of the program that has one migration more."""
    later = Migration(9000, "9000_later.sql", text)
    with monkeypatch.context() as patched:
        patched.setattr(migrating, "migrations", lambda: [*migrations(), later])
        assert migrate(database.owner_url) == ["9000_later.sql"]


def tables_in(database: Database, schema: str) -> set[str]:
    with psycopg.connect(database.owner_url) as conn:
        return {name for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))}


@pytest.mark.parametrize("change", CHANGES)
def test_a_rollback_ends_at_a_migration_of_the_view(
    history: PostgresEventStore, database: Database, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """After a migration that changed a view's table there is no version of it to go back to; other views keep theirs."""
    rebuilt(database, history, [PAYOUTS, BALANCES])
    upgrade(database, monkeypatch, CHANGES[change])
    with connect(database) as conn:
        assert not rebuilds.roll_back(conn, "payouts", BY)
        assert rebuilds.roll_back(conn, "balances", BY)
    assert "payout_requests" not in tables_in(database, "retired")


def test_an_index_is_part_of_what_serves(
    history: PostgresEventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retired version that lacks an index of today would serve too slowly: it is forgotten as well."""
    rebuilt(database, history, [PAYOUTS])
    upgrade(database, monkeypatch, "CREATE INDEX payout_requests_fee ON payout_requests (fee_minor)")
    assert "payout_requests" not in tables_in(database, "retired")


def test_a_migration_of_something_else_forgets_nothing(
    history: PostgresEventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retired and half-built versions that are like the serving ones stay where they are."""
    rebuilt(database, history, VIEWS.values())
    wish(database, VIEWS.values(), hold=True)
    rebuild = worker(database, history, VIEWS.values())
    while any(row.state != "verified" for row in rows(database, VIEWS.values()).values()):
        assert rebuild.step()
    before = tables_in(database, "retired"), tables_in(database, "building")
    assert all(before)
    upgrade(database, monkeypatch, "CREATE TABLE something_else (id int)")
    assert (tables_in(database, "retired"), tables_in(database, "building")) == before
    rebuild.close()


def test_a_rollback_that_was_asked_for_before_is_cancelled(
    history: PostgresEventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was wished before the migration and not begun says that the version was forgotten, and nothing is moved."""
    rebuilt(database, history, [PAYOUTS])
    with connect(database) as conn:
        assert rebuilds.roll_back(conn, "payouts", BY)
    upgrade(database, monkeypatch, CHANGES["a column more"])
    row = rows(database, [PAYOUTS])["payouts"]
    assert (row.state, row.error) == ("cancelled", FORGOTTEN)


def test_a_half_built_version_is_forgotten(
    history: PostgresEventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild that goes on over a migration of its view ends, says why, and can be asked for again."""
    wish(database, [PAYOUTS])
    rebuild = worker(database, history, [PAYOUTS])
    rebuild.step()
    rebuild.step()
    assert rows(database, [PAYOUTS])["payouts"].state == "building"
    upgrade(database, monkeypatch, CHANGES["a column more"])
    row = rows(database, [PAYOUTS])["payouts"]
    assert (row.state, row.error) == ("cancelled", FORGOTTEN)
    assert "payout_requests" not in tables_in(database, "building")
    assert not rebuild.step()
    rebuild.close()
    assert rebuilt(database, history, [PAYOUTS])["payouts"].state == "done"


@pytest.mark.parametrize("state", ["building", "indexing", "verifying", "verified"])
def test_a_worker_that_has_not_heard_writes_nothing(
    history: PostgresEventStore,
    ledger: Ledger,
    tracking: ViewTracking,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    """A migration between a worker's look and its work: what it would have written to the new version goes nowhere else."""
    wish(database, [PAYOUTS])
    rebuild = worker(database, history, [PAYOUTS], segment_events_max=1_000)
    while rows(database, [PAYOUTS])["payouts"].state != state:
        assert rebuild.step()
    execute(ledger, request_payout(order(ALICE, "that the new version lacks", 5)))
    project(history, tracking)
    with connect(database) as conn:
        conn.execute("UPDATE payout_requests SET fee_minor = 999999")
    load, told = rebuilds.load, []

    def load_before_the_migration(conn: psycopg.Connection[Any], views: Any) -> dict[str, RebuildRow]:
        known = load(conn, views)
        if not told:
            told.append(known)
            upgrade(database, monkeypatch, CHANGES["a column more"])
        return known

    monkeypatch.setattr(rebuilds, "load", load_before_the_migration)
    rebuild.step()
    rebuild.close()
    row = rows(database, [PAYOUTS])["payouts"]
    assert (row.state, row.error) == ("cancelled", FORGOTTEN)
    with psycopg.connect(database.reader_url) as conn:
        assert {fee for (fee,) in conn.execute("SELECT fee_minor FROM payout_requests")} == {999_999}


@pytest.fixture
def growing_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The superuser's URL of a database without any table."""
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE growing")
        yield make_conninfo(postgres.url, dbname="growing")
        conn.execute("DROP DATABASE growing WITH (FORCE)")


def test_no_migration_leaves_a_version_of_another_shape(growing_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the migration that brought versions on: after each, those made before it are like the serving ones, or gone."""
    monkeypatch.setattr(migrating, "write_grants", lambda _: None)  # a version of before wrote those of its own events
    every = [*migrations(), Migration(9000, "9000_later.sql", CHANGES["a column more"])]
    first = next(place for place, migration in enumerate(every) if migration.name == "0031_rebuild.sql")
    for upto in range(first + 1, len(every) + 1):
        monkeypatch.setattr(migrating, "migrations", lambda upto=upto: every[:upto])
        migrate(growing_database)
        with psycopg.connect(growing_database, autocommit=True) as conn:
            assert left_behind(conn, TABLES) == ([], [])
            serving = {name for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
            for view in [view for view, tables in TABLES.items() if serving.issuperset(tables)]:
                conn.execute(_DONE, (view,))
                for _ in range(2):
                    conn.execute("SELECT begin_version(%s)", (view,))
                    conn.execute("SELECT finish_version(table_name) FROM view_tables WHERE view = %s", (view,))
                    conn.execute("SELECT swap_version(%s)", (view,))
                conn.execute("SELECT begin_version(%s)", (view,))
