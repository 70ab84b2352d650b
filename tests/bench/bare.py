"""The least that can answer GET /v1/balances: bare Starlette with one select, no key, no limits, no position, no log."""

from typing import Any, Final

import uvicorn
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_BALANCES: Final = (
    "SELECT ledger_account_id::text, code, type, currency, amount_minor, pending_minor, updated_at::text"
    "  FROM balances WHERE account_id = %s ORDER BY code"
)


def serve(url: str, port: int, account_id: str) -> None:
    """Until SIGTERM, on loopback, with the server and the pool that the product has."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url, min_size=2, max_size=16, open=False, kwargs={"autocommit": True, "prepare_threshold": 1}
    )

    async def balances(_: Request) -> Response:
        async with pool.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_BALANCES, (account_id,), binary=True)
            return JSONResponse({"data": await cursor.fetchall()})

    async def health(_: Request) -> Response:
        await pool.open()
        return Response()

    app = Starlette(routes=[Route("/balances", balances), Route("/healthz", health)])
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", log_level="error", access_log=False)
