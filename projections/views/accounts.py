"""View accounts: companies, and the ledger accounts of every book. The treasury's book opens with the first event."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from core.ledger.books import TREASURY_CHART
from core.ledger.events import Event, Recorded
from core.ledger.journal import TREASURY, TREASURY_ACCOUNT_ID, ledger_account_id
from core.streams.accounts import (
    AccountReactivated,
    AccountRegistered,
    AccountRenamed,
    AccountSuspendedEvent,
    LedgerAccountOpened,
    TransferConsentChanged,
    WebhookDisabled,
    WebhookSecretRotated,
    WebhookUrlChanged,
)
from projections.engine.binary import Int4
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View

AccountEvent = (
    AccountRegistered
    | AccountRenamed
    | AccountSuspendedEvent
    | AccountReactivated
    | WebhookDisabled
    | WebhookUrlChanged
    | WebhookSecretRotated
    | TransferConsentChanged
)


class AccountRow(msgspec.Struct, frozen=True):
    """One company; position 0 is the treasury."""

    id: UUID
    name: str
    status: str
    webhook_url: str | None
    webhook_secret_generation: Int4
    webhook_secret_rotated_at: datetime | None
    created_at: datetime
    updated_at: datetime
    position: int
    accept_transfers: bool = False


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


class AccountsView(View):
    """Tables accounts and ledger_accounts."""

    name = "accounts"
    weight_ns = 300
    tables = (_ACCOUNTS, _LEDGER_ACCOUNTS)
    events = (*get_args(AccountEvent), LedgerAccountOpened)

    def open(self, rows: Rows, first: Recorded) -> None:
        treasury, chart = treasury_book(first.event.occurred_at)
        rows[_ACCOUNTS].put(treasury.id, treasury)
        for account in chart:
            rows[_LEDGER_ACCOUNTS].put(account.id, account)

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        if isinstance(record.event, AccountEvent) and record.version > 1:
            yield _ACCOUNTS, UUID(record.event.account_id)

    def fold(self, rows: Rows, record: Recorded) -> None:
        happened = record.event
        if isinstance(happened, LedgerAccountOpened):
            opened = _opened(happened, record.position)
            rows[_LEDGER_ACCOUNTS].put(opened.id, opened)
            return
        assert isinstance(happened, AccountEvent)
        accounts, key = rows[_ACCOUNTS], UUID(happened.account_id)
        accounts.put(key, evolve(accounts[key] if record.version > 1 else None, record))


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
        case TransferConsentChanged():
            return {"accept_transfers": happened.accept_transfers}
    return {}


def treasury_book(opened_at: datetime) -> tuple[AccountRow, list[LedgerAccountRow]]:
    """The operator's own account and its chart."""
    account = AccountRow(TREASURY_ACCOUNT_ID, "Treasury", "active", None, 1, None, opened_at, opened_at, 0)
    chart = [
        LedgerAccountRow(ledger_account_id(TREASURY, code), account.id, kind, code, name, "active", opened_at, 0)
        for code, (kind, name) in TREASURY_CHART.items()
    ]
    return account, chart


def _opened(happened: LedgerAccountOpened, position: int) -> LedgerAccountRow:
    return LedgerAccountRow(
        id=UUID(happened.ledger_account_id),
        account_id=UUID(happened.account_id),
        type=happened.type,
        code=happened.code,
        name=happened.name,
        status="active",
        created_at=happened.occurred_at,
        position=position,
    )
