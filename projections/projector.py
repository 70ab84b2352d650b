"""Step: bring one view up to the history. Messages are hints at most; the event store is the truth (I3, I11)."""

from collections.abc import Sequence
from typing import Final

from core.events import Recorded
from core.ledger import EventStore
from core.ports import Queue
from projections.segments import MalformedSegment, Segment
from projections.tracking import Overtaken, ViewTracking
from projections.view import View

BATCH_EVENTS_MAX: Final = 5_000
MESSAGES_MAX: Final = 10

_SEAL: Final = (
    "SELECT 1 FROM seals WHERE first_position = %s AND last_position = %s AND previous_hash = %s AND hash = %s"
)


class GapInHistory(AssertionError):
    """The event store gave positions with a gap: the view would lose events (I3)."""


class Projector:
    """Applies the history to one view, exactly once, whatever its queue loses, repeats, reorders or makes up.

    Any number of projectors of one view may run: ViewTracking lets one of them through.
    """

    def __init__(
        self,
        view: View,
        store: EventStore,
        tracking: ViewTracking,
        queue: Queue | None = None,
        *,
        batch_events_max: int = BATCH_EVENTS_MAX,
    ) -> None:
        self._view = view
        self._store = store
        self._tracking = tracking
        self._queue = queue
        self._batch_events_max = batch_events_max
        self._bookmark: int | None = None

    def step(self) -> bool:
        """Take what the queue has, else look into the store; apply one batch. True while there may be more."""
        segments, receipts = self._receive()
        if self._bookmark is None:
            self._bookmark = self._tracking.bookmark(self._view.name)
        records = self._following(segments, self._bookmark) or self._pull(self._bookmark)
        if records:
            self._apply(self._bookmark, records)
        if self._queue is not None and receipts:
            self._queue.delete(receipts)
        return bool(records)

    def _receive(self) -> tuple[list[Segment], list[str]]:
        segments: list[Segment] = []
        receipts: list[str] = []
        for message in self._queue.receive(MESSAGES_MAX) if self._queue is not None else ():
            try:
                segments.append(Segment.decode(message.body))
                receipts.append(message.receipt)
            except MalformedSegment as error:
                assert self._queue is not None
                self._queue.bury(message.receipt, f"no segment: {error}")
        return segments, receipts

    def _following(self, segments: Sequence[Segment], bookmark: int) -> list[Recorded]:
        """The events that the messages carry, as far as they follow the bookmark without a gap and are as sealed."""
        records: list[Recorded] = []
        upto = bookmark
        for segment in sorted(segments, key=lambda item: item.first):
            if segment.last <= upto or not segment.events:
                continue
            if segment.first > upto + 1 or not self._sealed(segment):
                break
            records += segment.after(upto)
            upto = segment.last
        return records

    def _sealed(self, segment: Segment) -> bool:
        """Whether the event store sealed exactly these events (I14)."""
        if not segment.consistent:
            return False
        hashes = bytes.fromhex(segment.prev_hash or ""), bytes.fromhex(segment.hash or "")
        with self._tracking.connection() as conn:
            return conn.execute(_SEAL, (segment.first, segment.last, *hashes)).fetchone() is not None

    def _pull(self, bookmark: int) -> Sequence[Recorded]:
        return self._store.read(bookmark, self._batch_events_max)

    def _apply(self, bookmark: int, records: Sequence[Recorded]) -> None:
        check_contiguous(bookmark, records)
        last = records[-1].position
        try:
            self._tracking.advance(self._view.name, bookmark, last, lambda cursor: self._view.apply(cursor, records))
        except Overtaken:
            self._bookmark = None
        else:
            self._bookmark = last


def check_contiguous(after: int, records: Sequence[Recorded]) -> None:
    """Raises GapInHistory unless the records are those that follow the position (I3)."""
    for expected, record in enumerate(records, start=after + 1):
        if record.position != expected:
            raise GapInHistory(f"position {record.position} came where {expected} must be")
