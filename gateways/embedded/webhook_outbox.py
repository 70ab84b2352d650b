"""The webhook outbox in Postgres: what is to be delivered, what was, and when to try again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from core.ports.clients import WEBHOOK_LEASE, WEBHOOK_TTL, Backlog, Delivery, DeliveryStatus
from gateways.postgres.connections import Connections, uuid_of

_COLUMNS: Final = (
    "account_id, event_id::text, event_type, subject, sequence, payload, status, attempts, created_at,"
    " last_attempt_at, last_error, next_retry_at"
)
_IS_DUE: Final = """
           status = 'pending' AND next_retry_at <= %(now)s
       AND NOT EXISTS (SELECT 1 FROM webhook_events e
                        WHERE e.account_id = w.account_id AND e.subject = w.subject AND e.status = 'pending'
                          AND e.sequence < w.sequence)
"""
_BACKLOG: Final = f"""
SELECT count(*) AS deliveries, min(next_retry_at) AS since FROM (
    SELECT next_retry_at FROM webhook_events w WHERE {_IS_DUE} ORDER BY next_retry_at LIMIT %(limit)s
) AS due
"""
_DUE: Final = f"""
WITH due AS (
    SELECT account_id, event_id FROM webhook_events w
     WHERE {_IS_DUE} AND account_id <> ALL(%(busy)s::text[])
     ORDER BY next_retry_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE webhook_events w SET next_retry_at = %(leased)s FROM due
 WHERE w.account_id = due.account_id AND w.event_id = due.event_id
RETURNING {", ".join("w." + name.strip() for name in _COLUMNS.split(","))}
"""


class PostgresWebhookOutbox:
    """The port `WebhookOutbox` on one machine."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        with self._connections.transaction() as conn, conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO webhook_events (account_id, event_id, event_type, subject, sequence, payload, status,"
                " attempts, created_at, next_retry_at, ttl)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    (
                        item.account_id,
                        item.event_id,
                        item.event_type,
                        item.subject,
                        item.sequence,
                        item.payload,
                        item.status,
                        item.attempts,
                        item.created_at,
                        item.next_retry_at or item.created_at,
                        item.created_at + WEBHOOK_TTL,
                    )
                    for item in deliveries
                ],
            )

    def due(self, now: datetime, limit: int, busy: Sequence[str] = ()) -> list[Delivery]:
        given = {"now": now, "limit": limit, "leased": now + WEBHOOK_LEASE, "busy": list(busy)}
        rows = self._connections.execute(_DUE, given)
        return sorted((_delivery(row) for row in rows), key=lambda item: (item.created_at, item.sequence))

    def backlog(self, now: datetime, limit: int) -> Backlog:
        [row] = self._connections.execute(_BACKLOG, {"now": now, "limit": limit})
        return Backlog(deliveries=row.deliveries, since=row.since)

    def record(self, delivery: Delivery) -> bool:
        rows = self._connections.execute(
            "UPDATE webhook_events SET status = %s, attempts = %s, last_attempt_at = %s, last_error = %s,"
            " next_retry_at = %s WHERE account_id = %s AND event_id = %s::uuid AND attempts = %s RETURNING 1",
            (
                delivery.status,
                delivery.attempts,
                delivery.last_attempt_at,
                delivery.last_error,
                delivery.next_retry_at,
                delivery.account_id,
                delivery.event_id,
                delivery.attempts - 1,
            ),
        )
        return bool(rows)

    def record_all(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            self.record(each)

    def redeliver(self, account_id: str, event_id: str, now: datetime) -> Delivery | None:
        rows = self._connections.execute(
            "UPDATE webhook_events SET status = 'pending', next_retry_at = %s"
            f" WHERE account_id = %s AND event_id = %s::uuid RETURNING {_COLUMNS}",
            (now, account_id, uuid_of(event_id)),
        )
        return next(map(_delivery, rows), None)

    def find(self, account_id: str, event_id: str) -> Delivery | None:
        rows = self._connections.execute(
            f"SELECT {_COLUMNS} FROM webhook_events WHERE account_id = %s AND event_id = %s::uuid",
            (account_id, uuid_of(event_id)),
        )
        return next(map(_delivery, rows), None)

    def page(self, account_id: str, status: DeliveryStatus | None, after: str | None, limit: int) -> list[Delivery]:
        if after is not None and uuid_of(after) is None:
            return []
        rows = self._connections.execute(
            f"SELECT {_COLUMNS} FROM webhook_events WHERE account_id = %(account)s"
            "   AND (%(status)s::text IS NULL OR status = %(status)s)"
            "   AND (%(after)s::uuid IS NULL OR (created_at, event_id) <"
            "        (SELECT created_at, event_id FROM webhook_events"
            "          WHERE account_id = %(account)s AND event_id = %(after)s::uuid))"
            " ORDER BY created_at DESC, event_id DESC LIMIT %(limit)s",
            {"account": account_id, "status": status, "after": after, "limit": limit},
        )
        return [_delivery(row) for row in rows]


def _delivery(row: Any) -> Delivery:
    return Delivery(**row._asdict())
