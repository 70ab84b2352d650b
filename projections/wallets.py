"""View wallets: which address plays which role in the treasury, now and before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Cursor

from core.events import Recorded
from core.journal import derived_id
from core.treasury import SystemWalletRegistered
from projections.tables import Table


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


class WalletsView:
    """Table system_wallets."""

    name = "wallets"
    tables = ("system_wallets",)

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        ours = [record for record in records if isinstance(record.event, SystemWalletRegistered)]
        if not ours:
            return
        rows = {row.id: row for row in _WALLETS.load(cursor, "status = 'active'")}
        for record in ours:
            registered = record.event
            assert isinstance(registered, SystemWalletRegistered)
            for row in rows.values():
                if row.role == registered.role:
                    rows[row.id] = msgspec.structs.replace(row, status="inactive")
            wallet = WalletRow(
                id=derived_id("wallet", registered.role, f"{record.version}/{registered.address}"),
                role=registered.role,
                address=registered.address,
                kms_key_id=registered.key_id,
                status="active",
                created_at=registered.occurred_at,
                position=record.position,
            )
            rows[wallet.id] = wallet
        _WALLETS.upsert(cursor, rows.values())
