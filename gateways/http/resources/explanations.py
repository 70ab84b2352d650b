"""Explanations for the operator: what changed between two positions, and by which events."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from psycopg import Connection
from pydantic import Field

from core.ledger.journal import AccountType
from core.ledger.refusals import NotFound
from core.streams.accounts import OPERATOR
from gateways.http.answer import Answer, Time, money
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.errors import PositionBeyondHead, ProjectionBehind, RangeTooLong, RequestRefused, invalid
from gateways.http.fields import Read, Sequence, TreasuryOrAccountId
from gateways.http.resources.accounts import id_in, must_be_known
from projections.audit import difference
from projections.audit.difference import RangeRefused, ViewsBehind
from projections.explain import deposits as explained_deposits
from projections.explain import explanation
from projections.explain import payouts as explained_payouts
from projections.explain.deposits import deposits_named
from projections.explain.explanation import NoSuchThing


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


class ExplainedEvent(Answer, frozen=True):
    """One event of the story, in a sentence; `data` has what the sentence rests on."""

    position: int
    occurred_at: Time
    topic: str
    actor: str
    sentence: str
    data: dict[str, Any]


class ExplainedState(Answer, frozen=True):
    """Why it is where it is, as a code and a sentence; `then` is what comes next, `about` what the sentence rests on."""

    code: str
    sentence: str
    then: str
    about: dict[str, Any]


class Explanation(Answer, frozen=True):
    """The story of one deposit or payout from its events, and what holds it now."""

    stream: str
    account_id: str
    state: str
    story: list[ExplainedEvent]
    now: ExplainedState


class DifferenceRange(Read):
    """From a position, whose event is not in it, to another, whose event is."""

    from_: Annotated[Sequence, Field(alias="from")]
    """What stood behind this event is the beginning; 0 is before all."""
    to: Sequence
    """What stood behind this one is the end."""
    account_id: TreasuryOrAccountId | None = None
    """Of one account's book, or the "treasury"'s."""


EVENTS_MAX = 10_000
"""A longer range is asked for in parts, or told by `counterfoil audit diff`."""


@endpoint("GET", "/v1/deposits/{id}/explanation", OPERATOR, Explanation, query=Read, refusals=(NotFound,))
async def explain_deposit(call: Call, _: Read) -> Reply:
    """Why a deposit is where it is, told from its events: what happened, what holds it, what comes next."""
    name = id_in(call, "deposit")
    await call.reached("deposits")
    await call.reached("sweeps")
    return await _explained(
        call, "deposit", lambda conn: explained_deposits.explain_deposit(conn, deposits_named(conn, name)[0])
    )


@endpoint("GET", "/v1/payouts/{id}/explanation", OPERATOR, Explanation, query=Read, refusals=(NotFound,))
async def explain_payout(call: Call, _: Read) -> Reply:
    """Why a payout is where it is, refused ones too, told from its events: what happened, what holds it, what comes next."""
    name = id_in(call, "payout")
    await call.reached("payouts")
    return await _explained(call, "payout", lambda conn: explained_payouts.explain_payout(conn, name))


async def _explained(call: Call, noun: str, read: Callable[[Connection[Any]], explanation.Explanation]) -> Reply:
    try:
        found = await call.api.slow_reads.read(read)
    except NoSuchThing:
        raise RequestRefused(NotFound(noun=noun)) from None
    story = [ExplainedEvent(**msgspec.structs.asdict(each)) for each in found.story]
    now = ExplainedState(**msgspec.structs.asdict(found.now))
    return reply(Explanation(found.stream, found.account_id, found.state, story, now))


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
    await must_be_known(call, asked.account_id)
    if asked.from_ > asked.to:
        raise invalid("?to", "must not lie before ?from")
    if asked.to > await call.api.queries.head():
        raise RequestRefused(PositionBeyondHead())
    if asked.to - asked.from_ > EVENTS_MAX:
        raise RequestRefused(RangeTooLong(events_max=EVENTS_MAX))
    call.min_position = max(asked.to, call.min_position or 0)
    await call.reached("balances")
    await call.reached("journal")

    def read(conn: Connection[Any]) -> list[difference.Difference]:
        return difference.difference(conn, asked.from_, asked.to, account_id=asked.account_id)

    try:
        found = await call.api.slow_reads.read(read)
    except ViewsBehind:
        raise RequestRefused(ProjectionBehind()) from None
    except RangeRefused:
        raise RequestRefused(PositionBeyondHead()) from None
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
