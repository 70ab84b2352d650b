"""What the chain has at each of our addresses, for reconcile; and what may be behind a difference."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import psycopg

from core.ledger.books import COLD_WALLET, HOT_WALLET, STAKED
from core.ledger.money import format_amount
from core.tron.address import Address
from gateways.postgres.connections import Connections
from gateways.postgres.roles import READER
from gateways.wiring.on_chain import at_one_block, has_reached
from gateways.wiring.platform import Platform
from projections.audit.on_chain import TRX, Difference, OnChain
from projections.named import rows
from scanners.observer import SOLID
from signers.outgoing.needs import is_blacklisted
from signers.transactions.abi import read_uint256

REACH_S: Final = 20.0
"""So long the ledger may take to reach the block that the chain was asked at."""
_POLL_S: Final = 0.05
_FEE_RATE_CALL: Final = bytes.fromhex("dd644f72")
"""basisPointsRate(): what the token keeps of a transfer, in hundredths of a percent."""
_ADDRESSES: Final = """
SELECT role, address FROM system_wallets
UNION ALL SELECT 'payin', base58 FROM addresses
           WHERE wallet = 'payin' AND EXISTS (SELECT FROM observed_transactions WHERE address = base58)
 ORDER BY 1, 2
"""
_ON_THE_WAY: Final = (
    "SELECT count(*) AS payouts, coalesce(sum(amount_minor), 0)::bigint AS amount_minor"
    " FROM payout_requests WHERE state = 'broadcasted'"
)


def look_at_chain(platform: Platform, progress: Callable[[int, int], None] | None = None) -> list[OnChain]:
    """Every wallet, and every deposit address that was ever paid, each at one solid block. Raises Unavailable."""
    with psycopg.connect(platform.reader_url) as conn:
        addresses = conn.execute(_ADDRESSES).fetchall()
    found = []
    with platform.node.pinned():
        for number, (role, base58) in enumerate(addresses, start=1):
            found.append(at_one_block(platform, role, Address.from_base58(base58)))
            if progress is not None:
                progress(number, len(addresses))
    return found


def wait_for_ledger(platform: Platform, block_number: int, wait_s: float = REACH_S) -> bool:
    """Until all that the chain did up to a block stands in the history -> whether it does."""
    deadline = time.monotonic() + wait_s
    reader = Connections(platform.logins[READER], connections_max=1)
    try:
        while not has_reached(platform, reader, block_number):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True
    finally:
        reader.close()


def explainer(platform: Platform) -> Callable[[Difference], str]:
    """Says of a difference what the node and the views know of it."""

    def explain(each: Difference) -> str:
        return "; ".join(_reasons(platform, each))

    return explain


def _reasons(platform: Platform, each: Difference) -> Iterator[str]:
    cursor = platform.cursors.load(SOLID)
    read = cursor.number if cursor is not None else 0
    if read < each.block_number:
        yield f"the process observe has read solid blocks up to {read} only"
    if each.account == STAKED:
        yield "TRX was staked or withdrawn by another way than counterfoil stake"
        return
    if each.account == HOT_WALLET:
        yield from _payouts_on_the_way(platform)
    if each.account == COLD_WALLET and each.currency == TRX and each.found < each.booked:
        yield "what its owner paid for transfers of his own is not in the books: POST /v1/adjustments books it"
    if each.currency == TRX:
        return
    if each.found < each.booked:
        address = Address.from_base58(each.address) if each.address else None
        if address is not None and is_blacklisted(platform.node, platform.settings.usdt, address):
            yield "the token has blacklisted it, and may have destroyed what it held: counterfoil signing status"
        rate = read_uint256(platform.node.call(platform.settings.usdt, platform.settings.usdt, _FEE_RATE_CALL).returned)
        if rate:
            yield f"the token keeps {rate // 100}.{rate % 100:02d} % of each transfer now"
    elif read >= each.block_number:
        yield (
            "coins came in a block that was not read as it is: counterfoil scan --from BLOCK finds them, where BLOCK is"
            " before they came"
        )


def _payouts_on_the_way(platform: Platform) -> Iterator[str]:
    with psycopg.connect(platform.reader_url) as conn:
        [row] = rows(conn, _ON_THE_WAY)
    if row.payouts:
        yield f"{row.payouts} payouts of {format_amount(row.amount_minor, 'USDT')} USDT are broadcast and not confirmed yet"
