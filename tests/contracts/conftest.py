"""The backends that every port's contract runs against. One platform a parameter: one machine, and AWS over HTTP."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import pytest

from core.ports.bookmarks import Bookmarks
from core.ports.clients import ApiKeys, AuditLog, IdempotencyKeys, WebhookOutbox
from core.ports.high_water import GivenIndexes, HighWater
from core.ports.queues import Outstanding, Queue
from core.ports.scanning import Cursors
from core.ports.wallets import AddressDoor, AddressPool
from gateways.aws.api_keys import DynamoApiKeys
from gateways.aws.audit_log import DynamoAuditLog
from gateways.aws.high_water import DynamoGivenIndexes, DynamoHighWater
from gateways.aws.idempotency_keys import DynamoIdempotencyKeys
from gateways.aws.queue import SqsQueue
from gateways.aws.session import Aws
from gateways.aws.webhook_outbox import DynamoWebhookOutbox
from gateways.embedded.api_keys import PostgresApiKeys
from gateways.embedded.audit_log import PostgresAuditLog
from gateways.embedded.high_water import FileGivenIndexes, FileHighWater
from gateways.embedded.idempotency_keys import PostgresIdempotencyKeys
from gateways.embedded.queue import PostgresQueue
from gateways.embedded.webhook_outbox import PostgresWebhookOutbox
from gateways.postgres.address_door import PostgresAddressDoor
from gateways.postgres.address_pool import PostgresAddressPool
from gateways.postgres.bookmarks import PostgresBookmarks
from gateways.postgres.connections import Connections
from gateways.postgres.cursors import PostgresCursors
from gateways.postgres.outstanding import PostgresOutstanding
from gateways.postgres.unsettled_webhooks import UnsettledWebhooks
from tests.support.aws import made_queues
from tests.support.postgres import Database

QUEUES = ("deposit-events", "payout-requests")


@dataclass(frozen=True)
class Backend:
    """A platform's ports; `queue` opens one by its name with a visibility timeout in seconds."""

    queue: Callable[[str, float], Queue]
    api_keys: ApiKeys
    idempotency_keys: IdempotencyKeys
    outbox: WebhookOutbox
    audit: AuditLog
    pool: AddressPool
    door: AddressDoor
    cursors: Cursors
    bookmarks: Bookmarks
    outstanding: Outstanding
    high_water: HighWater
    given_indexes: GivenIndexes
    backlog: int = 5_000
    """As many messages as make a backlog: over HTTP each of them costs a hundred times what it costs in a table."""


def embedded(request: pytest.FixtureRequest, database: Database) -> Iterator[Backend]:
    connections = Connections(database.writer_url, connections_max=8)
    door = PostgresAddressDoor(connections)
    door.open()
    yield Backend(
        door=door,
        queue=lambda name, visibility_s: PostgresQueue(connections, name, visibility_s=visibility_s),
        api_keys=PostgresApiKeys(connections),
        idempotency_keys=PostgresIdempotencyKeys(connections),
        outbox=PostgresWebhookOutbox(connections),
        audit=PostgresAuditLog(connections),
        pool=PostgresAddressPool(connections),
        cursors=PostgresCursors(connections),
        bookmarks=PostgresBookmarks(connections),
        outstanding=PostgresOutstanding(connections),
        high_water=FileHighWater(request.getfixturevalue("tmp_path")),
        given_indexes=FileGivenIndexes(request.getfixturevalue("tmp_path")),
    )
    connections.close()


def aws(request: pytest.FixtureRequest, database: Database) -> Iterator[Backend]:
    """What AWS holds, as far as the test asks for it; all else stays in Postgres there, too."""
    asks = {service for marker in request.node.iter_markers("asks") for service in marker.args}
    settings = request.getfixturevalue("aws_settings")
    services = request.getfixturevalue("tables") if "dynamodb" in asks else Aws(settings)
    connections = Connections(database.writer_url, connections_max=8)
    with (
        contextmanager(embedded)(request, database) as tables,
        made_queues(Aws(settings), QUEUES if "sqs" in asks else ()),
        closing(connections),
        closing(DynamoWebhookOutbox(services, UnsettledWebhooks(connections))) as outbox,
    ):
        yield replace(
            tables,
            api_keys=DynamoApiKeys(services),
            idempotency_keys=DynamoIdempotencyKeys(services),
            outbox=outbox,
            audit=DynamoAuditLog(services),
            high_water=DynamoHighWater(services),
            given_indexes=DynamoGivenIndexes(services),
            queue=lambda name, visibility_s: SqsQueue(Aws(settings), name, visibility_s=visibility_s),
            backlog=1_000,
        )


PLATFORMS = {"embedded": embedded, "aws": aws}


@pytest.fixture(params=PLATFORMS)
def backend(request: pytest.FixtureRequest, database: Database) -> Iterator[Backend]:
    yield from PLATFORMS[request.param](request, database)
