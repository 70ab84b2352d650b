"""View payins: deposit addresses and the requests they were given out for."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from core.ledger.events import Recorded
from core.ledger.journal import account_id_of, ledger_account_id
from core.streams.addresses import AddressAssigned, PayinDisabled, PayinRequested, address_id
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View


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


class PayinsView(View):
    """Tables payin_addresses and payin_requests."""

    name = "payins"
    weight_ns = 1_000
    tables = (_ADDRESSES, _PAYINS)
    events = get_args(PayinEvent)

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        happened = record.event
        if isinstance(happened, AddressAssigned | PayinDisabled):
            yield _PAYINS, UUID(happened.payin_id)
        if isinstance(happened, PayinDisabled):
            yield _ADDRESSES, address_id(happened.address)

    def fold(self, rows: Rows, record: Recorded) -> None:
        payins, addresses = rows[_PAYINS], rows[_ADDRESSES]
        match record.event:
            case PayinRequested() as requested:
                row = PayinRow(
                    id=UUID(requested.payin_id),
                    account_id=account_id_of(requested.account_id),
                    ledger_account_id=ledger_account_id(requested.account_id, requested.ledger_account),
                    ledger_account=requested.ledger_account,
                    address_id=None,
                    client_reference=requested.client_reference,
                    state="pending",
                    created_at=requested.occurred_at,
                    position=record.position,
                )
                payins.put(row.id, row)
            case AddressAssigned() as assigned:
                address = AddressRow(
                    id=address_id(assigned.address),
                    account_id=account_id_of(assigned.account_id),
                    ledger_account_id=ledger_account_id(assigned.account_id, assigned.ledger_account),
                    ledger_account=assigned.ledger_account,
                    tron_address_base58=assigned.address,
                    tron_address_hex=assigned.address_hex,
                    kms_key_id=assigned.key_id,
                    status="active",
                    created_at=assigned.occurred_at,
                    position=record.position,
                )
                addresses.put(address.id, address)
                payin_id = UUID(assigned.payin_id)
                payins.put(payin_id, _changed(payins[payin_id], state="active", address_id=address.id))
            case PayinDisabled() as disabled:
                payin_id, key = UUID(disabled.payin_id), address_id(disabled.address)
                payins.put(payin_id, _changed(payins[payin_id], state="disabled"))
                addresses.put(key, _changed(addresses[key], status="disabled"))


def _changed(row: Any, **changes: Any) -> Any:
    assert row is not None, "a payin's or address's first event is not in the history"
    return msgspec.structs.replace(row, **changes)
