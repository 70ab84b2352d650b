"""As of: what a list or a balance was at an earlier position or time. The answer names the position it stopped at."""

from datetime import datetime, timedelta

from gateways.http.endpoint import Call, Reply
from gateways.http.errors import PositionBeyondHead, ProjectionBehind, RequestRefused, invalid
from gateways.http.fields import AsOf
from projections.audit.as_of import BEFORE, UNTILED, UNTILED_EVENTS_MAX


async def position_before(call: Call, at: datetime) -> tuple[int, bool]:
    """-> (the last position of what happened before the time, whether anything happened since)."""
    rows = await call.api.queries.fetch(BEFORE, {"at": at, "untiled": UNTILED_EVENTS_MAX})
    if rows:
        return int(rows[0].position), True
    [sizes] = await call.api.queries.fetch(UNTILED)
    if sizes.head - sizes.tiled > UNTILED_EVENTS_MAX:
        raise RequestRefused(ProjectionBehind())
    return int(sizes.head), False


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
        raise RequestRefused(PositionBeyondHead())
    call.min_position = max(cut, call.min_position or 0)
    return cut


def stopped(call: Call, answer: Reply, cut: int | None) -> Reply:
    """The answer, with the position it stopped at: given as `as_of_position`, it gets the same again."""
    if cut is None:
        return answer
    return answer._replace(headers=(*answer.headers, (b"counterfoil-as-of", str(call.shown(cut)).encode())))
