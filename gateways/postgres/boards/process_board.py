"""Which processes run in which version, as each says of itself; and the format level of the history. In Postgres everywhere."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from gateways.postgres.connections import APPLICATION
from gateways.postgres.roles import LOGINS
from projections.named import rows, structs

NAMES: Final = (
    "api",
    "relay",
    "observe",
    "record",
    "project",
    "rebuild",
    "payouts",
    "sweeps",
    "addresses",
    "checkpoints",
    "webhooks",
    "reconcile",
)
"""Every kind of process that there is: one that nobody has seen is missing."""
OLDER_SEEN: Final = timedelta(hours=1)
"""So long a process that has not said anything may come again: a machine that is started from what was installed before."""
STALE: Final = timedelta(minutes=3)
"""Who has said nothing for so long does not run now, or cannot say it."""

_BEAT: Final = """
INSERT INTO processes (process, instance, version, migration, format_level, waits_for)
VALUES (%(process)s, %(instance)s, %(version)s, %(migration)s, %(format_level)s, %(waits_for)s)
ON CONFLICT (process, instance) DO UPDATE SET seen_at = now(), waits_for = excluded.waits_for
"""
_FORGET: Final = "DELETE FROM processes WHERE seen_at < now() - interval '1 day'"
_LEVEL: Final = "SELECT max(level) FROM format_levels"
_RAISED: Final = "SELECT level, since FROM format_levels ORDER BY level"
_SEEN: Final = """
SELECT process, instance, version, migration, format_level, waits_for, seen_at, now() - seen_at AS ago
  FROM processes WHERE seen_at > now() - %s ORDER BY process, instance
"""
# Programs of before there were levels say nothing here. They are known by their logins, whose connections have no name.
_SILENT: Final = """
SELECT usename AS role, coalesce(client_addr::text, 'this host') AS place, count(*) AS connections
  FROM pg_stat_activity
 WHERE datname = current_database() AND usename = ANY(%s) AND NOT starts_with(application_name, %s)
 GROUP BY usename, client_addr ORDER BY usename, client_addr
"""


class Said(NamedTuple):
    """What a process says of itself. `waits_for` is what of a newer version it stands before; empty while it reads on."""

    process: str
    instance: str
    version: str
    migration: int
    format_level: int
    waits_for: str = ""


class Seen(NamedTuple):
    """A process that was seen, and how long ago."""

    process: str
    instance: str
    version: str
    migration: int
    format_level: int
    waits_for: str
    seen_at: datetime
    ago: timedelta


class Silent(NamedTuple):
    """Connections of a program that says nothing of itself: it is of before there were format levels."""

    role: str
    place: str
    connections: int


def say(conn: Connection[Any], said: Said) -> None:
    """A process is there, on its own login."""
    conn.execute(_BEAT, said._asdict())
    conn.execute(_FORGET)


def level_of(conn: Connection[Any]) -> int:
    """The format level of the history; 1 where none was ever noted."""
    [(level,)] = conn.execute(_LEVEL).fetchall()
    return int(level or 1)


def levels(conn: Connection[Any]) -> dict[int, int]:
    """Level -> the position that raised it, 0 of the one it was made with."""
    return {row.level: row.since for row in rows(conn, _RAISED)}


def seen(conn: Connection[Any], within: timedelta = OLDER_SEEN) -> list[Seen]:
    return structs(conn, Seen, _SEEN, (within,)).fetchall()


def silent(conn: Connection[Any]) -> list[Silent]:
    """Who is connected now as a process and says nothing. Needs a login that sees others' connections."""
    return structs(conn, Silent, _SILENT, (list(LOGINS), APPLICATION)).fetchall()
