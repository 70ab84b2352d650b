"""Refused commands: who tried what, and why it was refused. They are events, bounded per account and hour."""

from typing import Any, Final, LiteralString

import msgspec

from core.ledger.history import SetAside, read
from core.ledger.refusals import REJECTIONS, restore
from core.streams.accounts import OPERATOR
from core.streams.payouts import PayoutOrder, PayoutRefused
from core.streams.refused_commands import CommandRefused, RefusalsCounted
from core.streams.transfers import PostTransfer, TransferRefused
from gateways.http.answer import Answer, Time, listed
from gateways.http.endpoint import Call, Reply, before, endpoint, page_reply
from gateways.http.fields import OperatorOrAccountId, Page
from gateways.http.resources.accounts import must_be_known
from gateways.http.resources.proofs import of_the_history


class RefusedTimes(Answer, frozen=True):
    """So often a command was refused with a code."""

    command: str
    code: str
    times: int


class RefusedCommand(Answer, frozen=True):
    """One refusal, or the count of those of an hour that are no events of their own: then `counts` stands for the rest.

    `account_id` is that of the key that tried it, or "operator". `wish` has the command's plain fields.
    """

    position: int
    occurred_at: Time
    account_id: str
    actor: str
    command: str | None = None
    stream: str | None = None
    wish: dict[str, Any] | None = None
    code: str | None = None
    detail: str | None = None
    data: dict[str, Any] | None = None
    since: Time | None = None
    until: Time | None = None
    counts: list[RefusedTimes] | None = None


class RefusalsPage(Page):
    """Refused commands of one account ("operator" for an operator's own)."""

    account_id: OperatorOrAccountId | None = None


_REFUSED: Final[LiteralString] = """
SELECT notification_id AS position, originator_id AS stream, topic, state FROM events
 WHERE topic IN (
        'payout.refused/1', 'payout.refused/2', 'transfer.refused/1', 'command.refused/1', 'command.refusals-counted/1'
    )
   AND notification_id < %(before)s
   AND (%(account_id)s::text IS NULL
        OR %(account_id)s = coalesce(state::jsonb ->> 'account_id', state::jsonb -> 'order' ->> 'account_id'))
 ORDER BY notification_id DESC LIMIT %(limit)s
"""


@endpoint("GET", "/v1/refused-commands", OPERATOR, listed(RefusedCommand), query=RefusalsPage)
async def list_refused_commands(call: Call, page: RefusalsPage) -> Reply:
    """What was tried and refused, newest first: 20 an hour of each account, the rest counted; payouts and transfers all."""
    await must_be_known(call, page.account_id)
    await of_the_history(call)
    rows = await call.api.queries.fetch(
        _REFUSED, {"before": before(call, page), "account_id": page.account_id, "limit": page.limit + 1}
    )
    return page_reply(call, page, [(row.position, _told(row)) for row in rows])


def _told(row: Any) -> RefusedCommand:
    happened = read(row.stream, row.topic, row.state)
    known: dict[str, Any] = {"position": row.position, "occurred_at": happened.occurred_at, "actor": happened.actor}
    match happened:
        case RefusalsCounted():
            counts = [RefusedTimes(**msgspec.structs.asdict(each)) for each in happened.counts]
            of = happened.account_id
            return RefusedCommand(**known, account_id=of, since=happened.since, until=happened.until, counts=counts)
        case CommandRefused():
            known |= {name: getattr(happened, name) for name in ("account_id", "command", "stream", "wish")}
        case SetAside():
            of = next(iter(happened.accounts), OPERATOR)
            return RefusedCommand(**known, account_id=of, stream=row.stream, detail=happened.reason)
        case PayoutRefused():
            known |= _of_payout(happened.order, row.stream)
        case TransferRefused():
            wish = {name: getattr(happened, name) for name in PostTransfer.__struct_fields__ if name != "actor"}
            known |= {"account_id": happened.account_id, "command": "post_transfer", "stream": row.stream, "wish": wish}
        case _:
            raise AssertionError(f"{row.topic} is no refusal")
    detail = restore(happened.code, happened.data).detail if happened.code in REJECTIONS else None
    return RefusedCommand(**known, code=happened.code, data=happened.data, detail=detail)


def _of_payout(order: PayoutOrder, stream: str) -> dict[str, Any]:
    wish = msgspec.structs.asdict(order)
    return {"account_id": order.account_id, "command": "request_payout", "stream": stream, "wish": wish}
