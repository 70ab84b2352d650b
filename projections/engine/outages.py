"""Which of Postgres' errors say "not now": the one place where they become Unavailable, for every adapter.

What our own bytes cause is a defect: text that no database holds, a broken constraint, a statement that is wrong. All else
comes from outside and ends there: a server that is shut, read-only, full, restarted or busy, a login that is not known yet,
a right that an operator has taken. What is not known is taken for that, too: it is waited for, and rings where it lasts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from core.ports.unavailable import Unavailable

OURS: Final = ("0A", "20", "21", "22", "23", "26", "2F", "34", "38", "39", "42", "44", "54", "P0")
"""Classes of SQLSTATE that a statement of this program has brought about."""
NOT_OURS: Final = ("26000", "34000", "42501", "0A000")
"""Of those classes: a prepared statement, a cursor or a plan that a failover took along, and a right that was taken."""


def is_outage(error: psycopg.Error) -> bool:
    """Whether the same may well succeed later."""
    state = error.sqlstate
    if state is None:  # psycopg's own: the connection is gone, or the value cannot be sent
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in NOT_OURS or not state.startswith(OURS)


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Raises Unavailable with `what` for every error that says "not now"; the others go up as they are."""
    try:
        yield
    except psycopg.Error as error:
        if is_outage(error):
            raise Unavailable(f"{what} cannot be reached: {error}") from error
        raise
