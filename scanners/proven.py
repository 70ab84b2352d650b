"""Pure: which transfers a block proves by itself, so that one node's receipts need not be believed.

A direct call of the token's `transfer` stands in the block with its amount, its payee and its end, under the producers'
signatures; so does a TRX transfer. What another contract did, TRX that it handed on among it, stands in the receipt alone, and
no block covers receipts.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

from core.ledger.money import format_amount
from core.streams.deposits import TransferFact
from core.tron.address import Address, InvalidAddress
from core.tron.chain import Block, ChainTransaction, Receipt
from core.tron.protobuf import MalformedProtobuf
from core.tron.transactions import CONTRACT_TYPES, TRIGGER, only_contract
from scanners.blocks import Transfer, WrongReceipt

TRANSFER_SELECTOR: Final = bytes.fromhex("a9059cbb")
_TRIGGER_CONTRACT: Final = CONTRACT_TYPES[TRIGGER]


def is_proven(fact: TransferFact, block: Block, receipts: Sequence[Receipt], usdt: bytes) -> bool:
    """Whether the block itself says this transfer; then its receipt says it and nothing else."""
    if fact.log_index is None:
        return True  # `transfers` read it from the transaction
    if fact.is_internal:
        return False
    transaction = next((it for it in block.transactions if it.txid == fact.txid), None)
    ordered = direct_transfer(transaction, usdt) if transaction else None
    receipt = next((it for it in receipts if it.txid == fact.txid), None)
    return ordered is not None and receipt is not None and _agrees(receipt, ordered, usdt)


def check_direct_transfers(
    block: Block, receipts: Sequence[Receipt], usdt: bytes, wallets: Mapping[bytes, str]
) -> None:
    """Raises WrongReceipt where a receipt hides or changes what the block says of coins for us. `wallets` are ours."""
    by_txid = {receipt.txid: receipt for receipt in receipts}
    for transaction in block.transactions:
        ordered = direct_transfer(transaction, usdt)
        if ordered and ordered.receiver in wallets and not _agrees(by_txid[transaction.txid], ordered, usdt):
            amount = format_amount(ordered.amount_minor, "USDT")
            raise WrongReceipt(
                f"the receipt of {transaction.txid} in block {block.ref.number} has another transfer than the"
                f" {amount} USDT to {Address.from_evm(ordered.receiver).base58} that the block says"
            )


def direct_transfer(transaction: ChainTransaction, usdt: bytes) -> Transfer | None:
    """The transfer that a successful call of the token itself orders, to be found in its receipt's first log; else None."""
    if transaction.contract_ret != "SUCCESS" or TRANSFER_SELECTOR not in transaction.raw_data:
        return None
    with contextlib.suppress(MalformedProtobuf, InvalidAddress):
        kind, type_name, parameter = only_contract(transaction.raw_data)
        if kind != TRIGGER or type_name != _TRIGGER_CONTRACT.name:
            return None
        call = _TRIGGER_CONTRACT.read(parameter)
        owner, contract = Address(call.get("owner_address", b"")), Address(call.get("contract_address", b""))
        data = call.get("data", b"")
        amount = int.from_bytes(data[36:68], "big")
        if contract.evm == usdt and data.startswith(TRANSFER_SELECTOR) and len(data) >= 68 and amount:
            return Transfer(transaction.txid, 0, owner.evm, data[16:36], amount, "USDT")
    return None


def _agrees(receipt: Receipt, ordered: Transfer, usdt: bytes) -> bool:
    """One log, and exactly this transfer: a token that takes a fee, or was deprecated, shows something else."""
    if receipt.failed or len(receipt.logs) != 1:
        return False
    [log] = receipt.logs
    ends = [bytes(12) + ordered.sender, bytes(12) + ordered.receiver]
    return log.address == usdt and [*log.topics[1:]] == ends and log.data == ordered.amount_minor.to_bytes(32, "big")
