"""Relay: every event reaches the views' queue, every payout the payouts' queue, and nothing before it is durable."""

from collections.abc import Iterator, Sequence

import msgspec
import pytest

from core.ledger.ledger import Ledger
from core.ports.queues import Message
from core.ports.unavailable import Unavailable
from core.streams.payout.work import PayoutWork
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.segments import FullSegments
from gateways.processes.relay import BOOKMARK, Relay
from projections.engine.segments import Segment
from tests.support.history import (
    ALICE,
    USDT,
    TickingClock,
    append_history,
    execute,
    expire,
    fund,
    order,
    register,
    request_payout,
    send,
)
from tests.support.memory import MemoryQueue, MemoryStore
from tests.support.postgres import Database


class MemoryBookmarks:
    """The port `Bookmarks`."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}

    def load(self, name: str) -> int:
        return self.positions.get(name, 0)

    def save(self, name: str, position: int) -> None:
        self.positions[name] = position


class ShutQueue(MemoryQueue):
    """Takes `open_for` calls, then shuts for one."""

    def __init__(self, open_for: int) -> None:
        super().__init__()
        self._open_for = open_for

    def send(self, messages: Sequence[Message]) -> None:
        self._open_for -= 1
        if self._open_for == -1:
            raise Unavailable("shut by the test")
        super().send(messages)


class World:
    """A store with the history, and a relay over queues in memory."""

    def __init__(self, *, shut: str = "", batch_events_max: int = 20) -> None:
        self.store = MemoryStore()
        self.ledger = Ledger(self.store, TickingClock())
        self.bookmarks = MemoryBookmarks()
        self.views = ShutQueue(1) if shut == "views" else MemoryQueue()
        self.payouts = ShutQueue(0) if shut == "payouts" else MemoryQueue()
        self.relay = Relay(self.store, self.bookmarks, self.views, self.payouts, batch_events_max=batch_events_max)

    def run(self) -> None:
        while self.relay.step():
            pass


def segments(queue: MemoryQueue) -> list[tuple[int, int]]:
    decoded = [Segment.decode(message.body) for message in queue.sent]
    return [(segment.first, segment.last) for segment in decoded]


@pytest.mark.fast
def test_every_event_is_sent_once_for_all_views() -> None:
    """Segments follow each other without gap or overlap, on one queue, up to the head."""
    world = World()
    head = append_history(world.ledger)
    world.run()
    assert segments(world.views) == [(1, 20), (21, 40), (41, 60), (61, head)]
    assert world.bookmarks.load(BOOKMARK) == head


@pytest.mark.fast
def test_nothing_new() -> None:
    """Without new events the step says that there was nothing to do, and sends nothing."""
    world = World()
    assert not world.relay.step()
    append_history(world.ledger)
    world.run()
    sent = len(world.payouts.sent)
    assert not world.relay.step()
    assert len(world.payouts.sent) == sent


@pytest.mark.fast
def test_payout_work() -> None:
    """A requested payout and an expired attempt are work, each with a key of its own; nothing else is."""
    world = World()
    wished = order(ALICE, "p", USDT)
    execute(world.ledger, register(ALICE, "Alice Ltd"), fund(ALICE, 10 * USDT, "opening"))
    execute(world.ledger, request_payout(wished))
    execute(world.ledger, *send(wished))
    execute(world.ledger, expire(wished))
    world.run()
    work = [msgspec.json.decode(message.body, type=PayoutWork) for message in world.payouts.sent]
    assert work == [PayoutWork(payout_id=wished.payout_id, account_id=ALICE)] * 2
    assert {message.group for message in world.payouts.sent} == {wished.payout_id}
    assert len({message.key for message in world.payouts.sent}) == 2


@pytest.mark.fast
@pytest.mark.parametrize("shut", ["views", "payouts"])
def test_bookmark_waits_for_the_queues(shut: str) -> None:
    """While a queue is shut the bookmark stays before what it did not take; afterwards everything arrives (I9)."""
    world = World(shut=shut)
    head = append_history(world.ledger)
    with pytest.raises(Unavailable):
        world.run()
    assert world.bookmarks.load(BOOKMARK) == 20
    world.run()
    assert world.bookmarks.load(BOOKMARK) == head
    told = {position for first, last in segments(world.views) for position in range(first, last + 1)}
    assert told == set(range(1, head + 1))
    requested = [record for record in world.store.events if type(record.event).__name__ == "PayoutRequested"]
    assert {message.group for message in world.payouts.sent} >= {
        record.stream.removeprefix("payout-") for record in requested
    }


@pytest.fixture
def full(database: Database) -> Iterator[FullSegments]:
    login = datastore(database.writer_url)
    yield FullSegments(login, bytes_max=4_000)
    login.close()


def test_full_segments_are_seals(full: FullSegments, ledger: Ledger, store: PostgresEventStore) -> None:
    """A full segment is one append with exactly its events, consistent with its seal; one too large is a prompt."""
    head = append_history(ledger)
    cut = full.between(0, head)
    assert [segment.first for segment in cut] == [1, *[segment.last + 1 for segment in cut[:-1]]]
    assert cut[-1].last == head
    carrying = [segment for segment in cut if segment.events]
    assert all(segment.consistent for segment in carrying)
    assert all(len(segment.encode()) <= 4_000 for segment in cut)
    assert 0 < len(carrying) < len(cut)
    records = [record for segment in carrying for record in segment.after(0)]
    assert records == [record for record in store.read(0, head) if record.position in {r.position for r in records}]


def test_a_segment_is_measured_as_it_is_sent(database: Database, ledger: Ledger) -> None:
    """One that the queue would send in a form that does not fit is a prompt, and its size alone was none."""
    head = append_history(ledger)
    login = datastore(database.writer_url)
    whole = FullSegments(login, bytes_max=100_000).between(0, head)
    longest = max(len(segment.encode()) for segment in whole)
    measured = FullSegments(login, bytes_max=longest, sent_bytes=lambda body: len(body) * 4 // 3).between(0, head)
    login.close()
    assert [segment.last for segment in whole if segment.last] == [segment.last for segment in measured if segment.last]
    prompts = [segment for segment in measured if not segment.events]
    assert 0 < len(prompts) < len(measured)
    assert all(segment.events for segment in whole)


def test_full_segments_of_a_part(full: FullSegments, ledger: Ledger) -> None:
    """Where a range begins or ends within a seal, prompts cover what no whole seal does."""
    head = append_history(ledger)
    whole = [(segment.first, segment.last) for segment in full.between(0, head)]
    first, last = whole[1][0], whole[3][1]
    cut = full.between(first, last - 1)  # without the first event of one seal and the last of another
    assert [(segment.first, segment.last) for segment in cut] == [
        (first + 1, whole[1][1]),
        whole[2],
        (whole[3][0], last - 1),
    ]
    assert [bool(segment.events) for segment in cut[::2]] == [False, False]
