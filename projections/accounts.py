"""View accounts: companies, and the ledger accounts of every book. The treasury's book opens with the first event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Cursor

from core.accounts import (
    AccountReactivated,
    AccountRegistered,
    AccountRenamed,
    AccountSuspendedEvent,
    LedgerAccountOpened,
    WebhookDisabled,
    WebhookSecretRotated,
    WebhookUrlChanged,
)
from core.books import TREASURY_CHART
from core.events import Event, Recorded
from core.journal import TREASURY, TREASURY_ACCOUNT_ID, ledger_account_id
from projections.tables import Table

AccountEvent = (
    AccountRegistered
    | AccountRenamed
    | AccountSuspendedEvent
    | AccountReactivated
    | WebhookDisabled
    | WebhookUrlChanged
    | WebhookSecretRotated
)


class AccountRow(msgspec.Struct, frozen=True):
    """One company; position 0 is the treasury."""

    id: UUID
    name: str
    status: str
    webhook_url: str | None
    webhook_secret_generation: int
    webhook_secret_rotated_at: datetime | None
    created_at: datetime
    updated_at: datetime
    position: int


class LedgerAccountRow(msgspec.Struct, frozen=True):
    """One ledger account of one book."""

    id: UUID
    account_id: UUID
    type: str
    code: str
    name: str
    status: str
    created_at: datetime
    position: int


_ACCOUNTS: Final = Table("accounts", AccountRow)
_LEDGER_ACCOUNTS: Final = Table("ledger_accounts", LedgerAccountRow)


class AccountsView:
    """Tables accounts and ledger_accounts."""

    name = "accounts"
    tables = ("accounts", "ledger_accounts")

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        changed = [(record, record.event) for record in records if isinstance(record.event, AccountEvent)]
        opened = [_opened(record) for record in records if isinstance(record.event, LedgerAccountOpened)]
        known: dict[UUID, AccountRow] = {}
        if records[0].position == 1:
            treasury, chart = treasury_book(records[0].event.occurred_at)
            known[treasury.id] = treasury
            opened = [*chart, *opened]
        older = {UUID(happened.account_id) for record, happened in changed if record.version > 1}
        if older:
            known |= {row.id: row for row in _ACCOUNTS.load(cursor, "id = ANY(%s)", list(older))}
        for record, happened in changed:
            row_id = UUID(happened.account_id)
            known[row_id] = evolve(known.get(row_id), record)
        _ACCOUNTS.upsert(cursor, known.values())
        _LEDGER_ACCOUNTS.upsert(cursor, opened)


def evolve(row: AccountRow | None, record: Recorded) -> AccountRow:
    """The account's row after one of its events."""
    happened = record.event
    if isinstance(happened, AccountRegistered):
        return AccountRow(
            id=UUID(happened.account_id),
            name=happened.name,
            status="active",
            webhook_url=happened.webhook_url,
            webhook_secret_generation=1,
            webhook_secret_rotated_at=None,
            created_at=happened.occurred_at,
            updated_at=happened.occurred_at,
            position=record.position,
        )
    assert row is not None, f"{record.stream} does not begin with its registration"
    return msgspec.structs.replace(row, updated_at=happened.occurred_at, **_changes(happened))


def _changes(happened: Event) -> dict[str, Any]:
    match happened:
        case AccountRenamed():
            return {"name": happened.name}
        case AccountSuspendedEvent():
            return {"status": "suspended"}
        case AccountReactivated():
            return {"status": "active"}
        case WebhookUrlChanged():
            return {"webhook_url": happened.webhook_url}
        case WebhookDisabled():
            return {"webhook_url": None}
        case WebhookSecretRotated():
            return {
                "webhook_secret_generation": happened.generation,
                "webhook_secret_rotated_at": happened.occurred_at,
            }
    return {}


def treasury_book(opened_at: datetime) -> tuple[AccountRow, list[LedgerAccountRow]]:
    """The operator's own account and its chart."""
    account = AccountRow(TREASURY_ACCOUNT_ID, "Treasury", "active", None, 1, None, opened_at, opened_at, 0)
    chart = [
        LedgerAccountRow(ledger_account_id(TREASURY, code), account.id, kind, code, name, "active", opened_at, 0)
        for code, (kind, name) in TREASURY_CHART.items()
    ]
    return account, chart


def _opened(record: Recorded) -> LedgerAccountRow:
    happened = record.event
    assert isinstance(happened, LedgerAccountOpened)
    return LedgerAccountRow(
        id=UUID(happened.ledger_account_id),
        account_id=UUID(happened.account_id),
        type=happened.type,
        code=happened.code,
        name=happened.name,
        status="active",
        created_at=happened.occurred_at,
        position=record.position,
    )
