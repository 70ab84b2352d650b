"""Callers that wait for an event of their account; one query every so often serves them all."""

import asyncio
from collections.abc import Callable
from typing import Final, LiteralString, NamedTuple

from core.ports.unavailable import Unavailable
from gateways.http.group_commit import Busy
from gateways.http.reading.queries import Queries

WAITING_MAX: Final = 500
WAITING_PER_ACCOUNT_MAX: Final = 8
POLL_S: Final = 0.2
_NEW: Final[LiteralString] = """
SELECT asked.place FROM unnest(%(accounts)s::uuid[], %(after)s::bigint[]) WITH ORDINALITY AS asked (account_id, after, place)
 WHERE EXISTS (SELECT FROM client_events AS e WHERE e.account_id = asked.account_id AND e.sequence > asked.after)
"""


class _Waiting(NamedTuple):
    account_id: str
    after: int
    woken: "asyncio.Future[None]"


class EventWatch:
    """Wakes who waits for an event behind a sequence number, and everybody when the process is to end."""

    def __init__(self, queries: Queries, is_ending: Callable[[], bool]) -> None:
        self._queries = queries
        self._is_ending = is_ending
        self._waiting: list[_Waiting] = []
        self._polling: asyncio.Task[None] | None = None

    async def wait(self, account_id: str, after: int, at_most_s: float) -> None:
        """Returns when there is an event, when the time is over, or at once where too many wait. Raises Unavailable, Busy."""
        of_account = sum(each.account_id == account_id for each in self._waiting)
        if self._is_ending() or len(self._waiting) >= WAITING_MAX or of_account >= WAITING_PER_ACCOUNT_MAX:
            return
        waiting = _Waiting(account_id, after, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            await asyncio.wait_for(waiting.woken, at_most_s)
        except TimeoutError:
            return
        finally:
            self._waiting = [each for each in self._waiting if each is not waiting]

    async def _poll(self) -> None:
        while self._waiting:
            asked = list(self._waiting)
            try:
                found = [asked[place - 1] for place in await self._look(asked)]
            except (Unavailable, Busy) as error:
                for each in asked:
                    if not each.woken.done():
                        each.woken.set_exception(error)
                return
            for each in asked if self._is_ending() else found:
                if not each.woken.done():
                    each.woken.set_result(None)
            await asyncio.sleep(POLL_S)

    async def _look(self, asked: list[_Waiting]) -> list[int]:
        params = {"accounts": [each.account_id for each in asked], "after": [each.after for each in asked]}
        return [row.place for row in await self._queries.fetch(_NEW, params)]
