"""View payouts: every accepted payout and how far it came. A refused one is the answer to a request, and no payout."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self, get_args
from uuid import UUID

import msgspec

from core.ledger.events import Event, Recorded
from core.ledger.journal import ledger_account_id
from core.ledger.money import format_amount
from core.streams.payouts import (
    PayoutAttemptFailed,
    PayoutBroadcast,
    PayoutCancelled,
    PayoutConfirmed,
    PayoutExpedited,
    PayoutExpired,
    PayoutFailed,
    PayoutPrepared,
    PayoutRequested,
    PayoutSigned,
    PayoutWaiting,
    Priority,
    WaitingFor,
)
from projections.answer import Answer, Position, Time, columns
from projections.engine.binary import Int4
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View

PayoutState = Literal["requested", "pending_sign", "broadcasted", "confirmed", "failed", "cancelled"]


class PayoutRow(msgspec.Struct, frozen=True):
    """One payout as it stands; its txid is that of the attempt last broadcast, or of the one that ended it."""

    id: UUID
    account_id: UUID
    from_ledger_account_id: UUID
    ledger_account: str
    to_address_base58: str
    amount_minor: int
    fee_minor: int
    currency: str
    state: PayoutState
    tron_tx_hash: str | None
    client_reference: str | None
    failure_code: str | None
    attempts: Int4
    block_number: int | None
    burned_sun: int | None
    created_at: datetime
    updated_at: datetime
    position: int
    priority: Priority = "normal"
    not_before: datetime | None = None
    expedited: bool = False
    waiting_reason: WaitingFor | None = None
    waiting_since: datetime | None = None
    requested_by: str | None = None


class Waiting(Answer, frozen=True):
    """It is its turn, and this keeps it from being made; `since` is the chain's time."""

    reason: WaitingFor
    since: Time


class PlaceInLane(Answer, frozen=True):
    """How many of the account's own payouts are made before this one."""

    ahead: int


class Payout(Answer, frozen=True):
    """Coins on their way out. `amount` arrives, `fee_minor` is charged beside it.

    `requested_by` is the id of the API key that asked for it; `block_number` that of the block which ended it.
    """

    id: UUID
    state: PayoutState
    to_address: str
    amount: str
    amount_minor: int
    fee_minor: int
    currency: str
    ledger_account: str
    tron_tx_hash: str | None
    client_reference: str | None
    failure_code: str | None
    priority: Priority
    not_before: Time | None
    waiting: Waiting | None
    requested_by: str | None
    block_number: int | None
    created_at: Time
    updated_at: Time
    position: Position | None = None
    lane: PlaceInLane | None = None
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""
    burned: str | None = None
    burned_sun: int | None = None
    """The TRX that its transaction cost, where the operator asks and it has ended."""

    @classmethod
    def of(
        cls,
        row: PayoutRow,
        position: Position | None = None,
        ahead: int | None = None,
        account_id: UUID | None = None,
    ) -> Self:
        """What a client sees of the row, or of a query's row of PAYOUT_COLUMNS. With `account_id` it is the operator's.

        `position` is that of what was just written.
        """
        reason, since = row.waiting_reason, row.waiting_since
        burned_sun = row.burned_sun if account_id is not None else None
        return cls(
            id=row.id,
            state=row.state,
            to_address=row.to_address_base58,
            amount=format_amount(row.amount_minor, row.currency),
            amount_minor=row.amount_minor,
            fee_minor=row.fee_minor,
            currency=row.currency,
            ledger_account=row.ledger_account,
            tron_tx_hash=row.tron_tx_hash,
            client_reference=row.client_reference,
            failure_code=row.failure_code,
            priority=row.priority,
            not_before=row.not_before,
            waiting=Waiting(reason, since) if reason is not None and since is not None else None,
            requested_by=row.requested_by,
            block_number=row.block_number,
            created_at=row.created_at,
            updated_at=row.updated_at,
            position=position,
            lane=PlaceInLane(ahead) if ahead is not None else None,
            account_id=account_id,
            burned=None if burned_sun is None else format_amount(burned_sun, "TRX"),
            burned_sun=burned_sun,
        )


PAYOUT_COLUMNS: Final = columns(PayoutRow, Payout, "to_address_base58", "waiting_reason", "waiting_since")
"""What Payout.of reads of a row; and its position, from which a list goes on."""
_uuid: Final = msgspec.convert  # a quarter of what UUID(text) costs
_PAYOUTS: Final = Table("payout_requests", PayoutRow)
PayoutEvent = (
    PayoutRequested
    | PayoutPrepared
    | PayoutSigned
    | PayoutBroadcast
    | PayoutExpired
    | PayoutAttemptFailed
    | PayoutConfirmed
    | PayoutFailed
    | PayoutCancelled
    | PayoutWaiting
    | PayoutExpedited
)


class PayoutsView(View):
    """Table payout_requests."""

    name = "payouts"
    weight_ns = 2_000
    tables = (_PAYOUTS,)
    events = get_args(PayoutEvent)

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        if record.version > 1:
            yield _PAYOUTS, row_id(record.event)

    def fold(self, rows: Rows, record: Recorded) -> None:
        payouts, key = rows[_PAYOUTS], row_id(record.event)
        payouts.put(key, evolve(payouts[key] if record.version > 1 else None, record))


def row_id(happened: Any) -> UUID:
    """The payout's id, of any of its events."""
    return _uuid(happened.order.payout_id if type(happened) is PayoutRequested else happened.payout_id, UUID)


def evolve(row: PayoutRow | None, record: Recorded) -> PayoutRow:
    """The payout's row after one of its events."""
    happened = record.event
    if isinstance(happened, PayoutRequested):
        return _requested(happened, record.position)
    assert row is not None, f"{record.stream} does not begin with its request"
    return msgspec.structs.replace(row, updated_at=happened.occurred_at, **_CHANGES[type(happened)](happened))


def _requested(happened: PayoutRequested, position: int) -> PayoutRow:
    order = happened.order
    return PayoutRow(
        id=UUID(order.payout_id),
        account_id=UUID(order.account_id),
        from_ledger_account_id=ledger_account_id(order.account_id, order.ledger_account),
        ledger_account=order.ledger_account,
        to_address_base58=order.to_address,
        amount_minor=order.amount_minor,
        fee_minor=order.fee_minor,
        currency=order.currency,
        state="requested",
        tron_tx_hash=None,
        client_reference=order.client_reference,
        failure_code=None,
        attempts=0,
        block_number=None,
        burned_sun=None,
        created_at=happened.occurred_at,
        updated_at=happened.occurred_at,
        position=position,
        priority=order.priority,
        not_before=order.not_before,
        requested_by=_key_of(happened.actor),
    )


def _key_of(actor: str) -> str | None:
    """The id of the API key that acted, if one did."""
    kind, _, key_id = actor.partition(":")
    return key_id if kind == "api-key" else None


_WAITS_NO_MORE: Final = {"waiting_reason": None, "waiting_since": None}
_CHANGES: Final[Mapping[type[Event], Callable[[Any], dict[str, Any]]]] = {
    PayoutPrepared: lambda happened: {"state": "pending_sign", "attempts": happened.attempt.number, **_WAITS_NO_MORE},
    PayoutSigned: lambda _: {},
    PayoutBroadcast: lambda happened: {"state": "broadcasted", "tron_tx_hash": happened.txid, **_WAITS_NO_MORE},
    PayoutExpired: lambda _: {"state": "pending_sign"},
    PayoutAttemptFailed: lambda _: {"state": "pending_sign"},
    PayoutConfirmed: lambda happened: {
        "state": "confirmed",
        "tron_tx_hash": happened.txid,
        "block_number": happened.block_number,
        "burned_sun": happened.burned_sun,
        **_WAITS_NO_MORE,
    },
    PayoutFailed: lambda happened: {
        "state": "failed",
        "tron_tx_hash": happened.txid,
        "failure_code": happened.failure_code,
        "burned_sun": happened.burned_sun,
        **_WAITS_NO_MORE,
    },
    PayoutCancelled: lambda _: {"state": "cancelled", **_WAITS_NO_MORE},
    PayoutWaiting: lambda happened: {
        "waiting_reason": happened.reason,
        "waiting_since": datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=happened.since_ms),
    },
    PayoutExpedited: lambda _: {"expedited": True},
}
"""What each event but the first changes, beside updated_at."""
