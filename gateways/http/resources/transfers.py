"""Transfers between ledger accounts, one by one or up to five hundred in one request."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field

from core.ledger.events import Recorded
from core.ledger.journal import derived_text
from core.ledger.ledger import Accepted, Failed, Outcome, Refused, Repeated
from core.ledger.refusals import (
    AccountNotFound,
    AccountSuspended,
    InsufficientFunds,
    LedgerAccountNotFound,
    Refusal,
    SameLedgerAccount,
    TransferNotAccepted,
    TransfersRefused,
    restore,
)
from core.streams.transfers import InternalTransferPosted, PostTransfer, PostTransfers, TransferRefused
from gateways.http.answer import Answer, Id, Position, Time, all_of, money
from gateways.http.edge.edge import refusal_of
from gateways.http.edge.idempotency import KEY_LENGTH_MAX, answer_of, refused
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.errors import FieldError, Problem, RequestRefused, problem_of
from gateways.http.fields import AccountId, Amount, Body, Code

ITEMS_MAX: Final = 500
BATCH_BYTES_MAX: Final = 512 * 1024
"""Of five hundred items with the longest fields there are."""


class NewTransfer(Body):
    """Between two ledger accounts, of one client or of two; no chain is involved."""

    from_ledger_account: Code
    to_ledger_account: Code
    to_account_id: AccountId | None = None
    """The other client's account; left out, it is the caller's own."""
    amount: Amount


class BatchItem(NewTransfer):
    """A transfer of a batch, with the key that names it."""

    idempotency_key: Annotated[str, Field(pattern=f"^[ -~]{{1,{KEY_LENGTH_MAX}}}$")]
    """As the header of POST /v1/transfers, and the same key there and here is the same wish."""


class NewTransfers(Body):
    """Transfers, in the order in which they are posted."""

    items: Annotated[list[BatchItem], Field(min_length=1, max_length=ITEMS_MAX)]
    atomic: bool = False
    """All are posted or none; else each by itself."""


class Transfer(Answer, frozen=True):
    """A transfer between ledger accounts."""

    id: Id
    from_ledger_account: str
    to_ledger_account: str
    to_account_id: Id
    amount: str
    amount_minor: int
    currency: str
    created_at: Time
    position: Position

    @classmethod
    def of(cls, call: Call, recorded: Recorded) -> "Transfer":
        posted = recorded.event
        assert isinstance(posted, InternalTransferPosted)
        return cls(
            id=posted.transfer_id,
            from_ledger_account=posted.from_ledger_account,
            to_ledger_account=posted.to_ledger_account,
            to_account_id=posted.to_account_id,
            amount=money(posted.amount_minor, posted.currency),
            amount_minor=posted.amount_minor,
            currency=posted.currency,
            created_at=posted.occurred_at,
            position=call.shown(recorded.position),
        )


class TransferOutcome(Answer, frozen=True):
    """What came of one transfer of a batch: `status` and one of the two as POST /v1/transfers answers it.

    `replayed`: its key was answered before, and this is that answer.
    """

    status: int
    replayed: bool
    transfer: Transfer | None
    problem: Problem | None


_REFUSALS: Final[tuple[type[Refusal], ...]] = (
    InsufficientFunds,
    LedgerAccountNotFound,
    SameLedgerAccount,
    AccountSuspended,
    AccountNotFound,
    TransferNotAccepted,
)


@endpoint(
    "POST",
    "/v1/transfers",
    "ledger:write",
    Transfer,
    status=201,
    body=NewTransfer,
    creates="stream",
    refusals=_REFUSALS,
)
async def post_transfer(call: Call, body: NewTransfer) -> Reply:
    """Move USDT between two ledger accounts at once; no chain, no fee. Another account's must accept transfers."""
    outcome = await call.submit(_command(call, body, call.idempotency_key))
    first = outcome.events[0]
    if isinstance(first.event, TransferRefused):
        return answer_of(outcome, refused(call, first.event, first.event.transfer_id))
    return answer_of(outcome, reply(Transfer.of(call, first), 201))


@endpoint(
    "POST",
    "/v1/transfers/batch",
    "ledger:write",
    all_of(TransferOutcome),
    body=NewTransfers,
    refusals=(TransfersRefused,),
    weight=lambda body: len(body.items),
    body_bytes_max=BATCH_BYTES_MAX,
)
async def post_transfers(call: Call, body: NewTransfers) -> Reply:
    """Up to 500 transfers in one request, each with its own key and outcome, in their order; or all or none of them.

    It counts as so many requests. A batch that is `atomic` and refused has written nothing, and no key of it is answered.
    """
    commands = [_command(call, item, item.idempotency_key) for item in body.items]
    outcomes = await (_all_or_none if body.atomic else _each)(call, commands)
    return reply(all_of(TransferOutcome)(outcomes))


def _command(call: Call, wish: NewTransfer, key: str) -> PostTransfer:
    return PostTransfer(
        transfer_id=derived_text("transfer", call.account_id, key),
        account_id=call.account_id,
        from_ledger_account=wish.from_ledger_account,
        to_account_id=wish.to_account_id or call.account_id,
        to_ledger_account=wish.to_ledger_account,
        amount_minor=wish.amount,
        actor=call.actor,
    )


async def _each(call: Call, commands: Sequence[PostTransfer]) -> list[TransferOutcome]:
    outcomes = await call.api.writer.submit_all(commands)
    return [_told(call, command, outcome) for command, outcome in zip(commands, outcomes, strict=True)]


def _told(call: Call, command: PostTransfer, outcome: Outcome) -> TransferOutcome:
    match outcome:
        case Accepted() | Repeated():
            return _answered(call, outcome.events[0], replayed=isinstance(outcome, Repeated))
        case Refused():
            refusal = outcome.refusal
        case Failed():
            refusal = refusal_of(outcome.error, call.request_id).refusal
    return _refused(refusal, command.transfer_id, replayed=False)


def _answered(call: Call, first: Recorded, *, replayed: bool) -> TransferOutcome:
    if isinstance(first.event, TransferRefused):
        return _refused(restore(first.event.code, first.event.data), first.event.transfer_id, replayed=replayed)
    return TransferOutcome(201, replayed, Transfer.of(call, first), None)


def _refused(refusal: Refusal, transfer_id: str, *, replayed: bool) -> TransferOutcome:
    return TransferOutcome(refusal.status, replayed, None, problem_of(refusal, transfer_id))


async def _all_or_none(call: Call, commands: Sequence[PostTransfer]) -> list[TransferOutcome]:
    """Raises RequestRefused (422), which names each that is refused, when nothing was posted."""
    try:
        outcome = await call.submit(PostTransfers(tuple(commands)))
    except RequestRefused as error:
        if isinstance(error.refusal, TransfersRefused):
            places = [
                FieldError(f"#/items/{it.number}", f"{it.code}: {restore(it.code, it.data).detail}")
                for it in error.refusal.transfers
            ]
            raise RequestRefused(error.refusal, places) from None
        raise
    posted = {it.stream: it for it in (outcome.events if isinstance(outcome, Accepted) else ())}
    before = [stream for each in commands if (stream := each.streams()[0]) not in posted]
    known = await asyncio.to_thread(call.api.platform.store.histories, before) if before else {}
    told = []
    for each in commands:
        stream = each.streams()[0]
        new = posted.pop(stream, None)  # the same key again, in this batch, is a repetition of itself
        known.setdefault(stream, [] if new is None else [new])
        told.append(_answered(call, known[stream][0], replayed=new is None))
    return told
