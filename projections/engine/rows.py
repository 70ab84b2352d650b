"""The rows that a batch works on: read before, changed in memory by a pure fold, written after."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import msgspec

from projections.engine.tables import Key, Table

R = TypeVar("R", bound=msgspec.Struct)
Load = Callable[[Table[Any], Sequence[Key] | None], Sequence[Any]]
"""Rows of a table by their keys, those that are not there left out; or all rows of a small one."""

_values: Final = msgspec.structs.astuple


class Changes(msgspec.Struct, frozen=True):
    """What is to be done to one table: rows to add, rows to write over others of their keys, keys to remove."""

    table: Table[Any]
    new: Sequence[Sequence[Any]]
    changed: Sequence[Sequence[Any]] = ()
    gone: Sequence[Key] = ()

    @property
    def any(self) -> bool:
        return bool(self.new or self.changed or self.gone)


class Kept(dict[Key, R | None], Generic[R]):
    """Rows of one table by key; None is known to be absent. A key not seen yet is looked up, so `rows[key]` never raises.

    What is not `put` is not written.
    """

    def __init__(self, table: Table[R], load: Load | None) -> None:
        super().__init__()
        self._table = table
        self._load = load
        self._stored: set[Key] = set()
        self.touched: dict[Key, None] = {}
        """Keys of the rows that are to be written: `put` notes them, and so may a fold that changes a row in place."""

    def __missing__(self, key: Key) -> R | None:
        if self._load is None:
            return None
        self.learn([key], self._load(self._table, [key]))
        return dict.__getitem__(self, key)

    def put(self, key: Key, row: R | None) -> None:
        """A row, new or changed."""
        self[key] = row
        self.touched[key] = None

    @property
    def looks_up(self) -> bool:
        """Whether there may be rows that are not in memory."""
        return self._load is not None

    def learn(self, keys: Iterable[Key], rows: Iterable[R]) -> None:
        """Take what the database has of these keys."""
        self.update(dict.fromkeys(keys))
        for row in rows:
            key = self._table.key_of(row)
            self[key] = row
            self._stored.add(key)

    def remove(self, key: Key) -> R | None:
        """Take a row away; -> what it was."""
        row = self[key]
        if key in self._stored:
            self.put(key, None)
        else:
            self.pop(key, None)
            self.touched.pop(key, None)
        return row

    def everything(self) -> list[R]:
        """All rows of a table that stays small."""
        if self._load is not None:
            unseen = [row for row in self._load(self._table, None) if self._table.key_of(row) not in self]
            self.learn(map(self._table.key_of, unseen), unseen)
        return [row for row in self.values() if row is not None]

    def take(self) -> Changes:
        """What is to be written since the last time."""
        new, changed, gone = [], [], []
        for key in self.touched:
            row = dict.__getitem__(self, key)
            if row is None:
                gone.append(key)
                self._stored.discard(key)
                self.pop(key)
            elif key in self._stored:
                changed.append(_values(row))
            else:
                new.append(_values(row))
        self._stored.update(self.touched)
        self._stored.difference_update(gone)
        self.touched.clear()
        return Changes(self._table, new, changed, gone)

    def forget(self, rows_max: int, load: Load) -> None:
        """Keep only so many rows, the newest: from now on keys are looked up. Nothing may be left to write."""
        assert not self.touched
        gone = list(islice(self, max(0, len(self) - rows_max)))
        for key in gone:
            del self[key]
        self._stored.difference_update(gone)
        self._load = load


class Added(list[Sequence[Any]]):
    """New rows of a table that grows, as tuples."""

    def __init__(self, table: Table[Any]) -> None:
        super().__init__()
        self._table = table

    def take(self) -> Changes:
        """What was added since the last time."""
        new = list(self)
        self.clear()
        return Changes(self._table, new)


class Rows:
    """The rows of several tables. Without `load`, all there is is in memory."""

    def __init__(self, tables: Iterable[Table[Any]], load: Load | None = None) -> None:
        self._tables: dict[Table[Any], Kept[Any] | Added] = {
            table: Added(table) if table.grows else Kept(table, load) for table in tables
        }

    def __getitem__(self, table: Table[R]) -> Kept[R]:
        """The rows of a table by key."""
        return self._tables[table]  # type: ignore[return-value]  # no view asks this of a table that grows

    def added(self, table: Table[Any]) -> Added:
        """Where new rows of a table that grows are put."""
        return self._tables[table]  # type: ignore[return-value]

    @property
    def complete(self) -> bool:
        """Whether all there is is in memory."""
        return not any(isinstance(rows, Kept) and rows.looks_up for rows in self._tables.values())

    def take(self) -> list[Changes]:
        """What is to be written since the last time, tables that others refer to first."""
        return [changes for changes in (rows.take() for rows in self._tables.values()) if changes.any]

    def forget(self, rows_max: int, load: Load) -> None:
        """Give back half of the memory of tables of which more than so many rows are here: most is done with soon."""
        for kept in self._tables.values():
            if isinstance(kept, Kept) and len(kept) > rows_max:
                kept.forget(rows_max // 2, load)
