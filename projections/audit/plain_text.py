"""The books as plain text accounting: journals that hledger and beancount read, and refuse when an amount does not fit.

Every event becomes one transaction a book, so that a client's book can be given alone (I12). Amounts are exact: six
decimals are all there are. A transaction stands on the latest day that the history had reached, so that days follow
positions also where a slow clock dated an event back; its own time stands beside it.

What an account must hold is asserted at every checkpoint, for the accounts that changed since the one before, and at
the end for all. beancount can only assert at the start of a day: there it is every day's end, with the first checkpoint
that covers it, and every checkpoint is a directive of its own.
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from psycopg import Connection

from core.ledger.books import CLIENT_CHART, TREASURY_CHART
from core.ledger.events import Event, postings_of
from core.ledger.history import read
from core.ledger.journal import TREASURY, AccountType, Posting
from core.streams.accounts import AccountRegistered, AccountRenamed, LedgerAccountOpened
from projections.audit.export import snapshot
from projections.named import structs
from projections.stored_events import all_events
from projections.views.journal import described

_CHECKPOINTS: Final = "SELECT number, size, root FROM checkpoints ORDER BY number"
_DAY: Final = timedelta(days=1)


class Account(NamedTuple):
    """A ledger account of a book."""

    book: str
    code: str
    type: AccountType
    is_beside_others: bool = False
    """It is a client's, in a journal of all books: what it holds is in the treasury's book, too."""


class Balance(NamedTuple):
    """What an account holds: debits minus credits, in minor units of the currency."""

    account: Account
    currency: str
    amount_minor: int


class Checkpoint(NamedTuple):
    """A signed checkpoint: the history's first `size` events have this root."""

    number: int
    size: int
    root: bytes


class Transaction(msgspec.Struct, frozen=True):
    """One event's lines in one book."""

    day: date
    kind: str
    """payin, payout, sweep, ..., as the journal entry's event_type."""
    topic: str
    about: dict[str, str | int]
    """position, event, time, actor, and reference and reason where there are such: as tags or metadata."""
    lines: list[tuple[Account, Posting]]


class Form(Protocol):
    """How a journal is written. Each gives text of whole lines."""

    asserts_days: bool
    """Balances can only be asserted for the end of a day."""

    def begin(self, title: str) -> str: ...

    def account(self, day: date, account: Account, owner: str | None) -> str:
        """An account that is there from this day on; `owner` is the company's name."""

    def opening(self, day: date, balances: list[Balance]) -> str:
        """What one book held at the end of the day."""

    def transaction(self, transaction: Transaction) -> str: ...

    def checkpoint(self, day: date, checkpoint: Checkpoint) -> str:
        """It covers everything written so far; nothing where the assertion behind it says so."""

    def assertion(self, day: date, balances: list[Balance], checkpoint: Checkpoint | None) -> str:
        """What the accounts hold behind everything written so far, at the end of the day where `asserts_days`."""

    def note(self, text: str) -> str: ...


class Period(NamedTuple):
    """From the first day to the last, both included; None is the history's own beginning or end."""

    first: date | None = None
    last: date | None = None


WHOLE: Final = Period()


def journal(conn: Connection[Any], form: Form, book: str | None = None, period: Period = WHOLE) -> Iterator[bytes]:
    """The journal of a book, or of all books. The same snapshot gives the same bytes; `conn` must be outside a transaction."""
    with snapshot(conn):
        checkpoints = structs(conn, Checkpoint, _CHECKPOINTS, binary=True).fetchall()
        walk = _Walk(form, book, period, checkpoints)
        with closing(all_events(conn)) as events:
            for position, stream, version, topic, state in events:
                happened = read(stream, topic, state)
                if not walk.goes_on(happened.occurred_at):
                    break
                yield walk.event(position, f"{stream}/{version}", happened).encode()
        yield walk.end().encode()


class _Walk:
    """From the first event on: what is held, what was written, what is to be asserted."""

    def __init__(self, form: Form, book: str | None, period: Period, checkpoints: list[Checkpoint]) -> None:
        self._form, self._book, self._period, self._checkpoints = form, book, period, checkpoints
        self._sizes = [checkpoint.size for checkpoint in checkpoints]
        self._accounts: dict[tuple[str, str], Account] = {}
        self._held: dict[tuple[Account, str], int] = {}
        self._changed: dict[tuple[Account, str], None] = {}
        self._names: dict[str, str] = {}
        self._day: date | None = None
        self._begun = False
        self._over = False
        self._position = 0
        self._written = 0

    def goes_on(self, at: datetime) -> bool:
        """False once the period is over: nothing that comes later can come into it."""
        day = max(at.astimezone(UTC).date(), self._day or date.min)
        self._over = self._period.last is not None and day > self._period.last
        return not self._over

    def event(self, position: int, name: str, happened: Event) -> str:
        """What is written for it."""
        text: list[str] = []
        day = max(happened.occurred_at.astimezone(UTC).date(), self._day or date.min)
        if not self._begun and (self._period.first is None or day >= self._period.first):
            text += self._begin(day)
        elif self._begun and self._form.asserts_days and self._day is not None and day > self._day:
            text += self._assert_changed(self._day, self._covering(self._position))
        self._day, self._position = day, position
        if isinstance(happened, AccountRegistered | AccountRenamed):
            text += self._call(happened.account_id, happened.name)
        if isinstance(happened, LedgerAccountOpened):
            text += self._know(self._of(happened.account_id, happened.code, happened.type))
        lines: dict[str, list[tuple[Account, Posting]]] = {}
        for posting in postings_of(happened):
            if self._book in (None, posting.book):
                account, opened = self._account(posting)
                text += opened
                lines.setdefault(posting.book, []).append((account, posting))
                self._move(account, posting)
        if self._begun:
            text += [self._form.transaction(_transaction(day, position, name, happened, of)) for of in lines.values()]
            self._written += len(lines)
            covering = self._covering(position)
            if covering is not None and covering.size == position:
                text.append(self._form.checkpoint(day, covering))
                text += [] if self._form.asserts_days else self._assert_changed(day, covering)
        return "".join(text)

    def end(self) -> str:
        """What every account holds in the end, and where that is."""
        text: list[str] = []
        days = [day for day in (self._day, self._period.first) if day is not None]
        if not days:
            return self._form.begin("no event has happened yet")
        day = self._period.last or max(days)
        if not self._begun:
            text += self._begin(self._period.first or day)
        self._changed = dict.fromkeys(self._held)
        text += self._assert_changed(day, self._covering(self._position) if self._form.asserts_days else None)
        over = "" if self._over else "; the period is not over, and more may come into it"
        last = f"the last event is position {self._position}, {self._written} transactions are written{over}"
        return "".join([*text, self._form.note(last)])

    def _begin(self, day: date) -> list[str]:
        """The head of the file, and where the books stood before the period."""
        self._begun = True
        of = "every book" if self._book is None else f"the book of {self._book}"
        first, last = self._period
        title = f"Counterfoil: {of}, from {first or 'the beginning'} to {last or 'the last event'}"
        if not self._accounts:
            return [self._form.begin(title)]
        before = (first or day) - _DAY
        known = self._accounts.values()
        accounts = [self._form.account(before, account, self._names.get(account.book)) for account in known]
        text = [self._form.begin(title), *accounts]
        books: dict[str, list[Balance]] = {}
        for (account, currency), amount in self._held.items():
            if amount:
                books.setdefault(account.book, []).append(Balance(account, currency, amount))
        text += [self._form.opening(before, held) for held in books.values()]
        self._changed = dict.fromkeys(self._held)
        return [*text, *self._assert_changed(before, None)]

    def _account(self, posting: Posting) -> tuple[Account, list[str]]:
        """The account of a line, and what is written where it was not known before: the treasury's open by themselves."""
        known = self._accounts.get((posting.book, posting.account))
        if known is not None:
            return known, []
        chart = TREASURY_CHART if posting.book == TREASURY else CLIENT_CHART
        account = self._of(posting.book, posting.account, chart[posting.account][0])
        return account, self._know(account)

    def _know(self, account: Account) -> list[str]:
        if self._book not in (None, account.book) or (account.book, account.code) in self._accounts:
            return []
        self._accounts[account.book, account.code] = account
        assert self._day is not None
        return [self._form.account(self._day, account, self._names.get(account.book))] if self._begun else []

    def _of(self, book: str, code: str, kind: AccountType) -> Account:
        return Account(book, code, kind, is_beside_others=self._book is None and book != TREASURY)

    def _call(self, book: str, name: str) -> list[str]:
        """A company is called so from now on: its accounts say it from their beginning, a change stands in a note."""
        before, self._names[book] = self._names.get(book), name
        if before is None or not self._begun or self._book not in (None, book):
            return []
        return ["\n", self._form.note(f"{self._day}: the account {book} is called {one_line(name)}")]

    def _move(self, account: Account, posting: Posting) -> None:
        key = account, posting.currency
        amount = posting.amount_minor if posting.side == "debit" else -posting.amount_minor
        self._held[key] = self._held.get(key, 0) + amount
        self._changed[key] = None

    def _covering(self, position: int) -> Checkpoint | None:
        """The first checkpoint that covers a position."""
        place = bisect_left(self._sizes, position)
        return self._checkpoints[place] if place < len(self._sizes) else None

    def _assert_changed(self, day: date, checkpoint: Checkpoint | None) -> list[str]:
        balances = [Balance(account, currency, self._held[account, currency]) for account, currency in self._changed]
        self._changed = {}
        return [self._form.assertion(day, balances, checkpoint)] if balances else []


def one_line(text: str) -> str:
    """Free text that cannot begin a line of its own."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _transaction(
    day: date, position: int, name: str, happened: Any, lines: list[tuple[Account, Posting]]
) -> Transaction:
    kind, reference, topic = described(happened)
    time = happened.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    about: dict[str, str | int] = {"position": position, "event": name, "time": time, "actor": happened.actor}
    reason = getattr(happened, "reason", None)
    given = {"reference": reference, "reason": reason if isinstance(reason, str) else None}
    return Transaction(day, kind, topic, about | {key: text for key, text in given.items() if text}, lines)
