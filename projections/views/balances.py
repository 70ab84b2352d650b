"""View balances: what every ledger account holds, in its type's normal direction, and what is detected but not yet its own.

`pending_minor` is the sum of pending_deposits: a deposit enters it when it is detected, leaves it when it is confirmed
or orphaned, and counts once however often it is seen.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import msgspec

from core.ledger.books import TREASURY_CHART
from core.ledger.events import Recorded, postings_of
from core.ledger.journal import DEBIT_NORMAL, TREASURY, AccountType, account_id_of, ledger_account_bytes
from core.streams.accounts import GUARDED_CURRENCIES, LedgerAccountOpened
from core.streams.deposits import DepositDetected
from projections.engine.binary import Id
from projections.engine.rows import Kept, Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View, events_with_postings
from projections.views.deposits import DepositEvent, row_id


class BalanceRow(msgspec.Struct):
    """One ledger account in one currency. `updated_at` is the time of the last event that touched it."""

    ledger_account_id: Id
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
    ledger_account_id: Id
    currency: str
    amount_minor: int


BALANCES: Final = Table("balances", BalanceRow, key=("ledger_account_id", "currency"))
_PENDING: Final = Table("pending_deposits", PendingRow)


class BalancesView(View):
    """Tables balances and pending_deposits."""

    name = "balances"
    weight_ns = 3_000
    tables = (BALANCES, _PENDING)
    events = events_with_postings() | {LedgerAccountOpened, *get_args(DepositEvent)}

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        happened = record.event
        for posting in postings_of(happened):
            account = ledger_account_bytes(posting.book, posting.account)
            yield BALANCES, (account, posting.currency)
            yield BALANCES, (account, GUARDED_CURRENCIES[0])
        if isinstance(happened, DepositDetected):
            yield (
                BALANCES,
                (ledger_account_bytes(happened.account_id, happened.ledger_account), happened.transfer.currency),
            )
        if isinstance(happened, DepositEvent) and record.version > 1:
            yield _PENDING, row_id(happened)

    def fold(self, rows: Rows, record: Recorded) -> None:
        happened, balances = record.event, rows[BALANCES]
        at = happened.occurred_at
        for posting in postings_of(happened):
            key = ledger_account_bytes(posting.book, posting.account), posting.currency
            row = balances[key] or _opened(balances, posting.book, posting.account, posting.currency, at)
            grows = (posting.side == "debit") is (row.type in DEBIT_NORMAL)
            row.amount_minor += posting.amount_minor if grows else -posting.amount_minor
            row.updated_at = at
            balances.touched[key] = None
        if isinstance(happened, DepositEvent):
            self._see(rows, record, happened)
        elif type(happened) is LedgerAccountOpened:
            for currency in GUARDED_CURRENCIES:
                _open(balances, happened.account_id, happened.code, currency, happened.type, at)

    def _see(self, rows: Rows, record: Recorded, happened: DepositEvent) -> None:
        deposit, fact, at = row_id(happened), happened.transfer, happened.occurred_at
        balances, pending = rows[BALANCES], rows[_PENDING]
        left = pending.remove(deposit) if record.version > 1 else None
        if left is not None:
            row = balances[left.ledger_account_id, left.currency]
            assert row is not None, f"{record.stream} was pending in an account that does not exist"
            row.pending_minor -= left.amount_minor
            row.updated_at = at
            balances.put((row.ledger_account_id, row.currency), row)
        if isinstance(happened, DepositDetected):
            key = ledger_account_bytes(happened.account_id, happened.ledger_account), fact.currency
            row = balances[key] or _opened(balances, happened.account_id, happened.ledger_account, fact.currency, at)
            row.pending_minor += fact.amount_minor
            row.updated_at = at
            balances.put(key, row)
            pending.put(deposit, PendingRow(deposit, row.ledger_account_id, fact.currency, fact.amount_minor))


def _opened(balances: Kept[BalanceRow], book: str, code: str, currency: str, at: datetime) -> BalanceRow:
    """The row of a ledger account in a currency that it never held."""
    if book == TREASURY:
        return _open(balances, book, code, currency, TREASURY_CHART[code][0], at)
    guarded = balances[ledger_account_bytes(book, code), GUARDED_CURRENCIES[0]]
    assert guarded is not None, f"{code} of {book} is posted to before it is opened"
    return _open(balances, book, code, currency, guarded.type, at)


def _open(
    balances: Kept[BalanceRow], book: str, code: str, currency: str, kind: AccountType, at: datetime
) -> BalanceRow:
    account = ledger_account_bytes(book, code)
    row = BalanceRow(account, currency, account_id_of(book), code, kind, 0, 0, at)
    balances.put((account, currency), row)
    return row
