"""How a payout's attempt ended: read from a receipt of a solid block, or proven never to have happened.

Nothing else ends one: not what a node answered to a broadcast (FAILURES 20, 29, 30), not a returned hash (14), not what
transfer() returned (15).
"""

from typing import Final

from core.chain import BlockRef, Receipt
from core.payouts import Attempt, ConfirmPayout, FailPayout, PayoutOrder
from core.ports import Node, Unavailable
from core.tron import TRANSFER_TOPIC, Address

FAILURE_CODES: Final = {"REVERT": "reverted", "": "failed"}
"""Where ours is not simply java-tron's contract result in lower case, such as out_of_energy."""
_TRANSFER: Final = bytes.fromhex(TRANSFER_TOPIC)


class UnexplainedTransfer(Exception):
    """Coins left the wallet in a payout's own transaction, but not as ordered: neither a refund nor a receipt is right."""


def settle(
    order: PayoutOrder, attempt: Attempt, receipt: Receipt, token: Address, actor: str
) -> ConfirmPayout | FailPayout:
    """The command that a solid receipt of the attempt leads to. Raises UnexplainedTransfer."""
    left = _sent(receipt, token, Address.from_base58(attempt.from_address)) if receipt.succeeded else []
    if not left:
        code = FAILURE_CODES.get(receipt.result, receipt.result.lower())
        return FailPayout(
            order=order,
            actor=actor,
            failure_code="transfer_log_missing" if receipt.succeeded else code,
            txid=attempt.txid,
            burned_sun=receipt.fee_sun,
        )
    # With the token's fee switched on, the payee's log is net and a second log pays the issuer: together they are the order.
    payees = {to.base58 for to, _ in left}
    if sum(value for _, value in left) != order.amount_minor or order.to_address not in payees:
        raise UnexplainedTransfer(
            f"{attempt.txid} moved {left}, payout {order.payout_id} ordered otherwise: stop and look"
        )
    return ConfirmPayout(
        order=order,
        actor=actor,
        txid=attempt.txid,
        block_number=receipt.block_number,
        block_timestamp_ms=receipt.block_timestamp_ms,
        burned_sun=receipt.fee_sun,
    )


def solid_receipt(node: Node, txid: str) -> Receipt | None:
    """The receipt of a solid block. Raises Unavailable if the node answers with another transaction's."""
    receipt = node.solid_receipt(txid)
    if receipt is not None and receipt.txid != txid:
        raise Unavailable(f"asked for the receipt of {txid}, the node gave that of {receipt.txid}")
    return receipt


def proof_of_death(node: Node, solid: BlockRef, attempt: Attempt) -> BlockRef | None:
    """The solid block after which the attempt's bytes can never be mined, or None as long as they may (I7).

    A block takes a transaction only if its parent is older than the expiration. So once a solid block is as old, none
    that follows it may, and what the chain up to it does not hold is dead. The order matters: `solid` was read first,
    then the look, both on one node, or a transaction could become solid between the two.
    """
    if solid.timestamp_ms < attempt.expiration_ms:
        return None
    return solid if solid_receipt(node, attempt.txid) is None else None


def _sent(receipt: Receipt, token: Address, owner: Address) -> list[tuple[Address, int]]:
    """The token's Transfer logs out of `owner`, (to, value) each. Anybody can forge a value of 0: it proves nothing."""
    return [
        (Address.from_evm(log.topics[2][12:]), int.from_bytes(log.data, "big"))
        for log in receipt.logs
        if log.address == token.evm
        and len(log.topics) == 3
        and log.topics[0] == _TRANSFER
        and log.topics[1][12:] == owner.evm
        and len(log.data) == 32
        and any(log.data)
    ]
