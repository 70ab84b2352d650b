"""The composition root: which adapter stands behind which port, on one machine and on AWS."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.conninfo import make_conninfo

from core.ledger import EventStore, Ledger
from core.ports import (
    AddressPool,
    Alarm,
    ApiKeys,
    Attempts,
    AuditLog,
    Bookmarks,
    Cursors,
    Holdings,
    IdempotencyKeys,
    Outstanding,
    Queue,
    SolidLog,
    WebhookOutbox,
)
from core.refusals import Refusals
from core.wallet_numbers import WalletBoard
from gateways.alarms import Alarms
from gateways.aws.names import QUEUES
from gateways.embedded.chain_tables import PostgresAddressPool, PostgresBookmarks, PostgresCursors
from gateways.embedded.connections import Connections, Login, conninfo_of
from gateways.embedded.holdings import PostgresHoldings
from gateways.embedded.outbox import PostgresWebhookOutbox
from gateways.embedded.outstanding import PostgresOutstanding
from gateways.embedded.queue import PostgresQueue
from gateways.embedded.solid_log import PostgresAttempts, PostgresSolidLog
from gateways.embedded.tables import PostgresApiKeys, PostgresAuditLog, PostgresIdempotencyKeys
from gateways.embedded.wallet_board import PostgresWalletBoard
from gateways.embedded_postgres import EmbeddedPostgres
from gateways.nodes import Nodes
from gateways.postgres import PostgresEventStore, datastore
from gateways.relay import Prompts, Segments
from gateways.roles import API, LOGINS, PROJECTOR, READER, WRITER
from gateways.secrets_file import Secrets, SecretsFile, load_or_create
from gateways.settings import Settings
from gateways.telemetry.numbers import Numbers
from gateways.telemetry.tracing import Tracing
from gateways.tron_node import TronNode

__all__ = ["Database", "Platform", "Secrets", "open_database", "open_platform", "utc_now"]

ALARM_WAIT_S: Final = 2.0
"""So long an alarm may hold up who raises it while the database is shut; then the log has it alone."""


@dataclass(frozen=True)
class Platform:
    """Everything a process may need. The ports log in as one role; `logins` has the others'."""

    settings: Settings
    secrets: Secrets
    clock: Callable[[], datetime]
    store: EventStore
    ledger: Ledger
    node: Nodes
    api_keys: ApiKeys
    idempotency_keys: IdempotencyKeys
    outbox: WebhookOutbox
    audit: AuditLog
    pool: AddressPool
    holdings: Holdings
    wallet_board: WalletBoard
    cursors: Cursors
    bookmarks: Bookmarks
    solid_log: SolidLog
    outstanding: Outstanding
    attempts: Attempts
    alarm: Alarm
    queues: Mapping[str, Queue]
    """deposit-events, payout-requests, and one per projector: project-{view}."""
    transaction: Callable[[], contextlib.AbstractContextManager[Connection[Any]]]
    """A transaction on the process's own login. Raises Unavailable."""
    segments: Segments
    """What the relay sends to projectors: prompts where queue and store are one database, else the events."""
    logins: Mapping[str, Login]
    """By database role; each connection is made with what holds when it is made."""
    owner_url: str
    """Empty in a process that has no need of it."""
    close: Callable[[], None]
    tracing: Tracing | None = None
    """Where this process tells what it does; None where nobody listens."""
    numbers: Numbers = field(default_factory=Numbers)
    """What this process counts."""

    @property
    def reader_url(self) -> str:
        return conninfo_of(self.logins[READER])

    @property
    def projector_url(self) -> str:
        return conninfo_of(self.logins[PROJECTOR])


class Database(NamedTuple):
    """Where Postgres answers, for whom; and the server itself where it is ours. The URLs hold passwords."""

    owner_url: Login
    role_urls: Mapping[str, Login]
    server: EmbeddedPostgres | None
    passwords: Callable[[], Mapping[str, str] | None] = lambda: None
    """What `migrate` lets the roles log in with; None where a login of another name has them granted."""

    def url(self, role: str) -> str:
        """For one connection now."""
        return conninfo_of(self.role_urls[role])


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_database(settings: Settings, secrets: SecretsFile | None = None) -> Database:
    """The database of DATABASE_URL, or the embedded one, started if it does not run yet."""
    given = settings.database_url.get_secret_value()
    if settings.mode == "aws":
        from gateways.aws.logins import database_of
        from gateways.aws.secrets import SecretStore
        from gateways.aws.session import Aws

        return database_of(settings, SecretStore(Aws(settings)))
    if given:
        roles: dict[str, Login] = {role: make_conninfo(given, options=f"-c role={role}") for role in (*LOGINS, WRITER)}
        return Database(given, roles, None)
    server = EmbeddedPostgres(settings.data.resolve() / "postgres")
    passwords = (secrets or load_or_create(settings.data / "secrets.json")).role_passwords
    roles = {role: make_conninfo(server.url, user=role, password=passwords[role]) for role in LOGINS}
    return Database(server.url, roles, server, lambda: passwords)


def operator_key(settings: Settings) -> str:
    """The key that the API accepts as the operator's: the setting, or the one that this installation was made with."""
    given = settings.operator_api_key.get_secret_value()
    if given or settings.mode == "embedded":
        return given or load_or_create(settings.data / "secrets.json").operator_api_key
    from gateways.aws.platform import with_secrets
    from gateways.aws.secrets import SecretStore
    from gateways.aws.session import Aws

    return with_secrets(settings, API, SecretStore(Aws(settings))).operator_api_key.get_secret_value()


@contextlib.contextmanager
def open_platform(settings: Settings, role: str, database: Database | None = None) -> Iterator[Platform]:
    """The platform as `role` sees it, closed at the end of the block; a server of ours goes on running."""
    if settings.mode == "aws":
        from gateways.aws.platform import aws

        platform = aws(settings, role)
    else:
        platform = embedded(settings, database, role)
    try:
        yield platform
    finally:
        platform.close()


def embedded(settings: Settings, database: Database | None = None, role: str = WRITER) -> Platform:
    """One machine: every port is a table or a file, and the process logs in as its own role (I14)."""
    secrets = load_or_create(settings.data / "secrets.json")
    database = database or open_database(settings, secrets)
    platform, _ = on_postgres(settings, secrets.keys, database.role_urls, role)
    return replace(platform, owner_url=conninfo_of(database.owner_url))


def on_postgres(
    settings: Settings, secrets: Secrets, logins: Mapping[str, Login], role: str
) -> tuple[Platform, Connections]:
    """Every port on the tables of one database, and the connections to them. AWS puts others in the place of some."""
    login = logins[role]
    connections = Connections(login, connections_max=8)
    store = PostgresEventStore(datastore(login))
    # Connections of their own: whoever raises an alarm may hold all the others.
    telling = Connections(login, connections_max=1, wait_s=ALARM_WAIT_S)
    # Queues and bookmarks need not wait for the disk. What a crash of the server takes back of them it takes back of all that
    # was committed after, the cursor behind a report included, and what was taken twice is done once (I9, I11).
    hints = Connections(login, connections_max=8, options="-c synchronous_commit=off")
    alarm = Alarms(telling)
    node = Nodes({each.url: TronNode(*each) for each in settings.nodes}, alarm=alarm)

    def close() -> None:
        node.close()
        connections.close()
        hints.close()
        telling.close()
        store.close()

    platform = Platform(
        settings=settings,
        secrets=secrets,
        clock=utc_now,
        store=store,
        ledger=Ledger(store, utc_now, Refusals() if role == API else None),
        node=node,
        api_keys=PostgresApiKeys(connections),
        idempotency_keys=PostgresIdempotencyKeys(connections),
        outbox=PostgresWebhookOutbox(connections),
        audit=PostgresAuditLog(connections),
        pool=PostgresAddressPool(connections),
        holdings=PostgresHoldings(connections),
        wallet_board=PostgresWalletBoard(connections),
        cursors=PostgresCursors(connections),
        bookmarks=PostgresBookmarks(hints),
        solid_log=PostgresSolidLog(connections),
        outstanding=PostgresOutstanding(connections),
        attempts=PostgresAttempts(connections),
        alarm=alarm,
        queues={name: PostgresQueue(hints, name) for name in QUEUES},
        transaction=connections.transaction,
        segments=Prompts(),
        logins=logins,
        owner_url="",
        close=close,
    )
    return platform, connections
