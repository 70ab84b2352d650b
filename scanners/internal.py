"""TRX that contracts handed on to or from us: taken where a second node shows it too, for no block proves it."""

from collections.abc import Mapping, Sequence

from core.ports.alarm import Alarm
from core.ports.chain import SecondOpinion
from core.streams.deposits import internal_index
from core.tron.chain import BlockRef, Receipt
from scanners.blocks import Transfer


def shown_by_two(
    ref: BlockRef,
    receipts: Sequence[Receipt],
    found: list[Transfer],
    wallets: Mapping[bytes, str],
    opinion: SecondOpinion | None,
    alarm: Alarm,
) -> list[Transfer]:
    """A solid block's transfers, without TRX by contracts that one node shows alone: the other keeps none, or one lies (I14).

    That is no contradiction, so the scanner goes on; it rings, since the books lack what came. `wallets` are ours.
    """
    ours = {
        (it.txid, it.log_index) for it in found if it.is_internal and (it.receiver in wallets or it.sender in wallets)
    }
    if not ours or opinion is None:
        return found
    stated = [(receipt.txid, each) for receipt in receipts for each in receipt.internal]
    asked = [(txid, each) for txid, each in stated if (txid, internal_index(each.place)) in ours]
    agreed = opinion.agree_on_internal(ref.number, asked)
    alone = ours - {(txid, internal_index(each.place)) for txid, each in agreed}
    if alone:
        alarm(
            "internal_not_agreed",
            f"block {ref.number}: one node alone shows that contracts handed on TRX to or from our addresses (transfers:"
            f" {len(alone)}, the first in {min(txid for txid, _ in alone)}), so it was not booked. Let a second node keep"
            " internal transactions (java-tron: vm.saveInternalTx) and read the block again by `counterfoil scan --from"
            f" {ref.number} --to {ref.number}`; or book what `counterfoil reconcile` finds by POST /v1/adjustments",
        )
    return [it for it in found if (it.txid, it.log_index) not in alone]
