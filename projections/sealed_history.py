"""The history as it is stored, rows beside seals, for whoever checks both. It stays in Postgres on every platform."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import starmap, takewhile
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import tuple_row

from core.ledger.seals import Seal, SealedPage

PAGE_EVENTS: Final = 5_000
PAGE_SEALS: Final = 1_000
_SEALS: Final = (
    "SELECT first_position, last_position, previous_hash, hash FROM seals WHERE last_position > %s"
    f" ORDER BY last_position LIMIT {PAGE_SEALS}"
)
_EVENTS: Final = (
    "SELECT notification_id, originator_id, originator_version, topic, convert_to(state, 'UTF8') FROM events"
    " WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id"
)


class PostgresSealedHistory:
    """The port `SealedHistory`, on events and seals."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection[Any]]]) -> None:
        self._transaction = transaction

    def read(self, after: int) -> SealedPage:
        with self._transaction() as conn, conn.cursor(binary=True, row_factory=tuple_row) as cursor:
            seals = list(starmap(Seal, cursor.execute(_SEALS, (after,)).fetchall()))
            # A seal that can be seen was committed with its events: they are all there.
            page = list(takewhile(lambda seal: seal.last <= after + PAGE_EVENTS, seals)) or seals[:1]
            if not page:
                return SealedPage([], [])
            return SealedPage(cursor.execute(_EVENTS, (after, page[-1].last)).fetchall(), page)
