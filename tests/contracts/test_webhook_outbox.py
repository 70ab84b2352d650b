"""What an outbox of webhooks promises, whatever stands behind it."""

from datetime import datetime, timedelta

import msgspec
import pytest

from core.ports.clients import Backlog
from tests.contracts.conftest import Backend
from tests.contracts.tables import LATER, NOW, at_once, delivery, event_id, identifier, tried
from tests.support.history import ALICE, BOB


@pytest.mark.asks("dynamodb")
class TestWebhookOutbox:
    def due(self, backend: Backend, now: datetime = LATER) -> list[str]:
        return [item.payload.decode() for item in backend.outbox.due(now, 10)]

    def test_what_is_put_is_due_once(self, backend: Backend) -> None:
        """The body comes back exactly, and is given to one process at a time."""
        backend.outbox.put([delivery("one")])
        backend.outbox.put([msgspec.structs.replace(delivery("one"), payload=b"another")])
        [found] = backend.outbox.due(LATER, 10)
        assert (found.payload, found.event_id, found.attempts) == (b"one", event_id("one"), 0)
        assert self.due(backend) == []
        assert self.due(backend, LATER + timedelta(minutes=5)) == ["one"]

    def test_the_order_of_a_subject_holds(self, backend: Backend) -> None:
        """Of one subject only the earliest is due; the next one follows when it is settled; others do not wait."""
        backend.outbox.put([delivery("first"), delivery("second", 2), delivery("other", 3, subject="payout-2")])
        items = {item.payload: item for item in backend.outbox.due(LATER, 10)}
        assert set(items) == {b"first", b"other"}
        assert backend.outbox.record(tried(items[b"first"], "pending", retry_s=10))
        assert self.due(backend) == []
        [again] = backend.outbox.due(LATER + timedelta(seconds=11), 10)
        assert (again.payload, again.attempts, again.last_error) == (b"first", 1, "500")
        assert backend.outbox.record(tried(again, "delivered"))
        assert self.due(backend, LATER + timedelta(seconds=12)) == ["second"]

    def test_an_attempt_is_recorded_once(self, backend: Backend) -> None:
        """Of two processes that made the same attempt one is believed."""
        backend.outbox.put([delivery("one")])
        [item] = backend.outbox.due(LATER, 10)
        assert sorted(at_once(4, lambda _: backend.outbox.record(tried(item, "delivered")))) == [False] * 3 + [True]
        found = backend.outbox.find(ALICE, item.event_id)
        assert found is not None
        assert (found.status, found.attempts) == ("delivered", 1)

    def test_the_backlog_is_what_should_have_been_sent(self, backend: Backend) -> None:
        """Heads that are due and not handed out, and since when; what waits behind another one, or for later, is none."""
        outbox = backend.outbox
        assert outbox.backlog(LATER, 10) == Backlog(0, None)
        outbox.put(
            [delivery("a"), delivery("b", 2), *(delivery(f"c{n}", n, subject=f"payout-{n}") for n in range(3, 7))]
        )
        assert outbox.backlog(LATER, 10) == Backlog(5, NOW + timedelta(seconds=1))
        assert outbox.backlog(LATER, 3) == Backlog(3, NOW + timedelta(seconds=1))
        assert outbox.backlog(NOW + timedelta(seconds=3), 10) == Backlog(2, NOW + timedelta(seconds=1))
        assert len(outbox.due(LATER, 10)) == 5
        assert outbox.backlog(LATER, 10) == Backlog(0, None)

    def test_two_processes_share_what_is_due(self, backend: Backend) -> None:
        """Nothing is given to both."""
        backend.outbox.put([delivery(str(number), subject=f"payout-{number}") for number in range(40)])
        given = [item.event_id for batch in at_once(4, lambda _: backend.outbox.due(LATER, 10)) for item in batch]
        assert len(given) == len(set(given))

    def test_redelivery_is_for_the_account_that_has_the_event(self, backend: Backend) -> None:
        """A delivered or exhausted event becomes due again, with its attempts; nobody else's does (I12)."""
        backend.outbox.put([delivery("one")])
        [item] = backend.outbox.due(LATER, 10)
        backend.outbox.record(tried(item, "exhausted"))
        assert backend.outbox.redeliver(BOB, item.event_id, LATER) is None
        assert backend.outbox.redeliver(ALICE, identifier("unknown"), LATER) is None
        assert backend.outbox.redeliver(ALICE, "no-such-form", LATER) is None
        again = backend.outbox.redeliver(ALICE, item.event_id, LATER)
        assert again is not None
        assert (again.status, again.attempts) == ("pending", 1)
        assert self.due(backend) == ["one"]

    def test_busy_accounts_are_passed_over(self, backend: Backend) -> None:
        """Others' events are given although theirs are older."""
        backend.outbox.put([delivery(str(number), number, subject=f"payout-{number}") for number in range(5)])
        backend.outbox.put([delivery("bob's", 9, account_id=BOB)])
        assert [item.payload for item in backend.outbox.due(LATER, 10, busy=[ALICE])] == [b"bob's"]
        assert len(backend.outbox.due(LATER, 3)) == 3
        assert len(backend.outbox.due(LATER, 3)) == 2

    def test_what_is_put_later_waits_its_turn(self, backend: Backend) -> None:
        """Of a subject, whatever was put when, one at a time and in order; what was settled stays so if it is put again."""
        told = [delivery(str(number), number) for number in range(4)]
        backend.outbox.put(told[2:])
        backend.outbox.put(told[:2])
        order = []
        for number in range(4):
            [item] = backend.outbox.due(LATER + timedelta(seconds=number), 10)
            order.append(item.payload)
            assert backend.outbox.record(tried(item, "exhausted" if number == 2 else "delivered"))
            backend.outbox.put(told)
        assert order == [b"0", b"1", b"2", b"3"]
        assert self.due(backend, LATER + timedelta(days=1)) == []

    def test_what_is_redelivered_goes_before_what_follows_it(self, backend: Backend) -> None:
        """The order of a subject holds for a repetition, too, also while the later event is on its way."""
        backend.outbox.put([delivery("first"), delivery("second", 2)])
        [first] = backend.outbox.due(LATER, 10)
        assert backend.outbox.record(tried(first, "exhausted"))
        [second] = backend.outbox.due(LATER, 10)
        assert backend.outbox.redeliver(ALICE, first.event_id, LATER) is not None
        assert backend.outbox.record(tried(second, "pending", retry_s=1))
        [again] = backend.outbox.due(LATER + timedelta(minutes=1), 10)
        assert again.payload == b"first"
        assert backend.outbox.record(tried(again, "delivered"))
        [last] = backend.outbox.due(LATER + timedelta(minutes=2), 10)
        assert (last.payload, last.attempts) == (b"second", 1)
        assert backend.outbox.record(tried(last, "delivered"))
        assert self.due(backend, LATER + timedelta(days=1)) == []

    def test_many_are_put_at_once(self, backend: Backend) -> None:
        """Hundreds in one call, some of them known, by two processes at the same time: each is due once."""
        told = [delivery(str(number), number, subject=f"payout-{number // 3}") for number in range(200)]
        at_once(2, lambda process: backend.outbox.put(told[process * 20 : 180 + process * 20]))
        assert len(backend.outbox.page(ALICE, "pending", None, 1_000)) == 200
        given = backend.outbox.due(LATER + timedelta(hours=1), 1_000)
        assert sorted(item.sequence for item in given) == list(range(0, 200, 3))

    def test_pages_go_from_new_to_old_without_gap(self, backend: Backend) -> None:
        """Pages joined are the whole list; status narrows it; others' events are not in it."""
        backend.outbox.put([delivery(str(number), number) for number in range(7)])
        backend.outbox.put([delivery("bob's", account_id=BOB)])
        seen: list[str] = []
        after = None
        while page := backend.outbox.page(ALICE, None, after, 3):
            seen += [item.payload.decode() for item in page]
            after = page[-1].event_id
        assert seen == ["6", "5", "4", "3", "2", "1", "0"]
        assert backend.outbox.page(ALICE, "delivered", None, 10) == []
        assert len(backend.outbox.page(ALICE, "pending", None, 10)) == 7
        assert backend.outbox.find(BOB, event_id("1", 1)) is None
        assert backend.outbox.find(ALICE, "no-such-form") is None
