"""A webhook that arrives at once is written to DynamoDB once; whatever hinders that loses none and breaks no order."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from core.ports.clients import Delivery
from core.ports.unavailable import Unavailable
from gateways.aws import names
from gateways.aws.first_attempts import LOOK_EVERY_S, FirstAttempts
from gateways.aws.session import Aws
from gateways.aws.webhook_outbox import DynamoWebhookOutbox
from gateways.postgres.connections import Connections
from gateways.postgres.unsettled_webhooks import UnsettledWebhooks
from gateways.settings import Settings
from tests.contracts.tables import LATER, delivery, tried
from tests.support.aws import emptied, made_tables, refusing
from tests.support.history import ALICE, BOB
from tests.support.postgres import Database


class World:
    """A table, what is unsettled, and processes that send, with one clock."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.aws = Aws(settings)
        self.calls: Counter[str] = Counter()
        self.aws.client("dynamodb").meta.events.register("before-call.dynamodb", lambda model, **_: self._count(model))
        self.connections = Connections(database.writer_url, connections_max=8)
        self.unsettled = UnsettledWebhooks(self.connections)
        self.seconds = 0.0
        self.tables: list[DynamoWebhookOutbox] = []

    def _count(self, model) -> None:  # type: ignore[no-untyped-def]
        self.calls[model.name] += 1

    def process(self) -> FirstAttempts:
        """One more that sends, as after its first look at the table, with whatever another left behind in it."""
        table = DynamoWebhookOutbox(self.aws, self.unsettled)
        self.tables.append(table)
        outbox = FirstAttempts(table, self.unsettled, lambda: self.seconds, self.now)
        outbox.due(LATER, 0)
        outbox.due(LATER - timedelta(days=1), 1)
        self.calls.clear()
        return outbox

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    def left(self) -> list[Delivery]:
        return [each for batch in self.unsettled.all() for each in batch]


@pytest.fixture
def world(aws_settings: Settings, database: Database) -> Iterator[World]:
    built = World(aws_settings, database)
    with made_tables(built.aws), closing(built.connections):
        yield built
        for table in built.tables:
            table.close()


def bodies(deliveries: list[Delivery]) -> list[str]:
    return [each.payload.decode() for each in deliveries]


def test_a_webhook_that_arrives_at_once_is_one_call(world: World) -> None:
    """Put, handed out and delivered: one write; it stands in the table as any that was delivered, and nothing is left of it."""
    outbox = world.process()
    outbox.put([delivery("one")])
    [given] = outbox.due(LATER, 10)
    assert outbox.due(LATER, 10) == []
    assert outbox.record(tried(given, "delivered"))
    assert world.calls == {"PutItem": 1}
    found = outbox.find(ALICE, given.event_id)
    assert found is not None
    assert (found.payload, found.status, found.attempts) == (b"one", "delivered", 1)
    assert world.left() == []


def test_many_that_arrive_at_once_are_one_call(world: World) -> None:
    """As many outcomes as come together are one write."""
    outbox = world.process()
    outbox.put([delivery(str(number), number, subject=f"payout-{number}") for number in range(50)])
    given = outbox.due(LATER, 100)
    outbox.record_all([tried(each, "delivered") for each in given])
    assert (len(given), world.calls) == (50, {"TransactWriteItems": 1})
    assert len(outbox.page(ALICE, "delivered", None, 100)) == 50
    assert world.left() == []


def test_an_attempt_that_failed_is_tried_again_by_whoever_looks(world: World) -> None:
    """It is in the table from then on, due when it should be, for every process."""
    outbox, other = world.process(), world.process()
    outbox.put([delivery("one")])
    [given] = outbox.due(LATER, 10)
    assert outbox.record(tried(given, "pending", retry_s=10))
    assert bodies(other.due(LATER + timedelta(seconds=1), 10)) == []
    world.seconds += LOOK_EVERY_S
    [again] = other.due(LATER + timedelta(seconds=11), 10)
    assert (again.payload, again.attempts, again.last_error) == (b"one", 1, "500")
    assert other.record(tried(again, "delivered"))
    assert world.left() == []


def test_what_follows_of_an_object_waits_for_what_is_on_its_way(world: World) -> None:
    """Also where another process has the first one in its hands."""
    outbox, other = world.process(), world.process()
    outbox.put([delivery("first")])
    [first] = outbox.due(LATER, 10)
    other.put([delivery("second", 2), delivery("of another", 3, subject="payout-2")])
    assert bodies(other.due(LATER, 10)) == ["of another"]
    assert outbox.record(tried(first, "delivered"))
    world.seconds += LOOK_EVERY_S
    [second] = other.due(LATER, 10)
    assert second.payload == b"second"
    assert other.record(tried(second, "delivered"))


def test_what_follows_a_first_attempt_that_failed_waits_for_the_next(world: World) -> None:
    """The first is known to the table by then; its failure makes it due again, and nothing else."""
    outbox = world.process()
    outbox.put([delivery("first")])
    [first] = outbox.due(LATER, 10)
    outbox.put([delivery("second", 2)])
    assert outbox.record(tried(first, "pending", retry_s=10))
    assert bodies(outbox.due(LATER + timedelta(seconds=1), 10)) == []
    world.seconds += LOOK_EVERY_S
    [again] = outbox.due(LATER + timedelta(seconds=11), 10)
    assert (again.payload, again.attempts) == (b"first", 1)
    assert outbox.record(tried(again, "delivered"))
    assert bodies(outbox.due(LATER + timedelta(seconds=12), 10)) == ["second"]


def test_two_of_one_object_at_once_keep_their_order(world: World) -> None:
    """They go by the table, which has an order."""
    outbox = world.process()
    outbox.put([delivery("second", 2), delivery("first", 1)])
    [first] = outbox.due(LATER, 10)
    assert first.payload == b"first"
    assert outbox.record(tried(first, "delivered"))
    assert bodies(outbox.due(LATER, 10)) == ["second"]


@pytest.mark.parametrize("handed_out", [False, True])
def test_what_a_process_died_over_is_found_within_a_minute(world: World, *, handed_out: bool) -> None:
    """Kept in Postgres, it goes into the table for whoever looks."""
    dead, other = world.process(), world.process()
    dead.put([delivery("one")])
    if handed_out:
        assert len(dead.due(LATER, 10)) == 1
    assert other.due(LATER, 10) == []
    world.seconds += 120
    assert bodies(other.due(LATER, 10)) == ["one"]


def test_the_slower_of_two_that_made_a_first_attempt_changes_nothing(world: World) -> None:
    """One took it for left behind: both have posted it, one is believed."""
    slow, other = world.process(), world.process()
    slow.put([delivery("one")])
    [mine] = slow.due(LATER, 10)
    world.seconds += 120
    [theirs] = other.due(LATER, 10)
    assert other.record(tried(theirs, "delivered"))
    assert not slow.record(tried(mine, "delivered"))
    assert world.left() == []


def test_what_the_table_cannot_take_is_tried_again(world: World) -> None:
    """The answer of the endpoint is lost, the webhook is not."""
    outbox = world.process()
    outbox.put([delivery("one")])
    [given] = outbox.due(LATER, 10)
    with (
        refusing(world.aws.client("dynamodb").meta.endpoint_url, "dynamodb", "ThrottlingException"),
        pytest.raises(Unavailable),
    ):
        outbox.record(tried(given, "delivered"))
    world.seconds += 120
    [again] = outbox.due(LATER, 10)
    assert outbox.record(tried(again, "delivered"))
    assert world.left() == []


def test_a_table_that_lost_everything_loses_nothing_on_its_way(world: World) -> None:
    """What is in somebody's hands is written by whoever has it (I11)."""
    outbox = world.process()
    outbox.put([delivery("one"), delivery("bob's", account_id=BOB)])
    given = outbox.due(LATER, 10)
    emptied(world.aws, names.WEBHOOK_EVENTS)
    outbox.record_all([tried(each, "delivered") for each in given])
    assert {each.status for each in outbox.page(ALICE, None, None, 10)} == {"delivered"}
    assert world.left() == []


def test_the_table_is_asked_in_no_haste(world: World) -> None:
    """While nothing is due it is looked at every few seconds, however often somebody asks."""
    outbox = world.process()
    for _ in range(20):
        assert outbox.due(LATER, 10) == []
    assert world.calls["Query"] <= 1
    world.seconds += LOOK_EVERY_S
    outbox.due(LATER, 10)
    assert world.calls["Query"] <= 2


def test_busy_accounts_are_passed_over_for_now(world: World) -> None:
    """What is kept for them waits here until they are not."""
    outbox = world.process()
    outbox.put([delivery("one"), delivery("bob's", account_id=BOB)])
    assert bodies(outbox.due(LATER, 10, busy=[ALICE])) == ["bob's"]
    assert bodies(outbox.due(LATER, 10)) == ["one"]
