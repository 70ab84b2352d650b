"""What only the operator sees and does: corrections, the audit log, the trial balance."""

import asyncio
from uuid import UUID

from core.journal import Posting, derived_id
from core.rejections import InsufficientFunds, LedgerAccountNotFound, UnbalancedEntry
from core.treasury import AdjustmentPosted, PostAdjustment
from gateways.http.answers import (
    Adjustment,
    AuditRecord,
    TrialBalance,
    TrialBalanceLine,
    TrialBalanceTotal,
    listed,
)
from gateways.http.bodies import AuditPage, NewAdjustment, Read
from gateways.http.endpoints import Call, Reply, endpoint, reply
from gateways.http.errors import invalid
from gateways.http.positions import OPERATOR, position_of
from projections.trial_balance import TRIAL_BALANCE, TrialBalanceRow, totals


@endpoint(
    "POST",
    "/v1/adjustments",
    OPERATOR,
    Adjustment,
    status=201,
    body=NewAdjustment,
    creates="stored",
    refusals=(UnbalancedEntry, LedgerAccountNotFound, InsufficientFunds),
)
async def post_adjustment(call: Call, body: NewAdjustment) -> Reply:
    """Correct the books: lines that balance per book and currency, with a reason. No client is overdrawn."""
    adjustment_id = str(derived_id("adjustment", call.account_id, call.idempotency_key))
    lines = tuple(
        Posting(line.account_id, line.ledger_account, line.side, line.amount, line.currency) for line in body.postings
    )
    outcome = await call.submit(PostAdjustment(adjustment_id, body.reason, lines, call.actor))
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


@endpoint("GET", "/v1/audit-logs", OPERATOR, listed(AuditRecord), query=AuditPage)
async def list_audit_logs(call: Call, page: AuditPage) -> Reply:
    """Who did what in the last 90 days, newest first."""
    if page.after is not None and not (page.after.isascii() and page.after.isprintable()):
        raise invalid("?after", "is no cursor that this server gave")
    await call.reached("accounts")
    try:
        kept = await asyncio.to_thread(call.api.platform.audit.page, page.account_id, page.after, page.limit + 1)
    except ValueError:
        raise invalid("?after", "is no cursor that this server gave") from None
    records = [AuditRecord.of(entry) for _, entry in kept[: page.limit]]
    more = len(kept) > page.limit
    return reply(listed(AuditRecord)(records, more, kept[page.limit - 1][0] if more else None))


@endpoint("GET", "/v1/trial-balance", OPERATOR, TrialBalance)
async def get_trial_balance(call: Call, _: Read) -> Reply:
    """Every kind of ledger account in its column. Debits equal credits, or the books are broken (I1)."""
    rows = [TrialBalanceRow(*row) for row in await call.read("balances", TRIAL_BALANCE)]
    assert call.position is not None
    sums = [TrialBalanceTotal(*total, total.difference_minor) for total in totals(rows)]
    balanced = not any(total.difference_minor for total in sums)
    return reply(TrialBalance(call.position, balanced, [TrialBalanceLine(*row) for row in rows], sums))
