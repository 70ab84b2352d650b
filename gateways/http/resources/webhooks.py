"""Events, and the webhooks that carry them: what was sent, what came of it, send it again, and the signing secret."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from pydantic import Field, PlainValidator, WithJsonSchema

from core.ledger.events import DECLARATIONS
from core.ledger.refusals import AccountNotFound
from core.ports.clients import Delivery, DeliveryStatus
from core.rotation import ROTATION_OVERLAP
from core.streams.accounts import Account, RotateWebhookSecret, WebhookSecretRotated, account_stream
from gateways.http.answer import Answer, Position, Time, listed, of_row
from gateways.http.endpoint import NEWEST, Call, Reply, before, cursor, endpoint, reply
from gateways.http.errors import RequestRefused, WebhookUrlMissing, invalid
from gateways.http.fields import PAGE_DEFAULT, PAGE_MAX, UUID_PATTERN, Body, Limit, Read, Sequence, WaitS
from gateways.http.resources.filters import Filters, Owned, OwnedPage, asked_for, owner_shown, whose
from gateways.http.uuid7 import uuid7
from gateways.webhooks.signatures import webhook_secret

CLIENT_EVENT_TYPES: Final = sorted(
    {each.client_event for each in DECLARATIONS.values() if each.client_event is not None}
)
SUBJECT_PATTERN: Final = "^(deposit|payout)-" + UUID_PATTERN.removeprefix("^")


def _types(text: str) -> list[str]:
    """The types that a type, or its beginning and a star, stand for."""
    begin, star, rest = text.partition("*")
    found = [each for each in CLIENT_EVENT_TYPES if each == text or (star and not rest and each.startswith(begin))]
    if not found:
        raise ValueError(f"must be one of {', '.join(CLIENT_EVENT_TYPES)}, or the beginning of some and a star")
    return found


EventType = Annotated[
    list[str],
    PlainValidator(_types),
    WithJsonSchema({"type": "string", "maxLength": 64, "examples": ["payout.*"]}),
]


class RotateSecret(Body):
    """Nothing is asked."""


class TestWebhook(Body):
    """Nothing is asked."""

    __test__ = False  # for pytest: no test class


class EventsPage(Owned):
    """Events behind a sequence number, in order."""

    limit: Limit = PAGE_DEFAULT
    after: Sequence = 0
    """The sequence number of an event; of everybody's, for the operator, `next_cursor` of the page before."""
    type: EventType | None = None
    """Of one type, or of all that begin alike, such as payout.*"""
    subject: Annotated[str, Field(pattern=SUBJECT_PATTERN)] | None = None
    """Of one object: deposit- or payout- and its id."""
    wait: WaitS = 0
    """So many seconds an answer with no event may be held back until there is one (long poll)."""


class DeliveriesPage(OwnedPage):
    """Webhook events of one status."""

    status: Literal["pending", "delivered", "exhausted", "disabled"] | None = None


class ClientEvent(Answer, frozen=True):
    """What happened to the account's deposits and payouts; `sequence` counts from 1 without a gap."""

    id: UUID
    sequence: int
    type: str
    created_at: Time
    data: dict[str, Any]
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""


class WebhookEvent(Answer, frozen=True):
    """A webhook on its way: how often it was tried, what came of it, when it is tried next."""

    id: str
    type: str
    sequence: int
    status: DeliveryStatus
    attempts: int
    created_at: Time
    last_attempt_at: Time | None
    last_error: str | None
    next_retry_at: Time | None
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""

    @classmethod
    def of(cls, kept: Delivery, account_id: UUID | None = None) -> "WebhookEvent":
        return cls(
            id=kept.event_id,
            type=kept.event_type,
            sequence=kept.sequence,
            status=kept.status,
            attempts=kept.attempts,
            created_at=kept.created_at,
            last_attempt_at=kept.last_attempt_at,
            last_error=kept.last_error,
            next_retry_at=kept.next_retry_at,
            account_id=account_id,
        )


class WebhookSecret(Answer, frozen=True):
    """The secret that signs the account's webhooks; the one before signs beside it until `previous_until`."""

    generation: int
    rotated_at: Time | None
    previous_until: Time | None
    secret: str | None = None
    position: Position | None = None


FILTERS: Final[Filters] = {"type": "type = ANY(%(type)s)", "subject": "subject = %(subject)s"}
_EVENTS: Final = 'SELECT id, account_id, sequence, type, created_at, data, "position" FROM client_events WHERE {}'
_IN_ORDER: Final = " AND sequence > %(after)s ORDER BY sequence LIMIT %(limit)s"
_NEWEST_FIRST: Final = ' AND "position" < %(before)s ORDER BY "position" DESC LIMIT %(limit)s'


@endpoint("GET", "/v1/events", "events:read", listed(ClientEvent), query=EventsPage, operator_too=True)
async def list_events(call: Call, page: EventsPage) -> Reply:
    """The account's events behind a sequence number, in order. `next_cursor` is the last sequence of a full page.

    For the operator any account's; everybody's, where it names none, newest first.
    """
    if page.wait and (page.type or page.subject):
        raise invalid("?wait", "goes with no filter: whether something is new is said by the sequence of all events")
    asked = asked_for(call, page, FILTERS)
    everybody = "account_id" not in asked.params
    sql = _EVENTS.format(asked.where) + (_NEWEST_FIRST if everybody else _IN_ORDER)
    params = {"after": page.after, "before": page.after or NEWEST, "limit": page.limit + 1, **asked.params}
    rows, rested_s = await call.read("notifications", sql, **params), 0.0
    if page.wait and not rows and not call.is_operator:
        began = time.monotonic()
        await call.api.event_watch.wait(call.account_id, page.after, page.wait)
        rested_s = time.monotonic() - began
        rows = await call.read("notifications", sql, **params)
    shown = rows[: page.limit]
    events = [of_row(ClientEvent, row, account_id=owner_shown(call, row)) for row in shown]
    more = len(rows) > page.limit
    last = (shown[-1].position if everybody else shown[-1].sequence) if more else None
    answer = reply(listed(ClientEvent)(events, more, None if last is None else str(last)))
    return answer._replace(rested_s=rested_s)


@endpoint("GET", "/v1/webhook-events", "webhooks:read", listed(WebhookEvent), query=DeliveriesPage, operator_too=True)
async def list_webhook_events(call: Call, page: DeliveriesPage) -> Reply:
    """Webhooks that are to be delivered, or were in the last 30 days, newest first. The operator reads any account's."""
    account_id = whose(call, page)
    if account_id is None:
        return await _everybodys(call, page)
    await call.reached("notifications")
    after = None if page.after is None else call.api.positions.read_cursor_at(call.caller, call.route, page.after)
    outbox = call.api.platform.outbox
    kept = await asyncio.to_thread(outbox.page, account_id, page.status, after, page.limit + 1)
    owner = UUID(account_id) if call.is_operator else None
    events = [WebhookEvent.of(delivery, owner) for delivery in kept[: page.limit]]
    more = len(kept) > page.limit
    last = call.api.positions.cursor_at(call.caller, call.route, events[-1].id) if more else None
    return reply(listed(WebhookEvent)(events, more, last))


LOOKS_MAX: Final = 5
"""So often a page of one status is filled up with more webhooks before it is given as it is, with the place to go on."""


async def _everybodys(call: Call, page: DeliveriesPage) -> Reply:
    """An outbox is kept account by account: whose webhooks are the newest is said by the events that they carry."""
    sql = _EVENTS.format("true") + _NEWEST_FIRST
    found: list[WebhookEvent] = []
    reached, more = before(call, page), True
    for _ in range(LOOKS_MAX):
        rows = await call.read("notifications", sql, before=reached, limit=PAGE_MAX)
        more = len(rows) == PAGE_MAX
        for row in rows:
            if len(found) == page.limit:
                return reply(listed(WebhookEvent)(found, True, cursor(call, reached)))
            reached = row.position
            kept = await asyncio.to_thread(call.api.platform.outbox.find, str(row.account_id), str(row.id))
            if kept is not None and page.status in (None, kept.status):
                found.append(WebhookEvent.of(kept, row.account_id))
        if not more or len(found) == page.limit:
            break
    return reply(listed(WebhookEvent)(found, more, cursor(call, reached) if more else None))


@endpoint(
    "POST",
    "/v1/webhook-events/test",
    "webhooks:write",
    WebhookEvent,
    status=202,
    body=TestWebhook,
    creates="stored",
    refusals=(WebhookUrlMissing,),
)
async def send_test_webhook(call: Call, _: TestWebhook) -> Reply:
    """Send a webhook.test event. It has the sequence 0: the account's own events have no gap for it."""
    await must_have_webhook_url(call)
    now = call.api.platform.clock()
    event_id = str(uuid7(now))
    payload = {"type": "webhook.test", "timestamp": now, "sequence": 0, "data": {"id": event_id}}
    delivery = Delivery(
        account_id=call.account_id,
        event_id=event_id,
        event_type="webhook.test",
        subject=f"test-{event_id}",
        sequence=0,
        payload=msgspec.json.encode(payload),
        status="pending",
        attempts=0,
        created_at=now,
        next_retry_at=now,
    )
    await asyncio.to_thread(call.api.platform.outbox.put, [delivery])
    return reply(WebhookEvent.of(delivery), 202)


@endpoint("GET", "/v1/webhook-secret", "webhooks:write", WebhookSecret, refusals=(AccountNotFound,))
async def get_webhook_secret(call: Call, _: Read) -> Reply:
    """The secret that signs the account's webhooks now."""
    rows = await call.read(
        "accounts",
        "SELECT webhook_secret_generation, webhook_secret_rotated_at FROM accounts WHERE id = %(account_id)s::uuid",
        account_id=call.account_id,
    )
    if not rows:
        raise RequestRefused(AccountNotFound())
    [row] = rows
    return reply(_secret(call, row.webhook_secret_generation, row.webhook_secret_rotated_at))


@endpoint(
    "POST",
    "/v1/webhook-secret/rotate",
    "webhooks:write",
    WebhookSecret,
    body=RotateSecret,
    creates="stored",
    refusals=(AccountNotFound,),
)
async def rotate_webhook_secret(call: Call, _: RotateSecret) -> Reply:
    """Begin a new secret. The old one signs beside it for 24 hours."""
    generation = (await _account(call)).secret_generation
    outcome = await call.submit(RotateWebhookSecret(call.account_id, generation, call.actor))
    rotated = outcome.events[-1]
    if not isinstance(rotated.event, WebhookSecretRotated):  # another request was faster, and something came behind it
        rotated = next(item for item in reversed(outcome.events) if isinstance(item.event, WebhookSecretRotated))
    assert isinstance(rotated.event, WebhookSecretRotated)
    await call.audit("webhook-secret.rotate", call.account_id, generation=rotated.event.generation)
    answer = _secret(call, rotated.event.generation, rotated.event.occurred_at)
    answer = msgspec.structs.replace(answer, position=call.shown(rotated.position))
    return reply(answer, stored=msgspec.structs.replace(answer, secret=None))


def _secret(call: Call, generation: int, rotated_at: datetime | None) -> WebhookSecret:
    master = call.api.platform.secrets.webhook_master
    return WebhookSecret(
        generation=generation,
        rotated_at=rotated_at,
        previous_until=None if rotated_at is None else rotated_at + ROTATION_OVERLAP,
        secret=webhook_secret(master, call.account_id, generation),
    )


async def must_have_webhook_url(call: Call) -> None:
    """Raises RequestRefused (404, 409)."""
    if (await _account(call)).webhook_url is None:
        raise RequestRefused(WebhookUrlMissing())


async def _account(call: Call) -> Account:
    """The caller's account as decisions see it. Raises RequestRefused (404) for operators, who are none."""
    stream = account_stream(call.account_id)
    state = Account()
    for recorded in (await asyncio.to_thread(call.api.platform.store.histories, [stream])).get(stream, []):
        state = state.evolve(recorded.event)
    if state.status == "absent":
        raise RequestRefused(AccountNotFound())
    return state
