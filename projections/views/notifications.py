"""View notifications: what each client is sent, in order, with a gapless sequence of its own (GET /v1/events, webhooks).

An event's data is its object as the GET of it answered then. Objects that a client may yet hear of again are kept in
client_objects until their last event, and of each deposit address for what it was given out: the view needs no other view.
"""

from collections.abc import Iterable
from datetime import datetime
from struct import Struct
from typing import Any, Final, TypeVar, get_args
from uuid import UUID

import msgspec

from core.ledger.events import DECLARATIONS, Event, Recorded
from core.ledger.journal import TREASURY, account_id_of, event_key
from core.streams.addresses import PayinRequested, address_id
from core.streams.deposits import DepositConfirmed
from core.streams.payouts import (
    PayoutAttemptFailed,
    PayoutBroadcast,
    PayoutCancelled,
    PayoutConfirmed,
    PayoutExpired,
    PayoutFailed,
    PayoutRequested,
    PayoutWaiting,
)
from projections.engine.binary import Id, Json
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View
from projections.views import deposits, payouts
from projections.views.deposits import NO_PAYIN, Deposit, DepositEvent, DepositRow, PayinOf
from projections.views.payouts import Payout, PayoutRow

_LOW_42_BITS: Final = (1 << 42) - 1
_two_halves: Final = Struct("!QQ").pack
_TYPES: Final = {
    cls: declared.client_event for cls, declared in DECLARATIONS.items() if declared.client_event is not None
}
"""Event -> the type under which its account is sent it."""
_LAST: Final = frozenset({DepositConfirmed, PayoutConfirmed, PayoutFailed, PayoutCancelled})
_DEPOSIT_EVENTS: Final = frozenset(get_args(DepositEvent))
R = TypeVar("R", DepositRow, PayoutRow, PayinOf)


class ClientEventRow(msgspec.Struct, frozen=True):
    """One event of one client."""

    account_id: UUID
    sequence: int
    id: Id
    type: str
    subject: str
    data: Json
    created_at: datetime
    position: int


class SequenceRow(msgspec.Struct):
    """How many events a client was sent."""

    account_id: UUID
    sequence: int


class ObjectRow(msgspec.Struct, frozen=True):
    """A deposit's or payout's row as its last event left it; or an address' payin, by the address' id."""

    id: UUID
    row: Json


_CLIENT_EVENTS: Final = Table("client_events", ClientEventRow, key=("account_id", "sequence"), grows=True)
_SEQUENCES: Final = Table("client_sequences", SequenceRow, key=("account_id",))
_OBJECTS: Final = Table("client_objects", ObjectRow)


class NotificationsView(View):
    """Tables client_events, client_sequences and client_objects."""

    name = "notifications"
    weight_ns = 11_000
    tables = (_CLIENT_EVENTS, _SEQUENCES, _OBJECTS)
    events = (
        PayinRequested,
        *get_args(DepositEvent),
        PayoutRequested,
        PayoutWaiting,
        PayoutBroadcast,
        PayoutExpired,
        PayoutAttemptFailed,
        PayoutConfirmed,
        PayoutFailed,
        PayoutCancelled,
    )
    """Of a payout only what is sent to its client, and what shows in the next thing that is."""

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        happened: Any = record.event
        if isinstance(happened, PayinRequested):
            return
        if record.version > 1:
            yield _OBJECTS, _id_of(happened)
        account_id = getattr(happened, "account_id", TREASURY)
        if account_id != TREASURY and type(happened) in _TYPES:
            yield _SEQUENCES, account_id_of(account_id)
            if type(happened) in _DEPOSIT_EVENTS:
                yield _OBJECTS, address_id(happened.transfer.to_address)

    def fold(self, rows: Rows, record: Recorded) -> None:
        happened: Any = record.event
        kind, objects = type(happened), rows[_OBJECTS]
        if kind is PayinRequested:
            key = address_id(happened.address)
            objects.put(key, ObjectRow(key, PayinOf(UUID(happened.payin_id), happened.client_reference)))
            return
        kept: Any = None
        row: DepositRow | PayoutRow
        if kind in _DEPOSIT_EVENTS:
            if happened.account_id == TREASURY:
                return  # coins that reached a wallet of our own: no client is sent anything
            key = deposits.row_id(happened)
            kept = objects[key] if record.version > 1 else None
            row = deposits.evolve(kept and _restored(kept.row, DepositRow), record)
        else:
            key = payouts.row_id(happened)
            kept = objects[key] if record.version > 1 else None
            row = payouts.evolve(kept and _restored(kept.row, PayoutRow), record)
        if kind in _TYPES:
            self._send(rows, record, row)
        if kind in _LAST:
            objects.remove(key)
        else:
            objects.put(key, ObjectRow(key, row))

    def _send(self, rows: Rows, record: Recorded, row: DepositRow | PayoutRow) -> None:
        sent = rows[_SEQUENCES][row.account_id] or SequenceRow(row.account_id, 0)
        sent.sequence += 1
        rows[_SEQUENCES].put(row.account_id, sent)
        is_deposit = isinstance(row, DepositRow)
        shown = Deposit.of(row, _payin_of(rows, row)) if isinstance(row, DepositRow) else Payout.of(row)
        rows.added(_CLIENT_EVENTS).append(
            (
                row.account_id,
                sent.sequence,
                event_id(record, sent.sequence),
                _TYPES[type(record.event)],
                f"{'deposit' if is_deposit else 'payout'}-{_text(row.id)}",
                shown,
                record.event.occurred_at,
                record.position,
            )
        )


def _payin_of(rows: Rows, deposit: DepositRow) -> PayinOf:
    """What the deposit's address was given out for."""
    kept = rows[_OBJECTS][address_id(deposit.address)]
    return _restored(kept.row, PayinOf) if kept is not None else NO_PAYIN


def event_id(record: Recorded, sequence: int) -> bytes:
    """A UUIDv7 of the event's time, then the account's own sequence (so ids sort as events do), then 42 bits of a hash."""
    key = event_key(record.stream, record.version, record.event.occurred_at)
    head, low = key >> 80 << 16 | 0x7000 | sequence >> 20 & 0xFFF, sequence & 0xFFFFF
    return _two_halves(head, 0b10 << 62 | low << 42 | key >> 16 & _LOW_42_BITS)


def _id_of(happened: Event) -> UUID:
    return deposits.row_id(happened) if type(happened) in _DEPOSIT_EVENTS else payouts.row_id(happened)


def _restored(row: Any, kind: type[R]) -> R:
    """The row, which the database gives back as a dict."""
    return msgspec.convert(row, kind) if isinstance(row, dict) else row


def _text(row_id: UUID) -> str:
    """The same as str(row_id), in a third of the time."""
    return msgspec.to_builtins(row_id)  # type: ignore[no-any-return]
