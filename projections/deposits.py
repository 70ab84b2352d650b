"""View deposits: every transfer to an address of ours, from the head of the chain to its entry in the journal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Cursor

from core.addresses import address_id
from core.deposits import DepositConfirmed, DepositDetected, DepositOrphaned, deposit_id
from core.events import Recorded
from core.journal import TREASURY, account_id_of, entry_id, ledger_account_id
from core.money import format_amount
from projections.tables import Table


class DepositRow(msgspec.Struct, frozen=True):
    """One deposit as it stands. It keeps the position and the time of its first sighting."""

    id: UUID
    account_id: UUID
    ledger_account_id: UUID
    ledger_account: str
    address_id: UUID | None
    address: str
    from_address: str
    tx_hash: str
    log_index: int | None
    block_number: int
    block_id: str
    amount_minor: int
    currency: str
    status: str
    raw_event: dict[str, Any]
    journal_entry_id: UUID | None
    detected_at: datetime
    confirmed_at: datetime | None
    orphaned_at: datetime | None
    created_at: datetime
    position: int


_DEPOSITS: Final = Table("observed_transactions", DepositRow)
DepositEvent = DepositDetected | DepositConfirmed | DepositOrphaned


class DepositsView:
    """Table observed_transactions."""

    name = "deposits"
    tables = ("observed_transactions",)

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        ours = [(record, record.event) for record in records if isinstance(record.event, DepositEvent)]
        older = list({row_id(happened) for record, happened in ours if record.version > 1})
        rows = {row.id: row for row in _DEPOSITS.load(cursor, "id = ANY(%s)", older)} if older else {}
        for record, happened in ours:
            key = row_id(happened)
            rows[key] = evolve(rows.get(key), record)
        _DEPOSITS.upsert(cursor, rows.values())


def row_id(happened: DepositEvent) -> UUID:
    """The deposit's id, of any of its events."""
    return deposit_id(happened.transfer.txid, happened.transfer.log_index)


def evolve(row: DepositRow | None, record: Recorded) -> DepositRow:
    """The deposit's row after one of its events."""
    happened = record.event
    if isinstance(happened, DepositOrphaned):
        assert row is not None, f"{record.stream} begins with being orphaned"
        return msgspec.structs.replace(row, status="orphaned", orphaned_at=happened.occurred_at)
    assert isinstance(happened, DepositDetected | DepositConfirmed)
    fact, confirmed = happened.transfer, isinstance(happened, DepositConfirmed)
    return DepositRow(
        id=row.id if row else deposit_id(fact.txid, fact.log_index),
        account_id=account_id_of(happened.account_id),
        ledger_account_id=ledger_account_id(happened.account_id, happened.ledger_account),
        ledger_account=happened.ledger_account,
        address_id=None if happened.account_id == TREASURY else address_id(fact.to_address),
        address=fact.to_address,
        from_address=fact.from_address,
        tx_hash=fact.txid,
        log_index=fact.log_index,
        block_number=fact.block_number,
        block_id=fact.block_id,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        status="confirmed" if confirmed else "detected",
        raw_event=msgspec.to_builtins(fact),
        journal_entry_id=entry_id(record.stream, record.version, happened.account_id) if confirmed else None,
        detected_at=row.detected_at if row else happened.occurred_at,
        confirmed_at=happened.occurred_at if confirmed else None,
        orphaned_at=None,
        created_at=row.created_at if row else happened.occurred_at,
        position=row.position if row else record.position,
    )


def shown(row: DepositRow) -> dict[str, Any]:
    """What GET /v1/deposits/{id} answers and webhooks carry (API.md)."""
    return {
        "id": row.id,
        "tx_hash": row.tx_hash,
        "log_index": row.log_index,
        "block_number": row.block_number,
        "address": row.address,
        "ledger_account": row.ledger_account,
        "amount": format_amount(row.amount_minor, row.currency),
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "status": row.status,
        "journal_entry_id": row.journal_entry_id,
        "detected_at": row.detected_at,
        "confirmed_at": row.confirmed_at,
    }
