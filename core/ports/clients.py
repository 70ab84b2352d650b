"""What is kept for clients: API keys, idempotency records, webhook deliveries, the log of acts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

import msgspec

IDEMPOTENCY_TTL: Final = timedelta(hours=24)
IDEMPOTENCY_RUNNING_MAX: Final = timedelta(seconds=60)
"""A request that has run for so long has died with its process; what it creates has a derived id, so it may run again."""
WEBHOOK_TTL: Final = timedelta(days=30)
WEBHOOK_LEASE: Final = timedelta(seconds=60)
"""A delivery handed out by `due` is not handed out again for so long, so that two processes do not send it twice."""
AUDIT_TTL: Final = timedelta(days=90)


class ApiKey(msgspec.Struct, frozen=True):
    """What is known of an API key; the key itself is known to its holder only. Operator keys have the account "operator"."""

    id: str
    account_id: str
    name: str
    permissions: tuple[str, ...]
    status: Literal["active", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None


class ApiKeys(Protocol):
    """API keys by their keyed hash (hex)."""

    def put(self, key_hash: str, key: ApiKey) -> None:
        """Keep a key; the same hash and id again changes nothing."""

    def find(self, key_hash: str) -> ApiKey | None: ...

    def of_account(self, account_id: str) -> Sequence[ApiKey]:
        """All keys of an account, newest first, revoked ones included."""

    def revoke(self, account_id: str, key_id: str) -> bool:
        """False when the account has no such key. Revoking twice is the same as once."""

    def used(self, key_hash: str, at: datetime) -> None:
        """Note the time of use."""


class IdempotencyRecord(msgspec.Struct, frozen=True):
    """A request that was begun: hashes of its body's fields by name, and the answer once there is one."""

    status: Literal["running", "done"]
    field_hashes: dict[str, str]
    response: bytes | None


class IdempotencyKeys(Protocol):
    """Answers by (account, scope, key), for 24 hours."""

    def begin(
        self, account_id: str, scope: str, key: str, field_hashes: Mapping[str, str], now: datetime
    ) -> IdempotencyRecord | None:
        """None when this caller is the first, or takes over from one that died; else what is known of the first."""

    def complete(self, account_id: str, scope: str, key: str, response: bytes) -> None: ...

    def abandon(self, account_id: str, scope: str, key: str) -> None:
        """Nothing came of it: the next one is the first again."""


DeliveryStatus = Literal["pending", "delivered", "exhausted", "disabled"]


class Delivery(msgspec.Struct, frozen=True):
    """A webhook event on its way: the exact body, and how far it came. `subject` keeps the order per object."""

    account_id: str
    event_id: str
    event_type: str
    subject: str
    sequence: int
    payload: bytes
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None = None
    last_error: str | None = None
    next_retry_at: datetime | None = None


class Backlog(msgspec.Struct, frozen=True):
    """Webhooks that should have been sent by now: how many, and since when the first of them."""

    deliveries: int
    since: datetime | None


class WebhookOutbox(Protocol):
    """Webhook events that are to be delivered, or were."""

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Keep new ones; an event that is already here stays as it is."""

    def due(self, now: datetime, limit: int, busy: Sequence[str] = ()) -> Sequence[Delivery]:
        """Pending ones whose time has come, oldest first, at most one per account and subject: the earliest.

        Accounts in `busy` are passed over. What is given is not given again for a minute.
        """

    def backlog(self, now: datetime, limit: int) -> Backlog:
        """What is due and not handed out, counted up to `limit`. What waits behind another of its subject is not due."""

    def record(self, delivery: Delivery) -> bool:
        """Keep the outcome of attempt number `delivery.attempts`; False when another process already did."""

    def record_all(self, deliveries: Sequence[Delivery]) -> None:
        """Keep the outcomes of several attempts, each as `record` does."""

    def redeliver(self, account_id: str, event_id: str, now: datetime) -> Delivery | None:
        """Make an event due again, with all its attempts before it; None when the account has no such event."""

    def find(self, account_id: str, event_id: str) -> Delivery | None: ...

    def page(self, account_id: str, status: DeliveryStatus | None, after: str | None, limit: int) -> Sequence[Delivery]:
        """By event id (time-ordered), newest first, behind the event `after`."""


class AuditEntry(msgspec.Struct, frozen=True):
    """An act of an operator, a client or the system. `data` holds no secret (I13)."""

    account_id: str
    at: datetime
    action: str
    actor_id: str
    actor_type: Literal["operator", "api-key", "system"]
    data: dict[str, Any]
    ip_address: str | None = None
    request_id: str | None = None


class AuditLog(Protocol):
    """Who did what, for 90 days."""

    def add(self, entries: Sequence[AuditEntry]) -> None: ...

    def page(self, account_id: str | None, after: str | None, limit: int) -> Sequence[tuple[str, AuditEntry]]:
        """(cursor, entry), newest first, behind the cursor `after`."""
