"""Deposits as they stood at an earlier position: which there were is in the view, how each stood is told from its events."""

import asyncio
from typing import Final

from core.deposits import deposit_stream
from core.events import Recorded
from core.journal import account_id_of
from gateways.http.answers import Deposit, listed
from gateways.http.bodies import PAGE_MAX, DepositsPage
from gateways.http.endpoints import Call, Reply, before, reply
from projections.deposits import DepositRow, evolve, shown

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
        streams = [deposit_stream(tx_hash, log_index) for tx_hash, log_index, _ in rows]
        histories = await asyncio.to_thread(call.api.platform.store.histories, streams)
        for place, (stream, (*_, position)) in enumerate(zip(streams, rows, strict=True), start=1):
            reached = position
            then = _then(histories[stream], cut)
            if then.account_id == account_id_of(call.account_id) and page.status in (None, then.status):
                found.append(Deposit(**shown(then)))
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
    return reply(listed(Deposit)(found, more, str(call.shown(reached)) if more else None))
