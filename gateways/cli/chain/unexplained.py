"""What left our wallets and nobody here signed: what each may have been, and whether the chain proves it (FAILURES 71)."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import psycopg

from core.ledger.money import format_amount
from core.tron.address import Address
from gateways.cli.console import Table, number, text
from gateways.wiring.platform import Platform
from projections.named import rows
from signers.outgoing.settlement import solid_receipt, transfers_out

_OPEN: Final = """
SELECT txid, address, to_address, amount_minor, currency, block_number,
       ARRAY(SELECT id::text FROM payout_requests AS p
              WHERE p.to_address_base58 = l.to_address AND p.amount_minor = l.amount_minor AND p.currency = l.currency
                AND p.state IN ('requested', 'pending_sign', 'broadcasted') ORDER BY p."position") AS payouts,
       ARRAY(SELECT i.purpose || ' ' || i.id FROM instructions AS i
              WHERE i.owner = l.address AND i.to_address = l.to_address AND i.currency = l.currency
                AND i.amount_minor = l.amount_minor AND i.state IN ('given', 'prepared', 'signed', 'broadcast')
              ORDER BY i."position") AS orders
  FROM lost_outgoing AS l WHERE status = 'open' ORDER BY l."position"
"""


class Unexplained(NamedTuple):
    """A transfer out of a wallet of ours that is neither adopted nor explained; what is open here and would do the same."""

    txid: str
    address: str
    to_address: str
    amount_minor: int
    currency: str
    block_number: int
    payouts: list[str]
    orders: list[str]

    @property
    def sentence(self) -> str:
        """What it was, and what to do."""
        said = f"{format_amount(self.amount_minor, self.currency)} {self.currency} left for {self.to_address} as {self.txid}"
        if self.payouts:
            return f"{said}: if it was payout {self.payouts[0]}, `counterfoil payouts adopt {self.payouts[0]} --tx {self.txid}`"
        if self.orders:
            return f"{said}, as {self.orders[0]} would do, which is open"
        return (
            f"{said}, and nothing open resembles it: `counterfoil restore settle write-off {self.txid} --reason ...` if it is"
            " lost"
        )


def unexplained(platform: Platform) -> list[Unexplained]:
    """All of them, in the chain's order, as the views have them."""
    with psycopg.connect(platform.reader_url) as conn:
        return [Unexplained(**row._asdict()) for row in rows(conn, _OPEN)]


def table_of(found: list[Unexplained]) -> Table:
    """A line each: what left, and what it may have been."""
    columns = (
        number("block"),
        text("txid"),
        text("to"),
        number("amount"),
        "currency",
        text("what is open and like it"),
    )
    return Table(
        columns,
        [
            (
                each.block_number,
                each.txid,
                each.to_address,
                format_amount(each.amount_minor, each.currency),
                each.currency,
                ", ".join([*(f"payout {it}" for it in each.payouts), *each.orders]) or "nothing",
            )
            for each in found
        ],
        title="Not explained",
    )


def unproven(platform: Platform, left: Unexplained) -> str:
    """Why the chain does not prove that a transfer did what it is said to have done; "" where it does. Raises Unavailable."""
    receipt = solid_receipt(platform.node, platform.solid_log, left.txid)
    if receipt is None:
        return "no solid block that was read has it"
    if receipt.failed:
        return "its receipt says that it failed: nothing left by it"
    wanted = Address.from_base58(left.to_address), left.amount_minor
    if wanted not in transfers_out(receipt, platform.settings.usdt, Address.from_base58(left.address)):
        return "its receipt has no Transfer log of this payee and this amount"
    return ""


def facts_of(found: list[Unexplained]) -> Iterator[dict[str, Any]]:
    """The same for JSON."""
    for each in found:
        yield each._asdict() | {"amount": format_amount(each.amount_minor, each.currency)}
