"""A copy's tables into an empty database, and what follows from them: the guard, by folding every event (I4)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.rows import namedtuple_row

from core.ledger.guard import GuardKey, guard_deltas
from core.ledger.history import Beside, read
from gateways.postgres.copies.tables import CopiedTable, copied_tables, copy_in
from gateways.postgres.roles import OWNER, WRITER
from gateways.user_error import UserError
from projections.named import rows

CHUNK: Final = 1 << 20
_LATER_CHECKS: Final = """
SELECT conrelid::regclass::text AS table_name, conname AS name, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint WHERE contype = 'c' AND NOT convalidated AND connamespace = 'public'::regnamespace
"""
"""Checks that old rows need not pass, which are loaded as new ones here."""
_SEQUENCES: Final = """
SELECT pg_get_serial_sequence(quote_ident(c.relname), a.attname) AS sequence, c.relname AS table_name, a.attname AS column_name
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> ''
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%(tables)s)
"""
_READ: Final = "SELECT originator_id AS stream, topic, state FROM events ORDER BY notification_id"


def load(conn: Connection, tables: Sequence[CopiedTable], files: Mapping[str, Path]) -> None:
    """One transaction. Raises UserError where the database holds a history, or the copy has what it does not know."""
    known = {table.name: set(table.columns) for table in copied_tables(conn)}
    for table in tables:
        strange = set(table.columns) - known.get(table.name, set())
        if table.name not in known or strange:
            raise UserError(
                f"the copy has {table.name} {sorted(strange)}, which this version does not know: install a newer one"
            )
    with conn.transaction():
        if conn.execute("SELECT EXISTS (SELECT FROM events)").fetchone() != (False,):
            raise UserError("the database holds a history already: a copy goes into an empty one")
        later = rows(conn, _LATER_CHECKS).fetchall()
        _as(conn, OWNER)
        for check in later:
            conn.execute(_alter("ALTER TABLE {} DROP CONSTRAINT {}", check.table_name, check.name))
        for table in tables:
            _as(conn, WRITER if table.name == "events" else OWNER)
            first = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table.name))
            if conn.execute(first).fetchone() == (True,):  # a first row that a migration put there
                conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
            _copy(conn, table, files[table.name])
        _as(conn, OWNER)
        if "format_levels" not in {table.name for table in tables}:  # of before there were levels: at the first
            conn.execute("DELETE FROM format_levels WHERE since = 0")
            conn.execute("INSERT INTO format_levels VALUES (1, 0)")
        for check in later:
            added = _alter("ALTER TABLE {} ADD CONSTRAINT {} ", check.table_name, check.name)
            conn.execute(added + sql.SQL(check.definition))
        for held in rows(conn, _SEQUENCES, {"tables": [table.name for table in tables]}).fetchall():
            highest = sql.SQL("SELECT setval(%s, greatest((SELECT max({}) FROM {}), 1))").format(
                sql.Identifier(held.column_name), sql.Identifier(held.table_name)
            )
            conn.execute(highest, (held.sequence,))
        _make_guard(conn)


def _make_guard(conn: Connection) -> None:
    balances: dict[GuardKey, int] = {}
    with conn.cursor(name="history", row_factory=namedtuple_row) as cursor:
        cursor.itersize = 10_000
        stored: Any = cursor.execute(_READ)
        for row in stored:
            event = read(row.stream, row.topic, row.state)
            if isinstance(event, Beside):
                continue
            for key, delta_minor, opens in guard_deltas(event):
                if opens:
                    balances[key] = 0
                elif key in balances:
                    balances[key] += delta_minor
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO guard (ledger_account_id, currency, balance_minor) VALUES (%s, %s, %s)",
            [(key.ledger_account_id, key.currency, minor) for key, minor in balances.items()],
        )


def _copy(conn: Connection, table: CopiedTable, path: Path) -> None:
    with path.open("rb") as file, conn.cursor() as cursor, cursor.copy(copy_in(table)) as copy:
        while chunk := file.read(CHUNK):
            copy.write(chunk)


def _as(conn: Connection, role: str) -> None:
    conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))


def _alter(statement: str, table: str, constraint: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(table), sql.Identifier(constraint))
