"""Who is down, and who has something before it and does not move: a view, the relay, the recorder. Seen within a minute."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, LiteralString, NamedTuple

from core.ports.alarm import Alarm
from core.ports.unavailable import Unavailable
from gateways.http.group_commit import Busy
from gateways.http.reading.queries import Queries
from gateways.telemetry.life_signs import look_after

LOOK_EVERY_S: Final = 5.0
STANDS_S: Final = 60.0
"""So long nobody who has work stays at one place."""
_PLACES: Final[LiteralString] = """
WITH head AS (SELECT coalesce(max(notification_id), 0) AS head FROM events)
SELECT 'the view ' || application_name AS name, notification_id AS place, head - notification_id AS waiting
  FROM projection_tracking, head
UNION ALL SELECT 'the process ' || name, "position", head - "position" FROM bookmarks, head WHERE name = 'relay'
UNION ALL
SELECT 'the process record', coalesce(min(id), 0), count(*) FROM outstanding_reports
 WHERE due_at <= (SELECT last_block_number FROM chain_cursors WHERE id = 'solid')
"""

log = logging.getLogger(__name__)


class _Place(NamedTuple):
    place: int
    waiting: int
    since_s: float


class Progress:
    """Looks every few seconds. What stands rings once, and again when it went on in between."""

    def __init__(
        self, queries: Queries, signs: Path, alarm: Alarm, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`signs` is the folder of this machine's signs of life, empty where nobody leaves any."""
        self._queries = queries
        self._signs = signs
        self._alarm = alarm
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._rung: set[tuple[str, str]] = set()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_on())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    def standing(self) -> dict[str, str]:
        """A sentence for each that has work and has been at one place for a minute, by its name."""
        now = self._clock()
        return {
            name: f"{name} has not moved for {now - it.since_s:.0f} s, and {it.waiting} {_things(name)} wait for it"
            for name, it in sorted(self._places.items())
            if it.waiting > 0 and now - it.since_s >= STANDS_S
        }

    async def look(self) -> None:
        """Where everybody is now. Raises Unavailable, Busy."""
        rows: list[Any] = await self._queries.fetch(_PLACES)
        now = self._clock()
        for row in rows:
            before = self._places.get(row.name)
            stays = before is not None and before.place == row.place and before.waiting > 0
            since_s = before.since_s if before is not None and stays else now
            self._places[row.name] = _Place(row.place, row.waiting, since_s)
        await self._ring({("not_moving", name): said for name, said in self.standing().items()})

    async def down(self, *, waiting: bool = True) -> dict[str, str]:
        """A sentence for each process of this machine that does not go on, by its name; `waiting`: or waits for a minute."""
        if self._signs == Path(""):
            return {}
        found = await asyncio.to_thread(look_after, self._signs, but="api", waiting=waiting)
        return {said.partition(" ")[0]: said for said in found}

    async def _ring(self, wrong: dict[tuple[str, str], str]) -> None:
        wrong |= {("process_down", name): said for name, said in (await self.down(waiting=False)).items()}
        for kind, name in sorted(wrong.keys() - self._rung):
            await asyncio.to_thread(self._alarm, kind, wrong[kind, name])
        self._rung = set(wrong)

    async def _look_on(self) -> None:
        while True:
            try:
                await self.look()
            except (Unavailable, Busy) as error:
                self._places.clear()  # nobody can move without the database
                log.debug("nobody's place is known: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)


def _things(name: str) -> str:
    return "reports" if name == "the process record" else "events"
