"""Two versions on one database: the older one writes and reads until an upgrade is finished, and then waits (I22)."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.ledger import events
from core.ledger.events import NewerFormat
from core.ledger.formats import RaiseFormat
from core.ledger.ledger import Ledger
from core.ports.unavailable import Unavailable
from gateways.postgres import event_store
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import LAST_EXACT, SchemaMismatch, check, migrate, migrations, write_grants
from gateways.postgres.pipeline import Statement
from gateways.postgres.roles import API, WRITER, grants
from tests.gateways.poison import insert
from tests.support.history import TickingClock, append_history, register
from tests.support.postgres import Database

LATER = 9
EMPTY = '{"occurred_at":"2026-01-01T00:00:00Z","actor":"x"}'
SOMEBODY = "018f0000-0000-7000-8000-000000000001"


def owner(database: Database) -> psycopg.Connection[Any]:
    return psycopg.connect(database.owner_url, autocommit=True)


def raised(database: Database, monkeypatch: pytest.MonkeyPatch) -> int:
    """A newer program has raised the level -> the position of its event."""
    store = PostgresEventStore(datastore(database.role_urls[WRITER]))
    with monkeypatch.context() as newer:
        newer.setattr(event_store, "newest_level", lambda: LATER)
        [outcome] = Ledger(store, TickingClock()).execute(
            [RaiseFormat(level=LATER, program="9.0.0", actor="operator:a")]
        )
    store.close()
    return outcome.position  # type: ignore[union-attr]


@pytest.fixture
def api(database: Database) -> Iterator[PostgresEventStore]:
    """The event store on the API's login, with a history."""
    store = PostgresEventStore(datastore(database.role_urls[API]))
    yield store
    store.close()


def test_a_program_of_before_reads_up_to_the_event_that_ends_the_upgrade(
    database: Database, ledger: Ledger, api: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes what stands before it, then says that it waits and for what; nothing of it is an error that ends anybody."""
    head = append_history(ledger)
    position = raised(database, monkeypatch)
    assert position == head + 1
    assert [record.position for record in api.read(head - 2, 100)] == [head - 1, head]
    with pytest.raises(NewerFormat, match=f"installed by a newer version: position {position}, kind format.raised/1"):
        api.read(head, 100)
    assert issubclass(NewerFormat, Unavailable)


def test_a_bookmark_behind_that_event_leads_nobody_past_it(
    database: Database,
    ledger: Ledger,
    api: PostgresEventStore,
    store: PostgresEventStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The newer program beside it may have moved a shared bookmark on: what stands behind is not read, known or not."""
    append_history(ledger)
    position = raised(database, monkeypatch)
    with owner(database) as conn:
        insert(conn, "account-x", "account.renamed/1", f'"account_id":"{SOMEBODY}","name":"a"')
    with pytest.raises(NewerFormat, match=f"position {position}, kind format level"):
        api.read(position, 100)


def test_a_program_of_before_decides_nothing_any_more(
    database: Database, ledger: Ledger, api: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command waits, also on streams that it could read: what else the newer version looks at it does not know."""
    append_history(ledger)
    position = raised(database, monkeypatch)
    with pytest.raises(NewerFormat, match=f"position {position}, kind format level {LATER}"):
        Ledger(api, TickingClock()).execute([register(SOMEBODY, "New")])
    assert api.head() == position


def test_the_database_refuses_a_program_that_has_not_noticed(
    database: Database, ledger: Ledger, api: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the time before there were levels says nothing of itself: its append is refused, as an outage that it waits at."""
    append_history(ledger)
    raised(database, monkeypatch)
    refused = pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="installed by a newer version")
    with psycopg.connect(database.role_urls[API], autocommit=True) as conn, refused:
        conn.execute("INSERT INTO events VALUES ('account-x', 1, 'account.renamed/1', %s, 82)", (EMPTY,))
    unaware = Statement(
        "begin_append", "SELECT *, 1, 1 FROM begin_append($1::text[], $2::uuid[], $3::text) WHERE $4::text <> ''", 4
    )
    monkeypatch.setattr(event_store, "_LOAD", unaware)
    with pytest.raises(Unavailable, match="installed by a newer version"):
        Ledger(api, TickingClock()).execute([register(SOMEBODY, "New")])


def test_a_row_of_a_newer_form_behind_its_level_is_waited_for(
    database: Database, ledger: Ledger, store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks into its stream alone, past the event that raised the level, waits as well; before it is set aside."""
    append_history(ledger)
    position = raised(database, monkeypatch)
    with owner(database) as conn:
        insert(conn, "account-x", "account.renamed/1", f'"account_id":"{SOMEBODY}","name":"a","surprise":1')
    with pytest.raises(NewerFormat, match=f"position {position + 1}, kind account.renamed/1"):
        store.histories(["account-x"])
    with owner(database) as conn:
        conn.execute("DELETE FROM format_levels WHERE level = %s", (LATER,))
    [aside] = store.histories(["account-x"])["account-x"]
    assert type(aside.event).__name__ == "SetAside"


def test_what_is_of_a_later_level_is_refused_by_the_database_until_then(database: Database) -> None:
    """A login that is taken over cannot write it either, and so stop the older programs before their time."""
    with owner(database) as conn:
        conn.execute("DELETE FROM format_levels")
        conn.execute("INSERT INTO format_levels VALUES (1, 0)")
        conn.execute("UPDATE stream_topics SET level = 2 WHERE topic = 'account.renamed/1'")
    refused = pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="before the upgrade is finished")
    with psycopg.connect(database.role_urls[API], autocommit=True) as conn, refused:
        conn.execute("INSERT INTO events VALUES ('account-x', 1, 'account.renamed/1', %s, 1)", (EMPTY,))


def test_a_history_begins_at_the_newest_level_or_at_the_first(database: Database, ledger: Ledger) -> None:
    """A new installation has nothing older beside it; one that has events had a program that wrote them."""
    newest = events.newest_level()
    with owner(database) as conn:
        assert conn.execute("SELECT level, since FROM format_levels").fetchall() == [(newest, 0)]
        append_history(ledger)
        conn.execute("DELETE FROM format_levels")
    migrate(database.owner_url)
    with owner(database) as conn:
        assert conn.execute("SELECT level, since FROM format_levels").fetchall() == [(1, 0)]


def test_an_older_program_may_append_until_the_upgrade_is_finished(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`migrate` leaves the grant of a version that is still written; the next one after the level was reached takes it."""
    declared = {**events.DECLARATIONS}
    cls = events.CLASSES["payout.requested/2"]
    declared[cls] = declared[cls]._replace(level=2)
    monkeypatch.setattr(events, "DECLARATIONS", declared)
    before = events._Before("payout.requested/1", lambda fields: fields, 1)
    monkeypatch.setattr(events, "_BEFORE", {**events._BEFORE, "payout.requested/2": before})
    older = (API, "payout.requested/1")
    with owner(database) as conn:
        conn.execute("INSERT INTO event_grants VALUES (%s, %s)", older)
        conn.execute("UPDATE format_levels SET level = 1")
        write_grants(conn)
        assert set(conn.execute("SELECT role, topic FROM event_grants").fetchall()) == grants(1)
        assert older in grants(1)
        conn.execute("UPDATE format_levels SET level = 2")
        write_grants(conn)
        assert set(conn.execute("SELECT role, topic FROM event_grants").fetchall()) == grants(2)
        assert older not in grants(2)


def test_a_grant_of_a_newer_version_s_event_stays(database: Database) -> None:
    """A `migrate` of the older program takes nothing from the newer one beside it."""
    with owner(database) as conn:
        conn.execute("INSERT INTO event_grants VALUES (%s, 'account.dreamt/1')", (API,))
        write_grants(conn)
        assert (API, "account.dreamt/1") in conn.execute("SELECT role, topic FROM event_grants").fetchall()


def test_a_program_works_on_a_database_that_says_so(database: Database) -> None:
    """A later migration names the one that a program must have; who has it goes on, and migrates nothing of the newer one's."""
    last = migrations()[-1].version
    with owner(database) as conn:
        conn.execute("INSERT INTO compatible_migrations VALUES (9001, '9001_later.sql', 'x', %s)", (last,))
    check(database.owner_url)
    assert migrate(database.owner_url) == []
    with owner(database) as conn:
        conn.execute("UPDATE compatible_migrations SET compatible_from = 9000 WHERE version = 9001")
    for look in (check, migrate):
        with pytest.raises(SchemaMismatch, match=r"newer than this program.*9001.*install the newer"):
            look(database.owner_url)


def test_a_program_does_not_start_behind_its_level(database: Database) -> None:
    """It says that the history was written on by a newer version, and what it reads itself."""
    with owner(database) as conn:
        conn.execute("INSERT INTO format_levels VALUES (%s, 5)", (LATER,))
    with pytest.raises(SchemaMismatch, match=f"installed by a newer version: the history has format level {LATER}"):
        check(database.owner_url)


def test_every_later_migration_says_from_which_program_on_it_works() -> None:
    """Migrations that name none turn the older program away; each names one that there is, and none of its own future."""
    known = {migration.version for migration in migrations()}
    for migration in migrations():
        assert migration.compatible_from in known
        assert migration.compatible_from <= migration.version
        if migration.version <= LAST_EXACT:
            assert migration.compatible_from == migration.version, "landed migrations are as they were"
