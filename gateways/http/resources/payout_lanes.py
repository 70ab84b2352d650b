"""The queue at the hot wallet as the operator sees it: a lane an account, which of them wait, and for how much."""

from typing import Final
from uuid import UUID

from core.streams.accounts import OPERATOR
from core.streams.payouts import WaitingFor
from gateways.http.answer import Answer, Time, all_of, of_row
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.fields import Read


class PayoutLane(Answer, frozen=True):
    """An account's payouts that nothing was prepared for. `short_minor`: USDT that the first of them lacks.

    `earmarked_minor` of what came in is set aside for them. Both are what the process `payouts` saw last.
    `reasons`: for what any of them has waited for a minute.
    """

    account_id: UUID
    name: str
    waiting: int
    reasons: tuple[WaitingFor, ...]
    oldest_at: Time
    short_minor: int
    earmarked_minor: int


_WAITING: Final = (
    "SELECT account_id, count(*) AS waiting, min(created_at) AS oldest_at,"
    " coalesce(array_agg(DISTINCT waiting_reason) FILTER (WHERE waiting_reason IS NOT NULL), '{}') AS reasons"
    " FROM payout_requests WHERE state = 'requested'"
    " AND coalesce(not_before <= now(), true) GROUP BY account_id ORDER BY min(created_at)"
)
_NAMES: Final = "SELECT id, name FROM accounts WHERE id = ANY(%(ids)s)"
_NUMBERS: Final = "SELECT account_id, short_minor, earmarked_minor FROM payout_lanes"


@endpoint("GET", "/v1/payout-lanes", OPERATOR, all_of(PayoutLane))
async def list_payout_lanes(call: Call, _: Read) -> Reply:
    """Every account that waits for payouts, the one that has waited longest first. A lane holds up nobody but itself."""
    waiting = await call.read("payouts", _WAITING)
    named = await call.api.queries.fetch(_NAMES, {"ids": [row.account_id for row in waiting]})
    names = {row.id: row.name for row in named}
    seen = {row.account_id: row for row in await call.api.queries.fetch(_NUMBERS)}
    lanes = []
    for row in waiting:
        numbers = seen.get(row.account_id)
        lanes.append(
            of_row(
                PayoutLane,
                row,
                name=names.get(row.account_id, ""),
                short_minor=numbers.short_minor if numbers else 0,
                earmarked_minor=numbers.earmarked_minor if numbers else 0,
            )
        )
    return reply(all_of(PayoutLane)(lanes))
