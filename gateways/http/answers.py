"""What the API answers: the structs that are encoded, and the schemas of the OpenAPI document.

Money is a decimal string with the integer beside it; `position` is a token for clients and a number for operators.
"""

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from core.journal import AccountType, Side
from core.money import format_amount
from core.ports import ApiKey, AuditEntry, Delivery, DeliveryStatus

Position = int | str
Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339, UTC."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every answer is a closed object; a field with a default is left out where it says nothing."""


class Account(Answer, frozen=True):
    """A company."""

    id: UUID
    name: str
    status: Literal["active", "suspended", "deleted"]
    webhook_url: str | None
    created_at: Time
    position: Position | None = None
    """In the answer to a write: where it stands in the history."""


class ApiKeyAnswer(Answer, frozen=True):
    """An API key; `key` itself stands in the first answer to its creation and nowhere else."""

    id: str
    account_id: str
    name: str
    permissions: list[str]
    status: Literal["active", "revoked"]
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    key: str | None = None

    @classmethod
    def of(cls, kept: ApiKey, key: str | None = None) -> "ApiKeyAnswer":
        return cls(
            id=kept.id,
            account_id=kept.account_id,
            name=kept.name,
            permissions=list(kept.permissions),
            status=kept.status,
            created_at=kept.created_at,
            expires_at=kept.expires_at,
            last_used_at=kept.last_used_at,
            key=key,
        )


class LedgerAccount(Answer, frozen=True):
    """A ledger account in a book."""

    id: UUID
    code: str
    name: str
    type: AccountType
    status: Literal["active", "archived"]
    created_at: Time
    position: Position | None = None


class PayinAddress(Answer, frozen=True):
    """A deposit address. Disabled is a label: what still arrives is booked all the same."""

    id: UUID
    tron_address_base58: str
    tron_address_hex: str
    status: Literal["active", "disabled"]


class AddressInList(Answer, frozen=True):
    """A deposit address, and which ledger account its deposits are credited to."""

    id: UUID
    tron_address_base58: str
    tron_address_hex: str
    status: Literal["active", "disabled"]
    ledger_account: str
    created_at: Time


class Payin(Answer, frozen=True):
    """A request for deposits, with the address it was given."""

    id: UUID
    state: Literal["pending", "active", "disabled"]
    client_reference: str | None
    ledger_account: str
    address: PayinAddress
    created_at: Time
    position: Position | None = None


class Deposit(Answer, frozen=True):
    """A transfer to one of the account's addresses. Only a confirmed one moves money."""

    id: UUID
    tx_hash: str
    log_index: int | None
    block_number: int
    address: str
    ledger_account: str
    amount: str
    amount_minor: int
    currency: str
    status: Literal["detected", "confirmed", "orphaned"]
    journal_entry_id: UUID | None
    detected_at: Time
    confirmed_at: Time | None


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


class Payout(Answer, frozen=True):
    """Coins on their way out. `amount` arrives, `fee_minor` is charged beside it."""

    id: UUID
    state: Literal["requested", "pending_sign", "broadcasted", "confirmed", "failed", "cancelled"]
    to_address: str
    amount: str
    amount_minor: int
    fee_minor: int
    currency: str
    ledger_account: str
    tron_tx_hash: str | None
    client_reference: str | None
    failure_code: str | None
    created_at: Time
    updated_at: Time
    position: Position | None = None


class Transfer(Answer, frozen=True):
    """A transfer between ledger accounts."""

    id: UUID
    from_ledger_account: str
    to_ledger_account: str
    to_account_id: UUID
    amount: str
    amount_minor: int
    currency: str
    created_at: Time
    position: Position


class AddressCheck(Answer, frozen=True):
    """`valid`: it is a Tron address; `payable`: a payout may go there; `reason` says why not."""

    address: str
    valid: bool
    payable: bool
    reason: str | None
    tron_address_base58: str | None = None
    tron_address_hex: str | None = None


class ClientEvent(Answer, frozen=True):
    """What happened to the account's deposits and payouts; `sequence` counts from 1 without a gap."""

    id: UUID
    sequence: int
    type: str
    created_at: Time
    data: dict[str, Any]


class WebhookEvent(Answer, frozen=True):
    """A webhook on its way: how often it was tried, what came of it, when it is tried next."""

    id: str
    type: str
    sequence: int
    status: DeliveryStatus
    attempts: int
    created_at: Time
    last_attempt_at: Time | None
    last_error: str | None
    next_retry_at: Time | None

    @classmethod
    def of(cls, kept: Delivery) -> "WebhookEvent":
        return cls(
            id=kept.event_id,
            type=kept.event_type,
            sequence=kept.sequence,
            status=kept.status,
            attempts=kept.attempts,
            created_at=kept.created_at,
            last_attempt_at=kept.last_attempt_at,
            last_error=kept.last_error,
            next_retry_at=kept.next_retry_at,
        )


class WebhookSecret(Answer, frozen=True):
    """The secret that signs the account's webhooks; the one before signs beside it until `previous_until`."""

    generation: int
    rotated_at: Time | None
    previous_until: Time | None
    secret: str | None = None
    position: Position | None = None


class Adjustment(Answer, frozen=True):
    """A correction that was posted."""

    id: UUID
    reason: str
    created_at: Time
    position: Position


class AuditRecord(Answer, frozen=True):
    """Who did what."""

    account_id: str
    at: Time
    action: str
    actor_id: str
    actor_type: Literal["operator", "api-key", "system"]
    data: dict[str, Any]
    ip_address: str | None
    request_id: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditRecord":
        return cls(**{name: getattr(entry, name) for name in cls.__struct_fields__})


class ComparedTable(Answer, frozen=True):
    """A table of a new version beside the one that serves: rows that only one has, or both differently. Examples are keys."""

    rows: int
    extra: int
    missing: int
    changed: int
    examples: list[str]


class Rebuild(Answer, frozen=True):
    """The last rebuild of a view: what is wished, how far it is, and what was found when both versions were compared."""

    state: Literal[
        "requested", "building", "indexing", "verifying", "verified", "done", "failed", "cancelled", "rolled back"
    ]
    wish: Literal["go", "pause", "cancel", "roll back"]
    hold: bool
    """It waits, once verified, for a resume before it serves."""
    position: int
    aim: int
    percent: int
    events_per_second: int | None
    left_s: int | None
    share_percent: int
    """The part of its time that it takes, so that requests stay fast."""
    tables: dict[str, ComparedTable]
    error: str | None
    requested_by: str
    requested_at: Time
    started_at: Time | None
    ended_at: Time | None


class Projection(Answer, frozen=True):
    """How far a view came, how many events it is behind, and its last rebuild."""

    name: str
    position: int
    behind: int
    rebuild: Rebuild | None
    rollback_position: int | None
    """Where the version that served before stands, if there is one."""


class TrialBalanceLine(Answer, frozen=True):
    """All ledger accounts of one code together, in one kind of book."""

    book: Literal["clients", "treasury"]
    code: str
    currency: str
    debit_minor: int
    credit_minor: int


class TrialBalanceTotal(Answer, frozen=True):
    """Per kind of book and currency: zero when the books balance (I1)."""

    book: Literal["clients", "treasury"]
    currency: str
    debit_minor: int
    credit_minor: int
    difference_minor: int


class TrialBalance(Answer, frozen=True):
    """The balance of every kind of ledger account, of one snapshot; one of its two columns is zero."""

    position: int
    balanced: bool
    data: list[TrialBalanceLine]
    totals: list[TrialBalanceTotal]


class Health(Answer, frozen=True):
    """`wrong` says what is wrong, a sentence each."""

    status: Literal["ok", "not ready"]
    wrong: list[str]


def money(minor: int, currency: str) -> str:
    return format_amount(minor, currency)


@cache
def listed(item: type[Answer]) -> Any:
    """The schema of a page of items."""
    fields = [("data", list[item]), ("has_more", bool), ("next_cursor", str | None)]  # type: ignore[valid-type]
    return msgspec.defstruct(f"{item.__name__}List", fields, bases=(Answer,), frozen=True)


@cache
def all_of(item: type[Answer]) -> Any:
    """The schema of a list that is always given whole."""
    return msgspec.defstruct(f"{item.__name__}Data", [("data", list[item])], bases=(Answer,), frozen=True)  # type: ignore[valid-type]
