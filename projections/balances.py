"""View balances: what every ledger account holds, in its type's normal direction, and what is detected but not yet its own.

`pending_minor` is the sum of pending_deposits: a deposit enters it when it is detected, leaves it when it is confirmed
or orphaned, and counts once however often it is seen.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Cursor

from core.accounts import GUARDED_CURRENCIES, LedgerAccountOpened
from core.books import TREASURY_CHART
from core.deposits import DepositDetected
from core.events import Event, Recorded, postings_of
from core.journal import TREASURY, AccountType, account_id_of, ledger_account_id, signed
from projections.deposits import DepositEvent, row_id
from projections.tables import Table

Key = tuple[UUID, str]
"""(ledger account id, currency)"""


class BalanceRow(msgspec.Struct):
    """One ledger account in one currency. `updated_at` is the time of the last event that touched it."""

    ledger_account_id: UUID
    currency: str
    account_id: UUID
    code: str
    type: AccountType
    amount_minor: int
    pending_minor: int
    updated_at: datetime


class PendingRow(msgspec.Struct, frozen=True):
    """A deposit that is part of pending_minor."""

    id: UUID
    ledger_account_id: UUID
    currency: str
    amount_minor: int


_BALANCES: Final = Table("balances", BalanceRow, key=("ledger_account_id", "currency"))
_PENDING: Final = Table("pending_deposits", PendingRow)


class BalancesView:
    """Tables balances and pending_deposits."""

    name = "balances"
    tables = ("balances", "pending_deposits")

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        older = [
            row_id(record.event) for record in records if isinstance(record.event, DepositEvent) and record.version > 1
        ]
        pending = {row.id: row for row in _PENDING.load(cursor, "id = ANY(%s)", older)} if older else {}
        touched = {row.ledger_account_id for row in pending.values()} | set(_touched(records))
        fold = BalanceFold(
            _BALANCES.load(cursor, "ledger_account_id = ANY(%s)", list(touched)) if touched else (), pending
        )
        for record in records:
            fold.apply(record.event)
        _PENDING.delete(cursor, older)
        _BALANCES.upsert(cursor, fold.rows.values())
        _PENDING.upsert(cursor, fold.pending.values())


class BalanceFold:
    """Balances in memory: rows by key, and the pending deposits by id. Reconcile folds the whole history with it."""

    def __init__(self, rows: Iterable[BalanceRow] = (), pending: dict[UUID, PendingRow] | None = None) -> None:
        self.rows: dict[Key, BalanceRow] = {(row.ledger_account_id, row.currency): row for row in rows}
        self.pending: dict[UUID, PendingRow] = dict(pending or {})

    def apply(self, happened: Event) -> None:
        """Move what the event moves."""
        for posting in postings_of(happened):
            row = self._row(posting.book, posting.account, posting.currency, happened.occurred_at)
            row.amount_minor += signed(posting, row.type)
            row.updated_at = happened.occurred_at
        if isinstance(happened, LedgerAccountOpened):
            for currency in GUARDED_CURRENCIES:
                self._open(happened.account_id, happened.code, currency, happened.type, happened.occurred_at)
        elif isinstance(happened, DepositEvent):
            self._see(happened)

    def _see(self, happened: DepositEvent) -> None:
        deposit, fact = row_id(happened), happened.transfer
        left = self.pending.pop(deposit, None)
        if left is not None:
            row = self.rows[left.ledger_account_id, left.currency]
            row.pending_minor -= left.amount_minor
            row.updated_at = happened.occurred_at
        if isinstance(happened, DepositDetected):
            row = self._row(happened.account_id, happened.ledger_account, fact.currency, happened.occurred_at)
            row.pending_minor += fact.amount_minor
            row.updated_at = happened.occurred_at
            self.pending[deposit] = PendingRow(deposit, row.ledger_account_id, fact.currency, fact.amount_minor)

    def _row(self, book: str, code: str, currency: str, at: datetime) -> BalanceRow:
        account = ledger_account_id(book, code)
        row = self.rows.get((account, currency))
        if row is None:
            kind = TREASURY_CHART[code][0] if book == TREASURY else self.rows[account, GUARDED_CURRENCIES[0]].type
            row = self._open(book, code, currency, kind, at)
        return row

    def _open(self, book: str, code: str, currency: str, kind: AccountType, at: datetime) -> BalanceRow:
        account = ledger_account_id(book, code)
        row = BalanceRow(account, currency, account_id_of(book), code, kind, 0, 0, at)
        self.rows[account, currency] = row
        return row


def _touched(records: Sequence[Recorded]) -> Iterator[UUID]:
    """Ledger accounts that the events post to, or see a deposit for."""
    for record in records:
        happened = record.event
        for posting in postings_of(happened):
            yield ledger_account_id(posting.book, posting.account)
        if isinstance(happened, DepositDetected):
            yield ledger_account_id(happened.account_id, happened.ledger_account)
