"""Ledger accounts, balances and the journal."""

import asyncio
import itertools
from typing import Any, Final, Literal
from uuid import UUID

from core.ledger.journal import AccountType, Side, ledger_account_id
from core.ledger.refusals import (
    AccountSuspended,
    LedgerAccountExists,
    NotFound,
)
from core.streams.accounts import LedgerAccountOpened, OpenLedgerAccount, ledger_account_stream
from gateways.http.answer import Answer, Position, Time, all_of, listed, money, of_row
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.errors import RequestRefused, invalid
from gateways.http.fields import AsOf, Body, Code, Name, Read
from gateways.http.reading.positions import position_of
from gateways.http.resources.accounts import id_in
from gateways.http.resources.as_of import cut_of, stopped
from gateways.http.resources.filters import (
    BEFORE,
    Owned,
    OwnedPage,
    asked_for,
    must_be_one,
    owner_shown,
    place,
    placed_reply,
)
from projections.audit.as_of import BALANCES


class NewLedgerAccount(Body):
    """A ledger account in the caller's book: one per end user, say."""

    code: Code
    name: Name
    type: Literal["liability"]
    """What the client opens is what we owe it."""


class JournalPage(OwnedPage, AsOf):
    """Journal entries, of one ledger account."""

    ledger_account: Code | None = None
    """Its code, which is one book's: the operator names the account, too."""


class BalancesOf(Owned, AsOf):
    """One account's balances."""


class LedgerAccount(Answer, frozen=True):
    """A ledger account in a book."""

    id: UUID
    code: str
    name: str
    type: AccountType
    status: Literal["active", "archived"]
    created_at: Time
    position: Position | None = None
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""


class Balance(Answer, frozen=True):
    """What a ledger account holds; `pending_minor` was seen on the chain and cannot be spent yet.

    Of a time before, `pending_minor` is null: what is not booked is in no past balance.
    """

    ledger_account_id: UUID
    code: str
    type: AccountType
    currency: str
    amount: str
    amount_minor: int
    pending_minor: int | None
    updated_at: Time


class Posting(Answer, frozen=True):
    """One line of an entry."""

    ledger_account_id: UUID
    code: str
    side: Side
    amount: str
    amount_minor: int
    currency: str


class JournalEntry(Answer, frozen=True):
    """What one event posted to the account's book; debits equal credits."""

    id: UUID
    event_type: Literal["payin", "payout", "adjustment", "transfer", "sweep", "gas"]
    external_ref: str | None
    created_at: Time
    postings: list[Posting]
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""


_LEDGER_ACCOUNTS: Final = (
    'SELECT id, account_id, code, name, type, status, created_at, "position" FROM ledger_accounts'
    f' WHERE {{}} AND {BEFORE} ORDER BY "position" DESC, id DESC LIMIT %(limit)s'
)


_BALANCES: Final = (
    "SELECT ledger_account_id, code, type, currency, amount_minor, pending_minor, updated_at FROM balances"
    " WHERE account_id = %(account_id)s::uuid ORDER BY code, currency"
)


_ENTRY: Final = 'SELECT id, account_id, event_type, external_ref, created_at, "position" FROM journal_entries'


_ENTRIES: Final = f'{_ENTRY} WHERE {{}} AND {BEFORE} ORDER BY "position" DESC, id DESC LIMIT %(limit)s'


_ENTRIES_OF_ACCOUNT: Final = (
    f"{_ENTRY} WHERE {{}} AND id IN"
    ' (SELECT DISTINCT ON ("position") journal_entry_id FROM postings'
    '   WHERE ledger_account_id = %(ledger_account_id)s::uuid AND "position" < %(before)s'
    '   ORDER BY "position" DESC LIMIT %(limit)s)'
)


_WITH_POSTINGS: Final = (
    'SELECT e.id, e.account_id, e.event_type, e.external_ref, e.created_at, e."position",'
    " p.ledger_account_id, p.code, p.side, p.amount_minor, p.currency"
    ' FROM ({}) AS e JOIN postings AS p ON p.journal_entry_id = e.id ORDER BY e."position" DESC, e.id DESC, p.line'
)


@endpoint(
    "POST",
    "/v1/ledger-accounts",
    "ledger:write",
    LedgerAccount,
    status=201,
    body=NewLedgerAccount,
    creates="stored",
    refusals=(LedgerAccountExists, AccountSuspended),
)
async def open_ledger_account(call: Call, body: NewLedgerAccount) -> Reply:
    """Open a liability account with a code of the client's own: one per end user, say."""
    command = OpenLedgerAccount(call.account_id, body.code, body.name, body.type, call.actor)
    outcome = await call.submit(command)
    opened = outcome.events[0].event
    assert isinstance(opened, LedgerAccountOpened)
    answer = LedgerAccount(
        id=UUID(opened.ledger_account_id),
        code=opened.code,
        name=opened.name,
        type=opened.type,
        status="active",
        created_at=opened.occurred_at,
        position=call.shown(position_of(outcome)),
    )
    return reply(answer, 201)


@endpoint("GET", "/v1/ledger-accounts", "ledger:read", listed(LedgerAccount), query=OwnedPage, operator_too=True)
async def list_ledger_accounts(call: Call, page: OwnedPage) -> Reply:
    """The ledger accounts of the account's book, newest first. The operator reads any book's."""
    asked = asked_for(call, page)
    rows = await call.read(
        "accounts", _LEDGER_ACCOUNTS.format(asked.where), limit=page.limit + 1, **place(call, page), **asked.params
    )
    found = [(row.position, of_row(LedgerAccount, row, account_id=owner_shown(call, row))) for row in rows]
    return placed_reply(call, page, found)


@endpoint("GET", "/v1/balances", "ledger:read", all_of(Balance), query=BalancesOf, operator_too=True)
async def get_balances(call: Call, asked: BalancesOf) -> Reply:
    """What every ledger account of the book holds, zero included; or held before. The operator names the account."""
    account_id = must_be_one(call, asked)
    cut = await cut_of(call, asked)
    if cut is None:
        rows = await call.read("balances", _BALANCES, account_id=account_id)
        found = [_balance(row, row.pending_minor) for row in rows]
    else:
        await call.reached("accounts")
        await call.reached("balances")
        rows = await call.read("journal", BALANCES, account_id=account_id, cut=cut)
        found = [_balance(row, None) for row in rows]
    return stopped(call, reply(all_of(Balance)(found)), cut)


@endpoint("GET", "/v1/journal-entries", "ledger:read", listed(JournalEntry), query=JournalPage, operator_too=True)
async def list_journal_entries(call: Call, page: JournalPage) -> Reply:
    """What was posted to the account's book, newest first, with its postings; or up to a time before."""
    cut = await cut_of(call, page)
    asked, entries, of_account = asked_for(call, page), _ENTRIES, {}
    if page.ledger_account is not None:
        account_id = must_be_one(call, page)
        await _must_be_open(call, account_id, page.ledger_account)
        entries, of_account = (
            _ENTRIES_OF_ACCOUNT,
            {"ledger_account_id": ledger_account_id(account_id, page.ledger_account)},
        )
    rows = await call.read(
        "journal",
        _WITH_POSTINGS.format(entries.format(asked.where)),
        limit=page.limit + 1,
        **place(call, page, cut),
        **of_account,
        **asked.params,
    )
    return stopped(call, placed_reply(call, page, _entries(call, rows)), cut)


@endpoint("GET", "/v1/journal-entries/{id}", "ledger:read", JournalEntry, refusals=(NotFound,), operator_too=True)
async def get_journal_entry(call: Call, _: Read) -> Reply:
    """One journal entry."""
    asked = asked_for(call)
    rows = await call.read(
        "journal",
        _WITH_POSTINGS.format(f"{_ENTRY} WHERE id = %(id)s::uuid AND {asked.where}"),
        id=id_in(call, "journal entry"),
        **asked.params,
    )
    if not rows:
        raise RequestRefused(NotFound(noun="journal entry"))
    return reply(_entries(call, rows)[0][1])


async def _must_be_open(call: Call, account_id: str, code: str) -> None:
    """A code that the book has not is a mistake, not an empty list. Raises RequestRefused (422)."""
    stream = ledger_account_stream(account_id, code)
    if not (await asyncio.to_thread(call.api.platform.store.histories, [stream])).get(stream):
        raise invalid("?ledger_account", "is no ledger account of this book: see GET /v1/ledger-accounts")


def _balance(row: Any, pending_minor: int | None) -> Balance:
    return Balance(
        ledger_account_id=row.ledger_account_id,
        code=row.code,
        type=row.type,
        currency=row.currency,
        amount=money(row.amount_minor, row.currency),
        amount_minor=row.amount_minor,
        pending_minor=pending_minor,
        updated_at=row.updated_at,
    )


def _entries(call: Call, rows: list[Any]) -> list[tuple[int, JournalEntry]]:
    """Rows of entries joined with their postings -> (position, entry)."""
    entries = []
    for _, joined in itertools.groupby(rows, lambda row: row.id):
        lines = list(joined)
        postings = [
            Posting(
                ledger_account_id=line.ledger_account_id,
                code=line.code,
                side=line.side,
                amount=money(line.amount_minor, line.currency),
                amount_minor=line.amount_minor,
                currency=line.currency,
            )
            for line in lines
        ]
        entry = lines[0]
        entries.append(
            (entry.position, of_row(JournalEntry, entry, postings=postings, account_id=owner_shown(call, entry)))
        )
    return entries
