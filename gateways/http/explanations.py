"""Explanations for the operator: what changed between two positions, and by which events."""

from typing import Any

import msgspec
from psycopg import Connection

from core.journal import AccountType
from gateways.http.answers import Answer, Time, money
from gateways.http.bodies import DifferenceRange
from gateways.http.endpoints import Call, Reply, endpoint, reply
from gateways.http.errors import PositionBeyondHead, ProjectionBehind, RangeTooLong, Refusal, invalid
from gateways.http.positions import OPERATOR
from projections import difference
from projections.difference import RangeRefused, ViewsBehind

EVENTS_MAX = 10_000
"""A longer range is asked for in parts, or told by `counterfoil audit diff`."""


class BalanceChangeEvent(Answer, frozen=True):
    """An event that moved the balance; `event` is its stream and its version in it."""

    position: int
    occurred_at: Time
    event: str
    topic: str
    event_type: str
    reference: str | None
    change: str
    change_minor: int


class BalanceChange(Answer, frozen=True):
    """A balance that events of the range moved, in its account's normal direction. `account_id` may be "treasury"."""

    account_id: str
    ledger_account_id: str
    ledger_account: str
    type: AccountType
    currency: str
    before: str
    before_minor: int
    change: str
    change_minor: int
    after: str
    after_minor: int
    events: list[BalanceChangeEvent]


class BalanceChanges(Answer, frozen=True, rename={"from_": "from"}):
    """Which balances changed behind the position `from`, up to `to` and with it."""

    from_: int
    to: int
    data: list[BalanceChange]


@endpoint(
    "GET",
    "/v1/audit/diff",
    OPERATOR,
    BalanceChanges,
    query=DifferenceRange,
    refusals=(RangeTooLong, PositionBeyondHead),
)
async def get_difference(call: Call, asked: DifferenceRange) -> Reply:
    """Which balances changed between two positions, by how much, and by which events."""
    if asked.from_ > asked.to:
        raise invalid("?to", "must not lie before ?from")
    if asked.to > await call.api.queries.head():
        raise Refusal(PositionBeyondHead())
    if asked.to - asked.from_ > EVENTS_MAX:
        raise Refusal(RangeTooLong(events_max=EVENTS_MAX))
    call.min_position = max(asked.to, call.min_position or 0)
    await call.reached("balances")
    await call.reached("journal")

    def read(conn: Connection[Any]) -> list[difference.Difference]:
        return difference.difference(conn, asked.from_, asked.to, account_id=asked.account_id)

    try:
        found = await call.api.statements.read(read)
    except ViewsBehind:
        raise Refusal(ProjectionBehind()) from None
    except RangeRefused:
        raise Refusal(PositionBeyondHead()) from None
    return reply(BalanceChanges(asked.from_, asked.to, [_told(each) for each in found]))


def _told(of: difference.Difference) -> BalanceChange:
    events = [
        BalanceChangeEvent(**msgspec.structs.asdict(event), change=money(event.change_minor, of.currency))
        for event in of.events
    ]
    fields: dict[str, Any] = msgspec.structs.asdict(of) | {"events": events}
    for name in ("before", "change", "after"):
        fields[name] = money(fields[f"{name}_minor"], of.currency)
    return BalanceChange(**fields)
