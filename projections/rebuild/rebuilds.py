"""Rebuilds as rows: what an operator wishes, how far each one came. Everybody who asks, works or watches meets here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from psycopg import Connection
from psycopg.types.json import Json

from projections.named import structs

State = Literal[
    "requested", "building", "indexing", "verifying", "verified", "done", "failed", "cancelled", "rolled back"
]
Wish = Literal["go", "pause", "cancel", "roll back"]

UNFINISHED: Final = ("requested", "building", "indexing", "verifying", "verified")

_COLUMNS: Final = (
    'view, state, wish, hold, requested_by, requested_at, "position", aim, events_per_second, share_percent, found, error,'
    " started_at, updated_at, ended_at"
)
ALL: Final = f"SELECT {_COLUMNS} FROM rebuilds ORDER BY view"
REQUEST: Final = """
INSERT INTO rebuilds (view, state, wish, hold, requested_by)
SELECT DISTINCT view, 'requested', 'go', %(hold)s, %(by)s FROM view_tables WHERE view = ANY(%(views)s)
    ON CONFLICT (view) DO UPDATE SET state = 'requested', wish = 'go', hold = excluded.hold,
       requested_by = excluded.requested_by, requested_at = now(), "position" = 0, aim = 0, events_per_second = 0,
       share_percent = 100, found = NULL, error = NULL, started_at = NULL, updated_at = now(), ended_at = NULL
     WHERE rebuilds.state <> ALL (%(unfinished)s)
RETURNING view
"""
WISH: Final = """
UPDATE rebuilds SET wish = %(wish)s, hold = hold AND %(wish)s <> 'go' WHERE view = %(view)s AND state = ANY (%(states)s)
RETURNING view
"""
ROLL_BACK: Final = """
INSERT INTO rebuilds (view, state, wish, hold, requested_by) SELECT view, 'requested', 'roll back', false, %(by)s
  FROM retired_views WHERE view = %(view)s
    ON CONFLICT (view) DO UPDATE SET state = 'requested', wish = 'roll back', requested_by = excluded.requested_by,
       requested_at = now(), error = NULL, found = NULL, updated_at = now(), ended_at = NULL
     WHERE rebuilds.state <> ALL (%(unfinished)s)
RETURNING view
"""


STILL: Final = "SELECT view FROM rebuilds WHERE view = ANY(%s) AND state = %s ORDER BY view FOR UPDATE"


class Ended(Exception):
    """Somebody else has ended the rebuild meanwhile, and dropped its version: look again."""


class RebuildRow(msgspec.Struct, frozen=True):
    """One view's rebuild: the last there was, or the one that goes on."""

    view: str
    state: State
    wish: Wish
    hold: bool
    requested_by: str
    requested_at: datetime
    position: int
    aim: int
    events_per_second: int
    share_percent: int
    found: dict[str, Any] | None
    error: str | None
    started_at: datetime | None
    updated_at: datetime
    ended_at: datetime | None

    @property
    def unfinished(self) -> bool:
        return self.state in UNFINISHED

    @property
    def percent(self) -> int:
        """Of the events that are to be folded."""
        return 100 * self.position // self.aim if self.aim else 0

    @property
    def left_s(self) -> int | None:
        """Seconds until the last event is folded, at the present rate."""
        return (self.aim - self.position) // self.events_per_second if self.events_per_second else None


def request(conn: Connection[Any], views: Sequence[str], by: str, *, hold: bool = False) -> list[str]:
    """Wish for rebuilds -> the views for which none goes on already."""
    parameters = {"views": list(views), "by": by, "hold": hold, "unfinished": list(UNFINISHED)}
    return [view for (view,) in conn.execute(REQUEST, parameters)]


def wish(conn: Connection[Any], view: str, what: Wish) -> bool:
    """Pause, cancel or go on -> whether there is a rebuild to do it to. Going on also ends a hold."""
    parameters = {"view": view, "wish": what, "states": list(UNFINISHED)}
    return conn.execute(WISH, parameters).fetchone() is not None


def roll_back(conn: Connection[Any], view: str, by: str) -> bool:
    """Wish for the version that served before -> whether there is one, and no rebuild goes on."""
    parameters = {"view": view, "by": by, "unfinished": list(UNFINISHED)}
    return conn.execute(ROLL_BACK, parameters).fetchone() is not None


def load(conn: Connection[Any], views: Iterable[str]) -> dict[str, RebuildRow]:
    """The rows of these views, of those that were ever rebuilt."""
    wanted = set(views)
    return {row.view: row for row in structs(conn, RebuildRow, ALL) if row.view in wanted}


def must_be(conn: Connection[Any], views: Sequence[str], state: State) -> None:
    """Keep these rebuilds in this state until the transaction ends, and with it their versions. Raises Ended."""
    if len(conn.execute(STILL, (list(views), state)).fetchall()) < len(views):
        raise Ended(", ".join(views))


def note(conn: Connection[Any], views: Sequence[str], **changes: Any) -> None:
    """Write down what became of rebuilds."""
    assignments = ", ".join(f'"{column}" = %({column})s' for column in changes)
    values: Mapping[str, Any] = {name: Json(value) if name == "found" else value for name, value in changes.items()}
    ended = ", ended_at = now()" if changes.get("state") in ("done", "failed", "cancelled", "rolled back") else ""
    conn.execute(
        f"UPDATE rebuilds SET {assignments}, updated_at = now(){ended} WHERE view = ANY(%(views)s)",
        {**values, "views": list(views)},
    )
