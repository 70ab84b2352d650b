"""Which tables a copy of the database has, in an order in which they can be loaded, and with which columns."""

from typing import Final, NamedTuple

from psycopg import Connection, sql

from projections.named import rows

LEFT_OUT: Final = frozenset(
    {
        "guard",  # follows from the events, as the views do (I4)
        "append_head",
        "projection_tracking",
        "view_tables",
        "rebuilds",
        "retired_views",
        "unproven_entries",
        "set_aside_events",
        "queue_messages",  # lost queues lose nothing (I11)
        "queue_keys",
        "queue_dead_letters",
        "event_grants",  # the program's own, which `migrate` writes
        "stream_topics",
        "schema_migrations",
        "compatible_migrations",
        "foreground",  # what processes saw last, and will see again
        "wallet_numbers",
        "former_wallet_numbers",
        "wallet_differences",
        "address_differences",
        "node_states",
        "payout_lanes",
        "store_watch",
        "processes",
        "alarms",
        "alarm_totals",
        "alarm_changes",
        "reconciliations",
    }
)
"""A table that is not named here, and no view's, is copied: who adds one loses nothing by forgetting this list."""
HISTORY: Final = ("events", "seals")
"""Loaded first, by the role that may append everything."""


class CopiedTable(NamedTuple):
    """A table, and the columns that are written when it is loaded: those that the server generates are left out."""

    name: str
    columns: tuple[str, ...]


_TABLES: Final = """
SELECT c.relname AS name, array_agg(a.attname ORDER BY a.attnum) AS columns
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname <> ALL(%(left_out)s) AND c.relname NOT IN (SELECT table_name FROM view_tables)
 GROUP BY c.relname ORDER BY c.relname
"""
_REFERENCES: Final = """
SELECT DISTINCT conrelid::regclass::text AS table_name, confrelid::regclass::text AS needed
  FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conrelid <> confrelid
"""


def copied_tables(conn: Connection) -> list[CopiedTable]:
    """Every table that is copied: the history first, what another refers to before that one."""
    found = {
        row.name: CopiedTable(row.name, tuple(row.columns))
        for row in rows(conn, _TABLES, {"left_out": sorted(LEFT_OUT)})
    }
    needs: dict[str, set[str]] = {name: set() for name in found}
    for row in rows(conn, _REFERENCES):
        if row.table_name in found and row.needed in found:
            needs[row.table_name].add(row.needed)
    ordered = [found.pop(name) for name in HISTORY]
    done = set(HISTORY)
    while found:
        ready = sorted(name for name in found if needs[name] <= done)
        assert ready, f"tables refer to each other in a circle: {', '.join(sorted(found))}"
        ordered += [found.pop(name) for name in ready]
        done |= set(ready)
    return ordered


def copy_out(table: CopiedTable) -> sql.Composed:
    """COPY in the text format. The history is in the order of its positions, so that it can be checked as it is read."""
    order = {"events": "notification_id", "seals": "first_position"}.get(table.name)
    ordered = sql.SQL(" ORDER BY {}").format(sql.Identifier(order)) if order else sql.SQL("")
    return sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(_columns(table), sql.Identifier(table.name), ordered)


def copy_in(table: CopiedTable) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), _columns(table))


def _columns(table: CopiedTable) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, table.columns))
