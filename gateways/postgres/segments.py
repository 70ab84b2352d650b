"""What the relay sends to projectors: parts of the history, whole or as a prompt to pull them."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import tuple_row

from core.ledger.seals import Seal
from projections.engine.outages import reachable
from projections.engine.segments import SEGMENT_BYTES_MAX, EventFields, Segment
from projections.named import structs

_SEALS: Final = (
    "SELECT first_position AS first, last_position AS last, previous_hash AS previous, hash FROM seals"
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
    """One segment per seal with the events as they are stored; one that SQS could not carry is a prompt.

    `sent_bytes` measures it in the form in which the queue sends it.
    """

    def __init__(
        self,
        store: PostgresDatastore,
        *,
        bytes_max: int = SEGMENT_BYTES_MAX,
        sent_bytes: Callable[[bytes], int] = len,
    ) -> None:
        self._datastore = store
        self._bytes_max = bytes_max
        self._sent_bytes = sent_bytes

    def between(self, after: int, upto: int) -> Sequence[Segment]:
        with reachable("the event store"):
            self._datastore.pool.open()
            with self._datastore.pool.connection() as conn:
                seals = structs(conn, Seal, _SEALS, (after, upto)).fetchall()
                # Plain tuples in the order of the columns: a segment carries them as they are.
                events: list[Any] = conn.cursor(row_factory=tuple_row).execute(_EVENTS, (after + 1, upto)).fetchall()
        segments = [
            self._segment(seal, events[seal.first - after - 1 : seal.last - after])
            for seal in seals
            if seal.first > after
        ]
        return [*_prompts_around(segments, after, upto)]

    def _segment(self, seal: Seal, events: Sequence[EventFields]) -> Segment:
        hashes = {"prev_hash": seal.previous.hex(), "hash": seal.hash.hex()}
        full = Segment(first=seal.first, last=seal.last, **hashes, events=tuple(events))
        return full if self._sent_bytes(full.encode()) <= self._bytes_max else Segment(first=seal.first, last=seal.last)


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
