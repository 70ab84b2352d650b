"""Migrations: once each, in order, whoever runs them and however many at once; a database that does not fit is refused."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gateways.embedded_postgres import EmbeddedPostgres
from gateways.migrate import Migration, SchemaMismatch, check, migrate, migrations
from gateways.roles import API, LOGINS

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
        barrier.wait(10)
        try:
            applied.extend(migrate(empty_database))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
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
    monkeypatch.setattr("gateways.migrate.migrations", lambda: [*known, broken])
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
