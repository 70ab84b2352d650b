"""Rebuilds in tests: wish for them, work on them step by step, and see what was found."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from core.ledger.ledger import EventStore
from projections.engine.view import View
from projections.rebuild import rebuilds
from projections.rebuild.rebuild import Rebuild
from projections.rebuild.rebuilds import RebuildRow
from tests.support.postgres import Database

BY = "operator:test"


def connect(database: Database) -> psycopg.Connection[Any]:
    """The projector's own connection."""
    return psycopg.connect(database.projector_url, autocommit=True)


def worker(database: Database, store: EventStore, views: Iterable[View], *, segment_events_max: int = 20) -> Rebuild:
    """A rebuild process, with a clock that moves a second a look."""
    looks = itertools.count(0, 10**9)
    return Rebuild(list(views), store, lambda: connect(database), looks.__next__, segment_events_max=segment_events_max)


def wish(database: Database, views: Iterable[View], *, hold: bool = False) -> list[str]:
    with connect(database) as conn:
        return rebuilds.request(conn, [view.name for view in views], BY, hold=hold)


def rows(database: Database, views: Iterable[View]) -> dict[str, RebuildRow]:
    with connect(database) as conn:
        return rebuilds.load(conn, [view.name for view in views])


def rebuilt(
    database: Database,
    store: EventStore,
    views: Iterable[View],
    between: Callable[[], object] = lambda: None,
    *,
    segment_events_max: int = 20,
) -> dict[str, RebuildRow]:
    """Rebuild these views, with something between any two steps -> their rows when all are done."""
    views = list(views)
    wish(database, views)
    rebuild = worker(database, store, views, segment_events_max=segment_events_max)
    try:
        while rebuild.step():
            between()
    finally:
        rebuild.close()
    return rows(database, views)


def differing(row: RebuildRow) -> dict[str, dict[str, Any]]:
    """The tables whose new rows are not those that served."""
    assert row.found is not None
    return {
        name: table
        for name, table in row.found["tables"].items()
        if any(table[kind] for kind in ("extra", "missing", "changed"))
    }
