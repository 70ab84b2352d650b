"""A webhook's first attempt is made at once, and then its event is written once, with what became of it.

Most webhooks arrive at their first attempt. To write an event, claim it and settle it are six calls; what is kept in Postgres
until it is settled needs none of them to be safe. So the process that sends keeps a new event itself, if nothing of its
object is unsettled: its order is then nobody's but its own. Whatever a process leaves behind, another puts into the table
after a minute; it is listed there from its first attempt on.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from core.ports.clients import WEBHOOK_LEASE, Backlog, Delivery, DeliveryStatus
from gateways.aws.webhook_outbox import DynamoWebhookOutbox
from gateways.postgres.unsettled_webhooks import Unsettled, UnsettledWebhooks

LOOK_EVERY_S: Final = 5.0
"""So often the table is asked what is due while nothing here says that something is."""
SWEEP_EVERY_S: Final = 60.0
LEFT_AFTER: Final = timedelta(minutes=1)
"""What was kept so long ago and is not settled is in the table, or was left behind."""
UNSETTLED_MAX: Final = 1_500
"""Of the accounts of one put; where there are more, all of it goes by the table."""

Key = tuple[str, str]


class FirstAttempts:
    """The port `WebhookOutbox` of the process that sends, over the table."""

    def __init__(
        self,
        table: DynamoWebhookOutbox,
        unsettled: UnsettledWebhooks,
        seconds: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table = table
        self._unsettled = unsettled
        self._seconds = seconds
        self._now = now
        self._waiting: list[Delivery] = []
        """New ones that nobody was handed."""
        self._mine: set[Key] = set()
        """New ones that the table does not know of, handed out or not."""
        self._look_at_s = -1.0
        self._sweep_at_s = -1.0
        self._swept_upto = datetime.min.replace(tzinfo=UTC)

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """One that is known already is somebody's, or is found when nobody has settled it in a minute."""
        new = self._unsettled.keep(deliveries)
        if not new:
            return
        keys = {key_of(each) for each in new}
        known = self._unsettled.of(sorted({each.account_id for each in new}), UNSETTLED_MAX)
        others = [each for each in known if key_of(each.delivery) not in keys]
        full = len(known) == UNSETTLED_MAX
        taken = Counter(subject_of(each) for each in new) + Counter(subject_of(each.delivery) for each in others)
        first = [] if full else [each for each in new if taken[subject_of(each)] == 1]
        behind = [each for each in new if full or taken[subject_of(each)] > 1]
        if behind:
            subjects = {subject_of(each) for each in behind}
            before = [self._on_its_way(each) for each in others if subject_of(each.delivery) in subjects]
            self._table.put_again([*before, *behind])
            self._mine -= {key_of(each) for each in before}
            self._look_at_s = -1.0
        self._waiting += first
        self._mine |= {key_of(each) for each in first}

    def _on_its_way(self, kept: Unsettled) -> Delivery:
        """One that may be in somebody's hands is due when it was left behind, should the table not know it."""
        return msgspec.structs.replace(kept.delivery, next_retry_at=kept.kept_at + WEBHOOK_LEASE)

    def due(self, now: datetime, limit: int, busy: Sequence[str] = ()) -> list[Delivery]:
        self._sweep()
        held = set(busy)
        free = [each for each in self._waiting if each.account_id not in held]
        given = sorted(free, key=lambda each: (each.created_at, each.sequence))[:limit]
        handed_out = {key_of(each) for each in given}
        self._waiting = [each for each in self._waiting if key_of(each) not in handed_out]
        if len(given) < limit and self._seconds() >= self._look_at_s:
            found = self._table.due(now, limit - len(given), busy)
            self._look_at_s = self._seconds() + (0 if found else LOOK_EVERY_S)
            given += found
        return given

    def record(self, delivery: Delivery) -> bool:
        if key_of(delivery) not in self._mine:
            self._look_at_s = -1.0  # it may have made the next one of its object due
            return self._table.record(delivery)
        return self._first([delivery])[0]

    def record_all(self, deliveries: Sequence[Delivery]) -> None:
        """As many in a call as a call takes."""
        mine = [each for each in deliveries if key_of(each) in self._mine]
        if mine:
            self._first(mine)
        for each in deliveries:
            if each not in mine:
                self.record(each)

    def _first(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Of events that the table does not know of: ended ones are written, the others are put there to be tried again."""
        ended = [each for each in deliveries if each.status != "pending"]
        again = [each for each in deliveries if each.status == "pending"]
        if again:
            self._table.put_tried(again)
        believed = self._table.record_first(ended) if ended else []
        self._mine -= {key_of(each) for each in deliveries}
        answers = {key_of(each): it for each, it in zip(ended, believed, strict=True)}
        return [answers.get(key_of(each), True) for each in deliveries]

    def _sweep(self) -> None:
        """What was kept more than a minute ago and is not settled goes into the table, unless it is there: ours, too."""
        if self._seconds() < self._sweep_at_s:
            return
        upto = self._now() - LEFT_AFTER
        for left in self._unsettled.kept_between(self._swept_upto, upto):
            self._table.put_again(left)
            gone = {key_of(each) for each in left}
            self._mine -= gone
            self._waiting = [each for each in self._waiting if key_of(each) not in gone]
            self._look_at_s = -1.0
        self._swept_upto = upto - LEFT_AFTER  # clocks differ
        self._sweep_at_s = self._seconds() + SWEEP_EVERY_S

    def backlog(self, now: datetime, limit: int) -> Backlog:
        return self._table.backlog(now, limit)

    def redeliver(self, account_id: str, event_id: str, now: datetime) -> Delivery | None:
        return self._table.redeliver(account_id, event_id, now)

    def find(self, account_id: str, event_id: str) -> Delivery | None:
        return self._table.find(account_id, event_id)

    def page(self, account_id: str, status: DeliveryStatus | None, after: str | None, limit: int) -> Sequence[Delivery]:
        return self._table.page(account_id, status, after, limit)

    def close(self) -> None:
        self._table.close()


def key_of(delivery: Delivery) -> Key:
    return delivery.account_id, delivery.event_id


def subject_of(delivery: Delivery) -> Key:
    return delivery.account_id, delivery.subject
