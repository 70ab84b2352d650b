"""How a view reads and writes its tables: rows are Structs whose fields are the columns, many rows a statement.

Names are unqualified on purpose: a rebuild puts temporary tables of the same names in front of the real ones.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
from psycopg import Cursor

R = TypeVar("R", bound=msgspec.Struct)

_JSON: Final = msgspec.json.Encoder()


class Table(Generic[R]):
    """A table of the Struct `row`: every field is a column, `key` is the primary key, "position" is quoted like all."""

    def __init__(self, name: str, row: type[R], key: Sequence[str] = ("id",)) -> None:
        self.name = name
        self.row = row
        columns = ", ".join(f'"{column}"' for column in row.__struct_fields__)
        kept = [column for column in row.__struct_fields__ if column not in key]
        changes = ", ".join(f'"{column}" = excluded."{column}"' for column in kept)
        self._columns = columns
        self._select = f"SELECT {columns} FROM {name}"
        self._upsert = (
            f"INSERT INTO {name} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{name}, %s::text::json)"
            f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        )
        self._delete = f"DELETE FROM {name} WHERE {key[0]} = ANY(%s)"

    def load(self, cursor: Cursor[Any], where: str, *parameters: object) -> list[R]:
        """The rows that fulfil the condition."""
        rows = cursor.execute(f"{self._select} WHERE {where}", parameters, binary=True)
        return [self.row(*row) for row in rows]

    def upsert(self, cursor: Cursor[Any], rows: Iterable[R]) -> None:
        """Write whole rows, new or known, with one statement."""
        encoded = _JSON.encode(list(rows))
        if encoded != b"[]":
            cursor.execute(self._upsert, (encoded.decode(),))

    def delete(self, cursor: Cursor[Any], keys: Sequence[object]) -> None:
        """Remove rows by the first column of the key."""
        if keys:
            cursor.execute(self._delete, (list(keys),))

    def copy(self, cursor: Cursor[Any], rows: Sequence[tuple[Any, ...]]) -> None:
        """Add new rows, their values in the order of the fields, with COPY: for tables that only grow."""
        if not rows:
            return
        with cursor.copy(f"COPY {self.name} ({self._columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
