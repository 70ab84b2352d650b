"""View payins: deposit addresses and the requests they were given out for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Cursor

from core.addresses import AddressAssigned, PayinDisabled, PayinRequested, address_id
from core.events import Recorded
from core.journal import ledger_account_id
from projections.tables import Table


class AddressRow(msgspec.Struct, frozen=True):
    """One deposit address that a client was given."""

    id: UUID
    account_id: UUID
    ledger_account_id: UUID
    ledger_account: str
    tron_address_base58: str
    tron_address_hex: str
    kms_key_id: str
    status: str
    created_at: datetime
    position: int


class PayinRow(msgspec.Struct, frozen=True):
    """One payin request; pending only between its own event and its address's, which are appended together."""

    id: UUID
    account_id: UUID
    ledger_account_id: UUID
    ledger_account: str
    address_id: UUID | None
    client_reference: str | None
    state: str
    created_at: datetime
    position: int


_ADDRESSES: Final = Table("payin_addresses", AddressRow)
_PAYINS: Final = Table("payin_requests", PayinRow)
PayinEvent = PayinRequested | AddressAssigned | PayinDisabled


class PayinsView:
    """Tables payin_addresses and payin_requests."""

    name = "payins"
    tables = ("payin_addresses", "payin_requests")

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        ours = [(record, record.event) for record in records if isinstance(record.event, PayinEvent)]
        if not ours:
            return
        made = {happened.payin_id for _, happened in ours if isinstance(happened, PayinRequested)}
        older = {UUID(happened.payin_id) for _, happened in ours if happened.payin_id not in made}
        disabled = [address_id(happened.address) for _, happened in ours if isinstance(happened, PayinDisabled)]
        payins: dict[UUID, PayinRow] = {}
        addresses: dict[UUID, AddressRow] = {}
        if older:
            payins = {row.id: row for row in _PAYINS.load(cursor, "id = ANY(%s)", list(older))}
        if disabled:
            addresses = {row.id: row for row in _ADDRESSES.load(cursor, "id = ANY(%s)", disabled)}
        for record, _ in ours:
            _fold(record, payins, addresses)
        _ADDRESSES.upsert(cursor, addresses.values())
        _PAYINS.upsert(cursor, payins.values())


def _fold(record: Recorded, payins: dict[UUID, PayinRow], addresses: dict[UUID, AddressRow]) -> None:
    replace = msgspec.structs.replace
    match record.event:
        case PayinRequested() as requested:
            row = PayinRow(
                id=UUID(requested.payin_id),
                account_id=UUID(requested.account_id),
                ledger_account_id=ledger_account_id(requested.account_id, requested.ledger_account),
                ledger_account=requested.ledger_account,
                address_id=None,
                client_reference=requested.client_reference,
                state="pending",
                created_at=requested.occurred_at,
                position=record.position,
            )
            payins[row.id] = row
        case AddressAssigned() as assigned:
            address = AddressRow(
                id=address_id(assigned.address),
                account_id=UUID(assigned.account_id),
                ledger_account_id=ledger_account_id(assigned.account_id, assigned.ledger_account),
                ledger_account=assigned.ledger_account,
                tron_address_base58=assigned.address,
                tron_address_hex=assigned.address_hex,
                kms_key_id=assigned.key_id,
                status="active",
                created_at=assigned.occurred_at,
                position=record.position,
            )
            addresses[address.id] = address
            payin_id = UUID(assigned.payin_id)
            payins[payin_id] = replace(payins[payin_id], state="active", address_id=address.id)
        case PayinDisabled() as disabled:
            payin_id, row_id = UUID(disabled.payin_id), address_id(disabled.address)
            payins[payin_id] = replace(payins[payin_id], state="disabled")
            addresses[row_id] = replace(addresses[row_id], status="disabled")
