"""A small pool of connections for the embedded adapters; Postgres' own errors become Unavailable here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool

from gateways import VERSION
from projections.engine.outages import reachable

APPLICATION: Final = "counterfoil/"
"""Begins the name of every connection, with the version behind it: `counterfoil upgrade status` looks who has none."""

Login = str | Callable[[], str]
"""A libpq connection string, or what gives the one that holds now: a password may be replaced while processes run."""


SESSION: Final = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "search_path": "public,pg_temp",
    "default_transaction_isolation": r"read\ committed",
    "default_transaction_deferrable": "off",
    "default_transaction_read_only": "off",
    "transform_null_equals": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""What every session depends on, whatever a database or a role was set to (FAILURES 48); who needs another value says so after.

A server that is a standby refuses to write all the same, and everything waits until it is none.
"""
_SESSION_OPTIONS: Final = " ".join(f"-c {name}={value}" for name, value in SESSION.items())


NETWORK: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""A network that swallows packets, as a failover does, ends a wait for an answer. libpq ignores these on a unix socket."""
RECONNECT_S: Final = 0.25
"""How long a pool tries by itself to get a connection; then the next who wants one tries. A pool that goes on by itself
doubles its pauses, and after an outage of five minutes would let nobody in for two more."""


def conninfo_of(login: Login) -> str:
    """The connection string that holds now, with what every session and every connection depends on."""
    url = login if isinstance(login, str) else login()
    given = conninfo_to_dict(url)
    own = str(given.get("options") or "")
    if _SESSION_OPTIONS in own:
        return url
    standard = {**NETWORK, "application_name": f"{APPLICATION}{VERSION}"}
    network: dict[str, Any] = {name: value for name, value in standard.items() if name not in given}
    return make_conninfo(url, options=f"{own} {_SESSION_OPTIONS}".strip(), **network)


def uuid_of(text: str) -> UUID | None:
    """The id that the text is; None, which is no row's id, when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def with_options(url: str, options: str) -> str:
    """The URL's own options and these: given as an argument they would replace its own, which may name the role (I14)."""
    return f"{conninfo_to_dict(url).get('options') or ''} {options}".strip()


IDLE_S: Final = 20.0
"""So long a connection may be idle before one of them is given back: an outage makes every pool as large as it may be."""


class Connections:
    """Transactions on one login. Opened at first use, so that a process that never needs it holds none."""

    def __init__(self, login: Login, *, connections_max: int = 4, wait_s: float = 5, options: str = "") -> None:
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            lambda: _with_plans(conninfo_of(login), options),
            min_size=0,
            max_size=connections_max,
            open=False,
            timeout=wait_s,
            reconnect_timeout=RECONNECT_S,
            max_idle=IDLE_S,
            kwargs={"row_factory": namedtuple_row},
        )

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """Commits at the end of the block. Raises Unavailable when the database is shut."""
        with reachable("the database"):
            self._pool.open()
            conn = live(self._pool)
            try:
                with conn:
                    yield conn
            finally:
                self._pool.putconn(conn)

    def execute(self, statement: str, params: Any = ()) -> list[Any]:
        """One statement in a transaction of its own -> its rows, each with its columns as attributes."""
        with self.transaction() as conn:
            cursor = conn.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        self._pool.close()


def has_ended(conn: "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]") -> bool:
    """Whether the server has ended an idle connection: its last words, or its hanging up, wait to be read."""
    poller = poll()
    try:
        poller.register(conn.fileno(), POLLIN)
    except psycopg.OperationalError:
        return True
    return bool(poller.poll(0))


def live(pool: "ConnectionPool[psycopg.Connection[Any]]", timeout_s: float | None = None) -> "psycopg.Connection[Any]":
    """A connection that the server has not ended meanwhile, as a failover ends them all. Raises PoolTimeout."""
    while has_ended(conn := pool.getconn(timeout_s)):
        conn.close()
        pool.putconn(conn)
    return conn


def _with_plans(url: str, options: str) -> str:
    return make_conninfo(url, options=with_options(url, f"-c plan_cache_mode=force_custom_plan {options}"))
