"""Rows by the names of their columns, whatever rows the connection itself gives: two swapped columns change nothing.

A row of one column may be unpacked where it is read, `[(count,)] = ...`: there is nothing to swap.
"""

from typing import Any, TypeVar

from psycopg import Connection, Cursor, sql
from psycopg.abc import Params
from psycopg.rows import class_row, namedtuple_row

R = TypeVar("R")
Query = str | sql.SQL | sql.Composed


def rows(conn: Connection[Any], query: Query, parameters: Params | None = None, *, binary: bool = False) -> Cursor[Any]:
    """The query's rows, each with its columns as attributes."""
    return conn.cursor(row_factory=namedtuple_row).execute(query, parameters, binary=binary)


def structs(
    conn: Connection[Any], kind: type[R], query: Query, parameters: Params | None = None, *, binary: bool = False
) -> Cursor[R]:
    """The query's rows as structs or named tuples, whose fields are the columns."""
    return conn.cursor(row_factory=class_row(kind)).execute(query, parameters, binary=binary)
