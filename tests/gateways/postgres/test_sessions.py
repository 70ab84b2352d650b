"""A session depends on nothing that a database or a role was set to, and outlives connections that a server has ended."""

import contextlib

import psycopg
import pytest

from core.ports.unavailable import Unavailable
from gateways.postgres.connections import SESSION, Connections, conninfo_of
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import UnbearableSetting, check, migrate
from gateways.postgres.roles import API
from tests.support.patience import until
from tests.support.postgres import Database

STRANGE = {
    "DateStyle": "'German, DMY'",
    "IntervalStyle": "sql_standard",
    "TimeZone": "'Asia/Kathmandu'",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "search_path": "nowhere",
    "statement_timeout": "1",
    "lock_timeout": "1",
    "default_transaction_isolation": "serializable",
    "standard_conforming_strings": "off",
    "extra_float_digits": "-15",
    "transform_null_equals": "on",
    "default_transaction_deferrable": "on",
    "idle_in_transaction_session_timeout": "1",
    "idle_session_timeout": "1",
    "default_transaction_read_only": "on",
}


def set_for_all(database: Database, name: str, value: str) -> None:
    with psycopg.connect(conninfo_of(database.owner_url), autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {database.name} SET {name} = {value}")


def test_no_setting_of_a_database_changes_a_session(database: Database) -> None:
    """What an administrator sets for the database, for whatever reason, reaches no session of ours (FAILURES 48)."""
    with psycopg.connect(conninfo_of(database.role_urls[API])) as conn:
        usual = {name: conn.execute(f"SHOW {name}").fetchone() for name in SESSION}
    set_for_all(database, "bytea_output", "escape")
    with psycopg.connect(database.role_urls[API]) as conn:
        assert conn.execute("SHOW bytea_output").fetchone() == ("escape",), "the broken variant: a bare login"
    for name, value in STRANGE.items():
        set_for_all(database, name, value)
    assert STRANGE.keys() == SESSION.keys()
    with psycopg.connect(conninfo_of(database.role_urls[API])) as conn:
        assert {name: conn.execute(f"SHOW {name}").fetchone() for name in SESSION} == usual


def test_the_history_is_written_under_any_settings(database: Database) -> None:
    """Appends, reads and tables work in a database that is set to everything strange at once."""
    for name, value in STRANGE.items():
        set_for_all(database, name, value)
    store, tables = PostgresEventStore(datastore(database.writer_url)), Connections(database.role_urls[API])
    try:
        assert store.head() == 0
        [row] = tables.execute("SELECT now() - interval '1 day' AS then, '\\x00ff'::bytea AS bytes")
        assert (bytes(row.bytes), row.then.utcoffset().total_seconds()) == (b"\x00\xff", 0)
    finally:
        store.close()
        tables.close()
    assert migrate(conninfo_of(database.owner_url)) == []


@pytest.mark.parametrize("setting", ["synchronous_commit = off", "session_replication_role = replica"])
def test_a_setting_that_takes_a_promise_away_is_refused_by_name(database: Database, setting: str) -> None:
    """Start and `migrate` say which setting, whose it is, and how it is taken back."""
    name, _, value = setting.partition(" = ")
    set_for_all(database, name, value)
    for refused in (lambda: check(conninfo_of(database.owner_url)), lambda: migrate(conninfo_of(database.owner_url))):
        with pytest.raises(UnbearableSetting, match=f"{name} is {value} for .*RESET {name}"):
            refused()


def test_connections_that_the_server_has_ended_cost_nobody_an_error(database: Database) -> None:
    """A failover or a proxy cuts every idle connection: the next who asks gets another one."""
    store, tables = PostgresEventStore(datastore(database.writer_url)), Connections(database.role_urls[API])
    try:
        for _ in range(3):
            store.head()
            tables.execute("SELECT 1")
            with psycopg.connect(database.owner_url, autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        assert store.head() == 0
        [row] = tables.execute("SELECT 1 AS one")
        assert row.one == 1
    finally:
        store.close()
        tables.close()


def test_the_settings_of_a_session_are_said_once() -> None:
    """A connection string that has them already stays as it is."""
    login = conninfo_of("host=/tmp dbname=books options='-c role=api'")
    assert conninfo_of(login) == login
    assert "-c role=api" in login


def test_a_pool_lets_somebody_in_as_soon_as_an_outage_ends(database: Database) -> None:
    """However long it was: pools that double their pauses would let nobody in for minutes after the twelfth try."""
    tries, down = 0, True

    def login() -> str:
        nonlocal tries
        tries += 1
        return "host=/nonexistent user=x dbname=x" if down else database.role_urls[API]

    tables = Connections(login, wait_s=0.05)

    def reads() -> bool:
        with contextlib.suppress(Unavailable):
            return bool(tables.execute("SELECT 1"))
        return False

    try:
        until(lambda: reads() or tries > 12, "many have tried in vain")
        tries, down = 0, False
        until(reads, "the outage has ended")
        assert tries < 12
    finally:
        tables.close()
