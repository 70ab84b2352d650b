"""Reads of the views: one statement gives the rows and the position they reflect, on a pool that refuses early."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import RowFactory, namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from core.ports.unavailable import Unavailable
from gateways import VERSION
from gateways.http.errors import PositionBeyondHead, ProjectionBehind, RequestRefused
from gateways.http.group_commit import Busy
from gateways.postgres.connections import APPLICATION, RECONNECT_S, Login, conninfo_of, has_ended, with_options
from projections.engine.outages import is_outage

POOL_WAIT_S: Final = 1.0
WAITING_PER_CONNECTION: Final = 16
STATEMENT_TIMEOUT_MS: Final = 5_000
REACH_S: Final = 5.0
READERS_WAITING_MAX: Final = 500
_POLL_S: Final = 0.01

View = str
"""A name in projection_tracking: accounts, balances, deposits, journal, notifications, payins, payouts, wallets."""

# Views are small and every query has its index: a plan made while a table was empty must not scan it for ever.
_OPTIONS: Final = (
    f"-c timezone=UTC -c jit=off -c enable_seqscan=off -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    " -c default_transaction_read_only=on"
)
_WITH_BOOKMARK: Final[LiteralString] = (
    "SELECT bookmark.notification_id AS view_position, found.*"
    " FROM projection_tracking AS bookmark LEFT JOIN LATERAL (SELECT true AS is_found, asked.* FROM ({}) AS asked) AS found"
    " ON true WHERE bookmark.application_name = %(view)s"
)
_BOOKMARKS: Final = "SELECT application_name AS view, notification_id AS view_position FROM projection_tracking"
_HEAD: Final = "SELECT coalesce(max(notification_id), 0) AS head FROM events"


class Found(NamedTuple):
    """Rows, and the position up to which they reflect the history: of one snapshot."""

    position: int
    rows: Sequence[Any]


class Queries:
    """The reader's pool. Every method raises Busy or Unavailable rather than wait for seconds."""

    def __init__(self, login: Login, connections_max: int) -> None:
        async def conninfo() -> str:
            """Asked for each new connection; a secret store that answers late must not hold up the event loop."""
            url = conninfo_of(login) if isinstance(login, str) else await asyncio.to_thread(conninfo_of, login)
            return make_conninfo(url, options=with_options(url, _OPTIONS))

        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            conninfo,
            min_size=min(2, connections_max),
            max_size=connections_max,
            max_waiting=WAITING_PER_CONNECTION * connections_max,
            timeout=POOL_WAIT_S,
            reconnect_timeout=RECONNECT_S,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 1,
                "application_name": f"{APPLICATION}{VERSION} api",
            },
            open=False,
        )
        self._rows: dict[str, RowFactory[Any]] = {}
        """By statement, once it has given some: to ask each answer for its columns' names costs more than a row."""

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def fetch(self, sql: LiteralString, params: Mapping[str, Any] | None = None) -> list[Any]:
        """All rows of a query that is bounded by itself; each has its columns as attributes."""
        try:
            async with self._live() as conn:
                cursor = conn.cursor(row_factory=self._rows.get(sql, namedtuple_row))
                rows = await (await cursor.execute(sql, params, binary=True)).fetchall()
        except TooManyRequests as error:
            raise Busy("too many queries wait for a database connection") from error
        except PoolTimeout as error:
            raise Unavailable(f"no database connection was free within {POOL_WAIT_S} s") from error
        except psycopg.Error as error:
            if is_outage(error):
                raise Unavailable(f"the database cannot be read: {error}") from error
            raise
        if rows and sql not in self._rows:
            make = type(rows[0])._make
            self._rows[sql] = lambda _: make
        return rows

    @contextlib.asynccontextmanager
    async def _live(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection that the server has not ended meanwhile."""
        while has_ended(conn := await self._pool.getconn()):
            await conn.close()
            await self._pool.putconn(conn)
        try:
            yield conn
        finally:
            await self._pool.putconn(conn)

    async def read(self, view: View, sql: LiteralString, params: Mapping[str, Any]) -> Found:
        """A query over one view's tables."""
        rows = await self.fetch(_WITH_BOOKMARK.format(sql), {**params, "view": view})
        bookmark = rows[0]
        return Found(bookmark.view_position, rows if bookmark.is_found else [])

    async def bookmarks(self) -> dict[View, int]:
        return {row.view: row.view_position for row in await self.fetch(_BOOKMARKS)}

    async def head(self) -> int:
        """The last position of the history."""
        return int((await self.fetch(_HEAD))[0].head)


class Watch:
    """Readers that wait for a view to reach a position; one poll serves them all."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._waiting: dict[asyncio.Future[None], tuple[View, int]] = {}
        self._polling: asyncio.Task[None] | None = None

    async def reach(self, view: View, position: int) -> None:
        """Returns when the view reflects the position. Raises Busy; RequestRefused: beyond the head, or not in time."""
        if position > await self._queries.head():
            raise RequestRefused(PositionBeyondHead())
        if len(self._waiting) >= READERS_WAITING_MAX:
            raise Busy("too many readers wait for a view")
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[reached] = (view, position)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            await asyncio.wait_for(reached, REACH_S)
        except TimeoutError:
            raise RequestRefused(ProjectionBehind()) from None
        finally:
            self._waiting.pop(reached, None)

    async def _poll(self) -> None:
        while self._waiting:
            try:
                bookmarks = await self._queries.bookmarks()
            except Unavailable as error:
                for reached in self._waiting:
                    if not reached.done():
                        reached.set_exception(error)
                return
            for reached, (view, position) in self._waiting.items():
                if not reached.done() and bookmarks.get(view, 0) >= position:
                    reached.set_result(None)
            await asyncio.sleep(_POLL_S)
