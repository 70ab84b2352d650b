"""That the server comes round, for `counterfoil health`, and how long requests take, for rebuilds of views: twice a second."""

import asyncio
import contextlib
import logging
import secrets
from typing import Final

from core.ports.unavailable import Unavailable
from gateways.telemetry.life_signs import SERVES_WITHIN_S, LifeSign, folder_of
from gateways.wiring.platform import Platform

TELL_EVERY_S: Final = 0.5
REQUESTS_MIN: Final = 5
"""Fewer say nothing about the slow end."""
_TELL: Final = (
    "INSERT INTO foreground (process, told_at, p95_ms) VALUES (%s, clock_timestamp(), %s)"
    " ON CONFLICT (process) DO UPDATE SET told_at = excluded.told_at, p95_ms = excluded.p95_ms"
)
_FORGET: Final = "DELETE FROM foreground WHERE process = %s OR told_at < clock_timestamp() - interval '1 hour'"

log = logging.getLogger(__name__)


class Foreground:
    """Takes note of every request, publishes the 95th percentile of the last half second."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._process = secrets.token_hex(8)
        self._took_s: list[float] = []
        self._telling: asyncio.Task[None] | None = None
        self._sign = LifeSign(folder_of(platform.settings.pulse), "api", SERVES_WITHIN_S)
        self._ending = contextlib.ExitStack()

    def answered(self, seconds: float) -> None:
        self._took_s.append(seconds)

    def start(self) -> None:
        self._ending.enter_context(self._sign.ending())
        self._sign.renew()
        self._telling = asyncio.create_task(self._tell())

    async def close(self) -> None:
        """End, and be forgotten: a process that is gone serves nobody."""
        self._ending.close()
        if self._telling is not None:
            self._telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._telling
        with contextlib.suppress(Unavailable):
            await asyncio.to_thread(self._write, _FORGET, (self._process,))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self._sign.renew()
            took, self._took_s = sorted(self._took_s), []
            if len(took) < REQUESTS_MIN:
                continue
            p95_ms = 1000 * took[int(0.95 * len(took))]
            try:
                await asyncio.to_thread(self._write, _TELL, (self._process, p95_ms))
            except Unavailable as error:
                log.debug("the time that requests take could not be published: %s", error)

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._platform.transaction() as conn:
            conn.execute("SET LOCAL synchronous_commit = off")
            conn.execute(statement, values)
