"""What only the operator sees and does: corrections, the audit log, the trial balance."""

import asyncio
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field

from core.ledger.books import STAKED, WALLET_ACCOUNTS
from core.ledger.journal import Posting, derived_id
from core.ledger.refusals import (
    CustodyNotMatched,
    InsufficientFunds,
    LedgerAccountNotFound,
    UnbalancedEntry,
    WalletNotAsOnChain,
)
from core.ports.clients import AuditEntry
from core.streams.accounts import OPERATOR
from core.streams.treasury import AdjustmentPosted, PostAdjustment, WalletSeen
from gateways.http.answer import Answer, Position, Time, listed, of_row
from gateways.http.endpoint import Call, Reply, endpoint, reply
from gateways.http.fields import (
    POSTINGS_MAX,
    Amount,
    Body,
    Code,
    OperatorOrAccountId,
    Page,
    Read,
    TreasuryOrAccountId,
)
from gateways.http.reading.positions import position_of
from gateways.http.resources.accounts import must_be_known
from projections.audit.trial_balance import TRIAL_BALANCE, totals


class AdjustmentPosting(Body):
    """One line, in the book of an account (its id) or of the "treasury"."""

    account_id: TreasuryOrAccountId
    ledger_account: Code
    side: Literal["debit", "credit"]
    amount: Amount
    currency: Literal["USDT", "TRX"] = "USDT"


class NewAdjustment(Body):
    """A correction by the operator. Debits equal credits per book and currency."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]
    postings: Annotated[list[AdjustmentPosting], Field(min_length=2, max_length=POSTINGS_MAX)]
    even_though: Annotated[
        bool,
        Field(
            description="Change a wallet's account although no difference between books and chain is known that this explains:"
            " you know what the chain will show"
        ),
    ] = False


class AuditPage(Page):
    """Audit entries of one account ("operator" for acts on none)."""

    account_id: OperatorOrAccountId | None = None


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


@endpoint(
    "POST",
    "/v1/adjustments",
    OPERATOR,
    Adjustment,
    status=201,
    body=NewAdjustment,
    creates="stored",
    refusals=(UnbalancedEntry, LedgerAccountNotFound, InsufficientFunds, CustodyNotMatched, WalletNotAsOnChain),
)
async def post_adjustment(call: Call, body: NewAdjustment) -> Reply:
    """Correct the books: lines that balance per book and currency, with a reason. No client is overdrawn.

    What clients may claim stays what the treasury holds for them, and a wallet's account only comes nearer to the chain.
    """
    adjustment_id = str(derived_id("adjustment", call.account_id, call.idempotency_key))
    lines = tuple(
        Posting(line.account_id, line.ledger_account, line.side, line.amount, line.currency) for line in body.postings
    )
    watched, seen = ((), ()) if body.even_though else await _wallets_seen(call)
    outcome = await call.submit(PostAdjustment(adjustment_id, body.reason, lines, call.actor, watched, seen))
    posted = outcome.events[0].event
    assert isinstance(posted, AdjustmentPosted)
    books = sorted({line.account_id for line in body.postings})
    await call.audit("adjustment.post", OPERATOR, adjustment_id=adjustment_id, reason=body.reason, books=books)
    answer = Adjustment(
        id=UUID(adjustment_id),
        reason=posted.reason,
        created_at=posted.occurred_at,
        position=call.shown(position_of(outcome)),
    )
    return reply(answer, 201)


_WATCHED: Final = "SELECT DISTINCT role FROM wallet_numbers"
_SEEN: Final = "SELECT account, currency, booked, found FROM wallet_differences ORDER BY account, currency"


async def _wallets_seen(call: Call) -> tuple[tuple[str, ...], tuple[WalletSeen, ...]]:
    """The accounts of wallets that are held against the chain, and where books and chain differ, as it was seen last."""
    roles = await call.api.queries.fetch(_WATCHED)
    watched = sorted({WALLET_ACCOUNTS[row.role] for row in roles} | ({STAKED} if roles else set()))
    differences = await call.api.queries.fetch(_SEEN)
    return tuple(watched), tuple(WalletSeen(row.account, row.currency, row.booked, row.found) for row in differences)


@endpoint("GET", "/v1/audit-logs", OPERATOR, listed(AuditRecord), query=AuditPage)
async def list_audit_logs(call: Call, page: AuditPage) -> Reply:
    """Who did what in the last 90 days, newest first."""
    after = None if page.after is None else call.api.positions.read_cursor_at(call.caller, call.route, page.after)
    await must_be_known(call, page.account_id)
    await call.reached("accounts")
    kept = await asyncio.to_thread(call.api.platform.audit.page, page.account_id, after, page.limit + 1)
    records = [AuditRecord.of(entry) for _, entry in kept[: page.limit]]
    more = len(kept) > page.limit
    last = call.api.positions.cursor_at(call.caller, call.route, kept[page.limit - 1][0]) if more else None
    return reply(listed(AuditRecord)(records, more, last))


@endpoint("GET", "/v1/trial-balance", OPERATOR, TrialBalance)
async def get_trial_balance(call: Call, _: Read) -> Reply:
    """Every kind of ledger account in its column. Debits equal credits, or the books are broken (I1)."""
    rows = await call.read("balances", TRIAL_BALANCE)
    assert call.position is not None
    sums = [of_row(TrialBalanceTotal, total) for total in totals(rows)]
    balanced = not any(total.difference_minor for total in sums)
    return reply(TrialBalance(call.position, balanced, [of_row(TrialBalanceLine, row) for row in rows], sums))
