"""Deposits: those an account can see, one by its id, and as they were at a position."""

import asyncio
from typing import Final

from core.ledger.events import Recorded
from core.ledger.journal import account_id_of
from core.ledger.refusals import NotFound
from core.streams.deposits import deposit_stream
from gateways.http.answer import listed
from gateways.http.endpoint import Call, Reply, before, cursor, endpoint, page_reply, reply
from gateways.http.fields import PAGE_MAX, AsOf, Page, Read, TronAddress
from gateways.http.resources.accounts import id_in
from gateways.http.resources.as_of import cut_of, stopped
from projections.views.deposits import DEPOSIT_COLUMNS, Deposit, DepositRow, DepositStatus, evolve


class DepositsPage(Page, AsOf):
    """Deposits, of one status or one address."""

    status: DepositStatus | None = None
    address: TronAddress | None = None


_DEPOSITS: Final = f"SELECT {DEPOSIT_COLUMNS} FROM observed_transactions"


@endpoint("GET", "/v1/deposits", "payins:read", listed(Deposit), query=DepositsPage)
async def list_deposits(call: Call, page: DepositsPage) -> Reply:
    """Transfers to the account's addresses, newest first, as they stand; or stood before."""
    cut = await cut_of(call, page)
    if cut is not None:
        return stopped(call, await deposits_as_of(call, page, cut), cut)
    rows = await call.read(
        "deposits",
        f'{_DEPOSITS} WHERE account_id = %(account_id)s::uuid AND "position" < %(before)s'
        " AND (%(status)s::text IS NULL OR status = %(status)s) AND (%(address)s::text IS NULL OR address = %(address)s)"
        ' ORDER BY "position" DESC LIMIT %(limit)s',
        account_id=call.account_id,
        before=before(call, page),
        status=page.status,
        address=page.address,
        limit=page.limit + 1,
    )
    return page_reply(call, page, [(row.position, Deposit.of(row)) for row in rows])


@endpoint("GET", "/v1/deposits/{id}", "payins:read", Deposit, refusals=(NotFound,))
async def get_deposit(call: Call, _: Read) -> Reply:
    """One deposit."""
    row = await call.one(
        "deposits",
        "deposit",
        f"{_DEPOSITS} WHERE id = %(id)s::uuid AND account_id = %(account_id)s::uuid",
        id=id_in(call, "deposit"),
        account_id=call.account_id,
    )
    return reply(Deposit.of(row))


LOOKS_MAX: Final = 5
"""So often a page of one status is filled up with more deposits before it is given as it is, with the place to go on."""


_THERE: Final = (
    'SELECT tx_hash, log_index, "position" FROM observed_transactions'
    ' WHERE account_id = %(account_id)s::uuid AND "position" < %(before)s'
    " AND (%(address)s::text IS NULL OR address = %(address)s)"
    ' ORDER BY "position" DESC LIMIT %(limit)s'
)


async def deposits_as_of(call: Call, page: DepositsPage, cut: int) -> Reply:
    """A page of those that had been seen by then, each in its status of then."""
    found: list[Deposit] = []
    reached, more = before(call, page, cut), True
    for _ in range(LOOKS_MAX):
        rows = await call.read(
            "deposits", _THERE, account_id=call.account_id, before=reached, address=page.address, limit=PAGE_MAX
        )
        more = len(rows) == PAGE_MAX
        streams = [deposit_stream(row.tx_hash, row.log_index) for row in rows]
        histories = await asyncio.to_thread(call.api.platform.store.histories, streams)
        for place, (stream, row) in enumerate(zip(streams, rows, strict=True), start=1):
            reached = row.position
            then = _then(histories[stream], cut)
            if then.account_id == account_id_of(call.account_id) and page.status in (None, then.status):
                found.append(Deposit.of(then))
            if len(found) == page.limit:
                more = more or place < len(rows)
                return _page(call, found, reached, more=more)
        if not more:
            break
    return _page(call, found, reached, more=more)


def _then(history: list[Recorded], cut: int) -> DepositRow:
    """The deposit's row after its events up to the cut. The first of them is: the list was cut by it."""
    row: DepositRow | None = None
    for recorded in history:
        if recorded.position <= cut:
            row = evolve(row, recorded)
    assert row is not None
    return row


def _page(call: Call, found: list[Deposit], reached: int, *, more: bool) -> Reply:
    return reply(listed(Deposit)(found, more, cursor(call, reached) if more else None))
