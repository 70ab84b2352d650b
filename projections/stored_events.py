"""Stored events as an auditor reads them: each row whole, in the order in which its columns are hashed.

A Sealed is a plain tuple of that order (core/ledger/seals.py), and a history has millions of them: only here are columns
read by their place, beside the one list that says which stands where.
"""

from collections.abc import Generator
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import tuple_row

from core.ledger.seals import Sealed

_FETCH: Final = 5_000
_EVENTS: Final = "SELECT notification_id, originator_id, originator_version, topic, state FROM events"
_BETWEEN: Final = (
    f"{_EVENTS} WHERE notification_id > %s AND (%s::bigint IS NULL OR notification_id <= %s) ORDER BY notification_id"
)
_PAGE: Final = f"{_EVENTS} WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
_STREAM: Final = f"{_EVENTS} WHERE originator_id = %s ORDER BY originator_version"


def all_events(conn: Connection[Any], after: int = 0, upto: int | None = None) -> Generator[Sealed, None, None]:
    """Every event behind a position, up to another, a few thousand at a time. `conn` must be in a transaction."""
    with conn.cursor("events", row_factory=tuple_row) as events:
        events.itersize = _FETCH
        events.execute(_BETWEEN, (after, upto, upto))
        for position, stream, version, topic, state in events:
            yield position, stream, version, topic, state.encode()


def page_of_events(conn: Connection[Any], after: int, limit: int) -> list[Sealed]:
    """The next events behind a position."""
    return _sealed(conn, _PAGE, (after, limit))


def events_of(conn: Connection[Any], stream: str) -> list[Sealed]:
    """The events of one stream, from its start."""
    return _sealed(conn, _STREAM, (stream,))


def _sealed(conn: Connection[Any], query: str, parameters: tuple[Any, ...]) -> list[Sealed]:
    rows = conn.cursor(row_factory=tuple_row).execute(query, parameters, binary=True)
    return [(position, stream, version, topic, state.encode()) for position, stream, version, topic, state in rows]
