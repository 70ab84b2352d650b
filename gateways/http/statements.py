"""Statements over HTTP: the account's book in a period, signed once the period is over; the same bytes whenever it is asked."""

import asyncio
from collections.abc import Callable
from typing import Any, Self, TypeVar
from uuid import UUID

from psycopg import Connection

from core.notes import NoteSigner
from gateways.embedded.connections import Connections
from gateways.http.answers import Answer
from gateways.http.bodies import Period
from gateways.http.endpoints import JSON, Call, Reply, endpoint
from gateways.http.errors import PeriodTooLong, ProjectionBehind, Refusal, invalid
from gateways.note_keys import open_signer
from gateways.platform import Platform
from gateways.roles import READER
from projections import statements
from projections.statements import Format, Statement, TooManyLines, ViewsBehind

LINES_MAX = 20_000
"""A longer statement is asked for in shorter periods, or made by the operator with `counterfoil statement`."""
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


T = TypeVar("T")


class SignedStatement(Answer, frozen=True):
    """The statement, and the note that signs its bytes as they stand; null while the period is not over."""

    statement: Statement
    signature: str | None


class Desk:
    """Makes statements, and reads what takes long: at most two at a time, on connections of its own.

    The signing key is opened at the first statement.
    """

    def __init__(self, connections: Connections, open_signer: Callable[[], NoteSigner]) -> None:
        self._connections = connections
        self._open_signer = open_signer
        self._signer: NoteSigner | None = None
        self._two = asyncio.Semaphore(2)

    @classmethod
    def of(cls, platform: Platform) -> Self:
        """On the reader's login, with the platform's key."""
        connections = Connections(platform.logins[READER], connections_max=2)
        return cls(connections, lambda: open_signer(platform.settings, "statements"))

    @property
    def signer(self) -> NoteSigner:
        self._signer = self._signer or self._open_signer()
        return self._signer

    async def read(self, work: Callable[[Connection[Any]], T]) -> T:
        """What the work makes of one snapshot of the database, on one of the two connections."""
        async with self._two:
            return await asyncio.to_thread(self._read, work)

    def _read(self, work: Callable[[Connection[Any]], T]) -> T:
        with self._connections.transaction() as conn:
            conn.execute(_SNAPSHOT)
            return work(conn)

    async def file(self, account_id: str, period: Period, form: Format) -> bytes:
        """Raises Refusal."""
        async with self._two:
            try:
                return await asyncio.to_thread(self._write, UUID(account_id), period, form)
            except ViewsBehind:
                raise Refusal(ProjectionBehind()) from None
            except TooManyLines:
                raise Refusal(PeriodTooLong(lines_max=LINES_MAX)) from None

    def _write(self, account_id: UUID, period: Period, form: Format) -> bytes:
        made = self._read(
            lambda conn: statements.statement(conn, account_id, period.from_, period.until, lines_max=LINES_MAX)
        )
        return statements.written(made, form, self.signer)

    def close(self) -> None:
        self._connections.close()


@endpoint("GET", "/v1/statements", "ledger:read", SignedStatement, query=Period, refusals=(PeriodTooLong,))
async def get_statement(call: Call, period: Period) -> Reply:
    """The account's book from one time until another: what it held before and after, and every line between."""
    return Reply(200, await _statement(call, period, "json"), JSON)


@endpoint(
    "GET", "/v1/statements.csv", "ledger:read", str, query=Period, media_type="text/csv", refusals=(PeriodTooLong,)
)
async def get_statement_as_csv(call: Call, period: Period) -> Reply:
    """The same as a table; the lines at its end that begin with # are the signature."""
    return Reply(200, await _statement(call, period, "csv"), b"text/csv; charset=utf-8")


async def _statement(call: Call, period: Period, form: Format) -> bytes:
    if period.from_ >= period.until:
        raise invalid("?until", "must lie behind ?from")
    if period.until > call.api.platform.clock():
        raise invalid("?until", "lies in the future")
    await call.reached("journal")
    return await call.api.statements.file(call.account_id, period, form)
