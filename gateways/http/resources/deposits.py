"""Deposits: those an account can see, one by its id, and as they were at a position."""

import asyncio
from typing import Final

from core.ledger.events import Recorded
from core.ledger.refusals import NotFound
from core.streams.deposits import deposit_stream
from gateways.http.answer import listed
from gateways.http.endpoint import Call, Reply, before, cursor, endpoint, page_reply, reply
from gateways.http.fields import PAGE_MAX, AsOf, Read, TronAddress
from gateways.http.resources.accounts import id_in
from gateways.http.resources.as_of import cut_of, stopped
from gateways.http.resources.filters import Filters, Moved, asked_for, both, in_time, owner_shown, whose
from projections.views.deposits import DEPOSIT_COLUMNS, Deposit, DepositRow, DepositStatus, evolve


class DepositsPage(Moved, AsOf):
    """Deposits, by what is known of them."""

    status: DepositStatus | None = None
    address: TronAddress | None = None
    """The deposit address."""
    from_address: TronAddress | None = None
    """Who sent it."""


FILTERS: Final[Filters] = {
    "status": "status = %(status)s",
    "address": "address = %(address)s",
    "from_address": "from_address = %(from_address)s",
    "tx_hash": "tx_hash = %(tx_hash)s",
    "client_reference": (
        "EXISTS (SELECT FROM payin_requests AS of JOIN payin_addresses AS given ON given.id = of.address_id"
        " WHERE given.tron_address_base58 = d.address AND of.account_id = d.account_id"
        " AND of.client_reference = %(client_reference)s)"
    ),
    "ledger_account": "ledger_account = %(ledger_account)s",
    "min_amount": "amount_minor >= %(min_amount)s",
    "max_amount": "amount_minor <= %(max_amount)s",
}


_OF_PAYIN: Final = (
    "LEFT JOIN (SELECT id AS payin_id, address_id, client_reference FROM payin_requests) AS p USING (address_id)"
)
_DEPOSITS: Final = f"SELECT {DEPOSIT_COLUMNS}, payin_id, client_reference FROM observed_transactions AS d {_OF_PAYIN}"


async def _payins_too(call: Call) -> None:
    """A deposit is shown with its payin, which is another view's: what has been written is waited for there, too."""
    if call.min_position is not None:
        await call.reached("payins")


@endpoint("GET", "/v1/deposits", "payins:read", listed(Deposit), query=DepositsPage, operator_too=True)
async def list_deposits(call: Call, page: DepositsPage) -> Reply:
    """Transfers to the account's addresses, newest first, as they stand; or stood before. The operator reads any account's."""
    cut = await cut_of(call, page)
    if cut is not None:
        return stopped(call, await deposits_as_of(call, page, cut), cut)
    asked = both(asked_for(call, page, FILTERS), await in_time(call, page, "created_at"))
    await _payins_too(call)
    rows = await call.read(
        "deposits",
        f'{_DEPOSITS} WHERE {asked.where} AND "position" < %(before)s ORDER BY "position" DESC LIMIT %(limit)s',
        before=before(call, page),
        limit=page.limit + 1,
        **asked.params,
    )
    return page_reply(call, page, [(row.position, Deposit.of(row, row, owner_shown(call, row))) for row in rows])


@endpoint("GET", "/v1/deposits/{id}", "payins:read", Deposit, refusals=(NotFound,), operator_too=True)
async def get_deposit(call: Call, _: Read) -> Reply:
    """One deposit."""
    asked = asked_for(call)
    await _payins_too(call)
    row = await call.one(
        "deposits",
        "deposit",
        f"{_DEPOSITS} WHERE id = %(id)s::uuid AND {asked.where}",
        id=id_in(call, "deposit"),
        **asked.params,
    )
    return reply(Deposit.of(row, row, owner_shown(call, row)))


LOOKS_MAX: Final = 5
"""So often a page of one status is filled up with more deposits before it is given as it is, with the place to go on."""


_THERE: Final = (
    f'SELECT tx_hash, log_index, "position", payin_id, client_reference FROM observed_transactions AS d {_OF_PAYIN}'
    ' WHERE {} AND "position" < %(before)s ORDER BY "position" DESC LIMIT %(limit)s'
)
_OF_THEN: Final = ("status",)
"""What a deposit may have been otherwise before: such a filter looks at the deposit as it was."""


async def deposits_as_of(call: Call, page: DepositsPage, cut: int) -> Reply:
    """A page of those that had been seen by then, each in its status of then."""
    found: list[Deposit] = []
    reached, more = before(call, page, cut), True
    account_id = whose(call, page)
    await _payins_too(call)
    asked = asked_for(call, page, {name: sql for name, sql in FILTERS.items() if name not in _OF_THEN})
    asked = both(asked, await in_time(call, page, "created_at"))
    for _ in range(LOOKS_MAX):
        rows = await call.read("deposits", _THERE.format(asked.where), before=reached, limit=PAGE_MAX, **asked.params)
        more = len(rows) == PAGE_MAX
        streams = [deposit_stream(row.tx_hash, row.log_index) for row in rows]
        histories = await asyncio.to_thread(call.api.platform.store.histories, streams)
        for place, (stream, row) in enumerate(zip(streams, rows, strict=True), start=1):
            reached = row.position
            then = _then(histories[stream], cut)
            if account_id in (None, str(then.account_id)) and page.status in (None, then.status):
                found.append(Deposit.of(then, row, owner_shown(call, then)))
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
