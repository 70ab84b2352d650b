"""The trial balance: every kind of ledger account in its column, debit or credit; per book and currency they agree (I1).

All clients' books stand together as "clients": an auditor reads one page, however many clients there are.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from core.ledger.journal import TREASURY_ACCOUNT_ID
from projections.named import structs

Book = Literal["clients", "treasury"]

TRIAL_BALANCE: Final = f"""
    SELECT book, code, currency,
           greatest(debit_minor, 0)::bigint AS debit_minor, greatest(-debit_minor, 0)::bigint AS credit_minor
      FROM (SELECT CASE account_id WHEN '{TREASURY_ACCOUNT_ID}' THEN 'treasury' ELSE 'clients' END AS book, code, currency,
                   sum(CASE WHEN type IN ('asset', 'expense') THEN amount_minor ELSE -amount_minor END) AS debit_minor
              FROM balances GROUP BY 1, 2, 3) AS signed
     ORDER BY book, currency, code
"""
"""Rows of TrialBalanceRow's fields, from the balances view."""


class TrialBalanceRow(NamedTuple):
    """All ledger accounts of one code together, in one kind of book; one of the two columns is zero."""

    book: Book
    code: str
    currency: str
    debit_minor: int
    credit_minor: int


class Total(NamedTuple):
    """The columns of one kind of book in one currency."""

    book: Book
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def difference_minor(self) -> int:
        """Zero, or the books are wrong."""
        return self.debit_minor - self.credit_minor


def trial_balance(conn: Connection[Any]) -> list[TrialBalanceRow]:
    """All books, as of the balances view's bookmark."""
    return structs(conn, TrialBalanceRow, TRIAL_BALANCE).fetchall()


def totals(rows: Iterable[TrialBalanceRow]) -> list[Total]:
    """One total per kind of book and currency, in the order of the rows."""
    sums: dict[tuple[Book, str], tuple[int, int]] = {}
    for row in rows:
        debit, credit = sums.get((row.book, row.currency), (0, 0))
        sums[row.book, row.currency] = debit + row.debit_minor, credit + row.credit_minor
    return [Total(book, currency, debit, credit) for (book, currency), (debit, credit) in sums.items()]
