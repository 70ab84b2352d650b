"""The trial balance: every ledger account in its column, debit or credit; per book and currency the columns agree (I1)."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from core.journal import AccountType

TRIAL_BALANCE: Final = """
    SELECT account_id, code, type, currency,
           CASE WHEN debit_minor > 0 THEN debit_minor ELSE 0 END AS debit_minor,
           CASE WHEN debit_minor < 0 THEN -debit_minor ELSE 0 END AS credit_minor
      FROM (SELECT *, CASE WHEN type IN ('asset', 'expense') THEN amount_minor ELSE -amount_minor END AS debit_minor
              FROM balances) AS signed
     ORDER BY account_id, currency, code
"""
"""Rows of TrialBalanceRow's fields, from the balances view: one row a ledger account and currency."""


class TrialBalanceRow(NamedTuple):
    """One ledger account of one book; one of the two columns is zero."""

    account_id: UUID
    code: str
    type: AccountType
    currency: str
    debit_minor: int
    credit_minor: int


class Total(NamedTuple):
    """The columns of one book in one currency."""

    account_id: UUID
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def difference_minor(self) -> int:
        """Zero, or the books are wrong."""
        return self.debit_minor - self.credit_minor


def trial_balance(conn: Connection[Any]) -> list[TrialBalanceRow]:
    """All books, as of the balances view's bookmark."""
    with conn.cursor(row_factory=class_row(TrialBalanceRow)) as cursor:
        return cursor.execute(TRIAL_BALANCE).fetchall()


def totals(rows: Iterable[TrialBalanceRow]) -> list[Total]:
    """One total per book and currency, in the order of the rows."""
    sums: dict[tuple[UUID, str], tuple[int, int]] = {}
    for row in rows:
        debit, credit = sums.get((row.account_id, row.currency), (0, 0))
        sums[row.account_id, row.currency] = debit + row.debit_minor, credit + row.credit_minor
    return [Total(account_id, currency, *columns) for (account_id, currency), columns in sums.items()]
