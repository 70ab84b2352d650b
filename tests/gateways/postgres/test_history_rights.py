"""Who may change the history: nobody; and the schema: no process."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.ledger.ledger import Ledger
from gateways.http.progress import _BLOCKERS
from gateways.postgres.event_store import APPEND_LOCK
from gateways.postgres.migrate import OWNER, ROLES
from gateways.postgres.roles import LOGINS, MAY_APPEND, PROJECTOR, RECORDER
from gateways.postgres.server import EmbeddedPostgres
from tests.gateways.histories import verified_head
from tests.support.history import (
    HOT_WALLET,
    execute,
    wallet,
)
from tests.support.patience import until
from tests.support.postgres import Database

# Append-only for everybody (I2)


def test_no_role_can_change_the_history(ledger: Ledger, database: Database) -> None:
    """UPDATE, DELETE and TRUNCATE of events and seals fail for every role there is, the owner and superuser included."""
    execute(ledger, wallet("hot", HOT_WALLET))
    logins = {role: f"SET ROLE {role}" for role in (*ROLES, OWNER)}
    logins |= {"superuser": "SELECT 1", "superuser as replica": "SET session_replication_role = replica"}
    for login in logins.values():
        with psycopg.connect(database.owner_url, autocommit=True) as conn:
            conn.execute(login)
            for table, column in (("events", "topic"), ("seals", "hash")):
                for verb in ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        conn.execute(verb.format(table, column))
    assert verified_head(database.owner_url) == 1


def test_upserting_into_the_history_is_refused(ledger: Ledger, database: Database) -> None:
    """INSERT ... ON CONFLICT DO UPDATE and MERGE are updates, and refused as such."""
    execute(ledger, wallet("hot", HOT_WALLET))
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for statement in (
            "INSERT INTO events SELECT * FROM events ON CONFLICT (notification_id) DO UPDATE SET topic = 'x'",
            "MERGE INTO events e USING (SELECT 1) ON true WHEN MATCHED THEN UPDATE SET topic = 'x'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)


SCHEMA_CHANGES: Final = (
    "CREATE TABLE mine (id int)",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "ALTER TABLE events ADD COLUMN x int",
    "DROP TRIGGER events_are_append_only ON events",
    "DROP TABLE seals",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "SET session_replication_role = replica",
    "SET ROLE counterfoil_owner",
)


def test_no_process_can_change_the_schema(postgres: EmbeddedPostgres, database: Database) -> None:
    """The roles of running processes change no table, trigger or function, and cannot become the owner."""
    for role in ROLES:
        url = make_conninfo(database.owner_url, user=role, password="of-a-test-only")
        with psycopg.connect(url, autocommit=True) as conn:
            for statement in SCHEMA_CHANGES:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement)


def test_only_the_writer_writes(database: Database) -> None:
    """The projector and the reader insert nothing into the write side."""
    for url in (database.projector_url, database.reader_url):
        with psycopg.connect(url, autocommit=True) as conn:
            for table in ("events", "seals", "guard"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(f"INSERT INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("role", LOGINS)
def test_only_who_appends_can_take_the_append_lock(database: Database, role: str) -> None:
    """No process may take a lock by its number, or keep a large object; those that append have the one function for theirs."""
    with psycopg.connect(database.role_urls[role], autocommit=True) as conn:
        for call in (
            f"pg_advisory_lock({APPEND_LOCK})",
            f"pg_try_advisory_xact_lock_shared({APPEND_LOCK})",
            f"pg_advisory_xact_lock({APPEND_LOCK >> 32}, {APPEND_LOCK & 0x7FFFFFFF})",
            "lo_create(0)",
            "lo_from_bytea(0, 'x')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(f"SELECT {call}")
        if MAY_APPEND.get(role):
            conn.execute("SELECT take_append_lock()")
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("SELECT take_append_lock()")


def test_whoever_locks_a_table_that_others_wait_for_is_found(database: Database) -> None:
    """The reader's login sees the backend, its role and the table; who waits behind the waiter is not blamed."""
    with (
        psycopg.connect(database.role_urls[RECORDER]) as locks,
        psycopg.connect(database.role_urls[PROJECTOR]) as waits,
        psycopg.connect(database.reader_url, autocommit=True) as reads,
        ThreadPoolExecutor() as thread,
    ):
        locks.execute("LOCK TABLE queue_messages IN ACCESS EXCLUSIVE MODE")
        waiting = thread.submit(waits.execute, "SELECT count(*) FROM queue_messages")
        at_once = _BLOCKERS.replace("interval '5.0 s'", "interval '0 s'")
        found = until(lambda: reads.execute(at_once).fetchall(), "the waiter is seen")  # type: ignore[arg-type]
        assert [(pid, role, held) for pid, role, held, _ in found] == [
            (locks.info.backend_pid, RECORDER, "queue_messages")
        ]
        locks.rollback()
        waiting.result()
