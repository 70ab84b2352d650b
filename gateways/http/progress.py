"""Who is down, and who has work and does not move: a view, the relay, the recorder, the scanner. Seen within a minute."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, LiteralString, NamedTuple

from core.ports.alarm import Alarm, Condition
from core.ports.unavailable import Unavailable
from gateways.http.group_commit import Busy
from gateways.http.reading.queries import Queries
from gateways.postgres.event_store import APPEND_LOCK
from gateways.telemetry.disk import Room, room_of
from gateways.telemetry.life_signs import look_after

LOOK_EVERY_S: Final = 5.0
STANDS_S: Final = 60.0
"""So long nobody who has work stays at one place."""
# Of the scanner: what two nodes call solid, less two blocks that the signatures may be short of.
_PLACES: Final[LiteralString] = """
WITH head AS (SELECT coalesce(max(notification_id), 0) AS head FROM events)
SELECT 'the view ' || application_name AS name, notification_id AS place, head - notification_id AS waiting
  FROM projection_tracking, head
UNION ALL SELECT 'the process ' || name, "position", head - "position" FROM bookmarks, head WHERE name = 'relay'
UNION ALL
SELECT 'the process record', coalesce(min(id), 0), count(*) FROM outstanding_reports
 WHERE due_at <= (SELECT last_block_number FROM chain_cursors WHERE id = 'solid')
UNION ALL
SELECT 'the process observe', read.last_block_number, greatest(stated.solid - read.last_block_number - 2, 0)
  FROM chain_cursors AS read, LATERAL (
        SELECT solid FROM node_states WHERE solid IS NOT NULL ORDER BY solid DESC LIMIT 1
        OFFSET (SELECT CASE WHEN count(solid) > 1 THEN 1 ELSE 0 END FROM node_states)) AS stated
 WHERE read.id = 'solid'
"""

LOCK_HELD_S: Final = 5.0
"""So long nobody holds the lock of an append whose program is well."""
_HOLDER: Final[LiteralString] = f"""
SELECT l.pid, coalesce(a.usename, 'unknown') AS role, l.virtualtransaction AS turn
  FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.classid = {APPEND_LOCK >> 32} AND l.objid = {APPEND_LOCK & 0xFFFFFFFF}
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# Any other lock that keeps somebody waiting: who has it, on what, and for how long the first has waited.
_BLOCKERS: Final[LiteralString] = f"""
SELECT b.pid, coalesce(a.usename, 'unknown') AS role, coalesce(min(w.relation::regclass::text), 'a row') AS held,
       max(extract(epoch FROM clock_timestamp() - w.waitstart))::float8 AS waited_s
  FROM pg_locks w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
 WHERE NOT w.granted AND w.locktype <> 'advisory' AND w.waitstart < clock_timestamp() - interval '{LOCK_HELD_S} s'
   AND NOT EXISTS (SELECT FROM pg_locks also WHERE also.pid = b.pid AND NOT also.granted)
 GROUP BY b.pid, a.usename ORDER BY b.pid LIMIT 10
"""

HOST: Final = socket.gethostname()
DATABASE_SILENT_S: Final = 30.0
LOOK_WAIT_S: Final = 15.0
MISSED_AFTER_S: Final = 180.0
# What was seen within a day and not for two minutes; who was ended for good is forgotten after that day.
_MISSING: Final[LiteralString] = """
SELECT process, extract(epoch FROM now() - max(seen_at))::float8 AS ago_s FROM processes
 GROUP BY process HAVING max(seen_at) < now() - interval '2 minutes'
"""
_CHECKPOINT: Final[LiteralString] = """
SELECT CASE WHEN made.size < head.head AND made.made_at < now() - interval '1 hour' AND since.since < now() - interval '1 hour'
            THEN 'the newest checkpoint is of ' || to_char(made.made_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') ||
                 ' UTC, and ' || (head.head - made.size)::text || ' events came since' END AS said
  FROM (SELECT coalesce(max(notification_id), 0) AS head FROM events) AS head,
       (SELECT size, made_at FROM checkpoints ORDER BY number DESC LIMIT 1) AS made,
       LATERAL (SELECT occurred_at AS since FROM history WHERE position = made.size + 1) AS since
"""

log = logging.getLogger(__name__)


class _Holder(NamedTuple):
    pid: int
    role: str
    turn: str
    since_s: float


class _Place(NamedTuple):
    place: int
    waiting: int
    since_s: float


class Progress:
    """Looks every few seconds. What stands rings once, and is over when it goes on."""

    def __init__(
        self,
        queries: Queries,
        signs: Path,
        alarm: Alarm,
        clock: Callable[[], float] = time.monotonic,
        data: Path | None = None,
    ) -> None:
        """`signs`: the folder of this machine's signs of life, empty where nobody leaves any; `data`: where most is written."""
        self._queries = queries
        self._signs = signs
        self._conditions = {
            kind: Condition(alarm, kind)
            for kind in ("not_moving", "lock_held", "append_lock_held", "process_down", "checkpoint_old")
        }
        self._of_this_host = {kind: Condition(alarm, kind, within=HOST) for kind in ("database_down", "disk_low")}
        self._data = data
        self._unanswered: float | None = None
        """Since when the database has not answered."""
        self._begun = clock()
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._holder: _Holder | None = None
        self._blocked: dict[str, str] = {}
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_on())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    def held(self) -> dict[str, str]:
        """A sentence if somebody has held the append lock for 5 s: nobody else can write."""
        it, now = self._holder, self._clock()
        if it is None or now - it.since_s < LOCK_HELD_S:
            return {}
        said = (
            f"the append lock is held for {now - it.since_s:.0f} s by the backend {it.pid} of {it.role}: nobody can write;"
            f" if its process does not answer, end it by SELECT pg_terminate_backend({it.pid})"
        )
        return {f"append lock {it.pid}": said}

    def standing(self) -> dict[str, str]:
        """A sentence for each that has work and has been at one place for a minute, by its name; and for held locks."""
        now = self._clock()
        return (
            self.held()
            | self._blocked
            | {
                name: f"{name} has not moved for {now - it.since_s:.0f} s, and {it.waiting} {_things(name)} wait for it"
                for name, it in sorted(self._places.items())
                if it.waiting > 0 and now - it.since_s >= STANDS_S
            }
        )

    async def look(self) -> None:
        """Where everybody is now. Raises Unavailable, Busy."""
        rows: list[Any] = await self._queries.fetch(_PLACES)
        holders: list[Any] = await self._queries.fetch(_HOLDER)
        blockers: list[Any] = await self._queries.fetch(_BLOCKERS)
        missing: list[Any] = await self._queries.fetch(_MISSING)
        checkpoints: list[Any] = await self._queries.fetch(_CHECKPOINT)
        self._unanswered = None
        now = self._clock()
        self._hold(holders, now)
        self._blocked = {f"lock {row.pid}": _blocking(row) for row in blockers}
        for row in rows:
            before = self._places.get(row.name)
            stays = before is not None and before.place == row.place and before.waiting > 0
            since_s = before.since_s if before is not None and stays else now
            self._places[row.name] = _Place(row.place, row.waiting, since_s)
        held, blocked = self.held(), self._blocked
        others = self.standing().keys() - held.keys() - blocked.keys()
        wrong = {("not_moving", name): said for name, said in self.standing().items() if name in others}
        wrong |= {("lock_held", name): said for name, said in blocked.items()}
        wrong |= {("append_lock_held", name): said for name, said in held.items()}
        if now - self._begun >= MISSED_AFTER_S:  # the others are given time to start
            wrong |= {
                (
                    "process_down",
                    row.process,
                ): f"{row.process} has not shown itself for {row.ago_s:.0f} s: its log says why"
                for row in missing
            }
        if checkpoints and checkpoints[0].said:
            wrong["checkpoint_old", "the newest checkpoint"] = checkpoints[0].said
        await self._ring(wrong)

    def _hold(self, holders: list[Any], now: float) -> None:
        """Who holds the append lock, and since which look: the same transaction of the same backend."""
        before, self._holder = self._holder, None
        for row in holders:
            same = before is not None and (before.pid, before.turn) == (row.pid, row.turn)
            self._holder = _Holder(row.pid, row.role, row.turn, before.since_s if before is not None and same else now)

    async def down(self, *, waiting: bool = True) -> dict[str, str]:
        """A sentence for each process of this machine that does not go on, by its name; `waiting`: or waits for a minute."""
        if self._signs == Path(""):
            return {}
        found = await asyncio.to_thread(look_after, self._signs, but="api", waiting=waiting)
        return {said.partition(" ")[0]: said for said in found}

    async def _ring(self, wrong: dict[tuple[str, str], str]) -> None:
        wrong |= {("process_down", name): said for name, said in (await self.down(waiting=False)).items()}
        of_kind: dict[str, dict[str, str]] = {kind: {} for kind in self._conditions}
        for (kind, name), said in wrong.items():
            of_kind[kind][name] = said
        await asyncio.to_thread(self._stand, of_kind)

    def _stand(self, of_kind: dict[str, dict[str, str]]) -> None:
        for kind, condition in self._conditions.items():
            if kind in of_kind:
                condition.stand(of_kind[kind])
        room = room_of(self._data) if self._data is not None else None
        low = room is not None and room.is_low
        self._of_this_host["disk_low"].stand({HOST: f"{HOST}: {_room(self._data, room)}"} if room and low else {})
        silent_s = 0.0 if self._unanswered is None else self._clock() - self._unanswered
        said = f"the database has not answered for {silent_s:.0f} s: nothing is written, and all waits for it"
        self._of_this_host["database_down"].stand({HOST: said} if silent_s >= DATABASE_SILENT_S else {})

    async def look_or_say(self) -> None:
        """A look; where the database does not answer, since when."""
        try:
            async with asyncio.timeout(LOOK_WAIT_S):  # a server that is frozen answers nothing at all
                await self.look()
        except (Unavailable, TimeoutError) as error:
            self._holder = None
            self._blocked = {}
            self._places.clear()  # nobody can move without the database
            if not isinstance(error, Busy) and self._unanswered is None:
                self._unanswered = self._clock()
            await asyncio.to_thread(self._stand, {})
            log.debug("nobody's place is known: %s", error)

    async def _look_on(self) -> None:
        while True:
            await self.look_or_say()
            await asyncio.sleep(LOOK_EVERY_S)


def _room(folder: Path | None, room: Room) -> str:
    return f"{room.free_bytes / 2**30:.1f} of {room.total_bytes / 2**30:.1f} GiB are left where {folder} is: make room"


def _blocking(row: Any) -> str:
    return (
        f"the backend {row.pid} of {row.role} has locked {row.held}, and others have waited for {row.waited_s:.0f} s;"
        f" if its process does not answer, end it by SELECT pg_terminate_backend({row.pid})"
    )


def _things(name: str) -> str:
    return {"the process record": "reports", "the process observe": "solid blocks"}.get(name, "events")
