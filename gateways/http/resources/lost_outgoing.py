"""What left our wallets in history that a restore lost: the operator says which payout each was, or bears it."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field

from core.ledger.refusals import AlreadyAttributed, NotFound, PayoutNotAttributable
from core.streams.accounts import OPERATOR
from core.streams.lost_ends import AttributeLost, WriteOffLost
from core.streams.lost_outgoing import lost_stream
from gateways.http.answer import Answer, Time, listed, money, of_row
from gateways.http.endpoint import Call, Reply, before, endpoint, page_reply, reply
from gateways.http.fields import Body, Page

Status = Literal["open", "ours", "attributed", "written_off"]


class LostOutgoing(Answer, frozen=True):
    """A transaction of ours that only the chain knows of. It is `open` until it is attributed to a payout or written off.

    What moved coins between wallets of ours, or none, is `ours`: there is nothing to say about it.
    """

    txid: str
    wallet: Literal["payin", "hot", "gas"]
    address: str
    to_address: str | None
    amount: str
    amount_minor: int
    currency: Literal["USDT", "TRX"] | None
    burned_sun: int
    block_number: int
    status: Status
    payout_id: UUID | None
    reason: str | None
    created_at: Time


class LostPage(Page):
    """Those in one state."""

    status: Status | None = None


class Attribution(Body):
    """The payout that a transfer was."""

    payout_id: Annotated[str, Field(min_length=1, max_length=64)]


class WriteOff(Body):
    """Nobody will ask for it again."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]


_COLUMNS: Final = (
    "txid, wallet, address, to_address, amount_minor, currency, burned_sun, block_number, status, payout_id, reason,"
    ' created_at, "position"'
)


def _lost(row: Any, **changes: Any) -> LostOutgoing:
    amount = money(row.amount_minor, row.currency or "USDT")
    return of_row(LostOutgoing, row, amount=amount, **changes)


@endpoint("GET", "/v1/lost-outgoing", OPERATOR, listed(LostOutgoing), query=LostPage)
async def list_lost_outgoing(call: Call, page: LostPage) -> Reply:
    """What left in history that a restore lost, newest first. Empty unless a history was restored."""
    rows = await call.read(
        "wallets",
        f'SELECT {_COLUMNS} FROM lost_outgoing WHERE "position" < %(before)s'
        ' AND (%(status)s::text IS NULL OR status = %(status)s) ORDER BY "position" DESC LIMIT %(limit)s',
        before=before(call, page),
        status=page.status,
        limit=page.limit + 1,
    )
    return page_reply(call, page, [(row.position, _lost(row)) for row in rows])


@endpoint(
    "POST",
    "/v1/lost-outgoing/{txid}/attribute",
    OPERATOR,
    LostOutgoing,
    body=Attribution,
    refusals=(NotFound, AlreadyAttributed, PayoutNotAttributable),
)
async def attribute_lost_outgoing(call: Call, body: Attribution) -> Reply:
    """Say which payout it was: same payee, same amount. The payout ends as confirmed, and nothing leaves for it."""
    row = await _found(call)
    await call.submit(AttributeLost(_stream(row), row.txid, body.payout_id, call.actor))
    await call.audit("lost-outgoing.attribute", OPERATOR, txid=row.txid, payout_id=body.payout_id)
    return reply(_lost(row, status="attributed", payout_id=UUID(body.payout_id)))


@endpoint(
    "POST",
    "/v1/lost-outgoing/{txid}/write-off",
    OPERATOR,
    LostOutgoing,
    body=WriteOff,
    refusals=(NotFound, AlreadyAttributed),
)
async def write_off_lost_outgoing(call: Call, body: WriteOff) -> Reply:
    """Say that nobody will ask for it again: Operator_Capital bears it. An equal payout that waits is then made."""
    row = await _found(call)
    await call.submit(WriteOffLost(_stream(row), row.txid, body.reason, call.actor))
    await call.audit("lost-outgoing.write-off", OPERATOR, txid=row.txid, reason=body.reason)
    return reply(_lost(row, status="written_off", reason=body.reason))


async def _found(call: Call) -> Any:
    query = f"SELECT {_COLUMNS} FROM lost_outgoing WHERE txid = %(txid)s"
    return await call.one("wallets", "lost outgoing transfer", query, txid=call.path["txid"])


def _stream(row: Any) -> str:
    return lost_stream(row.to_address or "", row.amount_minor)
