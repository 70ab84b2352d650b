"""View journal: one entry per event and book it touches, each balanced by itself (I1), so no client sees another's (I12).

Every line carries its ledger account's running balance, so that a balance of any time is one look into an index.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import Cursor

from core.deposits import DepositConfirmed
from core.events import TOPICS, Event, Recorded, postings_of
from core.journal import account_id_of, entry_id, ledger_account_id
from core.payouts import PayoutRequested
from projections.tables import Table

_EVENT_TYPES: Final = {
    "deposit": "payin",
    "payout": "payout",
    "adjustment": "adjustment",
    "transfer": "transfer",
    "sweep": "sweep",
    "delegation": "gas",
}
"""The first word of an event's topic -> what its journal entries are called."""


class EntryRow(msgspec.Struct, frozen=True):
    """One journal entry; `topic` says which event it is, `external_ref` which deposit (txid), payout, ... it belongs to."""

    id: UUID
    account_id: UUID
    event_type: str
    external_ref: str | None
    topic: str
    created_at: datetime
    position: int


class PostingRow(msgspec.Struct, frozen=True):
    """One line of an entry. `balance_minor` is the account's debits minus credits up to this line."""

    id: UUID
    journal_entry_id: UUID
    ledger_account_id: UUID
    code: str
    currency: str
    amount_minor: int
    side: str
    line: int
    created_at: datetime
    position: int
    balance_minor: int


_ENTRIES: Final = Table("journal_entries", EntryRow)
_POSTINGS: Final = Table("postings", PostingRow)
_LAST_BALANCES: Final = """
SELECT touched.id, touched.currency, last.balance_minor
  FROM unnest(%s::uuid[], %s::text[]) AS touched (id, currency)
 CROSS JOIN LATERAL (SELECT balance_minor FROM postings
                      WHERE ledger_account_id = touched.id AND postings.currency = touched.currency
                      ORDER BY "position" DESC, line DESC LIMIT 1) AS last"""

_Running = dict[tuple[UUID, str], int]
"""Debits minus credits by ledger account and currency."""


class JournalView:
    """Tables journal_entries and postings; both only grow."""

    name = "journal"
    tables = ("journal_entries", "postings")

    def apply(self, cursor: Cursor[Any], records: Sequence[Recorded]) -> None:
        entries: list[tuple[Any, ...]] = []
        postings: list[tuple[Any, ...]] = []
        running = _last_balances(cursor, records)
        for record in records:
            if postings_of(record.event):
                _fold(record, entries, postings, running)
        _ENTRIES.copy(cursor, entries)
        _POSTINGS.copy(cursor, postings)


def _last_balances(cursor: Cursor[Any], records: Sequence[Recorded]) -> _Running:
    """The running balances of every account that these events post to, as the lines before them left them."""
    touched = {(line.book, line.account, line.currency) for record in records for line in postings_of(record.event)}
    running: _Running = {(ledger_account_id(book, code), currency): 0 for book, code, currency in touched}
    if running:
        ids, currencies = zip(*running, strict=True)
        for account, currency, balance_minor in cursor.execute(_LAST_BALANCES, (list(ids), list(currencies))):
            running[account, currency] = balance_minor
    return running


def _fold(record: Recorded, entries: list[tuple[Any, ...]], postings: list[tuple[Any, ...]], running: _Running) -> None:
    """Values in the order of EntryRow's and PostingRow's fields: tuples, because this is the hottest path of a rebuild."""
    happened, position = record.event, record.position
    topic, occurred_at = TOPICS[type(happened)], happened.occurred_at
    ids: dict[str, UUID] = {}
    lines: dict[str, int] = {}
    for posting in postings_of(happened):
        book = posting.book
        line = lines[book] = lines.get(book, 0) + 1
        if line == 1:
            ids[book] = entry_id(record.stream, record.version, book)
            kind = _EVENT_TYPES[topic.partition(".")[0]]
            entries.append((ids[book], account_id_of(book), kind, external_ref(happened), topic, occurred_at, position))
        account = ledger_account_id(book, posting.account)
        change = posting.amount_minor if posting.side == "debit" else -posting.amount_minor
        balance = running[account, posting.currency] = running[account, posting.currency] + change
        postings.append(
            (
                posting_id(ids[book], line),
                ids[book],
                account,
                posting.account,
                posting.currency,
                posting.amount_minor,
                posting.side,
                line,
                occurred_at,
                position,
                balance,
            )
        )


def posting_id(entry: UUID, line: int) -> UUID:
    """A posting's id is its entry's with the line number in the last bits."""
    return UUID(int=entry.int ^ line)


def external_ref(happened: Event) -> str | None:
    """What an auditor would look for: a deposit's txid, else the id of the payout, transfer, adjustment or sweep."""
    match happened:
        case DepositConfirmed():
            return happened.transfer.txid
        case PayoutRequested():
            return happened.order.payout_id
    noun = TOPICS[type(happened)].partition(".")[0]
    return getattr(happened, f"{noun}_id", None)
