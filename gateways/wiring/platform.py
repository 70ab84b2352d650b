"""The platform: every port that a process may need, as one record. Who fills it stands in on_postgres and on_aws."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from core.ledger.ledger import EventStore, Ledger
from core.ports.alarm import Alarm
from core.ports.bookmarks import Bookmarks
from core.ports.clients import ApiKeys, AuditLog, IdempotencyKeys, WebhookOutbox
from core.ports.node_states import NodeBoard
from core.ports.payout_lanes import LaneBoard
from core.ports.queues import Outstanding, Queue
from core.ports.scanning import AttemptIndex, Cursors, SolidLog
from core.ports.store_watch import StoreWatch
from core.ports.wallets import AddressDoor, AddressPool, Holdings
from core.streams.wallet_numbers import AddressBoard, WalletBoard
from gateways.platform_keys import Secrets
from gateways.postgres.connections import Login, conninfo_of
from gateways.postgres.roles import READER
from gateways.postgres.segments import Segments
from gateways.settings import Settings
from gateways.telemetry.numbers import Numbers
from gateways.telemetry.tracing import Tracing
from gateways.tron.nodes import Nodes


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
    address_door: AddressDoor
    holdings: Holdings
    wallet_board: WalletBoard
    address_board: AddressBoard
    lane_board: LaneBoard
    node_board: NodeBoard
    store_watch: StoreWatch
    cursors: Cursors
    bookmarks: Bookmarks
    solid_log: SolidLog
    outstanding: Outstanding
    attempt_index: AttemptIndex
    alarm: Alarm
    queues: Mapping[str, Queue]
    """By QUEUES' names: deposit-events, payout-requests and project-views."""
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
    """Where this process records what it does; None where nobody collects it."""
    numbers: Numbers = field(default_factory=Numbers)
    """What this process counts."""

    @property
    def reader_url(self) -> str:
        return conninfo_of(self.logins[READER])


def utc_now() -> datetime:
    return datetime.now(UTC)
