"""The composition root: which adapter stands behind which port, on one machine and on AWS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

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
from gateways.settings import Settings


@dataclass(frozen=True)
class Secrets:
    """Keys of the platform itself, 32 bytes each; `repr` shows none of them (I13)."""

    api_key_pepper: bytes
    """Keys the hash under which API keys are kept."""
    position_key: bytes
    """Makes a client's position tokens opaque."""
    webhook_master: bytes
    """Every account's webhook secrets follow from it and a generation number."""
    deposit_fact_key: bytes
    """The observer's MAC over deposit facts (I14)."""

    def __repr__(self) -> str:
        return "Secrets(hidden)"


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


def utc_now() -> datetime:
    return datetime.now(UTC)
