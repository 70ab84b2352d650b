"""As of: what a list or a balance was at an earlier position or time. The answer names the position it stopped at.

A time stands for the longest beginning of the history in which everything happened by then: an event that a slow clock dates
back does not come into a past that was told before.
"""

from datetime import datetime, timedelta
from typing import Final, LiteralString

from gateways.http.bodies import AsOf
from gateways.http.endpoints import Call, Reply
from gateways.http.errors import PositionBeyondHead, ProjectionBehind, Refusal, invalid

UNTILED_EVENTS_MAX: Final = 10_000
"""So many events that the tree does not hold yet are looked through; more, and the tree is behind."""

# A tile's `latest_at` never falls: the first one that reaches the time holds the first event that does.
_BEFORE: Final[LiteralString] = """
WITH tile AS (
    SELECT index * 256 AS after FROM merkle_tiles WHERE level = 0 AND latest_at >= %(at)s ORDER BY latest_at, index LIMIT 1),
start AS (
    SELECT after, 256 AS events FROM tile
    UNION ALL SELECT size, %(untiled)s FROM merkle_tree WHERE NOT EXISTS (SELECT FROM tile))
SELECT notification_id - 1
  FROM (SELECT notification_id, (state::jsonb ->> 'occurred_at')::timestamptz AS occurred_at
          FROM events WHERE notification_id > (SELECT after FROM start)
         ORDER BY notification_id LIMIT (SELECT events FROM start)) AS looked_at
 WHERE occurred_at >= %(at)s ORDER BY notification_id LIMIT 1
"""
_UNTILED: Final[LiteralString] = "SELECT coalesce(max(notification_id), 0), (SELECT size FROM merkle_tree) FROM events"


async def position_before(call: Call, at: datetime) -> tuple[int, bool]:
    """-> (the last position of what happened before the time, whether anything happened since)."""
    rows = await call.api.queries.fetch(_BEFORE, {"at": at, "untiled": UNTILED_EVENTS_MAX})
    if rows:
        return int(rows[0][0]), True
    [(head, tiled)] = await call.api.queries.fetch(_UNTILED)
    if head - tiled > UNTILED_EVENTS_MAX:
        raise Refusal(ProjectionBehind())
    return int(head), False


async def cut_of(call: Call, asked: AsOf) -> int | None:
    """The position that the answer must stop at, or None for now. The views are waited for until they have it."""
    if asked.as_of is not None and asked.as_of_position is not None:
        raise invalid("?as_of", "give a time or a position, not both")
    if asked.as_of_position is not None:
        cut = call.api.positions.read(call.caller, asked.as_of_position, "?as_of_position")
    elif asked.as_of is not None:
        if asked.as_of > call.api.platform.clock():
            raise invalid("?as_of", "lies in the future")
        cut, _ = await position_before(call, asked.as_of + timedelta(microseconds=1))
    else:
        return None
    if cut > await call.api.queries.head():
        raise Refusal(PositionBeyondHead())
    call.min_position = max(cut, call.min_position or 0)
    return cut


def stopped(call: Call, answer: Reply, cut: int | None) -> Reply:
    """The answer, with the position it stopped at: given as `as_of_position`, it gets the same again."""
    if cut is None:
        return answer
    return answer._replace(headers=(*answer.headers, (b"counterfoil-as-of", str(call.shown(cut)).encode())))
