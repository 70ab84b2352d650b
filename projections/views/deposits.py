"""View deposits: every transfer to an address of ours, from the head of the chain to its entry in the journal."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal, Self, get_args
from uuid import UUID

import msgspec

from core.ledger.events import Recorded
from core.ledger.journal import TREASURY, account_id_of, entry_id, event_key, ledger_account_id
from core.ledger.money import format_amount
from core.streams.addresses import address_id
from core.streams.deposits import DepositConfirmed, DepositDetected, DepositOrphaned, deposit_id
from projections.answer import Answer, Time, columns
from projections.engine.binary import Int4, Jsonb
from projections.engine.rows import Rows
from projections.engine.tables import Key, Table
from projections.engine.view import View

DepositStatus = Literal["detected", "confirmed", "orphaned"]


class DepositRow(msgspec.Struct, frozen=True):
    """One deposit as it stands. It keeps the position and the time of its first sighting."""

    id: UUID
    account_id: UUID
    ledger_account_id: UUID
    ledger_account: str
    address_id: UUID | None
    address: str
    from_address: str
    tx_hash: str
    log_index: Int4 | None
    block_number: int
    block_id: str
    amount_minor: int
    currency: str
    status: DepositStatus
    raw_event: Jsonb
    journal_entry_id: UUID | None
    detected_at: datetime
    confirmed_at: datetime | None
    orphaned_at: datetime | None
    created_at: datetime
    position: int


class PayinOf(msgspec.Struct, frozen=True):
    """What an address was given out for: the request, and its owner's reference."""

    payin_id: UUID | None
    client_reference: str | None


NO_PAYIN: Final = PayinOf(None, None)
"""Of coins that reached a wallet of the treasury, or an address whose request is not known here."""


class Deposit(Answer, frozen=True):
    """A transfer to one of the account's addresses. Only a confirmed one moves money.

    `payin_id` and `client_reference` are those of the request that the address was given out for.
    `log_index` counts the logs of its transaction. Of TRX it is null, or below zero where a contract handed it on.
    """

    id: UUID
    tx_hash: str
    log_index: int | None
    block_number: int
    address: str
    from_address: str
    payin_id: UUID | None
    client_reference: str | None
    ledger_account: str
    amount: str
    amount_minor: int
    currency: str
    status: DepositStatus
    journal_entry_id: UUID | None
    detected_at: Time
    confirmed_at: Time | None
    account_id: UUID | None = None
    """Whose it is, where the operator asks."""

    @classmethod
    def of(cls, row: DepositRow, payin: PayinOf, account_id: UUID | None = None) -> Self:
        """What a client sees of the row and its payin, or of a query's row that is both; the operator sees the account, too."""
        return cls(
            id=row.id,
            tx_hash=row.tx_hash,
            log_index=row.log_index,
            block_number=row.block_number,
            address=row.address,
            from_address=row.from_address,
            payin_id=payin.payin_id,
            client_reference=payin.client_reference,
            ledger_account=row.ledger_account,
            amount=format_amount(row.amount_minor, row.currency),
            amount_minor=row.amount_minor,
            currency=row.currency,
            status=row.status,
            journal_entry_id=row.journal_entry_id,
            detected_at=row.detected_at,
            confirmed_at=row.confirmed_at,
            account_id=account_id,
        )


DEPOSIT_COLUMNS: Final = columns(DepositRow, Deposit, "position")
"""What Deposit.of reads of a row; and its position, from which a list goes on."""
_DEPOSITS: Final = Table("observed_transactions", DepositRow)
DepositEvent = DepositDetected | DepositConfirmed | DepositOrphaned


class DepositsView(View):
    """Table observed_transactions."""

    name = "deposits"
    weight_ns = 5_000
    tables = (_DEPOSITS,)
    events = get_args(DepositEvent)

    def needs(self, record: Recorded) -> Iterable[tuple[Table[Any], Key]]:
        if record.version > 1:
            yield _DEPOSITS, row_id(record.event)

    def fold(self, rows: Rows, record: Recorded) -> None:
        deposits, key = rows[_DEPOSITS], row_id(record.event)
        deposits.put(key, evolve(deposits[key] if record.version > 1 else None, record))


def row_id(happened: Any) -> UUID:
    """The deposit's id, of any of its events."""
    return deposit_id(happened.transfer.txid, happened.transfer.log_index)


def evolve(row: DepositRow | None, record: Recorded) -> DepositRow:
    """The deposit's row after one of its events. Two views ask the same in turn, so the last answer is kept."""
    asked, of, answer = _last[0]
    if asked is record and of is row:
        return answer  # type: ignore[no-any-return]
    answer = _evolved(row, record)
    _last[0] = record, row, answer
    return answer


_last: Final[list[tuple[Any, Any, Any]]] = [(None, None, None)]


def _evolved(row: DepositRow | None, record: Recorded) -> DepositRow:
    happened: Any = record.event
    kind, at = type(happened), happened.occurred_at
    if kind is DepositOrphaned:
        assert row is not None, f"{record.stream} begins with being orphaned"
        return msgspec.structs.replace(row, status="orphaned", orphaned_at=at)
    if row is None or not _unchanged(row, happened):
        row = _seen(row, record, happened)
    if kind is DepositDetected:
        return row
    entry = _entry(record, happened)
    return msgspec.structs.replace(row, status="confirmed", journal_entry_id=entry, confirmed_at=at)


def _unchanged(row: DepositRow, happened: DepositDetected | DepositConfirmed) -> bool:
    """Whether the row says already where the transfer stands and whose it is. False is no harm: the row is made anew."""
    return (
        row.status == "detected"
        and row.account_id is account_id_of(happened.account_id)
        and row.ledger_account == happened.ledger_account
        and row.raw_event == happened.transfer
    )


def _seen(row: DepositRow | None, record: Recorded, happened: DepositDetected | DepositConfirmed) -> DepositRow:
    """The deposit as it stands in its block, detected. Its first sighting stays."""
    fact, at = happened.transfer, happened.occurred_at
    return DepositRow(
        id=row.id if row else deposit_id(fact.txid, fact.log_index),
        account_id=account_id_of(happened.account_id),
        ledger_account_id=ledger_account_id(happened.account_id, happened.ledger_account),
        ledger_account=happened.ledger_account,
        address_id=None if happened.account_id == TREASURY else address_id(fact.to_address),
        address=fact.to_address,
        from_address=fact.from_address,
        tx_hash=fact.txid,
        log_index=fact.log_index,
        block_number=fact.block_number,
        block_id=fact.block_id,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        status="detected",
        raw_event=fact,
        journal_entry_id=None,
        detected_at=row.detected_at if row else at,
        confirmed_at=None,
        orphaned_at=None,
        created_at=row.created_at if row else at,
        position=row.position if row else record.position,
    )


def _entry(record: Recorded, happened: DepositConfirmed) -> UUID:
    """The entry in the book of the deposit's account."""
    books = list(dict.fromkeys([posting.book for posting in happened.postings]))
    key = event_key(record.stream, record.version, happened.occurred_at)
    return msgspec.convert(f"{entry_id(key, books.index(happened.account_id)):032x}", UUID)
