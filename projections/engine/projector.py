"""Step: bring views up to the history. Messages are hints at most; the event store is the truth (I3, I11)."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from psycopg import Cursor

from core.ledger.events import NewerFormat, Recorded
from core.ledger.ledger import EventStore
from core.ports.queues import Queue
from projections.engine.batch import project
from projections.engine.segments import MalformedSegment, Segment
from projections.engine.set_aside import Found, LeftOut, Unwritable, one_line
from projections.engine.tracking import Overtaken, ViewTracking
from projections.engine.view import View

BATCH_EVENTS_MAX: Final = 5_000
MESSAGES_MAX: Final = 10

_SEAL: Final = (
    "SELECT 1 FROM seals WHERE first_position = %s AND last_position = %s AND previous_hash = %s AND hash = %s"
)


class GapInHistory(AssertionError):
    """The event store gave positions with a gap: the view would lose events (I3)."""


class Projector:
    """Applies the history to views, exactly once, whatever their queue loses, repeats, reorders or makes up.

    Views that stand at the same position take a batch together: read once, decoded once, written in one transaction. Any
    number of projectors may run: ViewTracking lets one of them through.
    """

    def __init__(
        self,
        views: Sequence[View],
        store: EventStore,
        tracking: ViewTracking,
        queue: Queue | None = None,
        *,
        batch_events_max: int = BATCH_EVENTS_MAX,
        on_applied: Callable[[Sequence[str], Sequence[Recorded]], None] = lambda *_: None,
        on_set_aside: Callable[[Found], None] = lambda _: None,
    ) -> None:
        """`on_applied` hears which views have which events, once they are there, `on_set_aside` of each that is left out."""
        self._views = {view.name: view for view in views}
        self._store = store
        self._tracking = tracking
        self._queue = queue
        self._batch_events_max = batch_events_max
        self._on_applied = on_applied
        self._on_set_aside = on_set_aside
        self._bookmarks: dict[str, int] | None = None
        self._caught_up = False
        """Whether the last step left nothing behind that it knew of. Until then nobody waits for messages."""
        self._is_behind = True

    def step(self) -> bool:
        """Apply one batch to the views in front, and one to those that are furthest behind. True while there may be more."""
        segments, receipts = self._receive() if self._caught_up else ([], [])
        self._caught_up, self._is_behind = False, False
        if self._bookmarks is None:
            known = self._tracking.bookmarks()
            self._bookmarks = {name: known.get(name, 0) for name in self._views}
        busy = self._advance(max(self._bookmarks.values()), segments)
        if self._bookmarks is not None and len(set(self._bookmarks.values())) > 1:
            self._is_behind = True
            busy = self._advance(min(self._bookmarks.values()), segments) or busy
        if self._queue is not None and receipts:
            self._queue.delete(receipts)
        self._caught_up = not self._is_behind
        return busy or len(receipts) == MESSAGES_MAX

    def _receive(self) -> tuple[list[Segment], list[str]]:
        """What has come: segments, and what to delete when they are done with. What is no segment is buried."""
        segments: list[Segment] = []
        receipts: list[str] = []
        if self._queue is None:
            return segments, receipts
        for message in self._queue.receive(MESSAGES_MAX):
            try:
                segments.append(Segment.decode(message.body))
                receipts.append(message.receipt)
            except MalformedSegment as error:
                self._queue.bury(message.receipt, f"no segment: {error}")
        return segments, receipts

    def _advance(self, bookmark: int, segments: Sequence[Segment]) -> bool:
        """One batch for the views at this position, which ends where other views stand."""
        assert self._bookmarks is not None
        views = [self._views[name] for name, position in self._bookmarks.items() if position == bookmark]
        ahead = [position for position in self._bookmarks.values() if position > bookmark]
        limit = min(self._batch_events_max, min(ahead) - bookmark) if ahead else self._batch_events_max
        records: Sequence[Recorded] = self._following(segments, bookmark)[:limit]
        if records:  # what else was said is in the store, and nobody says it again
            self._is_behind |= any(segment.last > records[-1].position for segment in segments)
        else:
            records = self._store.read(bookmark, limit)
            self._is_behind |= len(records) == limit
        if records:
            self._apply(views, bookmark, records)
        return bool(records)

    def _following(self, segments: Sequence[Segment], bookmark: int) -> list[Recorded]:
        """The events that the messages carry, as far as they follow the bookmark without a gap and are as sealed."""
        records: list[Recorded] = []
        upto = bookmark
        for segment in sorted(segments, key=lambda item: item.first):
            if segment.last <= upto or not segment.events:
                continue
            if segment.first > upto + 1 or not self._sealed(segment):
                break
            try:
                records += segment.after(upto)
            except NewerFormat:
                break  # the store says so, too, once everything before it is applied
            upto = segment.last
            if records[-1].position < upto:
                break
        return records

    def _sealed(self, segment: Segment) -> bool:
        """Whether the event store sealed exactly these events (I14)."""
        if not segment.consistent:
            return False
        hashes = bytes.fromhex(segment.prev_hash or ""), bytes.fromhex(segment.hash or "")
        with self._tracking.connection() as conn:
            return conn.execute(_SEAL, (segment.first, segment.last, *hashes)).fetchone() is not None

    def _apply(self, views: Sequence[View], bookmark: int, records: Sequence[Recorded]) -> None:
        check_contiguous(bookmark, records)
        try:
            self._project(views, bookmark, records, {})
        except Overtaken:
            self._bookmarks, self._is_behind = None, True

    def _project(self, views: Sequence[View], bookmark: int, records: Sequence[Recorded], left_out: LeftOut) -> None:
        """Apply them. What the database refuses is halved until the one event, and the one view, is left that it is."""
        last, names = records[-1].position, [view.name for view in views]
        found: list[Found] = []

        def work(cursor: Cursor[Any]) -> None:
            found[:] = project(cursor, views, records, left_out=left_out)

        try:
            self._tracking.advance(names, bookmark, last, work)
        except Unwritable as refused:
            if len(records) > 1:
                middle = len(records) // 2
                self._project(views, bookmark, records[:middle], {})
                self._project(views, records[middle - 1].position, records[middle:], {})
            elif len(views) > 1:
                for view in views:
                    self._project([view], bookmark, records, {})
            elif (names[0], last) in left_out:
                raise  # what is refused is not the event's doing
            else:
                self._project(views, bookmark, records, {(names[0], last): one_line(str(refused))})
            return
        assert self._bookmarks is not None
        self._bookmarks |= dict.fromkeys(names, last)
        self._on_applied(names, records)
        for each in found:
            self._on_set_aside(each)


def check_contiguous(after: int, records: Sequence[Recorded]) -> None:
    """Raises GapInHistory unless the records are those that follow the position (I3)."""
    for expected, record in enumerate(records, start=after + 1):
        if record.position != expected:
            raise GapInHistory(f"position {record.position} came where {expected} must be")
