"""The views: how far each one came, and rebuilding them from the history while they serve."""

import asyncio
from typing import Any, Final, Literal

from core.ledger.refusals import NotFound
from core.streams.accounts import OPERATOR
from gateways.http.answer import Answer, Time, all_of, of_row
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.errors import NoRebuildGoesOn, NothingToRollBack, RebuildGoesOn, RequestRefused
from gateways.http.fields import Body, Read
from projections.rebuild import rebuilds
from projections.rebuild.rebuilds import RebuildRow, Wish
from projections.views import VIEWS


class NewRebuild(Body):
    """How a view is to be rebuilt."""

    hold: bool = False
    """Wait, once verified, for a resume before the new version serves."""


class ComparedTable(Answer, frozen=True):
    """A table of a new version beside the one that serves: rows that only one has, or both differently. Examples are keys."""

    rows: int
    extra: int
    missing: int
    changed: int
    examples: list[str]


class Rebuild(Answer, frozen=True):
    """The last rebuild of a view: what is wished, how far it is, and what was found when both versions were compared."""

    state: Literal[
        "requested", "building", "indexing", "verifying", "verified", "done", "failed", "cancelled", "rolled back"
    ]
    wish: Literal["go", "pause", "cancel", "roll back"]
    hold: bool
    """It waits, once verified, for a resume before it serves."""
    position: int
    aim: int
    percent: int
    events_per_second: int | None
    left_s: int | None
    share_percent: int
    """The part of its time that it takes, so that requests stay fast."""
    tables: dict[str, ComparedTable]
    error: str | None
    requested_by: str
    requested_at: Time
    started_at: Time | None
    ended_at: Time | None


class Projection(Answer, frozen=True):
    """How far a view came, how many events it is behind, and its last rebuild."""

    name: str
    position: int
    behind: int
    rebuild: Rebuild | None
    rollback_position: int | None
    """Where the version that served before stands, if there is one."""


_REBUILDS: Final = rebuilds.ALL


_RETIRED: Final = 'SELECT view, "position" FROM retired_views'


@endpoint("GET", "/v1/projections", OPERATOR, all_of(Projection))
async def list_projections(call: Call, _: Read) -> Reply:
    """How far every view came, and its last rebuild. The position of this answer is that of the view furthest behind."""
    views = await _projections(call)
    call.position = min(view.position for view in views)
    return reply(all_of(Projection)(views))


@endpoint("GET", "/v1/projections/{view}", OPERATOR, Projection, refusals=(NotFound,))
async def get_projection(call: Call, _: Read) -> Reply:
    """One view, with the progress of its rebuild: percent, events per second, seconds left, what was found."""
    shown = await _projection(call)
    call.position = shown.position
    return reply(shown)


@endpoint(
    "POST",
    "/v1/projections/{view}/rebuild",
    OPERATOR,
    Projection,
    status=202,
    body=NewRebuild,
    refusals=(NotFound, RebuildGoesOn),
)
async def rebuild_projection(call: Call, body: NewRebuild) -> Reply:
    """Build a new version of the view beside the one that serves, compare both at one position, and let the new one serve."""
    view = _view(call)

    def wish() -> list[str]:
        with call.api.platform.transaction() as conn:
            return rebuilds.request(conn, [view], call.actor, hold=body.hold)

    if not await asyncio.to_thread(wish):
        raise RequestRefused(RebuildGoesOn(view=view))
    await call.audit("projection.rebuild", OPERATOR, view=view, hold=body.hold)
    return reply(await _projection(call), 202)


@endpoint(
    "POST", "/v1/projections/{view}/pause", OPERATOR, Projection, status=202, refusals=(NotFound, NoRebuildGoesOn)
)
async def pause_rebuild(call: Call) -> Reply:
    """Let the view's rebuild rest where it is."""
    return await _steer(call, "pause")


@endpoint(
    "POST", "/v1/projections/{view}/resume", OPERATOR, Projection, status=202, refusals=(NotFound, NoRebuildGoesOn)
)
async def resume_rebuild(call: Call) -> Reply:
    """Let it go on; a rebuild that is held once verified goes on to serve."""
    return await _steer(call, "go")


@endpoint(
    "POST", "/v1/projections/{view}/cancel", OPERATOR, Projection, status=202, refusals=(NotFound, NoRebuildGoesOn)
)
async def cancel_rebuild(call: Call) -> Reply:
    """End the view's rebuild; what serves, serves on."""
    return await _steer(call, "cancel")


@endpoint(
    "POST", "/v1/projections/{view}/rollback", OPERATOR, Projection, status=202, refusals=(NotFound, NothingToRollBack)
)
async def roll_back_projection(call: Call) -> Reply:
    """Let the version that served before the last rebuild serve again; doing it twice undoes it."""
    view = _view(call)

    def wish() -> bool:
        with call.api.platform.transaction() as conn:
            return rebuilds.roll_back(conn, view, call.actor)

    if not await asyncio.to_thread(wish):
        raise RequestRefused(NothingToRollBack(view=view))
    await call.audit("projection.rollback", OPERATOR, view=view)
    return reply(await _projection(call), 202)


async def _steer(call: Call, what: Wish) -> Reply:
    view = _view(call)

    def wish() -> bool:
        with call.api.platform.transaction() as conn:
            return rebuilds.wish(conn, view, what)

    if not await asyncio.to_thread(wish):
        raise RequestRefused(NoRebuildGoesOn(view=view))
    await call.audit(f"projection.{what}", OPERATOR, view=view)
    return reply(await _projection(call), 202)


def _view(call: Call) -> str:
    view = call.path["view"]
    if view not in VIEWS:
        raise RequestRefused(NotFound(noun="view"))
    return view


async def _projection(call: Call) -> Projection:
    view = _view(call)
    return next(each for each in await _projections(call) if each.name == view)


async def _projections(call: Call) -> list[Projection]:
    queries = call.api.queries
    bookmarks, head = await queries.bookmarks(), await queries.head()
    rows = {row.view: of_row(RebuildRow, row) for row in await queries.fetch(_REBUILDS)}
    retired = {row.view: row.position for row in await queries.fetch(_RETIRED)}
    return [
        Projection(
            name=name,
            position=position,
            behind=max(0, head - position),
            rebuild=_rebuild(rows[name]) if name in rows else None,
            rollback_position=retired.get(name),
        )
        for name, position in sorted(bookmarks.items())
    ]


def _rebuild(row: RebuildRow) -> Rebuild:
    tables: dict[str, Any] = (row.found or {}).get("tables", {})
    building = row.state == "building"
    return Rebuild(
        state=row.state,
        wish=row.wish,
        hold=row.hold,
        position=row.position,
        aim=row.aim,
        percent=row.percent,
        events_per_second=row.events_per_second if building else None,
        left_s=row.left_s if building else None,
        share_percent=row.share_percent,
        tables={name: ComparedTable(**table) for name, table in tables.items()},
        error=row.error,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
