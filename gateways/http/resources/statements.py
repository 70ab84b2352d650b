"""Statements over HTTP: the account's book in a period, signed once the period is over; the same bytes whenever it is asked."""

import logging
from typing import Annotated

from pydantic import Field

from core.ports.unavailable import Unavailable
from core.streams.periods import EndPeriod
from gateways.http.answer import Answer
from gateways.http.endpoint import JSON, Call, Reply, endpoint
from gateways.http.errors import PeriodTooLong, invalid
from gateways.http.fields import Instant
from gateways.http.group_commit import WritingEnded
from gateways.http.resources.as_of import position_before
from gateways.http.resources.filters import Owned, must_be_one
from projections.audit.statements import Format, Statement

log = logging.getLogger(__name__)


class SignedStatement(Answer, frozen=True):
    """The statement, and the note that signs its bytes as they stand; null while the period is not over."""

    statement: Statement
    signature: str | None


class Period(Owned):
    """From a time, which is in it, until another, which is not."""

    from_: Annotated[Instant, Field(alias="from")]
    """The beginning, which belongs to the period."""
    until: Instant
    """The end, which does not: the beginning of the next."""


@endpoint(
    "GET", "/v1/statements", "ledger:read", SignedStatement, query=Period, refusals=(PeriodTooLong,), operator_too=True
)
async def get_statement(call: Call, period: Period) -> Reply:
    """The account's book from one time until another: what it held before and after, and every line between.

    The operator names the account.
    """
    return Reply(200, await _statement(call, period, "json"), JSON)


@endpoint(
    "GET",
    "/v1/statements.csv",
    "ledger:read",
    str,
    query=Period,
    media_type="text/csv",
    refusals=(PeriodTooLong,),
    operator_too=True,
)
async def get_statement_as_csv(call: Call, period: Period) -> Reply:
    """The same as a table; the lines at its end that begin with # are the signature."""
    return Reply(200, await _statement(call, period, "csv"), b"text/csv; charset=utf-8")


async def _end(call: Call, period: Period) -> None:
    """Where nothing happened since the period was over, this does: the statement is final, and signed at once."""
    _, is_over = await position_before(call, period.until)
    if is_over:
        return
    try:
        await call.api.writer.submit(EndPeriod(period.until))
    except (Unavailable, WritingEnded) as error:  # reading goes on: the statement says that it is not final
        log.info("a statement is not signed yet: %s", error)


async def _statement(call: Call, period: Period, form: Format) -> bytes:
    account_id = must_be_one(call, period)
    if period.from_ >= period.until:
        raise invalid("?until", "must lie behind ?from")
    if period.until > call.api.platform.clock():
        raise invalid("?until", "lies in the future")
    await _end(call, period)
    await call.reached("journal")
    return await call.api.slow_reads.statement(account_id, period.from_, period.until, form)
