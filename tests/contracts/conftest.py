"""The backends that every port's contract runs against. One platform a parameter: embedded now, AWS beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from core.ports import (
    AddressPool,
    ApiKeys,
    AuditLog,
    Bookmarks,
    Cursors,
    IdempotencyKeys,
    Outstanding,
    Queue,
    WebhookOutbox,
)
from gateways.embedded.chain_tables import PostgresAddressPool, PostgresBookmarks, PostgresCursors
from gateways.embedded.connections import Connections
from gateways.embedded.outbox import PostgresWebhookOutbox
from gateways.embedded.outstanding import PostgresOutstanding
from gateways.embedded.queue import PostgresQueue
from gateways.embedded.tables import PostgresApiKeys, PostgresAuditLog, PostgresIdempotencyKeys
from tests.support.postgres import Database


@dataclass(frozen=True)
class Backend:
    """A platform's ports; `queue` opens one by its name with a visibility timeout in seconds."""

    queue: Callable[[str, float], Queue]
    api_keys: ApiKeys
    idempotency_keys: IdempotencyKeys
    outbox: WebhookOutbox
    audit: AuditLog
    pool: AddressPool
    cursors: Cursors
    bookmarks: Bookmarks
    outstanding: Outstanding


def embedded(database: Database) -> Iterator[Backend]:
    connections = Connections(database.writer_url, connections_max=8)
    yield Backend(
        queue=lambda name, visibility_s: PostgresQueue(connections, name, visibility_s=visibility_s),
        api_keys=PostgresApiKeys(connections),
        idempotency_keys=PostgresIdempotencyKeys(connections),
        outbox=PostgresWebhookOutbox(connections),
        audit=PostgresAuditLog(connections),
        pool=PostgresAddressPool(connections),
        cursors=PostgresCursors(connections),
        bookmarks=PostgresBookmarks(connections),
        outstanding=PostgresOutstanding(connections),
    )
    connections.close()


PLATFORMS = {"embedded": embedded}


@pytest.fixture(params=PLATFORMS)
def backend(request: pytest.FixtureRequest, database: Database) -> Iterator[Backend]:
    yield from PLATFORMS[request.param](database)
