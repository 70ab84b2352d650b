"""Brings a database to this version: roles, then every migration not yet applied, each in a transaction of its own.

Safe to run twice and at once from many machines: one advisory lock makes them take turns.

Migrations expand first and contract in a later release: each says from which one on a program works on it, so that programs of
two versions run side by side while an upgrade goes on (I22).
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from core.ledger.events import newest_level, read_as
from core.streams.all_events import topics_by_stream
from gateways.postgres.logins import refuse_pooler
from gateways.postgres.roles import OWNER, ROLES, grants
from gateways.postgres.view_versions import forget_left_behind
from projections.named import rows
from projections.rebuild.census import census
from projections.views import VIEWS

log = logging.getLogger(__name__)

MIGRATE_LOCK: Final = 0x436F756E7465724D

LAST_EXACT: Final = 150
"""Up to this one, a program and a database had to have the same migrations. Programs of that time refuse any other that stands
in schema_migrations: later ones are noted in a table of their own, by which those programs are not turned away."""
_COMPATIBLE_FROM: Final = re.compile(r"-- compatible_from: (\d{4})\n")

__all__ = ["ROLES", "Applied", "SchemaMismatch", "check", "migrate", "migrations", "misfit"]


class Migration(NamedTuple):
    """One SQL file: its number, its name, its text."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def compatible_from(self) -> int:
        """A program that has this migration works on a database that has this one, too: as the first line says, or itself."""
        said = _COMPATIBLE_FROM.match(self.text)
        return int(said[1]) if said is not None else self.version


class Applied(NamedTuple):
    """A migration of a database: its text's checksum, and the migration that a program must have to work on it."""

    checksum: str
    compatible_from: int


UNBEARABLE: Final = {
    "synchronous_commit": ("off", "what was confirmed to a client could be lost"),
    "session_replication_role": ("replica", "no trigger would guard the history"),
}
"""Settings of a server, a database or a role that nothing here can be run with: (the value, why)."""


_SHARED: Final = (
    r"proname ~ '^(pg_(try_)?advisory_|lo_|lowrite$|loread$)' AND pronamespace = 'pg_catalog'::regnamespace"
)
_REVOKE: Final = f"""
DO $$
DECLARE
    each regprocedure;
BEGIN
    FOR each IN SELECT oid FROM pg_proc
                 WHERE {_SHARED} AND has_function_privilege('public', oid, 'EXECUTE')
                   AND pg_has_role(current_user, proowner, 'USAGE') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {OWNER}, CURRENT_USER', each);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each);
    END LOOP;
END $$
"""
_OPEN_TO_ALL: Final = (
    f"SELECT DISTINCT proname AS name FROM pg_proc WHERE {_SHARED} AND proname LIKE 'pg%%advisory%%'"
    " AND has_function_privilege('public', oid, 'EXECUTE') ORDER BY 1"
)


SERVER_MIN: Final = 16
"""The oldest major version of Postgres that has all that the migrations use."""


class SchemaMismatch(Exception):
    """The database and this program do not fit; the message says which is newer and what to do."""


class UnbearableSetting(Exception):
    """The server is too old, or a setting of it, the database or the role cannot be lived with; the message says which."""


def migrations() -> list[Migration]:
    """The SQL files of schema/migrations, in order."""
    folder = resources.files("schema") / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [Migration(int(name[:4]), name, (folder / name).read_text(encoding="utf-8")) for name in names]


def migrate(url: str, passwords: Mapping[str, str] | None = None) -> list[str]:
    """-> the names of the migrations applied now. `passwords` lets the named roles log in. Raises SchemaMismatch, UserError."""
    with psycopg.connect(url, autocommit=True) as conn:
        check_settings(conn)
        conn.execute("SELECT pg_advisory_lock(%s)", (MIGRATE_LOCK,))
        _make_roles(conn, passwords or {})
        known = applied(conn)
        if (wrong := _unworkable(known)) is not None:
            raise SchemaMismatch(wrong)
        ours = {migration.version for migration in migrations()}
        ahead = sorted(known.keys() - ours)
        if not ahead:
            _check_readable(conn)
        done = []
        for migration in migrations():
            if migration.version not in known:
                _apply(conn, migration)
                done.append(migration.name)
        if ahead:
            # What views and grants are now is the newer program's to say: this one works on it as it is.
            log.warning("the database is a newer version's (migration %04d): it is left as it is", ahead[-1])
            return done
        _forget_versions(conn)
        _register_views(conn)
        write_grants(conn)
        _revoke_from_public(conn)
        return done


def check(url: str) -> None:
    """Raises SchemaMismatch unless this program works on the database as it is, UnbearableSetting."""
    with psycopg.connect(url, autocommit=True) as conn:
        check_settings(conn)
        known = applied(conn)
        if (wrong := misfit(known)) is None:
            wrong = _too_new(conn)
    if wrong is not None:
        raise SchemaMismatch(wrong)


def misfit(known: Mapping[int, Applied]) -> str | None:
    """Why this program does not work on a database with these migrations, and what to do; None where it does."""
    missing = [migration.name for migration in migrations() if migration.version not in known]
    wrong = _unworkable(known)
    if wrong is None and missing:
        return f"the database lacks {', '.join(missing)}: run `counterfoil migrate`"
    return wrong


def check_settings(conn: psycopg.Connection) -> None:
    """Raises UnbearableSetting where the server is too old, or a setting takes away what is promised; PoolerBetween."""
    refuse_pooler(conn)
    if conn.info.server_version < SERVER_MIN * 10_000:
        major, minor = divmod(conn.info.server_version, 10_000)
        raise UnbearableSetting(
            f"the server is Postgres {major}.{minor}, and the tables need {SERVER_MIN} or newer: upgrade it, or name another"
            " in COUNTERFOIL_DATABASE_URL; nothing was changed"
        )
    if conn.info.parameter_status("server_encoding") != "UTF8":
        raise UnbearableSetting(
            f"the database {conn.info.dbname} keeps text as {conn.info.parameter_status('server_encoding')}, which cannot hold"
            f" what clients write: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and name that one"
        )
    found = rows(
        conn, "SELECT name, setting, source FROM pg_settings WHERE name = ANY(%s) ORDER BY name", ([*UNBEARABLE],)
    )
    for row in found:
        value, why = UNBEARABLE[row.name]
        if row.setting == value:
            raise UnbearableSetting(
                f"{row.name} is {row.setting} for {conn.info.user} in the database {conn.info.dbname}, set by the"
                f" {row.source}: {why}; ALTER DATABASE {conn.info.dbname} RESET {row.name}, or ALTER ROLE {conn.info.user}"
                f" RESET {row.name}, and start again"
            )


def _unworkable(known: Mapping[int, Applied]) -> str | None:
    """Says so when a migration that this program does not have needs a newer one, or one was applied with another text."""
    ours = {migration.version: migration for migration in migrations()}
    for version, applied in known.items():
        if version not in ours:
            if applied.compatible_from not in ours:
                return (
                    f"the database is newer than this program (migration {version:04d}): install the newer Counterfoil"
                )
        elif ours[version].checksum != applied.checksum:
            return (
                f"migration {ours[version].name} was applied with another text: this program and the database"
                " come from different versions; install the one that made the database"
            )
    return None


def _too_new(conn: psycopg.Connection) -> str | None:
    """Says so when the history may hold events that this program does not read."""
    [(level,)] = conn.execute("SELECT max(level) FROM format_levels").fetchall()
    if level is None or level <= newest_level():
        return None
    return (
        f"installed by a newer version: the history has format level {level}, and this program reads up to"
        f" {newest_level()}; install the newer Counterfoil"
    )


def _check_readable(conn: psycopg.Connection) -> None:
    """Raises SchemaMismatch when the history holds an event that this program cannot read: nothing is changed then."""
    if conn.execute("SELECT to_regclass('events')").fetchone() == (None,):
        return
    strange = [counted for counted in census(conn) if counted.read_as is None]
    if strange:
        named = ", ".join(f"{each.topic} ({each.events}, the last at position {each.last})" for each in strange)
        raise SchemaMismatch(
            f"the history holds events that this program cannot read: {named};"
            " install the version that wrote them, or a newer one"
        )


APPLIED: Final = (
    "SELECT version, checksum, version AS compatible_from FROM schema_migrations"
    " UNION ALL SELECT version, checksum, compatible_from FROM compatible_migrations ORDER BY version"
)
_MADE: Final = (
    "CREATE TABLE IF NOT EXISTS schema_migrations (version int PRIMARY KEY, name text NOT NULL,"
    " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE IF NOT EXISTS compatible_migrations (version int PRIMARY KEY, name text NOT NULL,"
    " checksum text NOT NULL, compatible_from int NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
)


def applied(conn: psycopg.Connection) -> dict[int, Applied]:
    """The migrations of a database, by number."""
    known: dict[int, Applied] = {}
    for table, since in (("schema_migrations", "version"), ("compatible_migrations", "compatible_from")):
        if conn.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,):
            try:
                found = rows(
                    conn, f"SELECT version, checksum, {since} AS since FROM {table} ORDER BY version"
                ).fetchall()
            except psycopg.errors.UndefinedColumn as error:
                raise _not_ours(conn, table) from error
            known |= {row.version: Applied(row.checksum, row.since) for row in found}
    return known


def _not_ours(conn: psycopg.Connection, what: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the database {conn.info.dbname} is another program's, whose {what} stands in it: name one of its own in"
        " COUNTERFOIL_DATABASE_URL; nothing was changed"
    )


def _apply(conn: psycopg.Connection, migration: Migration) -> None:
    with conn.transaction():
        conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
        for statement in _MADE:
            conn.execute(statement)
        try:
            conn.execute(migration.text)
        except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateFunction) as error:
            raise _not_ours(conn, str(error.diag.message_primary).partition(" already")[0]) from error
        noted = migration.version, migration.name, migration.checksum
        if migration.version <= LAST_EXACT:
            conn.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)", noted)
        else:
            conn.execute(
                "INSERT INTO compatible_migrations (version, name, checksum, compatible_from) VALUES (%s, %s, %s, %s)",
                (*noted, migration.compatible_from),
            )
        conn.execute(sql.SQL("GRANT SELECT ON schema_migrations, compatible_migrations TO {}").format(_names(ROLES)))


def _forget_versions(conn: psycopg.Connection[Any]) -> None:
    """Before the views' tables are registered anew: those that are dropped may be of tables that no view has any more."""
    tables = {view.name: [table.name for table in view.tables] for view in VIEWS.values()}
    with conn.transaction():
        conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
        forgotten = forget_left_behind(conn, tables)
    for view in forgotten.retired:
        log.warning("%s: its tables have changed, so the version kept for a rollback was dropped", view)
    for view in forgotten.building:
        log.warning("%s: its tables have changed, so its rebuild was cancelled: ask for it again", view)


def _register_views(conn: psycopg.Connection) -> None:
    """Every view has its bookmark, and its tables are known to the functions that rebuild it."""
    known = [
        (view.name, place, table.name, table.grows)
        for view in VIEWS.values()
        for place, table in enumerate(view.tables, start=1)
    ]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
        cursor.executemany(
            "INSERT INTO projection_tracking VALUES (%s, 0) ON CONFLICT DO NOTHING", [(name,) for name in VIEWS]
        )
        if cursor.execute("SELECT view, place, table_name, grows FROM view_tables ORDER BY 1, 2").fetchall() != sorted(
            known
        ):
            cursor.execute("DELETE FROM view_tables")
            cursor.executemany("INSERT INTO view_tables VALUES (%s, %s, %s, %s)", known)


def write_grants(conn: psycopg.Connection) -> None:
    """What each role may append, where and from which format level on is what the events declare.

    Until the level of a new version is reached the one before is written, and an older program writes nothing else: its grant
    stays. A history that is empty begins at the newest level; one from before there were levels is at the first.
    """
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
        cursor.execute(
            "INSERT INTO format_levels SELECT CASE WHEN EXISTS (SELECT FROM events) THEN 1 ELSE %s END, 0"
            " WHERE NOT EXISTS (SELECT FROM format_levels)",
            (newest_level(),),
        )
        [(level,)] = cursor.execute("SELECT max(level) FROM format_levels").fetchall()
        known, wanted = set(cursor.execute("SELECT role, topic FROM event_grants").fetchall()), grants(level)
        ended = sorted(grant for grant in known - wanted if read_as(grant[1]) is not None)
        cursor.executemany("DELETE FROM event_grants WHERE role = %s AND topic = %s", ended)
        cursor.executemany("INSERT INTO event_grants VALUES (%s, %s)", sorted(wanted - known))
        cursor.executemany(
            "INSERT INTO stream_topics VALUES (%s, %s, %s) ON CONFLICT (topic) DO UPDATE"
            " SET prefix = excluded.prefix, level = excluded.level"
            " WHERE (stream_topics.prefix, stream_topics.level) <> (excluded.prefix, excluded.level)",
            list(topics_by_stream()),
        )


def _revoke_from_public(conn: psycopg.Connection) -> None:
    """Take from the public what could hold the append lock, and large objects, which no view of ours counts."""
    conn.execute(_REVOKE)
    open_to_all = rows(conn, _OPEN_TO_ALL).fetchall()
    if open_to_all:
        log.warning(
            "any role may call %s and so hold up every append: let a superuser revoke EXECUTE on them from PUBLIC",
            ", ".join(row.name for row in open_to_all),
        )


def _make_roles(conn: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """The owner cannot log in; the others can only where a password is given, else a login role is granted them."""
    for role in (OWNER, *ROLES):
        if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
            conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        if role in passwords:
            conn.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(passwords[role]))
            )
    conn.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(OWNER)))
    database = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, sql.Identifier(OWNER)))
    conn.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(_names((OWNER, *ROLES))))


def _names(roles: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(role) for role in roles)
