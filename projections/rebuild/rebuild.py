"""Step: build new versions of views beside the serving ones, from position 0; prove them; swap each in one transaction.

A version is built in schema `building`, where tables have the names they serve under, so the same folds fill them. Rows
and position move together, so a crash loses nothing. The swap holds the view's bookmark, so that no live write can fall
between (FAILURES 34), and keeps the old version for a rollback. Readers wait for the moment in which names change.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import psycopg
from psycopg import Connection
from psycopg.errors import LockNotAvailable, UndefinedTable

from core.ledger.ledger import EventStore
from core.ports.unavailable import Unavailable
from projections.engine.batch import Folds, project, read_ahead, writable, write
from projections.engine.outages import is_outage
from projections.engine.projector import check_contiguous
from projections.engine.rows import Rows
from projections.engine.set_aside import LeftOut, Unfoldable, Unwritable, keep
from projections.engine.tables import Key, Table
from projections.engine.tracking import TRACKING_TABLE
from projections.engine.view import View
from projections.named import rows
from projections.rebuild import rebuilds
from projections.rebuild.compare import compare
from projections.rebuild.rebuilds import RebuildRow

SEGMENT_EVENTS_MAX: Final = 5_000
ROWS_KEPT_MAX: Final = 50_000
"""So many rows of a table stay in memory between segments."""
NEAR_EVENTS: Final = 500
"""A version so near to the serving one is brought to it while the projector waits."""
BEHIND_EVENTS: Final = 10_000
"""A view so far behind the history serves nobody well: its new version goes past it."""
READERS_WAIT_MS: Final = 40
"""So long a swap may wait for its locks, and with it the readers behind it. Then it tries again."""

ERROR_LENGTH_MAX: Final = 500

BUILDING: Final = "building"
SERVING: Final = "public"

_PATH: Final = f"SET search_path = {BUILDING}, {SERVING}"
# A version that a crash of the server takes back is built again from where it stands then.
_SESSION: Final = "SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET lock_timeout = '10s'"
_CLAIM: Final = "SELECT view FROM claim_views(%s) AS view"
_BOOKMARKS: Final = f"SELECT application_name AS view, notification_id AS position FROM {TRACKING_TABLE}"
_LEFT_OUT: Final = "SELECT view, position, reason FROM set_aside_events WHERE view = ANY(%s)"
_FENCE: Final = f"SELECT notification_id FROM {TRACKING_TABLE} WHERE application_name = %s FOR UPDATE"
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

Connect = Callable[[], Connection[Any]]
"""A new autocommit connection as the projector."""


class Rebuild:
    """Works on whatever rebuilds of its views are wished for, on those that no other process works on.

    `clock_ns` gives nanoseconds. `on_end` gets the views that swapped, were rolled-back, cancelled or failed. Views that stand
    at the same position are folded from one reading of the history.
    """

    def __init__(
        self,
        views: Sequence[View],
        store: EventStore,
        connect: Connect,
        clock_ns: Callable[[], int],
        *,
        segment_events_max: int = SEGMENT_EVENTS_MAX,
        on_end: Callable[[Sequence[str], str], None] = lambda *_: None,
    ) -> None:
        self._views = {view.name: view for view in views}
        self._store = store
        self._connect = connect
        self._clock_ns = clock_ns
        self._segment_events_max = segment_events_max
        self._on_end = on_end
        self._conn: Connection[Any] | None = None
        self._claimed: set[str] = set()
        self._rows: dict[str, Rows] = {}
        self._at_work: Sequence[str] = ()
        self._left_out: LeftOut = {}
        """What these views cannot fold, and do not where they serve (I4)."""
        self._narrow: int | None = None
        """So few events at a time while one is looked for whose rows the database refuses."""
        self.share_percent = 100
        """The part of the time that the work may take; whoever calls `step` sees to it."""

    def step(self) -> bool:
        """One piece of one rebuild. True while there is more to do now. Raises Unavailable."""
        self._at_work = ()
        try:
            return self._step()
        except LockNotAvailable:
            return False  # readers go first: again after a rest
        except rebuilds.Ended:
            return True
        except UndefinedTable as error:
            if self._conn is not None and self._ended(self._conn):
                return True
            self._fail(error)
            raise
        except Exception as error:  # a defect, of a fold most likely: it ends this rebuild and this process, once
            if isinstance(error, psycopg.Error) and is_outage(error):
                self.close()
                raise Unavailable(f"the views' database cannot be reached: {error}") from error
            self._fail(error)
            raise

    def _fail(self, error: Exception) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
        with self._connect() as after:
            said = f"{type(error).__name__}: {error}".partition("\n")[0][:ERROR_LENGTH_MAX]
            rebuilds.note(after, self._at_work, state="failed", error=said)
        self._on_end(self._at_work, "failed")
        self.close()

    def _ended(self, conn: Connection[Any]) -> bool:
        """Whether what was worked on was dropped by somebody else: `migrate` does where it changed the view's tables."""
        return not any(row.unfinished for row in rebuilds.load(conn, self._at_work).values())

    def close(self) -> None:
        """Let go of everything; what was built stays and is gone on with."""
        if self._conn is not None:
            self._conn.close()
        self._conn = None
        self._claimed.clear()
        self._rows.clear()

    def _step(self) -> bool:
        if self._conn is None:
            self._conn = self._connect()
            self._conn.execute(_PATH)
            self._conn.execute(_SESSION)
        known = rebuilds.load(self._conn, self._views)
        unfinished = [view for view, row in known.items() if row.unfinished]
        self._claim(unfinished)
        ours = {view: row for view, row in known.items() if row.unfinished and view in self._claimed}
        for view, row in ours.items():
            if row.wish in ("cancel", "roll back") or row.state == "requested":
                self._begin_or_end(self._conn, view, row)
                return True
        going = {view: row for view, row in ours.items() if row.wish == "go"}
        return self._fold(self._conn, going) or self._finish(self._conn, going)

    def _claim(self, unfinished: Sequence[str]) -> None:
        """Take what nobody else works on; the claim is the session's, and ends with it."""
        assert self._conn is not None
        unclaimed = [view for view in unfinished if view not in self._claimed]
        if unclaimed:
            self._claimed |= {view for (view,) in self._conn.execute(_CLAIM, (unclaimed,))}

    def _begin_or_end(self, conn: Connection[Any], view: str, row: RebuildRow) -> None:
        with conn.transaction():
            if row.wish == "cancel":
                conn.execute("SELECT drop_version(%s)", (view,))
                rebuilds.note(conn, [view], state="cancelled")
            elif row.wish == "roll back":
                conn.execute(f"SET LOCAL lock_timeout = '{READERS_WAIT_MS}ms'")
                [(position,)] = conn.execute("SELECT roll_back_version(%s)", (view,))
                if position is None:
                    rebuilds.note(conn, [view], state="cancelled", error="there is no version to go back to any more")
                else:
                    rebuilds.note(conn, [view], state="rolled back")
            else:
                conn.execute("SELECT begin_version(%s)", (view,))
                rebuilds.note(conn, [view], state="building", position=0, aim=self._aims(conn, [view])[view])
                conn.execute("UPDATE rebuilds SET started_at = now() WHERE view = %s", (view,))
        self._rows.pop(view, None)
        if row.wish != "go":
            self._on_end([view], "cancelled" if row.wish == "cancel" else "rolled-back")

    # Folding

    def _fold(self, conn: Connection[Any], going: Mapping[str, RebuildRow]) -> bool:
        """One segment for the versions that are furthest behind. False when none is being built."""
        building = {view: row.position for view, row in going.items() if row.state == "building"}
        if not building:
            return False
        after = min(building.values())
        group = [view for view, position in building.items() if position == after]
        aims = self._aims(conn, group)
        there = [view for view, aim in aims.items() if aim - after <= NEAR_EVENTS]
        if there:
            rebuilds.note(conn, there, state="indexing")
            return True
        ends = [*aims.values(), *(position for position in building.values() if position > after)]
        limit = min(max(1, self.share_percent * self._segment_events_max // 100), min(ends) - after)
        limit = min(limit, self._narrow or limit)
        begun, self._at_work = self._clock_ns(), group
        folds = self._folds(group, after)
        try:
            with _collector_off(), conn.transaction(), conn.cursor() as cursor:
                rebuilds.must_be(conn, group, "building")
                records = self._store.read(after, limit)
                check_contiguous(after, records)
                with writable():
                    if not folds.complete:
                        read_ahead(cursor, folds, records, self._left_out)
                    folds.apply(records, self._left_out)
                    write(cursor, folds.take(), copy_rows_min=1)
                keep(cursor, group, records, self._left_out)
                rate = len(records) * 10**9 // max(self._clock_ns() - begun, 1)
                before = going[group[0]].events_per_second
                rebuilds.note(
                    conn,
                    group,
                    position=records[-1].position,
                    aim=max(aims.values()),
                    events_per_second=(9 * before + rate) // 10 if before else rate,
                    share_percent=self.share_percent,
                )
        except BaseException as error:
            for view in group:
                self._rows.pop(view, None)  # what is in memory was not written
            if self._is_left_out(error, group, after, limit):
                return True
            raise
        self._narrow = None if self._narrow is None or 2 * self._narrow > self._segment_events_max else 2 * self._narrow
        folds.forget(ROWS_KEPT_MAX, self._load)
        return True

    def _is_left_out(self, error: BaseException, group: Sequence[str], after: int, limit: int) -> bool:
        """Whether to fold the segment again, without what the serving version leaves out, too.

        Another event that a new version cannot fold is that version's defect.
        """
        if isinstance(error, Unfoldable):
            return self._leave_out([(error.view, error.position)])
        if not isinstance(error, Unwritable):
            return False
        if self._leave_out([(view, after + place) for view in group for place in range(1, limit + 1)]):
            return True
        self._narrow = max(1, limit // 2)  # together, rows may pass a bound that each event by itself keeps
        return limit > 1

    def _leave_out(self, asked: Sequence[tuple[str, int]]) -> bool:
        """Leave out those of them that the serving versions do -> whether there are any that were not left out yet."""
        with self._connect() as conn:
            known = {(row.view, row.position): row.reason for row in rows(conn, _LEFT_OUT, (list(self._views),))}
        new = {key: known[key] for key in asked if key in known and key not in self._left_out}
        self._left_out |= new
        return bool(new)

    def _folds(self, group: Sequence[str], after: int) -> Folds:
        """The group's rows in memory: all there are, if it began here."""
        for view in group:
            if view not in self._rows:
                self._rows[view] = Rows(self._views[view].tables, self._load if after else None)
        return Folds({self._views[view]: self._rows[view] for view in group})

    def _load(self, table: Table[Any], keys: Sequence[Key] | None) -> Sequence[Any]:
        assert self._conn is not None
        with self._conn.cursor() as cursor:
            return table.rows_of(table.select(cursor, keys))

    def _aims(self, conn: Connection[Any], views: Sequence[str]) -> dict[str, int]:
        """Where each version is to be brought: to the serving one, or past one that is left behind."""
        bookmarks = {row.view: row.position for row in rows(conn, _BOOKMARKS)}
        past = self._store.head() - BEHIND_EVENTS
        return {view: max(bookmarks[view], past) for view in views}

    # Finishing

    def _finish(self, conn: Connection[Any], going: Mapping[str, RebuildRow]) -> bool:
        for view, row in going.items():
            if row.state == "indexing":
                self._index(conn, self._views[view])
                return True
        for view, row in going.items():
            if row.state == "verifying":
                self._verify(conn, self._views[view], row)
                return True
        for view, row in going.items():
            if row.state == "verified" and not row.hold:
                self._swap(conn, self._views[view], row)
                return True
        return False

    def _index(self, conn: Connection[Any], view: View) -> None:
        """Keys, indexes, foreign keys, triggers; then whatever the view itself demands of its rows."""
        self._rows.pop(view.name, None)
        self._at_work = [view.name]
        # Where clients are served, an index takes one core and not all of them.
        conn.execute(
            "SET max_parallel_maintenance_workers = 0"
            if self.share_percent < 100
            else "RESET max_parallel_maintenance_workers"
        )
        for table in view.tables:
            conn.execute("SELECT finish_version(%s)", (table.name,))
        for what, query in view.forbids.items():
            for (wrong,) in conn.execute(query):
                rebuilds.note(conn, [view.name], state="failed", error=f"{what}: {wrong}")
                return
        with conn.transaction():
            rebuilds.must_be(conn, [view.name], "indexing")
            rebuilds.note(conn, [view.name], state="verifying")

    def _verify(self, conn: Connection[Any], view: View, row: RebuildRow) -> None:
        """Compare with the serving version, both at one position: the fence holds only until that is a snapshot."""
        self._at_work = [view.name]
        position = self._catch_up(conn, view, row, row.position, self._aims(conn, [view.name])[view.name])
        with self._connect() as fence, self._connect() as snapshot:
            with fence.transaction():
                bookmark = _fenced(fence, view.name)
                position = self._catch_up(conn, view, row, position, bookmark)
                snapshot.execute(_SNAPSHOT)
                snapshot.execute("SELECT 1")
            if position > bookmark:
                found: dict[str, Any] = {"compared_with": bookmark, "tables": {}}
            else:
                tables = {table.name: compare(snapshot, table, SERVING, BUILDING) for table in view.tables}
                found = {"compared_with": bookmark, "tables": msgspec.to_builtins(tables)}
        with conn.transaction():
            rebuilds.must_be(conn, [view.name], "verifying")
            rebuilds.note(conn, [view.name], state="verified", found=found)

    def _swap(self, conn: Connection[Any], view: View, row: RebuildRow) -> None:
        """Fence, catch up, change names, in one transaction. Raises LockNotAvailable when readers would wait too long."""
        self._at_work = [view.name]
        self._catch_up(conn, view, row, row.position, self._aims(conn, [view.name])[view.name])
        with conn.transaction():
            bookmark = _fenced(conn, view.name)
            rebuilds.must_be(conn, [view.name], "verified")
            position = rebuilds.load(conn, [view.name])[view.name].position
            self._catch_up(conn, view, row, position, bookmark)
            conn.execute(f"SET LOCAL lock_timeout = '{READERS_WAIT_MS}ms'")
            conn.execute("SELECT swap_version(%s)", (view.name,))
            rebuilds.note(conn, [view.name], state="done")
        self._on_end([view.name], "swapped")
        conn.execute("SELECT drop_passed(%s)", (view.name,))

    def _catch_up(self, conn: Connection[Any], view: View, row: RebuildRow, position: int, upto: int) -> int:
        """Bring a finished version up to there -> where it stands."""
        while position < upto:
            records = self._store.read(position, min(self._segment_events_max, upto - position))
            check_contiguous(position, records)
            with conn.transaction(), conn.cursor() as cursor:
                rebuilds.must_be(conn, [view.name], row.state)
                project(cursor, [view], records, left_out=self._left_out, may_leave_out=self._leave_out)
                position = records[-1].position
                rebuilds.note(conn, [view.name], position=position, aim=max(upto, position))
        return position


@contextmanager
def _collector_off() -> Iterator[None]:
    """Folds make no cycles; looking for some among all the rows in memory would cost a third of a segment."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _fenced(conn: Connection[Any], view: str) -> int:
    """Keep every projector of the view waiting until the transaction ends; -> its bookmark."""
    [(bookmark,)] = conn.execute(_FENCE, (view,))
    return int(bookmark)
