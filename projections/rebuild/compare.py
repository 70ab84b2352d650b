"""Two versions of a view at one position: are their rows the same, and if not, which differ?"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg import Connection, sql

from projections.engine.tables import Table

EXAMPLES_MAX: Final = 5


class Compared(msgspec.Struct, frozen=True):
    """One table of the new version beside the one that serves. Examples are keys."""

    rows: int
    extra: int = 0
    missing: int = 0
    changed: int = 0
    examples: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        return bool(self.extra or self.missing or self.changed)


def compare(conn: Connection[Any], table: Table[Any], serving: str, new: str) -> Compared:
    """Compare by digest, and row by row only if those differ. Both schemas must be of one position in this snapshot."""
    rows, digest = _digest(conn, table, new)
    if (rows, digest) == _digest(conn, table, serving):
        return Compared(rows)
    statement = sql.SQL(
        "SELECT count(*) FILTER (WHERE old.found IS NULL), count(*) FILTER (WHERE new.found IS NULL), count(*),"
        " (array_agg(concat_ws(' ', {keys}) ORDER BY {keys}))[1:{most}]"
        " FROM (SELECT true AS found, * FROM {serving}) AS old FULL JOIN (SELECT true AS found, * FROM {new}) AS new"
        " USING ({keys}) WHERE {of_old} IS DISTINCT FROM {of_new}"
    ).format(
        keys=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        most=sql.Literal(EXAMPLES_MAX),
        serving=sql.Identifier(serving, table.name),
        new=sql.Identifier(new, table.name),
        of_old=_row(table, "old"),
        of_new=_row(table, "new"),
    )
    found = conn.execute(statement).fetchone()
    assert found is not None
    extra, missing, differing, examples = found
    return Compared(rows, extra, missing, differing - extra - missing, tuple(examples or ()))


def _digest(conn: Connection[Any], table: Table[Any], schema: str) -> tuple[int, int]:
    """(rows, a hash of all of them in any order)."""
    statement = sql.SQL("SELECT count(*), coalesce(sum(hash_record_extended({row}, 0)), 0) FROM {table} AS t").format(
        row=_row(table, "t"), table=sql.Identifier(schema, table.name)
    )
    found = conn.execute(statement).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def _row(table: Table[Any], alias: str) -> sql.Composed:
    """Every column in an order of our own; json, which has no equality, as its text."""
    columns: Sequence[sql.Composable] = [
        sql.SQL("{}{}").format(
            sql.Identifier(alias, column.name), sql.SQL("::text" if column.type.name == "json" else "")
        )
        for column in table.columns
    ]
    return sql.SQL("ROW({})").format(sql.SQL(", ").join(columns))
