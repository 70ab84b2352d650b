"""Two versions of a view at one position: are their rows the same, and if not, which differ?"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import Connection, sql

from projections.engine.tables import Table
from projections.named import rows, structs

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
    digest = _digest(conn, table, new)
    if digest == _digest(conn, table, serving):
        return Compared(digest.rows)
    statement = sql.SQL(
        "SELECT count(*) FILTER (WHERE old.found IS NULL) AS extra, count(*) FILTER (WHERE new.found IS NULL) AS missing,"
        " count(*) AS differing, (array_agg(concat_ws(' ', {keys}) ORDER BY {keys}))[1:{most}] AS examples"
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
    [found] = rows(conn, statement)
    return Compared(
        rows=digest.rows,
        extra=found.extra,
        missing=found.missing,
        changed=found.differing - found.extra - found.missing,
        examples=tuple(found.examples or ()),
    )


class _Digest(NamedTuple):
    """How many rows a table has, and a hash of all of them in any order."""

    rows: int
    hash: str


def _digest(conn: Connection[Any], table: Table[Any], schema: str) -> _Digest:
    statement = sql.SQL(
        "SELECT count(*) AS rows, coalesce(sum(hash_record_extended({row}, 0)), 0)::text AS hash FROM {table} AS t"
    ).format(row=_row(table, "t"), table=sql.Identifier(schema, table.name))
    [digest] = structs(conn, _Digest, statement)
    return digest


def _row(table: Table[Any], alias: str) -> sql.Composed:
    """Every column in an order of our own; json, which has no equality, as its text."""
    columns: Sequence[sql.Composable] = [
        sql.SQL("{}{}").format(
            sql.Identifier(alias, column.name), sql.SQL("::text" if column.type.name == "json" else "")
        )
        for column in table.columns
    ]
    return sql.SQL("ROW({})").format(sql.SQL(", ").join(columns))
