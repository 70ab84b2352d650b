"""How a view reads and writes its tables: rows are Structs whose fields are the columns, many rows a statement.

Names are unqualified on purpose: a rebuild writes to tables of the same names in a schema that stands first in its path.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from psycopg import Cursor

from projections.engine.binary import ID, Column, Shared, columns_of, copy_stream

R = TypeVar("R", bound=msgspec.Struct)
Key = Any
"""What names a row: the value of its key column, or a tuple of several."""


class Table(Generic[R]):
    """A table of the Struct `row`: every field is a column, `key` is the primary key.

    A table that `grows` is only ever added to: its rows are plain tuples in the order of the fields, and none is read back.
    Neighbouring columns of it that many rows have alike may be `shared`: one value of `shared_values` stands for them.
    """

    def __init__(
        self,
        name: str,
        row: type[R],
        key: Sequence[str] = ("id",),
        *,
        grows: bool = False,
        shared: Sequence[Sequence[str]] = (),
    ) -> None:
        self.name = name
        self.row = row
        self.key = tuple(key)
        self.grows = grows
        self.key_of: Callable[[R], Key] = attrgetter(*key)
        self.columns = columns_of(row)
        self._slots = list(_slots(self.columns, shared))
        self._ids = [place for place, column in enumerate(self.columns) if column.type is ID]
        self._key = [column for column in self.columns if column.name in key]
        names = ", ".join(f'"{column.name}"' for column in self.columns)
        keys = ", ".join(f'"{column}"' for column in key)
        given = f"unnest({_arrays(self._key)}) AS given ({keys})"
        kept = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in self.columns if c.name not in key)
        self._upsert = (
            f"INSERT INTO {name} ({names}) SELECT * FROM unnest({_arrays(self.columns)})"
            f" ON CONFLICT ({keys}) DO UPDATE SET {kept}"
        )
        self._select_all = f"SELECT {names} FROM {name}"
        self._select = f"{self._select_all} JOIN {given} USING ({keys})"
        self._delete = f"DELETE FROM {name} USING {given} WHERE ({_of(name, key)}) = ({_of('given', key)})"
        self._copy = f"COPY {name} ({names}) FROM STDIN (FORMAT BINARY)"

    def __str__(self) -> str:
        return self.name

    def select(self, cursor: Cursor[Any], keys: Sequence[Key] | None) -> Cursor[Any]:
        """Ask for the rows of these keys, or for all; `rows_of` gives them, later where the connection is in a pipeline."""
        if keys is None:
            return cursor.execute(self._select_all, binary=True)
        return cursor.execute(self._select, self._key_arrays(keys), binary=True)

    def rows_of(self, answered: Cursor[Any]) -> list[R]:
        rows = answered.fetchall()
        if not self._ids:
            return [self.row(*row) for row in rows]
        return [self.row(*(v.bytes if place in self._ids else v for place, v in enumerate(row))) for row in rows]

    def upsert(self, cursor: Cursor[Any], rows: Sequence[Sequence[Any]]) -> None:
        """Write whole rows, new or known."""
        cursor.execute(self._upsert, self._row_arrays(rows))

    def delete(self, cursor: Cursor[Any], keys: Sequence[Key]) -> None:
        cursor.execute(self._delete, self._key_arrays(keys))

    def copy(self, cursor: Cursor[Any], stream: bytes) -> None:
        """Add the rows of `copy_stream`."""
        with cursor.copy(self._copy) as copy:
            copy.write(stream)

    def copy_stream(self, rows: Sequence[Sequence[Any]]) -> bytes:
        return copy_stream(len(self.columns), self._slots, rows)

    def shared_values(self, *columns: str) -> Callable[..., bytes]:
        """What makes one value of the values of these columns."""
        return Shared([column for column in self.columns if column.name in columns]).encode

    def _row_arrays(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        return [column.array(values) for column, values in zip(self.columns, zip(*rows, strict=True), strict=True)]

    def _key_arrays(self, keys: Sequence[Key]) -> list[Any]:
        if len(self._key) == 1:
            return [self._key[0].array(keys)]
        return [column.array(values) for column, values in zip(self._key, zip(*keys, strict=True), strict=True)]


def _slots(columns: Sequence[Column], shared: Sequence[Sequence[str]]) -> Iterator[Column | Shared]:
    groups = {names[0]: names for names in shared}
    together = {name for names in shared for name in names}
    for column in columns:
        if column.name in groups:
            yield Shared([each for each in columns if each.name in groups[column.name]])
        elif column.name not in together:
            yield column


def _arrays(columns: Sequence[Column]) -> str:
    return ", ".join(f"%b::{column.type.name}[]" for column in columns)


def _of(table: str, columns: Sequence[str]) -> str:
    return ", ".join(f'{table}."{column}"' for column in columns)
