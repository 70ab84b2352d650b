"""One batch of events on its way into the tables of some views: read what the folds will look at, fold, write."""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Self, TypeVar

import msgspec
import psycopg
from psycopg import Cursor

from core.ledger.events import Event, Recorded
from core.ports.unavailable import Unavailable
from projections.engine.rows import Changes, Kept, Load, Rows
from projections.engine.set_aside import Found, LeftOut, Unfoldable, Unwritable, keep
from projections.engine.tables import Key, Table
from projections.engine.view import View

R = TypeVar("R", bound=msgspec.Struct)

COPY_ROWS_MIN: Final = 200
"""From so many new rows on, COPY is faster than an INSERT from arrays, though it costs a round trip more."""
_OF_THE_EVENT: Final = ("22", "23", "54")
"""Classes of SQLSTATE that a value brings about: it is out of range, forbidden, too large."""


class Folds:
    """Some views' rows in memory, and which of them fold which event. Pure, but for what their rows may look up."""

    def __init__(self, rows: Mapping[View, Rows]) -> None:
        self._rows = rows
        self._folds: dict[type[Event], list[tuple[str, Callable[[Recorded], None]]]] = {}
        for view in rows:
            for kind in view.events:
                self._folds.setdefault(kind, []).append((view.name, partial(view.fold, rows[view])))

    @classmethod
    def of(cls, views: Iterable[View], load: Load | None = None) -> Self:
        """Without `load`, all there is is in memory."""
        return cls({view: Rows(view.tables, load) for view in views})

    @property
    def complete(self) -> bool:
        """Whether all there is is in memory."""
        return all(rows.complete for rows in self._rows.values())

    def rows(self, table: Table[R]) -> Kept[R]:
        """The rows of one table of theirs."""
        return next(rows[table] for view, rows in self._rows.items() if table in view.tables)

    def needs(self, records: Sequence[Recorded], left_out: LeftOut | None = None) -> dict[Table[Any], list[Key]]:
        """What to read before, by table. Raises Unfoldable."""
        wanted: dict[Table[Any], dict[Key, None]] = {}
        for view, rows in self._rows.items():
            if rows.complete:
                continue
            for record in records:
                if type(record.event) not in view.events or (left_out and (view.name, record.position) in left_out):
                    continue
                try:
                    for table, key in view.needs(record):
                        if rows[table].looks_up and key not in rows[table]:
                            wanted.setdefault(table, {})[key] = None
                except Exception as error:
                    raise Unfoldable(view.name, record, error) from error
        return {table: list(keys) for table, keys in wanted.items()}

    def learn(self, table: Table[Any], keys: Sequence[Key], rows: Sequence[Any]) -> None:
        """Take what the database has of these keys."""
        for view, kept in self._rows.items():
            if table in view.tables:
                kept[table].learn(keys, rows)

    def apply(self, records: Sequence[Recorded], left_out: LeftOut | None = None) -> None:
        """Fold the events into the rows, in order. Raises Unfoldable: then the rows are worth nothing any more."""
        if records[0].position == 1:
            for view, rows in self._rows.items():
                view.open(rows, records[0])
        folds, name = self._folds, ""
        try:
            for record in records:
                for name, fold in folds.get(type(record.event), ()):
                    if not left_out or (name, record.position) not in left_out:
                        fold(record)
        except (Unavailable, psycopg.Error, MemoryError):  # of a look-up: not the event's fault
            raise
        except Exception as error:
            raise Unfoldable(name, record, error) from error

    def take(self) -> list[Changes]:
        """What is to be written since the last time, view by view."""
        return [changes for rows in self._rows.values() for changes in rows.take()]

    def forget(self, rows_max: int, load: Load) -> None:
        """Give back the memory of tables of which more than so many rows are here: from now on they are looked up."""
        for rows in self._rows.values():
            rows.forget(rows_max, load)


def load_with(cursor: Cursor[Any]) -> Load:
    """Rows from the tables that stand first in the cursor's path."""
    return lambda table, keys: table.rows_of(table.select(cursor, keys))


def project(
    cursor: Cursor[Any],
    views: Sequence[View],
    records: Sequence[Recorded],
    *,
    left_out: LeftOut | None = None,
    may_leave_out: Callable[[Sequence[tuple[str, int]]], bool] | None = None,
    copy_rows_min: int = COPY_ROWS_MIN,
) -> list[Found]:
    """Read, fold and write one batch -> what of it was set aside. `left_out` takes what a view cannot fold.

    `may_leave_out` decides over that, and puts it there; without it, everything may. Raises Unfoldable where it may not,
    and Unwritable: then the transaction is worth nothing any more.
    """
    left_out = {} if left_out is None else left_out
    with writable():
        while True:
            folds = Folds.of(views, load_with(cursor))
            try:
                read_ahead(cursor, folds, records, left_out)
                folds.apply(records, left_out)
                break
            except Unfoldable as found:  # nothing is written yet: once more, without it
                if may_leave_out is None:
                    left_out[found.view, found.position] = found.reason
                elif not may_leave_out([(found.view, found.position)]):
                    raise
        write(cursor, folds.take(), copy_rows_min=copy_rows_min)
    return keep(cursor, [view.name for view in views], records, left_out)


@contextmanager
def writable() -> Iterator[None]:
    """Raises Unwritable for what one of the events must have brought about."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None or not error.sqlstate.startswith(_OF_THE_EVENT):
            raise
        raise Unwritable(str(error)) from error
    except (OverflowError, struct.error, UnicodeError) as error:
        raise Unwritable(str(error)) from error


def read_ahead(cursor: Cursor[Any], folds: Folds, records: Sequence[Recorded], left_out: LeftOut | None = None) -> None:
    """Read what the folds will look at: all of it in one round trip. Raises Unfoldable."""
    needs = folds.needs(records, left_out)
    with cursor.connection.pipeline():
        answered = [table.select(cursor.connection.cursor(), keys) for table, keys in needs.items()]
    for (table, keys), answer in zip(needs.items(), answered, strict=True):
        folds.learn(table, keys, table.rows_of(answer))


def write(cursor: Cursor[Any], changes: Sequence[Changes], *, copy_rows_min: int = COPY_ROWS_MIN) -> None:
    """Remove, then table by table write rows over others and add what is new: what a row refers to is there before it.

    COPY ends a pipeline, so tables that only grow come last: nothing but their like refers to them.
    """
    groups: list[tuple[list[tuple[Table[Any], Sequence[Any]]], list[Changes]]] = [([], [])]
    for found in changes:
        if not found.table.grows:
            many = len(found.new) >= copy_rows_min
            upserts, copies = groups[-1]
            upserts.append((found.table, found.changed if many else [*found.new, *found.changed]))
            if many:
                copies.append(found)
                groups.append(([], []))
    groups[-1][1].extend(found for found in changes if found.table.grows)
    for number, (upserts, copies) in enumerate(groups):
        if upserts or number == 0:
            with cursor.connection.pipeline():
                for found in reversed(changes) if number == 0 else ():
                    if found.gone:
                        found.table.delete(cursor, found.gone)
                for table, rows in upserts:
                    if rows:
                        table.upsert(cursor, rows)
        for found in copies:
            found.table.copy(cursor, found.table.copy_stream(found.new))
