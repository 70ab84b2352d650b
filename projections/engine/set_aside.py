"""What is set aside on the way into the views: rows that nobody can read, and events that one view cannot fold.

Both follow from the history alone, so that a view which is built anew leaves out the same as the one that serves (I4). The
table says which they are, for people and for the process that freezes the accounts they name; no view reads it.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import Cursor

from core.ledger.events import TOPICS, Recorded
from core.ledger.history import REASON_MAX, SetAside, accounts_in
from core.streams.set_aside import EventSettled

EVERY: Final = ""
"""Stands for all views: the row itself cannot be read."""

LeftOut = dict[tuple[str, int], str]
"""(view, position) -> why the view cannot fold that event."""

_KEEP: Final = """
INSERT INTO set_aside_events ("position", view, stream, version, topic, accounts, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_SETTLE: Final = (
    "UPDATE set_aside_events SET settled_at = %s, settled_by = %s, settled_reason = %s"
    ' WHERE "position" = %s AND stream = %s AND settled_at IS NULL'
)
_NAMED: Final = "SELECT state FROM events WHERE originator_id = %s AND originator_version = 1"


class Unfoldable(Exception):
    """A view's fold cannot take an event: which, and why."""

    def __init__(self, view: str, record: Recorded, error: Exception) -> None:
        kind = type(record.event)
        self.view, self.position = view, record.position
        self.reason = one_line(f"{type(error).__name__}: {error}")
        super().__init__(
            f"{view} cannot fold {TOPICS.get(kind, kind.__name__)} at position {record.position}: {self.reason}"
        )


class Unwritable(Exception):
    """The database refuses what the folds made of a batch: one event of it is to blame, and is found by halves."""


class Found(NamedTuple):
    """What was set aside now. `view` is empty where no view can read it."""

    position: int
    view: str
    stream: str
    version: int
    topic: str
    accounts: tuple[str, ...]
    reason: str

    @property
    def sentence(self) -> str:
        """For whoever is rung."""
        what = f"{self.view} cannot fold it" if self.view else "it cannot be read"
        frozen = f"; payouts of {', '.join(self.accounts)} are frozen" if self.accounts else ""
        return (
            f"{self.topic} at position {self.position} in {self.stream} is set aside, {what} ({self.reason}){frozen};"
            f" everything else goes on. Look at it (`counterfoil set-aside list`), then"
            f' `counterfoil set-aside settle {self.position} --reason "..."`'
        )


def keep(cursor: Cursor[Any], views: Sequence[str], records: Sequence[Recorded], left_out: LeftOut) -> list[Found]:
    """Note what of a batch is set aside, and what is settled -> what was not known yet. Part of the batch's transaction."""
    new = []
    for record in records:
        event = record.event
        if isinstance(event, SetAside):
            found = [(EVERY, event.topic, event.accounts, event.reason)]
        elif isinstance(event, EventSettled):
            cursor.execute(_SETTLE, (event.occurred_at, event.actor, event.reason, event.position, record.stream))
            continue
        elif left_out and any((view, record.position) in left_out for view in views):
            accounts = accounts_in(record.stream, msgspec.to_builtins(event))
            reasons = [(view, left_out.get((view, record.position))) for view in views]
            found = [(view, TOPICS[type(event)], accounts, reason) for view, reason in reasons if reason is not None]
        else:
            continue
        for view, topic, named, reason in found:
            accounts = named or _accounts_of(cursor, record.stream)
            each = Found(record.position, view, record.stream, record.version, topic, accounts, reason)
            if cursor.execute(_KEEP, (*each[:5], list(accounts), reason)).rowcount:
                new.append(each)
    return new


def _accounts_of(cursor: Cursor[Any], stream: str) -> tuple[str, ...]:
    """Whose stream it is, by its first event."""
    for (state,) in cursor.execute(_NAMED, (stream,)).fetchall():
        try:
            return accounts_in(stream, msgspec.json.decode(state))
        except msgspec.DecodeError:
            break
    return ()


def one_line(reason: str) -> str:
    """Its first line: what follows may repeat the whole event."""
    first = reason.partition("\n")[0]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in first)[:REASON_MAX]
