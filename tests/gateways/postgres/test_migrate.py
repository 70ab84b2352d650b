"""Migrations: once each, in order, whoever runs them and however many at once; a database that does not fit is refused."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.ledger.ledger import Ledger
from gateways.postgres.migrate import Migration, SchemaMismatch, check, migrate, migrations
from gateways.postgres.roles import API, LOGINS
from gateways.postgres.server import EmbeddedPostgres
from projections.rebuild.census import Counted, census
from tests.support.history import append_history
from tests.support.patience import HANG_S
from tests.support.postgres import Database

NAMES = [migration.name for migration in migrations()]


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The superuser's URL of a database without any table."""
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE empty")
        yield make_conninfo(postgres.url, dbname="empty")
        conn.execute("DROP DATABASE empty WITH (FORCE)")


@pytest.mark.fast
def test_migrations_are_numbered_once_each() -> None:
    """No two migrations have one number: their order is their names' order."""
    versions = [migration.version for migration in migrations()]
    assert versions == sorted(set(versions))
    assert versions[0] == 1


EMPTY = '{"occurred_at":"2026-01-01T00:00:00Z","actor":"x"}'
"""An event without fields of its own."""
SEAL_OF_1 = "INSERT INTO seals SELECT gen_random_uuid(), 1, 1, sha256(''), sha256('')"


def test_a_second_run_does_nothing(empty_database: str) -> None:
    """The first applies everything, the second nothing, and the database is then at this version."""
    with pytest.raises(SchemaMismatch, match="counterfoil migrate"):
        check(empty_database)
    assert migrate(empty_database) == NAMES
    assert migrate(empty_database) == []
    check(empty_database)


def test_many_at_once_apply_each_migration_once(empty_database: str) -> None:
    """Eight machines that start together: every migration is applied by one of them, and none fails."""
    barrier = threading.Barrier(8)
    applied: list[str] = []
    failures: list[Exception] = []

    def run() -> None:
        barrier.wait(HANG_S)
        try:
            applied.extend(migrate(empty_database))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert failures == []
    assert sorted(applied) == NAMES


def test_a_newer_database_is_refused(empty_database: str) -> None:
    """A database with a migration that this program does not know is left alone, with a sentence that says what to do."""
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (9001, '9001_later.sql', 'x')")
    for look in (migrate, check):
        with pytest.raises(SchemaMismatch, match=r"newer than this program.*9001.*install the newer"):
            look(empty_database)


def test_a_migration_that_was_changed_is_refused(empty_database: str) -> None:
    """A migration that was applied with another text means that program and database come from different versions."""
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 2")
    for look in (migrate, check):
        with pytest.raises(SchemaMismatch, match=f"{NAMES[1]} was applied with another text"):
            look(empty_database)


def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before stays, the failing one is rolled back whole, and the next run goes on from there."""
    known = migrations()
    broken = Migration(len(known) + 1, "9999_broken.sql", "CREATE TABLE half (id int); SELECT 1 / 0;")
    monkeypatch.setattr("gateways.postgres.migrate.migrations", lambda: [*known, broken])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database)
    monkeypatch.undo()
    check(empty_database)
    with psycopg.connect(empty_database) as conn:
        assert conn.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_everything_belongs_to_the_owner_who_cannot_log_in(empty_database: str) -> None:
    """No table belongs to a role that a process logs in as, and the owner has no way in."""
    migrate(empty_database)
    with psycopg.connect(empty_database) as conn:
        owners = conn.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert owners == [("counterfoil_owner",)]
        assert conn.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'counterfoil_owner'").fetchone() == (
            False,
        )


def test_an_owner_who_is_no_superuser_is_enough() -> None:
    """A managed Postgres gives no superuser: a login that may make roles and owns the database migrates it, twice."""
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        try:
            with psycopg.connect(server.url, autocommit=True) as conn:
                conn.execute("CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD 'of-a-test-only'")
                conn.execute("CREATE DATABASE managed OWNER admin")
            url = make_conninfo(server.url, dbname="managed", user="admin", password="of-a-test-only")
            passwords = dict.fromkeys(LOGINS, "of-a-test-only")
            assert migrate(url, passwords) == NAMES
            assert migrate(url, passwords) == []
            check(url)
            with psycopg.connect(make_conninfo(url, user=API)) as conn:
                assert conn.execute("SELECT count(*) FROM events").fetchone() == (0,)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute("DELETE FROM events")
        finally:
            server.stop()


def test_a_history_that_cannot_be_read_is_left_alone(database: Database) -> None:
    """A program that does not know a stored event refuses to migrate, names it and its last position, and changes nothing."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        with conn.transaction():
            conn.execute("SET LOCAL ROLE counterfoil_writer")
            conn.execute("INSERT INTO events VALUES ('account-x', 1, 'account.registered/9', %s, 1)", (EMPTY,))
            conn.execute("RESET ROLE")  # a seal that an append makes is checked
            conn.execute(SEAL_OF_1)
        before = conn.execute("SELECT count(*) FROM schema_migrations").fetchone()
        with pytest.raises(SchemaMismatch, match=r"account\.registered/9 \(1, the last at position 1\)"):
            migrate(database.owner_url)
        assert conn.execute("SELECT count(*) FROM schema_migrations").fetchone() == before


def test_census_counts_types_and_versions(database: Database, ledger: Ledger) -> None:
    """Each topic with its number and its place, older versions with the topic they are lifted to, unknown ones with none."""
    head = append_history(ledger)
    with psycopg.connect(database.owner_url) as conn:
        conn.execute("SET ROLE counterfoil_writer")
        conn.execute("INSERT INTO events VALUES ('payout-x', 1, 'payout.expired/1', %s, %s)", (EMPTY, head + 1))
        conn.execute("INSERT INTO events VALUES ('payout-y', 1, 'payout.expired/3', %s, %s)", (EMPTY, head + 2))
        counted = {each.topic: each for each in census(conn)}
        conn.rollback()
    assert sum(each.events for each in counted.values()) == head + 2
    assert counted["payout.expired/1"] == Counted("payout.expired/1", 1, head + 1, head + 1, "payout.expired/2")
    assert counted["payout.expired/2"].read_as == "payout.expired/2"
    assert counted["payout.expired/3"].read_as is None
    assert counted["account.registered/1"].events == 2
