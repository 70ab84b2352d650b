"""A small pool of connections for the embedded adapters; Postgres' own errors become Unavailable here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from core.ports.unavailable import Unavailable

Login = str | Callable[[], str]
"""A libpq connection string, or what gives the one that holds now: a password may be replaced while processes run."""


def conninfo_of(login: Login) -> str:
    return login if isinstance(login, str) else login()


def uuid_of(text: str) -> UUID | None:
    """The id that the text is; None, which is no row's id, when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def with_options(url: str, options: str) -> str:
    """The URL's own options and these: given as an argument they would replace its own, which may name the role (I14)."""
    return f"{conninfo_to_dict(url).get('options') or ''} {options}".strip()


class Connections:
    """Transactions on one login. Opened at first use, so that a process that never needs it holds none."""

    def __init__(self, login: Login, *, connections_max: int = 4, wait_s: float = 5, options: str = "") -> None:
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            lambda: _with_plans(conninfo_of(login), options),
            min_size=0,
            max_size=connections_max,
            open=False,
            timeout=wait_s,
            kwargs={"row_factory": namedtuple_row},
        )

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """Commits at the end of the block. Raises Unavailable when the database is shut."""
        try:
            self._pool.open()
            with self._pool.connection() as conn:
                yield conn
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"the database cannot be reached: {error}") from error

    def execute(self, statement: str, params: Any = ()) -> list[Any]:
        """One statement in a transaction of its own -> its rows, each with its columns as attributes."""
        with self.transaction() as conn:
            cursor = conn.execute(statement, params)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        self._pool.close()


def _with_plans(url: str, options: str) -> str:
    return make_conninfo(url, options=with_options(url, f"-c plan_cache_mode=force_custom_plan {options}"))
