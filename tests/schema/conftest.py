"""Fixtures: a signed history and its export, without and with a treasury, made once for all who only read them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from core.ledger.ledger import Ledger
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.server import EmbeddedPostgres
from projections.engine.tracking import ViewTracking
from tests.schema.forging import Lines
from tests.support.checkpoints import Desk
from tests.support.exports import exported, signed_history
from tests.support.history import TickingClock, execute
from tests.support.postgres import Database, fresh_database
from tests.support.treasury import append_treasury, wallet_batches
from tests.support.views import project


class Told(NamedTuple):
    """A history in a database that nobody changes any more."""

    database: Database
    desk: Desk
    export: Lines


class _Opened(NamedTuple):
    database: Database
    store: PostgresEventStore
    ledger: Ledger
    tracking: ViewTracking


@contextmanager
def _opened(postgres: EmbeddedPostgres) -> Iterator[_Opened]:
    with fresh_database(postgres) as database:
        store, views = PostgresEventStore(datastore(database.writer_url)), datastore(database.projector_url)
        yield _Opened(database, store, Ledger(store, TickingClock()), ViewTracking(views))
        store.close()
        views.close()


@pytest.fixture(scope="session")
def told(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A history of 320 events under three checkpoints: at 120, 220 and 310."""
    with (
        _opened(postgres) as (database, store, ledger, tracking),
        signed_history(database, ledger, store, tracking, tmp_path_factory.mktemp("told")) as made,
    ):
        yield Told(database, made, exported(database))


@pytest.fixture
def desk(told: Told) -> Desk:
    """Who signed it."""
    return told.desk


@pytest.fixture
def lines(told: Told) -> Lines:
    """Its export, the test's own to change."""
    return [*told.export]


@pytest.fixture
def own_desk(
    database: Database, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Iterator[Desk]:
    """The same history in `database`, the test's own to change."""
    with signed_history(database, ledger, store, tracking, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def treasury_told(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A history with all that our wallets do, under one checkpoint."""
    with _opened(postgres) as (database, store, ledger, tracking):
        append_treasury(ledger)
        for batch in wallet_batches():
            execute(ledger, *batch)
        made = Desk(database, tmp_path_factory.mktemp("told") / "archive")
        made.sign_now()
        project(store, tracking)
        yield Told(database, made, exported(database))
        made.login.close()


@pytest.fixture
def treasury_desk(treasury_told: Told) -> Desk:
    return treasury_told.desk


@pytest.fixture
def treasury_lines(treasury_told: Told) -> Lines:
    return [*treasury_told.export]
