"""Each process's database role appends its own event types and can change nothing that was written (I2, I14)."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

import core.streams.all_events  # noqa: F401
from core.ledger.events import CLASSES, TOPICS
from core.streams.all_events import topics_by_stream
from core.streams.signing import SigningStopped
from gateways.embedded.secrets_file import load_or_create
from gateways.http.reading.queries import Queries
from gateways.postgres.connections import Connections
from gateways.postgres.event_store import datastore
from gateways.postgres.migrate import migrate
from gateways.postgres.roles import API, LOGINS, MAY_APPEND, SIGNER, grants
from gateways.settings import Settings
from gateways.wiring.opened import open_database
from tests.support.postgres import Database

EMPTY = '{"occurred_at":"2026-01-01T00:00:00Z","actor":"x"}'
"""An event without fields of its own."""


@pytest.mark.fast
def test_every_event_belongs_to_exactly_one_role() -> None:
    """No event type is nobody's, and none is two roles', but for what stops signing: whoever sees a reason may."""
    several = {SIGNER: {SigningStopped}, API: {SigningStopped}}
    owners = [cls for role, events in MAY_APPEND.items() for cls in events - several.get(role, set())]
    assert sorted(map(repr, owners)) == sorted(map(repr, TOPICS))


def test_the_database_holds_what_the_events_declare(database: Database) -> None:
    """event_grants is the list that the declarations make."""
    with psycopg.connect(database.owner_url) as conn:
        granted = set(conn.execute("SELECT role, topic FROM event_grants").fetchall())
    assert granted == grants()


def test_migrate_mends_the_list(database: Database) -> None:
    """A grant that is missing is given, one that no event declares is taken away, and the database holds processes to it."""
    forged = ("counterfoil_api", "deposit.confirmed/1")
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("DELETE FROM event_grants WHERE topic = 'payout.signed/1'")
        conn.execute("INSERT INTO event_grants VALUES (%s, %s)", forged)
        migrate(database.owner_url)
        assert set(conn.execute("SELECT role, topic FROM event_grants").fetchall()) == grants()
    with psycopg.connect(database.role_urls[API]) as api, pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute("INSERT INTO events VALUES ('deposit-x', 1, %s, %s, 1)", (*forged[1:], EMPTY))


@pytest.mark.parametrize("role", LOGINS)
def test_a_role_cannot_forge_another_roles_event(database: Database, role: str) -> None:
    """An INSERT of every topic there is succeeds for the role's own topics only, whatever SQL it sends."""
    own = {TOPICS[cls] for cls in MAY_APPEND.get(role, ())}
    taken, streams = set(), {topic: prefix for topic, prefix, _ in topics_by_stream()}
    with psycopg.connect(database.role_urls[role], autocommit=True) as conn:
        for topic in sorted(CLASSES):
            try:
                with conn.transaction(force_rollback=True):
                    conn.execute("INSERT INTO events VALUES (%s, 1, %s, %s, 1)", (f"{streams[topic]}x", topic, EMPTY))
                    taken.add(topic)
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert taken == own


@pytest.mark.parametrize("role", LOGINS)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET topic = 'x'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE seals SET last_position = 9",
        "DELETE FROM seals",
        "DROP TABLE events CASCADE",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "INSERT INTO event_grants VALUES ('counterfoil_api', 'deposit.confirmed/1')",
        "SET ROLE counterfoil_writer",
        "SET ROLE counterfoil_owner",
    ],
)
def test_no_process_can_change_the_history_or_its_own_rights(database: Database, role: str, statement: str) -> None:
    """Every role of a running process is refused."""
    with psycopg.connect(database.role_urls[role], autocommit=True) as conn, pytest.raises(psycopg.Error) as refused:
        conn.execute(statement)  # type: ignore[call-overload]
    assert isinstance(refused.value, psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize("role", LOGINS)
def test_one_login_becomes_the_role_on_every_connection(database: Database, tmp_path: Path, role: str) -> None:
    """With a DATABASE_URL whose login may become every role, events, tables and queries are each reached as the role only."""
    given = SecretStr(database.owner_url)
    settings = Settings(data=tmp_path, database_url=given)
    url = open_database(settings, load_or_create(tmp_path / "secrets.json")).role_urls[role]
    asked = "SELECT current_user::text"
    tables = Connections(url)
    assert tables.execute(asked) == [(role,)]
    tables.close()
    events = datastore(url)
    with events.get_connection() as conn:
        assert conn.execute(asked).fetchone() == {"current_user": role}
    events.close()

    async def query() -> list[Any]:
        queries = Queries(url, 1)
        await queries.open()
        try:
            return await queries.fetch(asked)
        finally:
            await queries.close()

    assert asyncio.run(query()) == [(role,)]
