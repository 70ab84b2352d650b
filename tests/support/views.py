"""Views in tests: bring them up to the history, and read their tables as the text that must not differ by a byte (I4)."""

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from core.ledger.ledger import EventStore
from projections.engine.projector import Projector
from projections.engine.tracking import ViewTracking
from projections.engine.view import View
from projections.views import VIEWS


def project(
    store: EventStore, tracking: ViewTracking, views: Iterable[View] = VIEWS.values(), *, batch_events_max: int = 5_000
) -> None:
    """Run a projector of the views until there is nothing left to do."""
    projector = Projector(list(views), store, tracking, batch_events_max=batch_events_max)
    while projector.step():
        pass


def rows(conn: Connection[Any], views: Iterable[View] = VIEWS.values()) -> dict[str, list[str]]:
    """Every row of every table of the views, as text, sorted."""
    return {
        table.name: sorted(row[0] for row in conn.execute(f"SELECT t::text FROM {table} t"))
        for view in views
        for table in view.tables
    }


def live_rows(tracking: ViewTracking, views: Iterable[View] = VIEWS.values()) -> dict[str, list[str]]:
    """`rows` of the live tables."""
    with tracking.connection() as conn:
        return rows(conn, views)
