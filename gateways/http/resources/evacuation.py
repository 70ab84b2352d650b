"""Evacuation: an operator sends everything to cold storage, and sees how far it has come."""

import asyncio
from typing import Annotated, Literal

from pydantic import Field

from core.ledger.refusals import NoColdWallet
from core.streams.accounts import OPERATOR
from core.streams.evacuation import BeginEvacuation
from gateways.http.answer import Answer, Time, money
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.fields import Body, Read
from projections.explain.evacuation import PROGRESS, last_begun


class NewEvacuation(Body):
    """Payouts stop, and every coin that can be moved goes to the registered cold wallet."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]


class Evacuation(Answer, frozen=True):
    """The last evacuation, if there was one. `left` is what hot wallet and deposit addresses hold by the books.

    It is under way until an operator resumes signing; `failed` counts transfers that were mined and moved nothing.
    """

    state: Literal["none", "under_way", "ended"]
    begun_at: Time | None
    reason: str | None
    cold_address: str | None
    left: str | None
    left_minor: int | None
    under_way: str | None
    under_way_minor: int | None
    done: str | None
    done_minor: int | None
    failed: int | None


@endpoint("GET", "/v1/evacuation", OPERATOR, Evacuation)
async def get_evacuation(call: Call, _: Read) -> Reply:
    """How far the last evacuation has come."""
    return reply(await _found(call))


@endpoint("POST", "/v1/evacuation", OPERATOR, Evacuation, body=NewEvacuation, refusals=(NoColdWallet,))
async def begin_evacuation(call: Call, body: NewEvacuation) -> Reply:
    """Stop payouts and send everything to the registered cold wallet; nothing where that is under way already."""
    await call.submit(BeginEvacuation(body.reason, call.actor))
    await call.audit("evacuation.begin", OPERATOR, reason=body.reason)
    return reply(await _found(call))


async def _found(call: Call) -> Evacuation:
    begun = await asyncio.to_thread(last_begun, call.api.platform.store)
    if begun is None:
        await call.reached("sweeps")
        return Evacuation("none", *(None,) * 10)
    [row] = await call.read("sweeps", PROGRESS, **begun.asked)
    return Evacuation(
        state="under_way" if begun.under_way else "ended",
        begun_at=begun.at,
        reason=begun.reason,
        cold_address=begun.cold_address,
        left=money(row.left_minor, "USDT"),
        left_minor=row.left_minor,
        under_way=money(row.under_way_minor, "USDT"),
        under_way_minor=row.under_way_minor,
        done=money(row.done_minor, "USDT"),
        done_minor=row.done_minor,
        failed=row.failed,
    )
