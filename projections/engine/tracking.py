"""Bookmarks of views, and the fence that makes them exactly-once: rows and bookmark move in one transaction or not at all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from psycopg import Connection, Cursor
from psycopg.rows import tuple_row

from projections.engine.outages import reachable
from projections.named import rows

TRACKING_TABLE: Final = "projection_tracking"
_BOOKMARKS: Final = f"SELECT application_name AS view, notification_id AS position FROM {TRACKING_TABLE}"
_BOOKMARK: Final = f"{_BOOKMARKS} WHERE application_name = %s"

# A commit that a crash of the server takes back takes rows and bookmark back together, and the history brings both again:
# views need not wait for the disk.
_LOCK: Final = (
    "SELECT notification_id AS position, set_config('synchronous_commit', 'off', true)"
    f" FROM {TRACKING_TABLE} WHERE application_name = ANY(%s) ORDER BY application_name FOR UPDATE"
)
_MOVE: Final = (
    f"UPDATE {TRACKING_TABLE} SET notification_id = %s WHERE application_name = ANY(%s) AND notification_id < %s"
)


class Overtaken(Exception):
    """Another projector of the view has moved the bookmark meanwhile: load it again."""


class ViewTracking(PostgresTrackingRecorder):
    """eventsourcing's tracking recorder, one row a view.

    Its upsert refuses to go back, which is not enough for batches: two projectors at 100, one with events to 150 and one
    with events to 200, would both move forward and apply 101..150 twice. So the row is locked and compared first.
    """

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, tracking_table_name=TRACKING_TABLE)

    def bookmark(self, view: str) -> int:
        """The position of the last event the view holds."""
        with self.connection() as conn:
            return next((int(row.position) for row in rows(conn, _BOOKMARK, (view,))), 0)

    def bookmarks(self) -> Mapping[str, int]:
        """All views' positions, with one SELECT."""
        with self.connection() as conn:
            return {row.view: row.position for row in rows(conn, _BOOKMARKS)}

    def advance(self, views: Sequence[str], after: int, upto: int, work: Callable[[Cursor[Any]], None]) -> None:
        """Do `work` and move the bookmarks from `after` to `upto`, in one transaction. Raises Overtaken.

        All views stand at `after`; the work is done once for all of them.
        """
        with self.connection() as conn, conn.transaction(), conn.cursor() as cursor:
            if set(self.lock(cursor, views)) != {after}:
                raise Overtaken(", ".join(views))
            work(cursor)
            self.move(cursor, views, upto)

    def lock(self, cursor: Cursor[Any], views: Sequence[str]) -> list[int]:
        """Keep every projector of the views waiting until this transaction ends; -> their bookmarks."""
        rows = cursor.execute(_LOCK, (list(views),)).fetchall()
        assert len(rows) == len(views), f"{TRACKING_TABLE} lacks a row for one of {views}: its migration must insert it"
        return [int(position) for position, _ in rows]

    def move(self, cursor: Cursor[Any], views: Sequence[str], upto: int) -> None:
        """Move bookmarks forward, as part of the cursor's transaction, which holds their lock."""
        moved = cursor.execute(_MOVE, (upto, list(views), upto)).rowcount
        assert moved == len(views), f"of the views {views} only {moved} stand before {upto}"

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """A pooled autocommit connection that gives tuples. Raises Unavailable when the database is shut."""
        with reachable("the views' database"):
            self.datastore.pool.open()
            with self.datastore.pool.connection() as conn:
                conn.row_factory = tuple_row  # type: ignore[assignment]
                yield conn
