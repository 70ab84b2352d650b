"""A Postgres per test session and a migrated database per test."""

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.migrate import ROLES, migrate
from gateways.postgres.roles import PROJECTOR, READER, WRITER
from gateways.postgres.server import EmbeddedPostgres
from projections.engine.tracking import ViewTracking
from tests.support.history import TickingClock

TEMPLATE = "counterfoil_template"
OUTLIVES_NO_MACHINE = ("fsync", "full_page_writes")
"""Off: what is committed survives the death of every process here, and nobody pulls the plug."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A migrated database. `owner_url` logs in as superuser, the others with their role only."""

    name: str
    owner_url: str
    writer_url: str
    projector_url: str
    reader_url: str
    role_urls: Mapping[str, str]
    """Every role's login, those of single processes included."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server of the session's own, with a migrated template database. Its folder is short: a socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        try:
            with psycopg.connect(server.url, autocommit=True) as conn:
                for setting in OUTLIVES_NO_MACHINE:
                    conn.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
                conn.execute("SELECT pg_reload_conf()")
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            migrate(make_conninfo(server.url, dbname=TEMPLATE), dict.fromkeys(ROLES, "of-a-test-only"))
            yield server
        finally:
            server.stop()


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A fresh migrated database of the test's own."""
    with fresh_database(postgres) as made:
        yield made


@contextmanager
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A clone of the migrated template, dropped at the end whoever is still connected."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        statement = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        conn.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    owner = make_conninfo(postgres.url, dbname=name)
    urls = {role: make_conninfo(owner, user=role, password="of-a-test-only") for role in ROLES}
    yield Database(name, owner, urls[WRITER], urls[PROJECTOR], urls[READER], urls)
    with psycopg.connect(postgres.url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def store(database: Database) -> Iterator[PostgresEventStore]:
    """The event store, as the writer."""
    opened = PostgresEventStore(datastore(database.writer_url))
    yield opened
    opened.close()


@pytest.fixture
def ledger(store: PostgresEventStore) -> Ledger:
    """The ledger over `store`, with a clock that moves a second a batch."""
    return Ledger(store, TickingClock())


@pytest.fixture
def tracking(database: Database) -> Iterator[ViewTracking]:
    """The views' side, as the projector."""
    views = datastore(database.projector_url)
    yield ViewTracking(views)
    views.close()
