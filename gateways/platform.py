"""The composition root: which adapter stands behind which port, on one machine and on AWS."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from psycopg.conninfo import make_conninfo

from core.ledger import EventStore, Ledger
from core.ports import (
    AddressPool,
    ApiKeys,
    AuditLog,
    Bookmarks,
    Cursors,
    IdempotencyKeys,
    Node,
    Queue,
    WebhookOutbox,
)
from gateways.embedded.chain_tables import PostgresAddressPool, PostgresBookmarks, PostgresCursors
from gateways.embedded.connections import Connections
from gateways.embedded.outbox import PostgresWebhookOutbox
from gateways.embedded.queue import PostgresQueue
from gateways.embedded.tables import PostgresApiKeys, PostgresAuditLog, PostgresIdempotencyKeys
from gateways.embedded_postgres import EmbeddedPostgres
from gateways.migrate import ROLES
from gateways.postgres import PostgresEventStore, datastore
from gateways.secrets_file import Secrets, SecretsFile, load_or_create
from gateways.settings import Settings
from gateways.tron_node import TronNode
from projections import VIEWS

__all__ = ["Database", "Platform", "Secrets", "open_database", "open_platform", "utc_now"]

DEPOSIT_EVENTS: Final = "deposit-events"
PAYOUT_REQUESTS: Final = "payout-requests"


@dataclass(frozen=True)
class Platform:
    """Everything a process may need. `reader_url`, `projector_url` and `writer_url` log in with that role only."""

    settings: Settings
    secrets: Secrets
    clock: Callable[[], datetime]
    store: EventStore
    ledger: Ledger
    node: Node
    api_keys: ApiKeys
    idempotency_keys: IdempotencyKeys
    outbox: WebhookOutbox
    audit: AuditLog
    pool: AddressPool
    cursors: Cursors
    bookmarks: Bookmarks
    queues: Mapping[str, Queue]
    """deposit-events, payout-requests, and one per projector: project-{view}."""
    reader_url: str
    projector_url: str
    owner_url: str
    close: Callable[[], None]


class Database(NamedTuple):
    """Where Postgres answers, for whom; and the server itself where it is ours. The URLs hold passwords."""

    owner_url: str
    role_urls: Mapping[str, str]
    server: EmbeddedPostgres | None


def utc_now() -> datetime:
    return datetime.now(UTC)


def queue_names() -> list[str]:
    """Every queue there is; terraform and SQS use the same names with .fifo behind."""
    return [DEPOSIT_EVENTS, PAYOUT_REQUESTS, *(f"project-{view}" for view in VIEWS)]


def open_database(settings: Settings, secrets: SecretsFile) -> Database:
    """The database of DATABASE_URL, or the embedded one, started if it does not run yet."""
    given = settings.database_url.get_secret_value()
    if given:
        roles = {role: make_conninfo(given, options=f"-c role={role}") for role in ROLES}
        return Database(given, roles, None)
    server = EmbeddedPostgres(settings.data.resolve() / "postgres")
    passwords = secrets.role_passwords
    roles = {role: make_conninfo(server.url, user=role, password=passwords[role]) for role in ROLES}
    return Database(server.url, roles, server)


@contextlib.contextmanager
def open_platform(settings: Settings, database: Database | None = None) -> Iterator[Platform]:
    """The platform of this process, closed at the end of the block; a server of ours goes on running."""
    if settings.mode == "aws":
        raise NotImplementedError("MODE=aws comes with a later version: leave COUNTERFOIL_MODE at embedded")
    platform = embedded(settings, database)
    try:
        yield platform
    finally:
        platform.close()


def embedded(settings: Settings, database: Database | None = None) -> Platform:
    """One machine: every port is a table or a file."""
    secrets = load_or_create(settings.data / "secrets.json")
    database = database or open_database(settings, secrets)
    writer_url = database.role_urls["counterfoil_writer"]
    connections = Connections(writer_url, connections_max=8)
    store = PostgresEventStore(datastore(writer_url))
    node = TronNode(settings.node_url, settings.solidity_url, api_key=settings.tron_api_key.get_secret_value())

    def close() -> None:
        node.close()
        connections.close()
        store.close()

    return Platform(
        settings=settings,
        secrets=secrets.keys,
        clock=utc_now,
        store=store,
        ledger=Ledger(store, utc_now),
        node=node,
        api_keys=PostgresApiKeys(connections),
        idempotency_keys=PostgresIdempotencyKeys(connections),
        outbox=PostgresWebhookOutbox(connections),
        audit=PostgresAuditLog(connections),
        pool=PostgresAddressPool(connections),
        cursors=PostgresCursors(connections),
        bookmarks=PostgresBookmarks(connections),
        queues={name: PostgresQueue(connections, name) for name in queue_names()},
        reader_url=database.role_urls["counterfoil_reader"],
        projector_url=database.role_urls["counterfoil_projector"],
        owner_url=database.owner_url,
        close=close,
    )
