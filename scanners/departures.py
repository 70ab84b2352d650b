"""Pure: of each transaction of ours what it did, where it is one that this program could have made; else only that it was.

What it says is needed after a restore alone: then such a transaction is booked from the chain (core/streams/lost_outgoing.py).
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from core.streams.lost_outgoing import LeftInLostHistory
from core.streams.notices import Departure, Notice
from core.tron.address import Address
from core.tron.chain import Block, ChainTransaction, Receipt
from core.tron.transactions import CONTRACT_TYPES, FREEZE, only_contract
from scanners.blocks import AMOUNT_MAX, Transfer
from scanners.notices import Sent
from scanners.proven import direct_transfer

_SENDS: Final = (1, 31)
"""Plain TRX, and a call of a contract: each sends something, or has failed."""
_STAKES: Final = (54, 55, 56, 57, 58)
"""Freeze, unfreeze, withdraw, delegate and undelegate, of Stake 2.0."""


def departures(
    notices: Sequence[Notice],
    block: Block,
    receipts: Sequence[Receipt],
    transfers: Sequence[Transfer],
    sent: Sequence[Sent],
    wallets: Mapping[bytes, str],
    usdt: bytes,
) -> Iterator[Notice | Departure]:
    """The notices, in order; with what the transaction did where this program could have made it."""
    ours = {it.txid: it for it in sent}
    made = {it.txid: it for it in block.transactions if it.txid in ours}
    proofs = {it.txid: it for it in receipts if it.txid in ours}
    for notice in notices:
        left = None
        if notice.kind == "outgoing" and notice.log_index is None and notice.txid in proofs:
            moved = [it for it in transfers if it.txid == notice.txid]
            with contextlib.suppress(ValueError):  # bytes that cannot be read are none of this program's
                left = _left(notice, ours[notice.txid], made[notice.txid], proofs[notice.txid], moved, wallets, usdt)
        yield notice if left is None else Departure(notice, left)


def _left(
    notice: Notice,
    sent: Sent,
    transaction: ChainTransaction,
    receipt: Receipt,
    moved: Sequence[Transfer],
    wallets: Mapping[bytes, str],
    usdt: bytes,
) -> LeftInLostHistory | None:
    """None for what no instruction or payout of ours does."""
    about = {
        "txid": sent.txid,
        "wallet": sent.wallet,
        "address": sent.owner.base58,
        "block_number": notice.block_number,
        "block_timestamp_ms": notice.block_timestamp_ms,
    }
    succeeded = receipt.succeeded
    if sent.contract_type in _SENDS and not succeeded and not moved:
        return LeftInLostHistory(**about, burned_sun=receipt.fee_sun)  # type: ignore[arg-type]
    if sent.contract_type in _STAKES and succeeded and not moved:
        staked_sun = _frozen(transaction) if sent.contract_type == FREEZE else 0
        if staked_sun and receipt.withdrawn_sun:
            return None
        return LeftInLostHistory(
            **about,  # type: ignore[arg-type]
            burned_sun=receipt.fee_sun,
            staked_sun=staked_sun,
            returned_sun=receipt.withdrawn_sun,
        )
    if sent.contract_type not in _SENDS or not succeeded or not moved:
        return None
    transfer, *fees = moved
    amount_minor, taken_minor = sum(it.amount_minor for it in moved), sum(it.amount_minor for it in fees)
    if fees and not _is_ordered(direct_transfer(transaction, usdt), moved, amount_minor):
        return None
    to_wallet = wallets.get(transfer.receiver, "")
    # No instruction moves coins of the hot wallet but to cold storage: to another address of ours it was somebody's payout.
    paid = sent.wallet == "hot" and transfer.currency == "USDT" and to_wallet != "cold"
    if transfer.sender != sent.owner.evm or not (to_wallet or paid) or amount_minor > AMOUNT_MAX:
        return None
    return LeftInLostHistory(
        **about,  # type: ignore[arg-type]
        burned_sun=receipt.fee_sun,
        to=Address.from_evm(transfer.receiver).base58,
        to_wallet="" if paid else to_wallet,
        amount_minor=amount_minor,
        currency=transfer.currency,
        taken_minor=0 if paid else taken_minor,
    )


def _is_ordered(ordered: Transfer | None, moved: Sequence[Transfer], amount_minor: int) -> bool:
    """Whether one call of the token's `transfer` did all this: while the token takes a fee, the issuer's log is a second."""
    if ordered is None or len(moved) != 2:
        return False
    ends = ordered.sender, ordered.receiver, ordered.amount_minor
    return (moved[0].sender, moved[0].receiver, amount_minor) == ends and moved[1].sender == ordered.sender


def _frozen(transaction: ChainTransaction) -> int:
    kind, _, parameter = only_contract(transaction.raw_data)
    return int(CONTRACT_TYPES[kind].decode(parameter, strict=False).get("frozen_balance", 0))
