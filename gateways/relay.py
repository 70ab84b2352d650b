"""Step: new events -> segments on every projector's queue, work on the payouts' queue.

The bookmark moves only when the queues have taken everything before it (I9); a crash in between sends the same again,
which queues and readers put up with. Positions have no gaps (I3), so nothing can be overlooked.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Final, Protocol

import msgspec
import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import tuple_row

from core.attempts import PayoutWork
from core.events import Recorded
from core.ledger import EventStore
from core.payouts import PayoutExpired, PayoutRequested
from core.ports import Bookmarks, Message, Unavailable
from projections.segments import SEGMENT_BYTES_MAX, EventFields, Segment

BOOKMARK: Final = "relay"
BATCH_EVENTS_MAX: Final = 1_000
SEGMENT_GROUP: Final = "segments"
"""All segments of a queue are one group: they stay in order."""

_SEALS: Final = (
    "SELECT first_position, last_position, previous_hash, hash FROM seals"
    " WHERE last_position > %s AND last_position <= %s ORDER BY last_position"
)
_EVENTS: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, state FROM events"
    " WHERE notification_id BETWEEN %s AND %s ORDER BY notification_id"
)


class Segments(Protocol):
    """How events are cut into segments."""

    def between(self, after: int, upto: int) -> Sequence[Segment]:
        """Segments that cover the positions after+1 to upto, in order."""


class Prompts:
    """Where queue and store are one database, a segment says only that there is something to pull."""

    def between(self, after: int, upto: int) -> Sequence[Segment]:
        return [Segment(first=after + 1, last=upto)]


class FullSegments:
    """One segment per seal with the events as they are stored; one that SQS could not carry is a prompt."""

    def __init__(self, store: PostgresDatastore, *, bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        self._datastore = store
        self._bytes_max = bytes_max

    def between(self, after: int, upto: int) -> Sequence[Segment]:
        try:
            self._datastore.pool.open()
            with self._datastore.pool.connection() as conn:
                conn.row_factory = tuple_row  # type: ignore[assignment]
                seals: list[Any] = conn.execute(_SEALS, (after, upto)).fetchall()
                events: list[Any] = conn.execute(_EVENTS, (after + 1, upto)).fetchall()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable(f"the event store is shut: {error}") from error
        segments = [
            self._segment(seal, events[seal[0] - after - 1 : seal[1] - after]) for seal in seals if seal[0] > after
        ]
        return [*_prompts_around(segments, after, upto)]

    def _segment(self, seal: tuple[int, int, bytes, bytes], events: Sequence[EventFields]) -> Segment:
        first, last, previous, own = seal
        full = Segment(first=first, last=last, prev_hash=previous.hex(), hash=own.hex(), events=tuple(events))
        return full if len(full.encode()) <= self._bytes_max else Segment(first=first, last=last)


def _prompts_around(segments: Sequence[Segment], after: int, upto: int) -> Sequence[Segment]:
    """The segments, with a prompt for what no whole seal covers: the batch began or ended within one."""
    covered: list[Segment] = []
    for segment in segments:
        if segment.first > after + 1:
            covered.append(Segment(first=after + 1, last=segment.first - 1))
        covered.append(segment)
        after = segment.last
    if after < upto:
        covered.append(Segment(first=after + 1, last=upto))
    return covered


class Sends(Protocol):
    """As much of a queue as is sent to."""

    def send(self, messages: Sequence[Message]) -> None: ...


class SendsAtOnce:
    """Several queues that are sent the same, at the same time."""

    def __init__(self, queues: Sequence[Sends]) -> None:
        self._queues = queues
        self._threads = ThreadPoolExecutor(len(queues), thread_name_prefix="send")

    def send(self, messages: Sequence[Message]) -> None:
        """Returns when all have them; the first error is raised when the others are done."""
        sent = [self._threads.submit(queue.send, messages) for queue in self._queues]
        wait(sent)
        for each in sent:
            each.result()


class Relay:
    """Follows the history for all queues together: a queue that is shut holds the others, none loses anything."""

    def __init__(
        self,
        store: EventStore,
        bookmarks: Bookmarks,
        projectors: Sequence[Sends],
        payouts: Sends,
        segments: Segments | None = None,
        *,
        batch_events_max: int = BATCH_EVENTS_MAX,
    ) -> None:
        self._store = store
        self._bookmarks = bookmarks
        self._projectors = projectors
        self._payouts = payouts
        self._segments = segments or Prompts()
        self._batch_events_max = batch_events_max

    def step(self) -> bool:
        """Relay one batch. True while there may be more."""
        after = self._bookmarks.load(BOOKMARK)
        records = self._store.read(after, self._batch_events_max)
        if not records:
            return False
        upto = records[-1].position
        messages = [
            Message(body=segment.encode(), group=SEGMENT_GROUP, key=f"{segment.first}-{segment.last}")
            for segment in self._segments.between(after, upto)
        ]
        for queue in self._projectors:
            queue.send(messages)
        work = payout_work(records)
        if work:
            self._payouts.send(work)
        self._bookmarks.save(BOOKMARK, upto)
        return True


def payout_work(records: Sequence[Recorded]) -> list[Message]:
    """What the payout step must look at: a new payout, or one whose last attempt is proven dead. Each is a hint (I14)."""
    work = []
    for record in records:
        happened = record.event
        if isinstance(happened, PayoutRequested):
            payout_id, account_id = happened.order.payout_id, happened.order.account_id
        elif isinstance(happened, PayoutExpired):
            payout_id, account_id = happened.payout_id, happened.account_id
        else:
            continue
        body = msgspec.json.encode(PayoutWork(payout_id=payout_id, account_id=account_id))
        work.append(Message(body=body, group=payout_id, key=f"{payout_id}/{record.version}"))
    return work
