"""Rebuild: from nothing to the same bytes, beside the version that serves, whatever comes between (FAILURES 34)."""

import itertools
from typing import Any

import psycopg
import pytest

from core.ledger.ledger import Ledger
from core.ports.unavailable import Unavailable
from gateways.postgres.event_store import PostgresEventStore
from projections.engine.tracking import ViewTracking
from projections.rebuild import rebuild as rebuilding
from projections.rebuild import rebuilds
from projections.rebuild.rebuilds import RebuildRow
from projections.views import VIEWS
from tests.projections.rebuild.world import ALL, BALANCES, finish, tables_in, until_done
from tests.support.history import ALICE, USDT, execute, fund
from tests.support.postgres import Database
from tests.support.rebuilding import connect, differing, rebuilt, rows, wish, worker
from tests.support.views import live_rows, project


def shapes(database: Database) -> list[Any]:
    """Everything about the views' tables but their rows: columns, keys, checks, indexes, triggers, options and grants."""
    tables = [table.name for view in ALL for table in view.tables]
    queries = (
        "SELECT attrelid::regclass::text, attname, atttypid::regtype::text, attnotnull FROM pg_attribute"
        " WHERE attnum > 0 AND attrelid = ANY(%s::regclass[]) ORDER BY 1, attnum",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = ANY(%s::regclass[]) ORDER BY 1, 2",
        "SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = ANY(%s::regclass[]) ORDER BY 1, 2",
        "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgrelid = ANY(%s::regclass[]) ORDER BY 1, 2",
        "SELECT oid::regclass::text, reloptions, relowner::regrole::text, relacl::text[] FROM pg_class"
        " WHERE oid = ANY(%s::regclass[]) ORDER BY 1",
    )
    with psycopg.connect(database.owner_url) as conn:
        found = [conn.execute(query, (tables,)).fetchall() for query in queries]
    for row in found[-1]:
        row[-1].sort()
    return found


def test_a_new_version_has_the_rows_and_the_shape_of_the_old_one(
    head: int, database: Database, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A rebuild of every view serves the same rows, byte for byte, from tables with the same keys, indexes and rights (I4)."""
    before, shape = live_rows(tracking), shapes(database)
    found = rebuilt(database, store, ALL)
    assert {row.state for row in found.values()} == {"done"}
    assert {row.position for row in found.values()} == {head}
    assert [name for name, row in found.items() if differing(row)] == []
    assert live_rows(tracking) == before
    assert shapes(database) == shape
    assert tables_in(database, "building") == tables_in(database, "passing") == []
    assert set(tables_in(database, "retired")) == {table.name for view in ALL for table in view.tables}


def test_progress_is_told(head: int, database: Database, store: PostgresEventStore) -> None:
    """Whoever looks sees where a rebuild stands, at which rate, and how long it will take."""
    seen: list[RebuildRow] = []
    rebuilt(database, store, [BALANCES], lambda: seen.append(rows(database, [BALANCES])["balances"]))
    positions = [row.position for row in seen]
    assert positions == sorted(positions)
    assert {0, 20, 40, 60, head} <= set(positions)
    half = next(row for row in seen if row.position == 40)
    assert half.state == "building"
    assert (half.aim, half.events_per_second, half.left_s) == (head, 20, (head - 40) // 20)
    assert half.percent == 100 * 40 // head
    assert list(dict.fromkeys(row.state for row in seen)) == ["building", "indexing", "verifying", "verified", "done"]


@pytest.mark.parametrize(
    ("damage", "view", "table", "differs"),
    [
        ("UPDATE balances SET amount_minor = 1 WHERE code = 'Suspense'", "balances", "balances", (0, 0, 1)),
        ("DELETE FROM pending_deposits", "balances", "pending_deposits", (2, 0, 0)),
        ("DELETE FROM postings WHERE position = 24", "journal", "postings", (4, 0, 0)),
        ("UPDATE payout_requests SET burned_sun = 7", "payouts", "payout_requests", (0, 0, 4)),
        ("UPDATE accounts SET name = 'Mallory'", "accounts", "accounts", (0, 0, 3)),
        ("DELETE FROM client_events WHERE sequence = 3", "notifications", "client_events", (2, 0, 0)),
        ("UPDATE client_events SET data = '{}' WHERE sequence = 3", "notifications", "client_events", (0, 0, 2)),
        ("UPDATE observed_transactions SET amount_minor = 1", "deposits", "observed_transactions", (0, 0, 6)),
        ("DELETE FROM payin_requests", "payins", "payin_requests", (2, 0, 0)),
        (
            "INSERT INTO system_wallets SELECT gen_random_uuid(), role, address, kms_key_id, 'inactive', created_at, position"
            " FROM system_wallets",
            "wallets",
            "system_wallets",
            (0, 1, 0),
        ),
    ],
)
def test_damage_is_found_and_repaired(
    head: int,
    store: PostgresEventStore,
    tracking: ViewTracking,
    database: Database,
    damage: str,
    view: str,
    table: str,
    differs: tuple[int, int, int],
) -> None:
    """Rows that the history does not say are counted, their keys are told, and the new version serves without them."""
    before = live_rows(tracking)
    with connect(database) as conn:
        conn.execute(damage)
    row = rebuilt(database, store, [VIEWS[view]])[view]
    found = differing(row)[table]
    assert (found["extra"], found["missing"], found["changed"]) == differs
    assert len(found["examples"]) == min(5, sum(differs))
    assert live_rows(tracking) == before


def test_live_writes_are_not_lost(
    head: int, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """Events that are appended and projected between any two steps of a rebuild are in the rebuilt view (FAILURES 34)."""
    numbers = itertools.count()

    def live() -> None:
        execute(ledger, fund(ALICE, USDT, f"live {next(numbers)}"))
        project(store, tracking)

    found = rebuilt(database, store, ALL, live)
    assert {row.state for row in found.values()} == {"done"}
    assert [name for name, row in found.items() if differing(row)] == []
    project(store, tracking)
    after = live_rows(tracking)
    assert set(tracking.bookmarks().values()) == {store.head()}
    assert store.head() > head + 20
    rebuilt(database, store, ALL)
    assert live_rows(tracking) == after


def test_a_view_that_was_left_behind(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view far behind, as a new one is, is not waited for: its new version passes it, and says it compared with nothing."""
    monkeypatch.setattr(rebuilding, "BEHIND_EVENTS", 10)
    before = live_rows(tracking)
    with connect(database) as conn:
        conn.execute("DELETE FROM payout_requests")
        conn.execute("UPDATE projection_tracking SET notification_id = 0 WHERE application_name = 'payouts'")
    row = rebuilt(database, store, [VIEWS["payouts"]])["payouts"]
    assert row.state == "done"
    assert row.found == {"compared_with": 0, "tables": {}}
    assert head - 13 <= tracking.bookmark("payouts") <= head
    project(store, tracking)
    assert live_rows(tracking) == before


def test_rebuild_of_nothing(store: PostgresEventStore, database: Database) -> None:
    """An empty history rebuilds to empty views."""
    found = rebuilt(database, store, ALL)
    assert {(row.state, row.position) for row in found.values()} == {("done", 0)}
    assert all(table["rows"] == 0 for row in found.values() for table in (row.found or {})["tables"].values())


@pytest.mark.parametrize("steps", range(1, 12))
def test_a_killed_rebuild_goes_on(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database, steps: int
) -> None:
    """Whenever the process dies, the next one goes on from the last segment, and the rows are the same."""
    before = live_rows(tracking)
    wish(database, ALL)
    first = worker(database, store, ALL)
    for _ in range(steps):
        first.step()
    stood = {name: row.position for name, row in rows(database, ALL).items()}
    first.close()
    second = worker(database, store, ALL)
    second.step()
    assert all(row.position >= stood[name] for name, row in rows(database, ALL).items())
    until_done(database, second)
    second.close()
    found = rows(database, ALL)
    assert {row.state for row in found.values()} == {"done"}
    assert [name for name, row in found.items() if differing(row)] == []
    assert live_rows(tracking) == before


def test_a_lost_connection_costs_one_segment(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """A server that goes away is Unavailable; afterwards the same worker goes on, its memory of unwritten rows forgotten."""
    before = live_rows(tracking)
    wish(database, [BALANCES])
    rebuild = worker(database, store, [BALANCES])
    rebuild.step()
    rebuild.step()
    assert rebuild._conn is not None
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("SELECT pg_terminate_backend(%s)", (rebuild._conn.info.backend_pid,))
    with pytest.raises(Unavailable):
        rebuild.step()
    until_done(database, rebuild)
    rebuild.close()
    assert rows(database, [BALANCES])["balances"].state == "done"
    assert live_rows(tracking) == before


def test_two_workers_share_the_views(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """What one process works on, no other touches; when it ends, another takes over."""
    before = live_rows(tracking)
    wish(database, [BALANCES])
    one, other = worker(database, store, ALL), worker(database, store, ALL)
    assert one.step()
    assert not other.step()
    wish(database, [VIEWS["payouts"]])
    assert other.step()
    one.close()
    until_done(database, other)
    other.close()
    assert {row.state for row in rows(database, ALL).values()} == {"done"}
    assert live_rows(tracking) == before


def test_pause_resume_cancel(head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database) -> None:
    """A paused rebuild stands still while others go on; a cancelled one leaves nothing."""
    payouts, before = VIEWS["payouts"], live_rows(tracking)
    wish(database, [BALANCES, payouts])
    rebuild = worker(database, store, ALL)
    for _ in range(3):
        rebuild.step()
    with connect(database) as conn:
        assert rebuilds.wish(conn, "balances", "pause")
        finish(rebuild)
        stood = rows(database, ALL)
        assert (stood["balances"].state, stood["balances"].position) == ("building", 20)
        assert stood["payouts"].state == "done"
        assert rebuilds.wish(conn, "balances", "go")
        rebuild.step()
        assert rows(database, ALL)["balances"].position == 40
        assert rebuilds.wish(conn, "balances", "cancel")
        finish(rebuild)
        assert not rebuilds.wish(conn, "balances", "pause")
    rebuild.close()
    assert rows(database, ALL)["balances"].state == "cancelled"
    assert tables_in(database, "building") == []
    assert live_rows(tracking) == before


def test_a_rebuild_that_is_held_waits_for_the_operator(
    head: int, store: PostgresEventStore, tracking: ViewTracking, database: Database
) -> None:
    """Verified and not swapped: the operator sees the difference first, and then says go."""
    before = live_rows(tracking)
    with connect(database) as conn:
        conn.execute("UPDATE balances SET amount_minor = 1 WHERE code = 'Suspense'")
        damaged = live_rows(tracking)
        wish(database, [BALANCES], hold=True)
        rebuild = worker(database, store, ALL)
        finish(rebuild)
        held = rows(database, ALL)["balances"]
        assert (held.state, differing(held)["balances"]["changed"]) == ("verified", 1)
        assert live_rows(tracking) == damaged
        assert rebuilds.wish(conn, "balances", "go")
    finish(rebuild)
    rebuild.close()
    assert rows(database, ALL)["balances"].state == "done"
    assert live_rows(tracking) == before
