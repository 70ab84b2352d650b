"""Reads that take their time: statements, in threads of their own, a few at once."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Self, TypeVar
from uuid import UUID

from psycopg import Connection

from core.proofs.notes import NoteSigner
from gateways.http.errors import PeriodTooLong, ProjectionBehind, RequestRefused
from gateways.postgres.connections import Connections
from gateways.postgres.roles import READER
from gateways.wiring.notes import open_signer
from gateways.wiring.platform import Platform
from projections.audit import statements
from projections.audit.statements import Format, TooManyLines, ViewsBehind

LINES_MAX = 20_000
"""A longer statement is asked for in shorter periods, or made by the operator with `counterfoil statement`."""
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


T = TypeVar("T")


class SlowReads:
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

    async def statement(self, account_id: str, from_: datetime, until: datetime, form: Format) -> bytes:
        """Raises RequestRefused."""
        async with self._two:
            try:
                return await asyncio.to_thread(self._write, UUID(account_id), from_, until, form)
            except ViewsBehind:
                raise RequestRefused(ProjectionBehind()) from None
            except TooManyLines:
                raise RequestRefused(PeriodTooLong(lines_max=LINES_MAX)) from None

    def _write(self, account_id: UUID, from_: datetime, until: datetime, form: Format) -> bytes:
        made = self._read(lambda conn: statements.statement(conn, account_id, from_, until, lines_max=LINES_MAX))
        return statements.written(made, form, self.signer)

    def close(self) -> None:
        self._connections.close()
