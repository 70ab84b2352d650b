"""Projector: exactly once, whatever the queue does, and whoever else projects the same view."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import Cursor

from core.ledger.events import Recorded
from core.ledger.ledger import Ledger
from core.ports.queues import Message, Received
from core.ports.unavailable import Unavailable
from core.streams.addresses import PayinRequested
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.segments import FullSegments
from projections.engine.batch import COPY_ROWS_MIN
from projections.engine.projector import GapInHistory, Projector
from projections.engine.segments import Segment
from projections.engine.tracking import ViewTracking
from projections.views import VIEWS
from tests.support.history import ALICE, USDT, address, append_history, execute, fund, payin, register
from tests.support.memory import MemoryQueue
from tests.support.postgres import Database
from tests.support.rebuilding import differing, rebuilt, wish, worker
from tests.support.views import live_rows, project

VIEW = VIEWS["balances"]


class CountingStore:
    """An event store that counts how often it was read, and had nothing yet the first `early` times."""

    def __init__(self, store: PostgresEventStore, early: int = 0) -> None:
        self._store = store
        self._early = early
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        self.reads += 1
        return self._store.read(after, limit) if self.reads > self._early else []


class CrashingTracking(ViewTracking):
    """Writes everything and then fails, `crashes` times."""

    crashes = 1

    def move(self, cursor: Cursor[Any], views: Sequence[str], upto: int) -> None:
        if self.crashes:
            self.crashes -= 1
            raise ZeroDivisionError("after the rows, before the bookmark")
        super().move(cursor, views, upto)


@pytest.fixture
def head(ledger: Ledger) -> int:
    return append_history(ledger)


@pytest.fixture
def expected(head: int, store: PostgresEventStore, tracking: ViewTracking) -> dict[str, list[str]]:
    """The rows after an undisturbed projection; the view itself is empty again."""
    project(store, tracking, [VIEW])
    found = live_rows(tracking, [VIEW])
    with tracking.connection() as conn:
        for table in reversed(VIEW.tables):
            conn.execute(f"DELETE FROM {table}")
        conn.execute("UPDATE projection_tracking SET notification_id = 0")
    return found


def send(queue: MemoryQueue, segments: Sequence[Segment]) -> None:
    """Each as a message of its own; equal segments do not vanish as repeats."""
    for segment in segments:
        key = f"{len(queue.sent)}"
        queue.send([Message(body=segment.encode(), group=f"g{key}", key=key)])


def run(projector: Projector) -> int:
    steps = 0
    while projector.step():
        steps += 1
    return steps


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda segments: segments, id="in order"),
        pytest.param(lambda segments: [s for segment in segments for s in (segment, segment)], id="every one twice"),
        pytest.param(lambda segments: segments[::-1], id="backwards"),
        pytest.param(lambda segments: segments[1::2], id="every second one lost"),
        pytest.param(lambda segments: segments[:3] + segments[:3] + segments[5:], id="a gap and repeats"),
        pytest.param(lambda segments: [], id="purged"),
        pytest.param(lambda segments: [Segment(first=s.first, last=s.last) for s in segments], id="prompts"),
    ],
)
def test_exactly_once(
    expected: dict[str, list[str]],
    head: int,
    database: Database,
    store: PostgresEventStore,
    tracking: ViewTracking,
    disturb: Callable[[Sequence[Segment]], Sequence[Segment]],
) -> None:
    """Whatever is lost, repeated or reordered on the queue, the rows are those of an undisturbed projection (I11)."""
    queue = MemoryQueue()
    segments_of = datastore(database.writer_url)
    send(queue, disturb(FullSegments(segments_of).between(0, head)))
    segments_of.close()
    projector = Projector([VIEW], CountingStore(store, early=1), tracking, queue, batch_events_max=11)
    assert not projector.step()
    run(projector)
    assert live_rows(tracking, [VIEW]) == expected
    assert tracking.bookmark(VIEW.name) == head
    assert queue.depth() == 0


def test_full_segments_need_no_pull(
    expected: dict[str, list[str]], head: int, database: Database, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """As long as full segments follow the bookmark, the event store is read once, at the beginning."""
    queue, counting = MemoryQueue(), CountingStore(store, early=1)
    segments_of = datastore(database.writer_url)
    send(queue, FullSegments(segments_of).between(0, head))
    segments_of.close()
    projector = Projector([VIEW], counting, tracking, queue)
    while queue.depth():
        projector.step()
    assert (counting.reads, live_rows(tracking, [VIEW])) == (1, expected)


def test_nobody_waits_for_messages_who_is_behind(
    expected: dict[str, list[str]], store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A view that begins, or lags, pulls batch after batch; the queue is asked when the store has no more."""

    class Asked(MemoryQueue):
        def __init__(self) -> None:
            super().__init__()
            self.asked_at: list[int] = []

        def receive(self, limit: int) -> list[Received]:
            self.asked_at.append(tracking.bookmark(VIEW.name))
            return super().receive(limit)

    queue = Asked()
    run(Projector([VIEW], store, tracking, queue, batch_events_max=11))
    assert queue.asked_at == [store.head()]
    assert live_rows(tracking, [VIEW]) == expected


def test_forged_segment_mints_nothing(
    expected: dict[str, list[str]], head: int, database: Database, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A segment with another amount and a hash that fits it is no seal's: the projector takes the store's events (I14)."""
    segments_of = datastore(database.writer_url)
    forged = []
    for segment in FullSegments(segments_of).between(0, head):
        events = tuple((*rest, state.replace("10000000", "99000000")) for *rest, state in segment.events)
        changed = Segment(
            first=segment.first, last=segment.last, prev_hash=segment.prev_hash, hash="0" * 64, events=events
        )
        forged.append(
            Segment(
                first=segment.first,
                last=segment.last,
                prev_hash=segment.prev_hash,
                hash=changed.computed_hash,
                events=events,
            )
        )
    segments_of.close()
    assert all(segment.consistent for segment in forged)
    queue = MemoryQueue()
    send(queue, forged)
    projector = Projector([VIEW], CountingStore(store, early=1), tracking, queue)
    assert not projector.step()
    run(projector)
    assert live_rows(tracking, [VIEW]) == expected


def test_poison_is_buried(head: int, store: PostgresEventStore, tracking: ViewTracking) -> None:
    """A message that is no segment goes to the dead letters, and the view goes on."""
    queue = MemoryQueue()
    queue.send(
        [Message(body=b'{"first": 5, "last": 4}', group="a", key="a"), Message(body=b"\xff", group="b", key="b")]
    )
    run(Projector([VIEW], store, tracking, queue))
    assert len(queue.buried) == 2
    assert tracking.bookmark(VIEW.name) == head


def test_crash_changes_nothing(
    expected: dict[str, list[str]], head: int, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A crash after the rows and before the bookmark leaves neither; the next try brings both."""
    queue = MemoryQueue()
    send(queue, [Segment(first=1, last=head)])
    projector = Projector([VIEW], store, CrashingTracking(tracking.datastore), queue)
    with pytest.raises(ZeroDivisionError):
        projector.step()
    assert live_rows(tracking, [VIEW]) == {table.name: [] for table in VIEW.tables}
    assert tracking.bookmark(VIEW.name) == 0
    queue.timeout()
    run(projector)
    assert (live_rows(tracking, [VIEW]), queue.depth()) == (expected, 0)


def test_two_projectors(
    expected: dict[str, list[str]], head: int, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """Two projectors that take turns with batches of different length apply every event once."""
    slow = Projector([VIEW], store, tracking, batch_events_max=7)
    fast = Projector([VIEW], store, tracking, batch_events_max=10)
    turns = [slow, fast, fast, slow, slow, slow, fast] * 12
    for projector in turns:
        projector.step()
    assert tracking.bookmark(VIEW.name) == head
    assert live_rows(tracking, [VIEW]) == expected


def test_loser_of_a_race_applies_nothing(
    expected: dict[str, list[str]], head: int, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A projector that is overtaken while it reads must not apply its batch, though its end lies further."""

    class Overtaking(CountingStore):
        def read(self, after: int, limit: int) -> Sequence[Recorded]:
            records = super().read(after, limit)
            if self.reads == 1:
                Projector([VIEW], store, tracking, batch_events_max=20).step()
            return records

    loser = Projector([VIEW], Overtaking(store), tracking, batch_events_max=40)
    run(loser)
    assert live_rows(tracking, [VIEW]) == expected


def test_storm(database: Database, ledger: Ledger, store: PostgresEventStore) -> None:
    """Three projectors of each view and two rebuilds at once, while events are appended: the end is what a rebuild finds."""
    append_history(ledger)
    views = datastore(database.projector_url, connections_max=16)
    tracking, reading = ViewTracking(views), PostgresEventStore(views)
    appended, both = threading.Event(), [VIEW, VIEWS["journal"]]

    def keep_projecting(batch_events_max: int) -> None:
        projectors = [Projector([view], reading, tracking, batch_events_max=batch_events_max) for view in both]
        while not appended.is_set() or any(tracking.bookmark(view) < store.head() for view in ("balances", "journal")):
            for projector in projectors:
                projector.step()

    def keep_rebuilding() -> None:
        rebuilding = worker(database, reading, both, segment_events_max=10)
        while not appended.is_set():
            wish(database, both)
            rebuilding.step()
        rebuilding.close()

    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(keep_projecting, size) for size in (3, 5, 50)]
        running += [pool.submit(keep_rebuilding) for _ in range(2)]
        try:
            for number in range(40):
                execute(ledger, fund(ALICE, USDT, f"storm {number}"))
        finally:
            appended.set()
        for future in running:
            future.result()
    found = rebuilt(database, reading, both)
    assert [(row.state, differing(row)) for row in found.values()] == [("done", {}), ("done", {})]
    assert found["journal"].position == store.head()
    views.close()


def test_what_others_refer_to_is_written_first(
    ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking
) -> None:
    """A batch large enough for COPY that begins between a request and its address: the address is there before."""
    count = COPY_ROWS_MIN + 50
    execute(ledger, register(ALICE, "Alice Ltd"))
    execute(ledger, *(payin(ALICE, address(f"many {number}"), str(number)) for number in range(count)))
    requested = next(it.position for it in store.read(0, 100) if isinstance(it.event, PayinRequested))
    payins = VIEWS["payins"]
    assert Projector([payins], store, tracking, batch_events_max=requested).step()
    project(store, tracking, [payins])
    rows = live_rows(tracking, [payins])
    assert [len(rows[table.name]) for table in payins.tables] == [count, count]


def test_gap_in_the_store(head: int, store: PostgresEventStore, tracking: ViewTracking) -> None:
    """A store that skips a position stops the projector instead of losing an event (I3)."""

    class Skipping(CountingStore):
        def read(self, after: int, limit: int) -> Sequence[Recorded]:
            return [record for record in super().read(after, limit) if record.position != 20]

    projector = Projector([VIEW], Skipping(store), tracking, batch_events_max=10)
    with pytest.raises(GapInHistory, match="position 21 came where 20 must be"):
        run(projector)
    assert tracking.bookmark(VIEW.name) == 19


def test_shut_database(database: Database, head: int, store: PostgresEventStore) -> None:
    """When the views' database is shut, the step is Unavailable and its messages come again."""
    views = datastore(database.projector_url)
    tracking, queue = ViewTracking(views), MemoryQueue()
    projector = Projector([VIEW], store, tracking, queue)
    assert projector.step()
    send(queue, [Segment(first=1, last=head)])
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE projection_tracking SET notification_id = 0")
        owner.execute("ALTER ROLE counterfoil_projector NOLOGIN")
        try:
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'counterfoil_projector' AND datname = current_database()"
            )
            with pytest.raises(Unavailable):
                tracking.bookmarks()
            projector._bookmarks = None  # as after a restart
            with pytest.raises(Unavailable):
                projector.step()
        finally:
            owner.execute("ALTER ROLE counterfoil_projector LOGIN")
    assert queue.depth() == 1
    views.close()


def test_projector_cannot_write_the_history(tracking: ViewTracking) -> None:
    """The projector's role reads events and can add none."""
    with tracking.connection() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("INSERT INTO events VALUES ('x', 1, 'x/1', '{}', 1)")
