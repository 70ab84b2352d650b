"""View journal: one entry per event and book it touches, each balanced by itself (I1), so no client sees another's (I12).

Every line carries its ledger account's running balance, so that a balance of any time is one look into an index.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from core.ledger.events import TOPICS, Event, Recorded, postings_of
from core.ledger.journal import account_id_of, entry_id, event_key, ledger_account_bytes, ledger_account_id
from core.streams.deposits import DepositConfirmed
from core.streams.instructions import InstructionConfirmed, InstructionFailed
from core.streams.lost_outgoing import LostOutgoingWrittenOff, OutgoingOfLostHistory
from core.streams.notices import FundsDestroyed
from core.streams.payouts import PayoutRequested
from projections.engine.binary import Id, Int4, time_and_position
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View, events_with_postings

_EVENT_TYPES: Final = {
    "deposit": "payin",
    "payout": "payout",
    "adjustment": "adjustment",
    "transfer": "transfer",
    "token": "adjustment",
    "instruction": "gas",
    "lost-outgoing": "adjustment",
}
"""The first word of an event's topic -> what its journal entries are called."""
_COINS: Final = ("sweep", "excess", "refill", "evacuation", "rotation")
"""Instructions that move clients' coins between wallets of ours: their entries are called sweep; all others are about gas."""
_REFERENCES: Final[Mapping[type[Event], str]] = {
    DepositConfirmed: "transfer.txid",
    PayoutRequested: "order.payout_id",
    InstructionConfirmed: "txid",
    InstructionFailed: "txid",
    FundsDestroyed: "notice.txid",
    OutgoingOfLostHistory: "left.txid",
    LostOutgoingWrittenOff: "txid",
}
"""Where an event has what an auditor would look for, if that is not its own id, the noun's: payout_id, transfer_id, ..."""


class EntryRow(msgspec.Struct, frozen=True):
    """One journal entry; `topic` says which event it is, `external_ref` which deposit (txid), payout, ... it belongs to."""

    id: Id
    account_id: UUID
    event_type: str
    external_ref: str | None
    topic: str
    created_at: datetime
    position: int


class PostingRow(msgspec.Struct, frozen=True):
    """One line of an entry. `balance_minor` is the account's debits minus credits up to this line."""

    id: Id
    journal_entry_id: Id
    ledger_account_id: UUID
    code: str
    currency: str
    amount_minor: int
    side: str
    line: Int4
    balance_minor: int
    created_at: datetime
    position: int


class RunningBalanceRow(msgspec.Struct):
    """A ledger account's debits minus credits up to its last line."""

    ledger_account_id: Id
    currency: str
    balance_minor: int


_ACCOUNT: Final = ("ledger_account_id", "code", "currency")
_EVENT: Final = ("created_at", "position")
_ENTRIES: Final = Table("journal_entries", EntryRow, grows=True, shared=(_EVENT,))
_POSTINGS: Final = Table("postings", PostingRow, grows=True, shared=(_ACCOUNT, _EVENT))
_RUNNING: Final = Table("running_balances", RunningBalanceRow, key=("ledger_account_id", "currency"))
_account_values: Final = _POSTINGS.shared_values(*_ACCOUNT)


class JournalView(View):
    """Tables journal_entries and postings, which only grow, and where each account's balance stands."""

    name = "journal"
    weight_ns = 12_000
    tables = (_ENTRIES, _POSTINGS, _RUNNING)
    events = events_with_postings()
    forbids: ClassVar[Mapping[str, str]] = {
        "debits must equal credits (I1)": """
            SELECT format('journal entry %s is off in %s', journal_entry_id, currency) FROM postings
             GROUP BY journal_entry_id, currency
            HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0 LIMIT 1"""
    }

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        for posting in postings_of(record.event):
            yield _RUNNING, (ledger_account_bytes(posting.book, posting.account), posting.currency)

    def fold(self, rows: Rows, record: Recorded) -> None:
        """The hottest path of a rebuild: the inner lines run for every posting there ever was."""
        happened: Any = record.event
        if not happened.postings:
            return
        running, entries, postings = rows[_RUNNING], rows.added(_ENTRIES), rows.added(_POSTINGS)
        event = event_key(record.stream, record.version, happened.occurred_at)
        event_values = time_and_position(happened.occurred_at, record.position)
        begun: dict[str, list[Any]] = {}  # book -> its entry's id, the same as bytes, its last line
        for posting in happened.postings:
            book, code, currency, amount = posting.book, posting.account, posting.currency, posting.amount_minor
            entry = begun.get(book)
            if entry is None:
                number = entry_id(event, len(begun))
                entry = begun[book] = [number, number.to_bytes(16, "big"), 0]
                entries.append((entry[1], account_id_of(book), *described(happened), event_values))
            entry[2] = line = entry[2] + 1
            key = ledger_account_bytes(book, code), currency
            balance = running[key]
            if balance is None:
                balance = running[key] = RunningBalanceRow(*key, 0)
            balance.balance_minor += amount if posting.side == "debit" else -amount
            running.touched[key] = None
            postings.append(
                (
                    (entry[0] | line).to_bytes(16, "big"),
                    entry[1],
                    _account(book, code, currency),
                    amount,
                    posting.side,
                    line,
                    balance.balance_minor,
                    event_values,
                )
            )


@lru_cache(maxsize=65_536)
def _account(book: str, code: str, currency: str) -> bytes:
    """The columns that all lines of an account have alike."""
    return _account_values(ledger_account_id(book, code), code, currency)


def described(happened: Event) -> tuple[str, str | None, str]:
    """event_type, external_ref and topic of an event's entries."""
    kind, topic, reference = _description(type(happened))
    if isinstance(happened, InstructionConfirmed | InstructionFailed) and happened.instruction.purpose in _COINS:
        kind = "sweep"
    return kind, reference(happened), topic


@cache
def _description(kind: type[Event]) -> tuple[str, str, Callable[[Any], str | None]]:
    """What the entries of a kind of event have alike. A reference is what an auditor would look for: see _REFERENCES."""
    topic = TOPICS[kind]
    noun = topic.partition(".")[0]
    reference = _REFERENCES.get(kind) or f"{noun}_id"
    known = kind in _REFERENCES or reference in kind.__struct_fields__
    return _EVENT_TYPES[noun], topic, attrgetter(reference) if known else lambda _: None
