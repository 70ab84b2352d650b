"""Steps: clients' events become deliveries (`Feed`), and deliveries are signed and posted until they arrive (`Deliverer`).

Order is kept per object, not between objects. Posts run in a bounded pool beside the step, few at a time per account, so
that a slow endpoint delays nobody else (FAILURES 24).
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Final, Self

import msgspec

from core.ledger.events import Event
from core.ledger.ledger import EventStore, Ledger
from core.ports.alarm import Alarm, LongRefusals
from core.ports.bookmarks import Bookmarks
from core.ports.clients import Delivery, DeliveryStatus, WebhookOutbox
from core.rotation import Rotating, rotating
from core.streams.accounts import (
    OPERATOR,
    AccountRegistered,
    DisableWebhook,
    WebhookDisabled,
    WebhookSecretRotated,
    WebhookUrlChanged,
    account_stream,
)
from gateways.postgres.connections import Connections
from gateways.telemetry.alarm_log import log_alarm
from gateways.webhooks.alarms import SECRET_GENERATION
from gateways.webhooks.messages import delivery_of
from gateways.webhooks.post import Post, PostAnswer
from gateways.webhooks.signatures import sign, signing_secrets

log = logging.getLogger(__name__)

ACTOR: Final = "system:webhooks"
BOOKMARK: Final = "webhooks"
EVENTS_PER_STEP_MAX: Final = 500
POSTS_MAX: Final = 64
POSTS_PER_ACCOUNT_MAX: Final = 4
"""At once. An account whose last post got no answer has one: silence is what holds the pool longest."""
TURN_MAX: Final = timedelta(seconds=40)
"""A delivery that has waited here for so long is left to the outbox, which hands it out again after a minute."""
WAIT_S: Final = 0.05
REFUSED_UNTIL_MS: Final = 25 * 3600 * 1000
"""An endpoint that is not tried for longer is refused no more: beyond the longest pause."""

RETRIES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long after each failed attempt the next one is made; after the last one nothing is."""
JITTER: Final = 0.2
"""Up to so much longer, by chance, so that endpoints that failed together are not asked together."""

_EVENTS: Final = (
    'SELECT "position", account_id::text, id::text, type, subject, sequence, data::text, created_at'
    ' FROM client_events WHERE "position" > %s ORDER BY "position" LIMIT %s'
)


class Endpoint(msgspec.Struct, frozen=True):
    """Where an account wants its webhooks, and what signs them: folded from its stream, which is never behind."""

    url: str | None = None
    secret_generation: int = 1
    rotated_at: datetime | None = None

    def evolve(self, happened: Event) -> Self:
        match happened:
            case AccountRegistered() | WebhookUrlChanged():
                return msgspec.structs.replace(self, url=happened.webhook_url)
            case WebhookDisabled():
                return msgspec.structs.replace(self, url=None)
            case WebhookSecretRotated():
                return msgspec.structs.replace(
                    self, secret_generation=happened.generation, rotated_at=happened.occurred_at
                )
        return self


def endpoints(store: EventStore, account_ids: Sequence[str], operator_url: str = "") -> dict[str, Endpoint]:
    """The endpoint of each account, whether it has a URL or not. The operator's is no event: it is a setting."""
    histories = store.histories([account_stream(account_id) for account_id in account_ids])
    found = {}
    for account_id in account_ids:
        endpoint = Endpoint()
        for recorded in histories.get(account_stream(account_id), ()):
            endpoint = endpoint.evolve(recorded.event)
        found[account_id] = endpoint
    if OPERATOR in found:
        found[OPERATOR] = Endpoint(operator_url or None, SECRET_GENERATION)
    return found


class Feed:
    """Puts clients' events into the outbox; accounts that have no URL then are not written to."""

    def __init__(self, views: Connections, store: EventStore, bookmarks: Bookmarks, outbox: WebhookOutbox) -> None:
        self._views = views
        self._store = store
        self._bookmarks = bookmarks
        self._outbox = outbox

    def step(self) -> bool:
        """Up to EVENTS_PER_STEP_MAX events. The bookmark moves when the outbox has them (I9). Raises Unavailable."""
        rows = self._views.execute(_EVENTS, (self._bookmarks.load(BOOKMARK), EVENTS_PER_STEP_MAX))
        if not rows:
            return False
        known = endpoints(self._store, sorted({row.account_id for row in rows}))
        self._outbox.put([delivery_of(row) for row in rows if known[row.account_id].url is not None])
        self._bookmarks.save(BOOKMARK, rows[-1].position)
        return True


class _Post(msgspec.Struct, frozen=True):
    """A delivery that the outbox has handed out, and when."""

    delivery: Delivery
    handed_out_at: datetime


class Deliverer:
    """Posts what is due. `jitter` gives numbers from 0 to 1."""

    def __init__(
        self,
        outbox: WebhookOutbox,
        store: EventStore,
        ledger: Ledger,
        poster: Post,
        *,
        master: bytes | Rotating,
        operator_url: str = "",
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
        alarm: Alarm = log_alarm,
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._ledger = ledger
        self._poster = poster
        self._masters = rotating(master)
        self._operator_url = operator_url
        self._clock = clock
        self._jitter = jitter
        self._pool = ThreadPoolExecutor(POSTS_MAX, thread_name_prefix="webhook")
        self._waiting: list[_Post] = []
        self._running: dict[Future[PostAnswer], tuple[Delivery, Endpoint]] = {}
        self._silent: set[str] = set()
        self._refusals = LongRefusals(alarm, forgotten_ms=REFUSED_UNTIL_MS)

    def close(self) -> None:
        """Leave what runs to itself: its lease ends, and it is handed out again."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def step(self) -> bool:
        """Take what is due, start what may start, record what has ended. Raises Unavailable."""
        now = self._clock()
        self._waiting = [post for post in self._waiting if now - post.handed_out_at < TURN_MAX]
        free = POSTS_MAX - len(self._running)
        if free > 0:
            handed_out = self._outbox.due(now, free, busy=self._busy())
            self._waiting += [_Post(delivery, now) for delivery in handed_out]
        started = self._start(now)
        wait(self._running, timeout=WAIT_S, return_when=FIRST_COMPLETED)
        ended = [future for future in self._running if future.done()]
        outcomes = []
        for future in ended:
            delivery, endpoint = self._running.pop(future)
            outcomes.append(self._outcome(delivery, endpoint, _reply(future, delivery)))
        if outcomes:
            self._outbox.record_all(outcomes)
        return bool(started or ended)

    def _busy(self) -> list[str]:
        """Accounts with as many posts as they may have, or with some that wait."""
        running = self._running_by_account()
        full = {account_id for account_id, posts in running.items() if posts >= self._posts_max(account_id)}
        return sorted(full | {post.delivery.account_id for post in self._waiting})

    def _running_by_account(self) -> Counter[str]:
        return Counter(delivery.account_id for delivery, _ in self._running.values())

    def _posts_max(self, account_id: str) -> int:
        return 1 if account_id in self._silent else POSTS_PER_ACCOUNT_MAX

    def _start(self, now: datetime) -> int:
        """Start posts in order while their accounts may have more -> how many were taken from those that wait."""
        if not self._waiting:
            return 0
        waiting = sorted({post.delivery.account_id for post in self._waiting})
        known = endpoints(self._store, waiting, self._operator_url)
        running = self._running_by_account()
        left = []
        for post in self._waiting:
            delivery = post.delivery
            endpoint = known[delivery.account_id]
            if endpoint.url is None:
                self._outbox.record(self._ended(delivery, "disabled", "the account has no webhook_url"))
            elif running[delivery.account_id] < self._posts_max(delivery.account_id):
                running[delivery.account_id] += 1
                self._running[self._submit(endpoint.url, delivery, endpoint, now)] = (delivery, endpoint)
            else:
                left.append(post)
        started = len(self._waiting) - len(left)
        self._waiting = left
        return started

    def _submit(self, url: str, delivery: Delivery, endpoint: Endpoint, now: datetime) -> Future[PostAnswer]:
        whose = (delivery.account_id, endpoint.secret_generation, endpoint.rotated_at, now)
        secrets = [secret for master in self._masters() for secret in signing_secrets(master, *whose)]
        headers = {
            "content-type": "application/json",
            "user-agent": "Counterfoil",
            **sign(secrets, delivery.event_id, int(now.timestamp()), delivery.payload),
        }
        return self._pool.submit(self._poster.post, url, headers, delivery.payload)

    def _outcome(self, delivery: Delivery, endpoint: Endpoint, reply: PostAnswer) -> Delivery:
        """The delivery after its attempt."""
        now = self._clock()
        if reply.status:
            self._silent.discard(delivery.account_id)
        else:
            self._silent.add(delivery.account_id)
        about = f"webhooks of {delivery.account_id}"
        if reply.delivered:
            self._refusals.over(about, whoever_saw_it=True)
            return self._ended(delivery, "delivered", None)
        reason = reply.reason if not reply.status else f"the endpoint answered {reply.status}"
        now_ms = int(now.timestamp() * 1000)
        said = f"the endpoint of the account {delivery.account_id} takes no webhooks, which are tried again: {reason}"
        self._refusals.refused(about, said, now_ms)
        if reply.status == 410 and delivery.account_id != OPERATOR:  # no event can take back a setting
            assert endpoint.url is not None
            self._ledger.execute([DisableWebhook(delivery.account_id, endpoint.url, ACTOR)])
            return self._ended(delivery, "disabled", reason)
        if delivery.attempts >= len(RETRIES):
            return self._ended(delivery, "exhausted", reason)
        delay = RETRIES[delivery.attempts] * (1 + JITTER * self._jitter())
        return msgspec.structs.replace(
            delivery,
            attempts=delivery.attempts + 1,
            last_attempt_at=now,
            last_error=reason,
            next_retry_at=now + delay,
        )

    def _ended(self, delivery: Delivery, status: DeliveryStatus, reason: str | None) -> Delivery:
        """With its last word. If another process had it already, that stands."""
        return msgspec.structs.replace(
            delivery,
            status=status,
            attempts=delivery.attempts + 1,
            last_attempt_at=self._clock(),
            last_error=reason,
            next_retry_at=None,
        )


def _reply(future: Future[PostAnswer], delivery: Delivery) -> PostAnswer:
    """What a post came to. A defect costs that delivery an attempt: no endpoint may stop the others' webhooks."""
    error = future.exception()
    if error is None:
        return future.result()
    log.error("webhook %s could not be posted", delivery.event_id, exc_info=error)
    return PostAnswer(0, "the attempt failed")
