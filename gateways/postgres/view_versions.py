"""Versions of views that a migration has left behind: what does not have the shape of the serving tables is forgotten.

A retired version would put tables of an older schema into service when a view is rolled back, a half-built one when it is
swapped (FAILURES 56).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import psycopg

from projections.named import structs
from projections.rebuild.rebuilds import UNFINISHED

FORGOTTEN: Final = (
    "a migration changed the view's tables, so this version of it was forgotten: ask for the rebuild again"
)

# What is built gets its keys, foreign keys and indexes at its end: of them only what was retired can be compared.
_SHAPES: Final = """
SELECT n.nspname AS schema, c.relname AS name,
       (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ', ' ORDER BY attnum)
          FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
       || coalesce((SELECT string_agg(pg_get_constraintdef(k.oid), ', ' ORDER BY k.conname)
                      FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'c'), '') AS columns,
       coalesce((SELECT string_agg(regexp_replace(pg_get_indexdef(i.indexrelid), ' ON \\S+ ', ' '), ', ' ORDER BY m.relname)
                   FROM pg_index AS i JOIN pg_class AS m ON m.oid = i.indexrelid WHERE i.indrelid = c.oid), '') AS indexes
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('public', 'building', 'retired') AND c.relkind = 'r'
"""
_KNOWN: Final = "SELECT view, table_name FROM view_tables"
_RETIRED: Final = "SELECT view FROM retired_views"
# In the order in which a swap and a rollback lock: the view's bookmark, then its rebuild. No rebuild writes from then on.
_FENCE: Final = "SELECT notification_id FROM projection_tracking WHERE application_name = %s FOR UPDATE"
_CANCEL: Final = """
UPDATE rebuilds SET state = 'cancelled', error = %(error)s, updated_at = now(), ended_at = now()
 WHERE view = %(view)s AND state = ANY (%(unfinished)s) AND (wish = 'roll back') = %(rollback)s
"""


class Shape(NamedTuple):
    """A table: its columns with types, nullability and checks, in their order; and its indexes."""

    schema: str
    name: str
    columns: str
    indexes: str


class Versions(NamedTuple):
    """The views whose retired version, and those whose half-built one, is not like the one that serves."""

    retired: list[str]
    building: list[str]


def left_behind(conn: psycopg.Connection[Any], tables: Mapping[str, Iterable[str]]) -> Versions:
    """`tables` has every view's, those of before included: one that only one of two versions has is a difference too."""
    shapes = {(shape.schema, shape.name): shape for shape in structs(conn, Shape, _SHAPES)}
    retired = {view for (view,) in conn.execute(_RETIRED)}

    def serves(name: str) -> Shape | None:
        return shapes.get(("public", name))

    def like_retired(name: str) -> bool:
        kept, now = shapes.get(("retired", name)), serves(name)
        return (kept and (kept.columns, kept.indexes)) == (now and (now.columns, now.indexes))

    def like_built(name: str) -> bool:
        built, now = shapes.get(("building", name)), serves(name)
        return (built and built.columns) == (now and now.columns)

    return Versions(
        [view for view, names in tables.items() if view in retired and not all(map(like_retired, names))],
        [
            view
            for view, names in tables.items()
            if any(("building", name) in shapes for name in names) and not all(map(like_built, names))
        ],
    )


def forget_left_behind(conn: psycopg.Connection[Any], tables: Mapping[str, Iterable[str]]) -> Versions:
    """Drop them, and end the rebuilds and rollbacks that would have put them into service. Within the owner's transaction."""
    known: dict[str, list[str]] = {view: list(names) for view, names in tables.items()}
    for row in structs(conn, _Known, _KNOWN):
        if row.table_name not in known.setdefault(row.view, []):
            known[row.view].append(row.table_name)
    found = left_behind(conn, known)
    for view in sorted({*found.retired, *found.building}):
        conn.execute(_FENCE, (view,))
    for view in found.retired:
        _cancel(conn, view, rollback=True)
        conn.execute("SELECT forget_retired(%s)", (view,))
    for view in found.building:
        _cancel(conn, view, rollback=False)
        conn.execute("SELECT drop_version(%s)", (view,))
    return found


class _Known(NamedTuple):
    view: str
    table_name: str


def _cancel(conn: psycopg.Connection[Any], view: str, *, rollback: bool) -> None:
    conn.execute(_CANCEL, {"view": view, "error": FORGOTTEN, "unfinished": list(UNFINISHED), "rollback": rollback})
