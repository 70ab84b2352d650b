"""Rebuild views: build beside from position 0, compare, swap. Readers see the old rows until they see the new ones.

Beside means temporary tables of the same names: they stand in front of the real ones for this session alone, so the
same view code fills them, and a rebuild that dies leaves nothing behind. The swap locks the view's bookmark, catches up
to exactly there, and replaces rows in one transaction: no live write can fall between (FAILURES 34).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from psycopg import Connection, Cursor, sql

from core.ledger import EventStore
from projections.batch import project
from projections.projector import BATCH_EVENTS_MAX, check_contiguous
from projections.tracking import ViewTracking
from projections.view import View

Progress = Callable[[int, int], None]
"""Told (position reached, position aimed at) after every batch."""

LIVE: Final = "public"


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild found: rows per table, and how many of them the live table had otherwise or not at all."""

    view: str
    position: int
    rows: dict[str, int]
    differences: dict[str, int]

    @property
    def changed(self) -> bool:
        return any(self.differences.values())


def rebuild(
    views: Sequence[View],
    store: EventStore,
    tracking: ViewTracking,
    progress: Progress | None = None,
    *,
    batch_events_max: int = BATCH_EVENTS_MAX,
) -> list[Rebuilt]:
    """Rebuild these views from one reading of the history; rows that were right stay untouched."""
    with _unprepared(tracking) as conn, conn.cursor() as cursor:
        try:
            for view in views:
                _make_scratch(cursor, view)
            reached = 0
            for _ in ("the history", "what was appended meanwhile"):
                aim = max(tracking.bookmark(view.name) for view in views)
                reached = _replay(conn, views, store, reached, aim, progress, batch_events_max)
            return [_swap(conn, view, store, tracking, reached, batch_events_max) for view in views]
        finally:
            conn.execute("DISCARD TEMP")


@contextmanager
def _unprepared(tracking: ViewTracking) -> Iterator[Connection[Any]]:
    """A connection that prepares nothing: a statement prepared for a live table goes on writing to it, scratch or not."""
    with tracking.connection() as conn:
        threshold, conn.prepare_threshold = conn.prepare_threshold, None
        try:
            yield conn
        finally:
            conn.prepare_threshold = threshold


def _make_scratch(cursor: Cursor[Any], view: View) -> None:
    """Empty twins of the view's tables: columns, checks and indexes; triggers and foreign keys wait for the swap."""
    for table in view.tables:
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING ALL)").format(
                sql.Identifier(table.name), sql.Identifier(LIVE, table.name)
            )
        )


def _replay(
    conn: Connection[Any],
    views: Sequence[View],
    store: EventStore,
    after: int,
    upto: int,
    progress: Progress | None,
    batch_events_max: int,
) -> int:
    """Apply after+1..upto to the scratch tables."""
    while after < upto:
        records = store.read(after, min(batch_events_max, upto - after))
        check_contiguous(after, records)
        assert records, f"the event store ends at {after}, before the bookmark {upto}"
        with conn.transaction(), conn.cursor() as cursor:
            project(cursor, views, records)
        after = records[-1].position
        if progress is not None:
            progress(after, upto)
    return after


def _swap(
    conn: Connection[Any],
    view: View,
    store: EventStore,
    tracking: ViewTracking,
    reached: int,
    batch_events_max: int,
) -> Rebuilt:
    with conn.transaction(), conn.cursor() as cursor:
        bookmark = min(tracking.lock(cursor, [view.name]))
        reached = _replay(conn, [view], store, reached, bookmark, None, batch_events_max)
        differences = {table.name: _differing(cursor, table.name) for table in view.tables}
        if any(differences.values()):
            for table in reversed(view.tables):
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(LIVE, table.name)))
            for table in view.tables:
                live, scratch = sql.Identifier(LIVE, table.name), sql.Identifier("pg_temp", table.name)
                cursor.execute(sql.SQL("INSERT INTO {} SELECT * FROM {}").format(live, scratch))
        rows = {table.name: _count(cursor, table.name) for table in view.tables}
        if reached > bookmark:
            tracking.move(cursor, [view.name], reached)
    return Rebuilt(view=view.name, position=reached, rows=rows, differences=differences)


def _differing(cursor: Cursor[Any], table: str) -> int:
    """How many rows are in only one of live and scratch."""
    statement = sql.SQL(
        "SELECT count(*) FROM ((SELECT t::text FROM {live} t EXCEPT ALL SELECT t::text FROM {scratch} t) UNION ALL"
        " (SELECT t::text FROM {scratch} t EXCEPT ALL SELECT t::text FROM {live} t)) AS differing"
    ).format(live=sql.Identifier(LIVE, table), scratch=sql.Identifier("pg_temp", table))
    row = cursor.execute(statement).fetchone()
    return int(row[0]) if row else 0


def _count(cursor: Cursor[Any], table: str) -> int:
    row = cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("pg_temp", table))).fetchone()
    return int(row[0]) if row else 0
