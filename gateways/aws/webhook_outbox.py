"""The webhook outbox in DynamoDB, in order per object: of each subject only its head has a time at which it is due.

An event is an item with its exact body. A subject's item, `subject#<subject>`, names its pending events in order, and every
change of the two is one transaction. The index `status-next_retry_at` then holds exactly what may be sent. It is one
partition, of a thousand writes a second, four to a delivery.

The table may lose everything: what is not settled stands in Postgres, too, until it is, and is put back (I11).
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final

import msgspec

from core.ports.clients import WEBHOOK_LEASE, WEBHOOK_TTL, Backlog, Delivery, DeliveryStatus
from core.ports.unavailable import Unavailable
from gateways.aws.dynamodb import (
    TRANSACTION_MAX,
    Cancelled,
    ConditionFailed,
    Item,
    Items,
    Key,
    optional_stamp,
    optional_time,
    seconds,
    stamp,
    time_of,
)
from gateways.aws.names import WEBHOOK_EVENTS
from gateways.aws.session import Aws
from gateways.aws.webhook_subjects import Subject, Waiting, subject_of
from gateways.postgres.connections import uuid_of
from gateways.postgres.unsettled_webhooks import UnsettledWebhooks

INDEX: Final = "status-next_retry_at"
SUBJECT: Final = "subject#"
AFTER_EVENTS: Final = "g"
"""Sorts behind every event's id, which is hexadecimal, and before the subjects."""
MARK: Final = ("-", "mark")
"""The item by which the table is known not to have lost everything."""
MARK_EVERY_S: Final = 30
PAGE: Final = 500
PAGES_MAX: Final = 4
"""Of one look for what is due; the next one goes on behind them, so that busy accounts hide nobody's events for long."""
CLAIMS_AT_ONCE: Final = 16
TRIES_MAX: Final = 20


class DynamoWebhookOutbox:
    """The port `WebhookOutbox`."""

    def __init__(self, aws: Aws, unsettled: UnsettledWebhooks) -> None:
        self._items = Items(aws, WEBHOOK_EVENTS)
        self._unsettled = unsettled
        self._claims = ThreadPoolExecutor(CLAIMS_AT_ONCE, thread_name_prefix="webhook-claim")
        self._look_at: Item | None = None
        self._marked_s: float | None = None

    def put(self, deliveries: Sequence[Delivery]) -> None:
        self._unsettled.keep(deliveries)
        self._put(deliveries)

    # What somebody keeps until its first attempt is over

    def put_again(self, deliveries: Sequence[Delivery]) -> None:
        """What is kept in Postgres already; an event that is here stays as it is."""
        self._put(deliveries)

    def put_tried(self, deliveries: Sequence[Delivery]) -> None:
        """Events whose first attempt has failed: they are due again."""
        known = self._known(deliveries)
        self._put([each for each in deliveries if self._key(each) not in known])
        for each in deliveries:
            if self._key(each) in known:  # it was taken for one that nobody had any more
                self.record(each)

    def record_first(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Events that ended with their first attempt, each written once; as `record` answers."""
        actions = [self._items.putting(_item(each, None), "attribute_not_exists(#event_id)") for each in deliveries]
        try:
            if len(actions) == 1:
                self._items.put(_item(deliveries[0], None), "attribute_not_exists(#event_id)")
            else:
                self._items.transact(actions)
        except (ConditionFailed, Cancelled):
            if len(deliveries) == 1:
                return [self.record(deliveries[0])]
            return [self.record_first([each])[0] for each in deliveries]
        self._unsettled.settle(deliveries)
        return [True] * len(deliveries)

    def record_all(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            self.record(each)

    def _known(self, deliveries: Sequence[Delivery]) -> list[Key]:
        """The keys of those that are here."""
        items = self._items.get_all([self._key(each) for each in deliveries])
        return [self._items.key(item["account_id"], item["event_id"]) for item in items]

    def _put(self, deliveries: Sequence[Delivery]) -> None:
        by_subject: defaultdict[tuple[str, str], list[Delivery]] = defaultdict(list)
        for item in {(each.account_id, each.event_id): each for each in reversed(deliveries)}.values():
            by_subject[item.account_id, item.subject].append(item)
        events = self._items.get_all([self._key(it) for items in by_subject.values() for it in items])
        known = {(item["account_id"], item["event_id"]) for item in events}
        subjects = self._subjects(list(by_subject))
        transaction: list[Item] = []
        begun: list[list[Delivery]] = []
        for of, items in by_subject.items():
            fresh = [item for item in items if (item.account_id, item.event_id) not in known]
            actions = self._adding(of, subjects[of], fresh)
            if len(transaction) + len(actions) > TRANSACTION_MAX:
                self._add(transaction, begun)
                transaction, begun = [], []
            transaction += actions
            begun.append(fresh)
        self._add(transaction, begun)

    def _add(self, transaction: Sequence[Item], subjects: Sequence[Sequence[Delivery]]) -> None:
        """All at once; or, if somebody else was at one of them, event by event."""
        if not transaction:
            return
        try:
            self._items.transact(transaction)
        except Cancelled:
            for delivery in (item for items in subjects for item in items):
                self._add_one(delivery)

    def _add_one(self, delivery: Delivery) -> None:
        of = (delivery.account_id, delivery.subject)

        def change(subject: Subject) -> Sequence[Item] | None:
            if self._items.get(self._key(delivery)) is not None:
                return None
            return self._adding(of, subject, [delivery])

        self._change(of, change)

    def _adding(self, of: tuple[str, str], subject: Subject, fresh: Sequence[Delivery]) -> list[Item]:
        """The actions that put new events behind those that wait."""
        if not fresh:
            return []
        waiting = subject
        for item in fresh:
            due_at = stamp(item.next_retry_at or item.created_at)
            waiting = Subject(waiting.with_event(Waiting(item.sequence, item.event_id, due_at)), subject.version)
        before, head = subject.head, waiting.head
        assert head is not None
        actions = [
            self._items.putting(
                _item(item, head.due_at if item.event_id == head.event_id else None),
                "attribute_not_exists(#event_id)",
            )
            for item in fresh
        ]
        if before is not None and before != head:
            actions.append(self._not_due(of[0], before))
        return [*actions, self._saving(of, subject, waiting.waiting, max(item.created_at for item in fresh))]

    def due(self, now: datetime, limit: int, busy: Sequence[str] = ()) -> list[Delivery]:
        self._mend()
        given: list[Delivery] = []
        leased = stamp(now + WEBHOOK_LEASE)
        for candidates in self._candidates(now, frozenset(busy)):
            left = candidates
            while left and len(given) < limit:
                tried, left = left[: limit - len(given)], left[limit - len(given) :]
                given += filter(None, self._claims.map(lambda item: self._claim(item, leased), tried))
            if len(given) == limit:
                self._look_at = None
                break
        return sorted(given, key=lambda item: (item.created_at, item.sequence))

    def _candidates(self, now: datetime, busy: frozenset[str]) -> Iterator[list[Item]]:
        pages = self._items.pages(
            "#status = :pending AND #next_retry_at <= :now",
            values={"pending": "pending", "now": stamp(now)},
            index=INDEX,
            limit=PAGE,
            after=self._look_at,
        )
        for number, (page, after) in enumerate(pages, start=1):
            self._look_at = after
            yield [item for item in page if item["account_id"] not in busy]
            if number == PAGES_MAX:
                return

    def _claim(self, seen: Item, leased: str) -> Delivery | None:
        """None where another process was faster."""
        key = self._items.key(seen["account_id"], seen["event_id"])
        condition, at = "#status = :pending AND #next_retry_at = :seen", seen["next_retry_at"]
        try:
            claimed = self._items.update(
                key, "SET #next_retry_at = :leased", condition, leased=leased, pending="pending", seen=at
            )
        except ConditionFailed:
            return None
        return _delivery(claimed)

    def backlog(self, now: datetime, limit: int) -> Backlog:
        values = {"pending": "pending", "now": stamp(now)}
        due = "#status = :pending AND #next_retry_at <= :now"
        times: list[str] = []
        for page, _ in self._items.pages(due, values=values, index=INDEX, limit=min(limit, PAGE)):
            times += [item["next_retry_at"] for item in page]
            if len(times) >= limit:
                break
        return Backlog(len(times[:limit]), optional_time(times[0] if times else None))

    def record(self, delivery: Delivery) -> bool:
        of = (delivery.account_id, delivery.subject)
        closed = delivery.status != "pending"
        known = True

        def change(subject: Subject) -> Sequence[Item]:
            return (self._recorded if closed else self._tried)(of, subject, delivery)

        try:
            self._change(of, change, decisive=0)
        except ConditionFailed:
            known = False
        if known and closed:
            self._unsettled.settle([delivery])
        return known

    def _recorded(self, of: tuple[str, str], subject: Subject, delivery: Delivery) -> list[Item]:
        """The event is settled, and the next of its subject is due."""
        waiting, before = subject.without(delivery.event_id), subject.head
        actions = [self._outcome(delivery, due_at=None)]
        if waiting != subject.waiting:
            if waiting and before is not None and waiting[0] != before:
                actions.append(self._due(of[0], waiting[0]))
            actions.append(self._saving(of, subject, waiting, delivery.created_at))
        return actions

    def _tried(self, of: tuple[str, str], subject: Subject, delivery: Delivery) -> list[Item]:
        """The event is due again; not before the one that has come before it meanwhile."""
        overtaken = subject.head is not None and subject.head.event_id != delivery.event_id
        actions = [self._outcome(delivery, None if overtaken else optional_stamp(delivery.next_retry_at))]
        if subject.version:
            key = self._items.key(of[0], SUBJECT + of[1])
            actions.append(self._items.checking(key, "#version = :version", version=subject.version))
        return actions

    def redeliver(self, account_id: str, event_id: str, now: datetime) -> Delivery | None:
        found = self.find(account_id, event_id)
        if found is None:
            return None
        again = msgspec.structs.replace(found, status="pending", next_retry_at=now)
        self._unsettled.keep([again])
        of, event = (account_id, again.subject), Waiting(again.sequence, again.event_id, stamp(now))

        def change(subject: Subject) -> Sequence[Item]:
            waiting = subject.with_event(event)
            actions = [self._due(account_id, event) if waiting[0] == event else self._not_due(account_id, event)]
            if subject.head is not None and subject.head != waiting[0] and subject.head.event_id != event_id:
                actions.append(self._not_due(account_id, subject.head))
            return [*actions, self._saving(of, subject, waiting, now)]

        self._change(of, change)
        return again

    def find(self, account_id: str, event_id: str) -> Delivery | None:
        if uuid_of(event_id) is None:
            return None
        item = self._items.get(self._items.key(account_id, event_id))
        return _delivery(item) if item else None

    def page(self, account_id: str, status: DeliveryStatus | None, after: str | None, limit: int) -> list[Delivery]:
        if after is not None and uuid_of(after) is None:
            return []
        condition = "#account_id = :account_id AND #event_id < :after"
        values = {"account_id": account_id, "after": after or AFTER_EVENTS}
        found: list[Delivery] = []
        for page, _ in self._items.pages(condition, values=values, newest_first=True, limit=max(limit, PAGE // 5)):
            found += [_delivery(item) for item in page if status in (None, item["status"])]
            if len(found) >= limit:
                break
        return found[:limit]

    def close(self) -> None:
        self._claims.shutdown(wait=False)

    # A subject and its events, changed together

    def _change(
        self, of: tuple[str, str], change: Callable[[Subject], Sequence[Item] | None], decisive: int | None = None
    ) -> None:
        """Transact what `change` makes of the subject, from anew as long as somebody else is at it.

        Raises ConditionFailed when the condition of the `decisive` action does not hold.
        """
        for number in range(TRIES_MAX):
            actions = change(self._subjects([of])[of])
            if actions is None:
                return
            try:
                self._items.transact(actions)
                return
            except Cancelled as cancelled:
                if decisive in cancelled.places:
                    raise ConditionFailed from cancelled
                time.sleep(random.uniform(0, 0.01 * 2 ** min(number, 5)))  # noqa: S311  jitter, not a secret
        raise Unavailable(f"{self._items.name}: others are at {of[1]} all the time")

    def _subjects(self, wanted: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Subject]:
        keys = [self._items.key(account_id, SUBJECT + subject) for account_id, subject in wanted]
        found = {(it["account_id"], it["event_id"].removeprefix(SUBJECT)): it for it in self._items.get_all(keys)}
        return {of: subject_of(found[of]) if of in found else Subject() for of in wanted}

    def _saving(self, of: tuple[str, str], was: Subject, waiting: Sequence[Waiting], at: datetime) -> Item:
        """The subject with these events; without any it goes."""
        key = self._items.key(of[0], SUBJECT + of[1])
        if was.version:
            condition, values = "#version = :version", {"version": was.version}
        else:
            condition, values = "attribute_not_exists(#event_id)", {}
        if not waiting and was.version:
            return self._items.deleting(key, condition, **values)
        text = msgspec.json.encode(waiting).decode()
        item = {**key, "waiting": text, "version": was.version + 1, "ttl": seconds(at + WEBHOOK_TTL)}
        return self._items.putting(item, condition, **values)

    def _due(self, account_id: str, event: Waiting) -> Item:
        key, change = self._items.key(account_id, event.event_id), "SET #status = :pending, #next_retry_at = :due_at"
        return self._items.updating(key, change, "attribute_exists(#event_id)", pending="pending", due_at=event.due_at)

    def _not_due(self, account_id: str, event: Waiting) -> Item:
        """It waits behind another one, which makes it due when it is settled."""
        key, change = self._items.key(account_id, event.event_id), "SET #status = :pending REMOVE #next_retry_at"
        return self._items.updating(key, change, "attribute_exists(#event_id)", pending="pending")

    def _outcome(self, delivery: Delivery, due_at: str | None) -> Item:
        """An attempt's outcome, if no other process has recorded one of this number."""
        changes: dict[str, Any] = {"status": delivery.status, "attempts": delivery.attempts}
        changes |= {"last_attempt_at": optional_stamp(delivery.last_attempt_at), "last_error": delivery.last_error}
        changes |= {"next_retry_at": due_at}
        given = {name: value for name, value in changes.items() if value is not None}
        gone = [f"#{name}" for name in changes if name not in given]
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in given)
        change += " REMOVE " + ", ".join(gone) if gone else ""
        key = self._key(delivery)
        return self._items.updating(key, change, "#attempts = :before", **given, before=delivery.attempts - 1)

    def _key(self, delivery: Delivery) -> Key:
        return self._items.key(delivery.account_id, delivery.event_id)

    # What was lost

    def _mend(self) -> None:
        """Put back what is not settled when the table has lost its mark, and with it perhaps everything."""
        now_s = time.monotonic()
        if self._marked_s is not None and now_s - self._marked_s < MARK_EVERY_S:
            return
        mark = self._items.key(*MARK)
        if self._items.get(mark) is None:
            for deliveries in self._unsettled.all():
                self._put(deliveries)
            self._items.put_all([dict(mark)])
        self._marked_s = now_s


def _item(delivery: Delivery, due_at: str | None) -> dict[str, Any]:
    return {
        "account_id": delivery.account_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "subject": delivery.subject,
        "sequence": delivery.sequence,
        "payload": delivery.payload,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": stamp(delivery.created_at),
        "last_attempt_at": optional_stamp(delivery.last_attempt_at),
        "last_error": delivery.last_error,
        "next_retry_at": due_at,
        "ttl": seconds(delivery.created_at + WEBHOOK_TTL),
    }


def _delivery(item: Item) -> Delivery:
    return Delivery(
        account_id=item["account_id"],
        event_id=item["event_id"],
        event_type=item["event_type"],
        subject=item["subject"],
        sequence=item["sequence"],
        payload=item["payload"],
        status=item["status"],
        attempts=item["attempts"],
        created_at=time_of(item["created_at"]),
        last_attempt_at=optional_time(item.get("last_attempt_at")),
        last_error=item.get("last_error"),
        next_retry_at=optional_time(item.get("next_retry_at")),
    )
