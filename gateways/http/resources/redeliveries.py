"""Webhooks once more: what was sent, what was given up, and what was never sent because there was no URL for it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, LiteralString

from pydantic import Field

from core.ledger.refusals import AccountNotFound, NotFound
from core.ports.clients import Delivery, WebhookOutbox
from gateways.http.answer import Answer
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.errors import RequestRefused, WebhookUrlMissing, invalid
from gateways.http.fields import Body, Instant
from gateways.http.resources.accounts import id_in
from gateways.http.resources.webhooks import WebhookEvent, must_have_webhook_url
from gateways.webhooks.messages import delivery_of

EVENTS_MAX: Final = 200
"""So many events a request; the answer says from where to go on."""


class Redelivery(Body):
    """From which event on: behind a sequence number, or from a time on; give one of the two."""

    after_sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """0 is before all."""
    since: Instant | None = None
    only_failed: bool = False
    """Only what was given up, disabled, or never sent; without it also what was delivered."""


class Redelivered(Answer, frozen=True):
    """How many events were looked at and are due again; `after_sequence` is where to go on while `has_more`."""

    events: int
    redelivered: int
    after_sequence: int | None
    has_more: bool


_EVENTS: Final[LiteralString] = (
    "SELECT account_id::text, id::text, sequence, type, subject, created_at, data::text FROM client_events"
    " WHERE account_id = %(account_id)s::uuid"
)


_FROM: Final[LiteralString] = (
    f"{_EVENTS} AND sequence > %(after)s AND created_at >= coalesce(%(since)s::timestamptz, '-infinity')"
    " ORDER BY sequence LIMIT %(limit)s"
)


_ONE: Final[LiteralString] = f"{_EVENTS} AND id = %(id)s::uuid"


@endpoint(
    "POST",
    "/v1/webhook-events/redeliver",
    "webhooks:write",
    Redelivered,
    status=202,
    body=Redelivery,
    refusals=(WebhookUrlMissing, AccountNotFound),
)
async def redeliver_webhook_events(call: Call, wish: Redelivery) -> Reply:
    """Deliver the account's events again from one on, in order per object, whatever became of them; 200 a request."""
    if (wish.after_sequence is None) == (wish.since is None):
        raise invalid("#", "give after_sequence or since, and not both")
    await must_have_webhook_url(call)
    rows = await call.read(
        "notifications",
        _FROM,
        account_id=call.account_id,
        after=wish.after_sequence or 0,
        since=wish.since,
        limit=EVENTS_MAX + 1,
    )
    now, outbox = call.api.platform.clock(), call.api.platform.outbox
    events = [delivery_of(row, now) for row in rows[:EVENTS_MAX]]
    again = await asyncio.to_thread(_redeliver, outbox, events, now, only_failed=wish.only_failed)
    last = events[-1].sequence if events else wish.after_sequence
    return reply(Redelivered(len(events), again, last, len(rows) > EVENTS_MAX), 202)


@endpoint("POST", "/v1/webhook-events/{id}/redeliver", "webhooks:write", WebhookEvent, status=202, refusals=(NotFound,))
async def redeliver_webhook_event(call: Call) -> Reply:
    """Deliver a webhook again, as soon as may be, whatever became of it before; also one that was never sent."""
    event_id, now, outbox = id_in(call, "webhook event"), call.api.platform.clock(), call.api.platform.outbox
    again = await asyncio.to_thread(outbox.redeliver, call.account_id, event_id, now)
    if again is None:
        rows = await call.read("notifications", _ONE, account_id=call.account_id, id=event_id)
        if not rows:
            raise RequestRefused(NotFound(noun="webhook event"))
        again = delivery_of(rows[0], now)
        await asyncio.to_thread(outbox.put, [again])
    return reply(WebhookEvent.of(again), 202)


def _redeliver(outbox: WebhookOutbox, events: Sequence[Delivery], now: datetime, *, only_failed: bool) -> int:
    """-> how many are due again. What the outbox has not is put there: it was never sent, or is long forgotten."""
    again = 0
    for event in events:
        known = outbox.find(event.account_id, event.event_id)
        if known is None:
            outbox.put([event])
        elif only_failed and known.status in ("pending", "delivered"):
            continue
        else:
            outbox.redeliver(event.account_id, event.event_id, now)
        again += 1
    return again
