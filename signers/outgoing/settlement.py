"""How an attempt ended: read from a receipt of a solid block, or proven never to have happened.

Nothing else ends one: not what a node answered to a broadcast (FAILURES 20, 29, 30), not a returned hash (14), not what
transfer() returned (15).
"""

from typing import Final

from core.ports.chain import Disagreement, Node
from core.ports.scanning import SolidLog
from core.streams.attempts import Attempt, ProofOfDeath
from core.streams.instructions import ConfirmInstruction, FailInstruction, Instruction, SendToken
from core.streams.payout.ends import ConfirmPayout, FailPayout
from core.streams.payouts import PayoutOrder
from core.tron.address import TRANSFER_TOPIC, Address
from core.tron.chain import BlockRef, Receipt

FAILURE_CODES: Final = {"REVERT": "reverted", "": "failed"}
"""Where ours is not simply java-tron's contract result in lower case, such as out_of_energy."""
UNSOLID_BLOCKS_MAX: Final = 54
"""How far the head may be ahead of the solid block before java-tron takes no transactions (TRON.md 2.6)."""
PROOF_MS_MAX: Final = 600_000
"""Chain time from an expiration until a proof of death that is still missing rings."""
_TRANSFER: Final = bytes.fromhex(TRANSFER_TOPIC)


class UnexplainedTransfer(Exception):
    """Coins left the wallet in our own transaction, but not as ordered: neither a refund nor a receipt is right."""


def settle_payout(
    order: PayoutOrder, attempt: Attempt, receipt: Receipt, token: Address, actor: str
) -> ConfirmPayout | FailPayout:
    """The command that a solid receipt of the attempt leads to. Raises UnexplainedTransfer."""
    left = transfers_out(receipt, token, Address.from_base58(attempt.from_address)) if receipt.succeeded else []
    if not left:
        return FailPayout(
            order=order,
            actor=actor,
            failure_code="transfer_log_missing" if receipt.succeeded else failure_code(receipt),
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


def settle_instruction(
    instruction: Instruction, attempt: Attempt, receipt: Receipt, token: Address, actor: str
) -> ConfirmInstruction | FailInstruction:
    """The command that a solid receipt of the attempt leads to. Raises UnexplainedTransfer."""
    act, taken_minor = instruction.act, 0
    done = receipt.succeeded
    if isinstance(act, SendToken):
        left = transfers_out(receipt, token, Address.from_base58(attempt.from_address)) if done else []
        done = bool(left)
        payees = {to.base58 for to, _ in left}
        if left and (sum(value for _, value in left) != act.amount_minor or act.to not in payees):
            raise UnexplainedTransfer(
                f"{attempt.txid} moved {left}, {instruction.stream} says otherwise: stop and look"
            )
        taken_minor = sum(value for to, value in left if to.base58 != act.to)
    if not done:
        return FailInstruction(
            instruction,
            actor,
            failure_code="transfer_log_missing" if receipt.succeeded else failure_code(receipt),
            txid=attempt.txid,
            block_number=receipt.block_number,
            burned_sun=receipt.fee_sun,
        )
    return ConfirmInstruction(
        instruction,
        actor,
        txid=attempt.txid,
        block_number=receipt.block_number,
        block_timestamp_ms=receipt.block_timestamp_ms,
        burned_sun=receipt.fee_sun,
        taken_minor=taken_minor,
        returned_sun=receipt.withdrawn_sun,
    )


def failure_code(receipt: Receipt) -> str:
    return FAILURE_CODES.get(receipt.result, receipt.result.lower())


def solid_receipt(node: Node, log: SolidLog, txid: str) -> Receipt | None:
    """The receipt of a transaction that stands in our log of solid blocks; None while it does not, or the node denies it.

    The log says where the transaction stands and how it ended: a block's Merkle root covers both, and a receipt nothing.
    So no node can have a payout refunded that it keeps for later. Raises Disagreement if the node contradicts the log.
    """
    receipt, mined = node.solid_receipt(txid), log.find(txid)
    if receipt is not None and receipt.txid != txid:
        raise Disagreement(f"asked for the receipt of {txid}, the node gave that of {receipt.txid}")
    if mined is None:
        return None
    number, contract_ret = mined
    if receipt is None:
        receipt = next((each for each in node.solid_receipts(number) if each.txid == txid), None)
    if receipt and (receipt.block_number, receipt.succeeded) != (number, contract_ret == "SUCCESS"):
        raise Disagreement(
            f"{txid} stands in block {number} as {contract_ret}, the node's receipt says"
            f" {receipt.result or 'nothing'} in block {receipt.block_number}"
        )
    return receipt


class BrokenLog(Exception):
    """Our log of solid blocks does not continue from a block that an attempt refers to: two chains claim to be solid."""


def reference_block(log: SolidLog, solid: BlockRef) -> BlockRef | None:
    """What bytes made now may build on: of the log's blocks the highest that is solid for the node, too; None while none is.

    A node's own word is not enough (I21): the block it calls solid may be forked away, and then no proof of death exists.
    """
    newest = log.newest()
    if newest is None or newest.number <= solid.number:
        return newest
    return next((block for block in log.blocks(solid.number, 0) if block.number == solid.number), None)


def proof_of_death(log: SolidLog, attempt: Attempt) -> ProofOfDeath | None:
    """The blocks in which the attempt's bytes could have been mined and were not, or None as long as they may be (I7).

    They name their reference block, so no block up to it holds them; and a block takes a transaction only if its parent
    is older than the expiration, so the first solid block that is as old is the last that may (its own timestamp may
    well be greater, TRON.md 2.5). All between them must stand in our log, linked; a node's "not found" proves nothing
    (FAILURES 28). Raises BrokenLog.
    """
    blocks = log.blocks(attempt.ref_block_number + 1, attempt.expiration_ms)
    if not blocks or blocks[0].number != attempt.ref_block_number + 1:
        return None
    parent_id = attempt.ref_block_id
    for number, block in enumerate(blocks, start=attempt.ref_block_number + 1):
        if block.number != number:
            return None  # a range was never scanned
        if block.parent_id != parent_id:
            raise BrokenLog(
                f"block {number} in our log is not the child of {parent_id}, which {attempt.txid} builds on"
            )
        parent_id = block.block_id
    # Asked after the blocks: the log takes a block and what it holds of ours in one transaction.
    if blocks[-1].timestamp_ms < attempt.expiration_ms or log.find(attempt.txid) is not None:
        return None
    return ProofOfDeath(
        first_block_number=blocks[0].number,
        first_block_id=blocks[0].block_id,
        last_block_number=blocks[-1].number,
        last_block_id=blocks[-1].block_id,
        last_timestamp_ms=blocks[-1].timestamp_ms,
        blocks=len(blocks),
    )


def transfers_out(receipt: Receipt, token: Address, owner: Address) -> list[tuple[Address, int]]:
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
