"""View wallets: which address plays which role in the treasury, now and before."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from core.ledger.events import Recorded
from core.ledger.journal import derived_id
from core.streams.treasury import SystemWalletRegistered
from projections.engine.rows import Rows
from projections.engine.tables import Table
from projections.engine.view import View


class WalletRow(msgspec.Struct, frozen=True):
    """One system wallet; at most one of a role is active."""

    id: UUID
    role: str
    address: str
    kms_key_id: str | None
    status: str
    created_at: datetime
    position: int


_WALLETS: Final = Table("system_wallets", WalletRow)


class WalletsView(View):
    """Table system_wallets."""

    name = "wallets"
    weight_ns = 200
    tables = (_WALLETS,)
    events = (SystemWalletRegistered,)

    def fold(self, rows: Rows, record: Recorded) -> None:
        registered = record.event
        assert isinstance(registered, SystemWalletRegistered)
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
