"""Webhooks that are not settled, on a table: what an outbox elsewhere is mended from, so it is in Postgres everywhere."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from core.ports.clients import WEBHOOK_TTL, Delivery
from gateways.postgres.connections import Connections

BATCH: Final = 500
_KEEP: Final = (
    "INSERT INTO unsettled_webhooks (account_id, event_id, delivery)"
    " SELECT * FROM unnest(%s::text[], %s::uuid[], %s::bytea[]) ON CONFLICT DO NOTHING RETURNING account_id, event_id::text"
)
_OF: Final = "SELECT delivery, kept_at FROM unsettled_webhooks WHERE account_id = ANY(%s) LIMIT %s"
_BETWEEN: Final = (
    "SELECT account_id, event_id, delivery FROM unsettled_webhooks"
    " WHERE kept_at > %s AND kept_at <= %s AND (account_id, event_id) > (%s, %s::uuid)"
    " ORDER BY account_id, event_id LIMIT %s"
)
_SETTLE: Final = (
    "DELETE FROM unsettled_webhooks u USING unnest(%s::text[], %s::uuid[]) AS settled (account_id, event_id)"
    " WHERE u.account_id = settled.account_id AND u.event_id = settled.event_id"
)
_ALL: Final = (
    "SELECT account_id, event_id, delivery FROM unsettled_webhooks"
    " WHERE (account_id, event_id) > (%s, %s::uuid) ORDER BY account_id, event_id LIMIT %s"
)
_FORGET: Final = "DELETE FROM unsettled_webhooks WHERE kept_at < now() - %s"
"""Of a process that died between the outbox' note and this one."""
_NOBODY: Final = ("", "00000000-0000-0000-0000-000000000000")


class Unsettled(NamedTuple):
    """One of them, and since when it is."""

    delivery: Delivery
    kept_at: datetime


class UnsettledWebhooks:
    """Kept before the outbox has them, until they are delivered, given up or disabled."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._keeps = 0

    def keep(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """-> those that were not known; a known one stays as it is."""
        if not deliveries:
            return []
        bodies = [msgspec.json.encode(delivery) for delivery in deliveries]
        new = {
            (row.account_id, row.event_id) for row in self._connections.execute(_KEEP, (*_columns(deliveries), bodies))
        }
        self._keeps += 1
        if self._keeps % 256 == 0:
            self._connections.execute(_FORGET, (WEBHOOK_TTL,))
        return [each for each in deliveries if (each.account_id, each.event_id) in new]

    def of(self, account_ids: Sequence[str], limit: int) -> list[Unsettled]:
        """Of these accounts, in no order."""
        rows = self._connections.execute(_OF, (list(account_ids), limit))
        return [Unsettled(msgspec.json.decode(bytes(row.delivery), type=Delivery), row.kept_at) for row in rows]

    def kept_between(self, after: datetime, upto: datetime) -> Iterator[list[Delivery]]:
        """Those that were kept in this time, by account and in order, in batches."""
        last = _NOBODY
        while rows := self._connections.execute(_BETWEEN, (after, upto, *last, BATCH)):
            last = (rows[-1].account_id, str(rows[-1].event_id))
            yield [msgspec.json.decode(bytes(row.delivery), type=Delivery) for row in rows]

    def settle(self, deliveries: Sequence[Delivery]) -> None:
        """Unknown ones change nothing."""
        if deliveries:
            self._connections.execute(_SETTLE, _columns(deliveries))

    def all(self) -> Iterator[list[Delivery]]:
        """By account and in order, in batches, as they were when they were kept."""
        after = _NOBODY
        while rows := self._connections.execute(_ALL, (*after, BATCH)):
            last = rows[-1]
            after = (last.account_id, str(last.event_id))
            yield [msgspec.json.decode(bytes(row.delivery), type=Delivery) for row in rows]


def _columns(deliveries: Sequence[Delivery]) -> tuple[list[str], list[str]]:
    return [delivery.account_id for delivery in deliveries], [delivery.event_id for delivery in deliveries]
