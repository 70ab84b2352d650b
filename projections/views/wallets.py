"""View wallets: which address plays which role in the treasury; and what left wallets in history that a restore lost."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from core.ledger.events import Recorded
from core.ledger.journal import derived_id
from core.streams.lost_outgoing import LostOutgoingAttributed, LostOutgoingWrittenOff, OutgoingOfLostHistory
from core.streams.treasury import SystemWalletRegistered
from core.streams.wallet.rotation import WalletRetired, WalletRotationBegun
from projections.engine.rows import Rows
from projections.engine.tables import Table
from projections.engine.view import View


class WalletRow(msgspec.Struct, frozen=True):
    """One system wallet. At most one of a role is active, and at most one is being emptied into it ("retiring")."""

    id: UUID
    role: str
    address: str
    kms_key_id: str | None
    status: str
    created_at: datetime
    position: int


class LostOutgoingRow(msgspec.Struct, frozen=True):
    """A transaction of ours in history that a restore lost. Only one that paid somebody is ever `open`."""

    txid: str
    wallet: str
    address: str
    to_address: str | None
    amount_minor: int
    currency: str | None
    burned_sun: int
    block_number: int
    status: str
    payout_id: UUID | None
    reason: str | None
    created_at: datetime
    position: int


_WALLETS: Final = Table("system_wallets", WalletRow)
_LOST: Final = Table("lost_outgoing", LostOutgoingRow, key=("txid",))


class WalletsView(View):
    """Tables system_wallets and lost_outgoing."""

    name = "wallets"
    weight_ns = 200
    tables = (_WALLETS, _LOST)
    events = (
        SystemWalletRegistered,
        WalletRotationBegun,
        WalletRetired,
        OutgoingOfLostHistory,
        LostOutgoingAttributed,
        LostOutgoingWrittenOff,
    )

    def fold(self, rows: Rows, record: Recorded) -> None:
        match record.event:
            case SystemWalletRegistered() as registered:
                self._register(rows, record, registered)
            case WalletRotationBegun(role=role, from_address=address):
                _is_now(rows, role, address, "retiring")
            case WalletRetired(role=role, address=address):
                _is_now(rows, role, address, "retired")
            case OutgoingOfLostHistory() as found:
                rows[_LOST].put(found.left.txid, _lost(record, found))
            case LostOutgoingAttributed(txid=txid, payout_id=payout_id):
                _end(rows, txid, status="attributed", payout_id=UUID(payout_id))
            case LostOutgoingWrittenOff(txid=txid, reason=reason):
                _end(rows, txid, status="written_off", reason=reason)

    def _register(self, rows: Rows, record: Recorded, registered: SystemWalletRegistered) -> None:
        wallets = rows[_WALLETS]
        for row in wallets.everything():
            if row.role == registered.role and row.status == "active":
                wallets.put(row.id, msgspec.structs.replace(row, status="inactive"))
        wallet = WalletRow(
            id=derived_id("wallet", registered.role, f"{record.version}/{registered.address}"),
            role=registered.role,
            address=registered.address,
            kms_key_id=registered.key_id,
            status="active",
            created_at=registered.occurred_at,
            position=record.position,
        )
        wallets.put(wallet.id, wallet)


def _is_now(rows: Rows, role: str, address: str, status: str) -> None:
    for row in rows[_WALLETS].everything():
        if (row.role, row.address) == (role, address):
            rows[_WALLETS].put(row.id, msgspec.structs.replace(row, status=status))


def _lost(record: Recorded, found: OutgoingOfLostHistory) -> LostOutgoingRow:
    left = found.left
    return LostOutgoingRow(
        txid=left.txid,
        wallet=left.wallet,
        address=left.address,
        to_address=left.to or None,
        amount_minor=left.amount_minor,
        currency=left.currency or None,
        burned_sun=left.burned_sun,
        block_number=left.block_number,
        status="open" if left.was_payout else "ours",
        payout_id=None,
        reason=None,
        created_at=found.occurred_at,
        position=record.position,
    )


def _end(rows: Rows, txid: str, **changes: Any) -> None:
    row = rows[_LOST][txid]
    assert row is not None, f"nothing was lost as {txid}"
    rows[_LOST].put(txid, msgspec.structs.replace(row, **changes))
