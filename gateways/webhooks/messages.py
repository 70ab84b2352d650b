"""What a webhook says: a client's event as its exact body, ready for the outbox."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from core.ports.clients import Delivery


class Body(msgspec.Struct, frozen=True):
    """The event, as GET /v1/events shows it."""

    type: str
    timestamp: datetime
    sequence: int
    data: msgspec.Raw


def delivery_of(row: Any, at: datetime | None = None) -> Delivery:
    """A row of client_events, with its ids and data as text, as a delivery that begins at `at`, or when the event did."""
    happened_at, data = row.created_at.astimezone(UTC), msgspec.Raw(row.data.encode())
    begins_at = at or row.created_at
    return Delivery(
        account_id=row.account_id,
        event_id=row.id,
        event_type=row.type,
        subject=row.subject,
        sequence=row.sequence,
        payload=msgspec.json.encode(Body(type=row.type, timestamp=happened_at, sequence=row.sequence, data=data)),
        status="pending",
        attempts=0,
        created_at=begins_at,
        next_retry_at=begins_at,
    )
