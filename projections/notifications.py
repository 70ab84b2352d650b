"""View notifications: what each client is told, in order, with a gapless sequence of its own (GET /v1/events, webhooks).

An event's data is its object as the GET of it answered then. Objects that a client may yet hear of again are kept in
client_objects until their last event, so that the view needs no other view.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Cursor

from core.deposits import DepositConfirmed, DepositDetected, DepositOrphaned
from core.events import Recorded
from core.journal import TREASURY
from core.payouts import PayoutBroadcast, PayoutCancelled, PayoutConfirmed, PayoutFailed
from projections import deposits, payouts
from projections.deposits import DepositEvent, DepositRow
from projections.payouts import PayoutEvent, PayoutRow
from projections.tables import Table

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOLD: Final = {
    DepositDetected: "deposit.detected",
    DepositConfirmed: "deposit.confirmed",
    DepositOrphaned: "deposit.orphaned",
    PayoutBroadcast: "payout.broadcasted",
    PayoutConfirmed: "payout.confirmed",
    PayoutFailed: "payout.failed",
}
_LAST: Final = (DepositConfirmed, PayoutConfirmed, PayoutFailed, PayoutCancelled)


class ClientEventRow(msgspec.Struct, frozen=True):
    """One thing that one client is told."""

    account_id: UUID
    sequence: int
    id: UUID
    type: str
    subject: str
    data: dict[str, Any]
    created_at: datetime
    position: int


class ObjectRow(msgspec.Struct, frozen=True):
    """A deposit's or payout's row as its last event left it."""

    id: UUID
    row: dict[str, Any] | DepositRow | PayoutRow


_CLIENT_EVENTS: Final = Table("client_events", ClientEventRow, key=("account_id", "sequence"))
_OBJECTS: Final = Table("client_objects", ObjectRow)
_LAST_SEQUENCES: Final = (
    "SELECT account_id, (SELECT max(sequence) FROM client_events e WHERE e.account_id = touched.account_id)"
    " FROM unnest(%s::uuid[]) AS touched (account_id)"
)


class NotificationsView:
    """Tables client_events and client_objects."""

    name = "notifications"
    tables = ("client_events", "client_objects")

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        ours = [
            (record, record.event)
            for record in records
            if isinstance(record.event, DepositEvent | PayoutEvent) and not _treasurys(record.event)
        ]
        if not ours:
            return
        older = list({_id_of(happened) for record, happened in ours if record.version > 1})
        objects = {row.id: _restored(row) for row in _OBJECTS.load(cursor, "id = ANY(%s)", older)} if older else {}
        told: list[tuple[Recorded, DepositRow | PayoutRow]] = []
        for record, happened in ours:
            key = _id_of(happened)
            row = _evolve(objects.get(key), record)
            objects[key] = row
            if type(happened) in _TOLD:
                told.append((record, row))
            if isinstance(happened, _LAST):
                del objects[key]
        _OBJECTS.delete(cursor, [key for key in older if key not in objects])
        _OBJECTS.upsert(cursor, [ObjectRow(key, row) for key, row in objects.items()])
        _CLIENT_EVENTS.upsert(cursor, _numbered(cursor, told))


def _numbered(cursor: Cursor[Any], told: Sequence[tuple[Recorded, DepositRow | PayoutRow]]) -> list[ClientEventRow]:
    accounts = list({row.account_id for _, row in told})
    if not accounts:
        return []
    last: dict[UUID, int] = {account: known or 0 for account, known in cursor.execute(_LAST_SEQUENCES, (accounts,))}
    events = []
    for record, row in told:
        last[row.account_id] += 1
        sequence, kind = last[row.account_id], _TOLD[type(record.event)]
        data = deposits.shown(row) if isinstance(row, DepositRow) else payouts.shown(row)
        events.append(
            ClientEventRow(
                account_id=row.account_id,
                sequence=sequence,
                id=event_id(record, sequence),
                type=kind,
                subject=f"{kind.partition('.')[0]}-{row.id}",
                data=data,
                created_at=record.event.occurred_at,
                position=record.position,
            )
        )
    return events


def event_id(record: Recorded, sequence: int) -> UUID:
    """A UUIDv7 of the event's time, then the account's own sequence (so ids sort as events do), then 42 bits of a hash."""
    milliseconds = (record.event.occurred_at - _EPOCH) // timedelta(milliseconds=1)
    digest = hashlib.sha256(f"{record.stream}/{record.version}".encode()).digest()
    low = (sequence & 0xFFFFF) << 42 | int.from_bytes(digest[:8], "big") >> 22
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (sequence >> 20 & 0xFFF) << 64 | 0b10 << 62 | low)


def _treasurys(happened: DepositEvent | PayoutEvent) -> bool:
    """Coins that reached a wallet of our own: no client is told."""
    return isinstance(happened, DepositEvent) and happened.account_id == TREASURY


def _id_of(happened: DepositEvent | PayoutEvent) -> UUID:
    return deposits.row_id(happened) if isinstance(happened, DepositEvent) else payouts.row_id(happened)


def _evolve(row: DepositRow | PayoutRow | None, record: Recorded) -> DepositRow | PayoutRow:
    if isinstance(record.event, DepositEvent):
        assert row is None or isinstance(row, DepositRow)
        return deposits.evolve(row, record)
    assert row is None or isinstance(row, PayoutRow)
    return payouts.evolve(row, record)


def _restored(kept: ObjectRow) -> DepositRow | PayoutRow:
    assert isinstance(kept.row, dict)
    is_deposit = "tx_hash" in kept.row
    return msgspec.convert(kept.row, DepositRow) if is_deposit else msgspec.convert(kept.row, PayoutRow)
