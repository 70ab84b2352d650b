"""Pure: a block and its receipts in, transfers out; and the proofs that node, block and receipts belong together.

A transfer of USDT is read from the token contract's log in a successful receipt, never from calldata, a symbol or a
return word (FAILURES 1, 9, 15); a transfer of TRX from a successful TransferContract, or from the internal transactions of a
successful receipt, where the node keeps them (FAILURES 41).
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from core.ports.scanning import Cursor
from core.ports.unavailable import Unavailable
from core.streams.deposits import TransferFact, internal_index
from core.tron.address import TRANSFER_TOPIC, Address, InvalidAddress
from core.tron.chain import Block, BlockRef, ChainTransaction, Log, Receipt
from core.tron.protobuf import MalformedProtobuf, field_key, write_varint
from core.tron.secp256k1 import sha256
from core.tron.transactions import (
    CONTRACT_RESULTS,
    CONTRACT_TYPES,
    HEADER_RAW,
    PACKAGE,
    RESULT,
    SIGNED,
    TRANSFER,
    only_contract,
    txid_of,
)
from scanners.plain_transfers import plain_transfer

AMOUNT_MAX: Final = 2**63 - 1
_TRANSFER_TOPIC: Final = bytes.fromhex(TRANSFER_TOPIC)
_TRANSFER_CONTRACT: Final = CONTRACT_TYPES[TRANSFER]
_TRANSFER_TYPE: Final = f"/{PACKAGE}{_TRANSFER_CONTRACT.name}".encode()
"""The end of every type URL of a transfer, whatever its prefix."""
_NO_TRANSACTIONS: Final = bytes(32)
"""The root of an empty block."""
_VM_TYPE: Final = b"SmartContract"
_VM_TYPES: Final = (30, 31)
"""CreateSmartContract and TriggerSmartContract: what the virtual machine runs, and has a result for."""

_RAW_KEYS: Final = [field_key(1, size) for size in range(1_024)]
"""What stands before raw_data of so many bytes."""
_RETS: Final = {"": b""} | {
    name: SIGNED.encode({"ret": [RESULT.encode({"contractRet": number})]})
    for number, name in enumerate(CONTRACT_RESULTS)
}
"""The field `ret` of a transaction, by what it ended with."""


class NodeFault(Unavailable):
    """The node's answers do not belong together: nothing is done with them, and it or another node is asked again."""


class IncompleteReceipts(NodeFault):
    """The receipts are not exactly those of the block's transactions: java-tron answers [] for a block it lacks, too."""

    def __init__(self, number: int, missing: frozenset[str], foreign: frozenset[str]) -> None:
        super().__init__(
            f"the receipts of block {number} are incomplete: {len(missing)} transactions have none"
            f" and {len(foreign)} receipts belong to another block"
        )
        self.number = number
        self.missing = missing
        self.foreign = foreign


class InvalidBlock(NodeFault):
    """The block is not what its id, its header or its producer's signature say; the subclass says which."""


class WrongHeader(InvalidBlock):
    """The block's id, height, time or parent are not those of its header's bytes."""


class WrongTransactions(InvalidBlock):
    """The transactions are not those that the header's txTrieRoot states."""


class NotWhole(InvalidBlock):
    """The header holds and every txid is its bytes' hash, but together they are not what txTrieRoot states.

    Either the node left something out, or a stranger put something in that no node's JSON shows (FAILURES 38).
    """


class WrongReceipt(NodeFault):
    """A receipt says another end of its transaction than the block, which proves it."""


class UnknownProducer(InvalidBlock):
    """The block was produced by somebody whom the network does not name as a producer."""


class WrongSignature(InvalidBlock):
    """The producer did not sign the header."""


class Unlinked(NodeFault):
    """The block is not the child of the one before it."""


class ImpossibleAmount(Exception):
    """A transfer to us of more than an account can hold: no such coin exists, so a person must look."""


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """A transfer in a block, between two 20-byte addresses; whether one of them is ours is not known here.

    `log_index` is what TransferFact says of it.
    """

    txid: str
    log_index: int | None
    sender: bytes
    receiver: bytes
    amount_minor: int
    currency: str

    @property
    def is_internal(self) -> bool:
        """Whether a contract handed it on: no block proves it, and not every node shows it."""
        return self.log_index is not None and self.log_index < 0

    def fact(self, ref: BlockRef, wallet: str, from_wallet: str = "") -> TransferFact:
        """The fact that is booked, once the receiver is known to be ours. Raises ImpossibleAmount above 2^63 - 1."""
        if self.amount_minor > AMOUNT_MAX:
            raise ImpossibleAmount(f"{self.txid} in block {ref.number} moves {self.amount_minor} minor units")
        return TransferFact(
            txid=self.txid,
            log_index=self.log_index,
            from_address=Address.from_evm(self.sender).base58,
            to_address=Address.from_evm(self.receiver).base58,
            amount_minor=self.amount_minor,
            currency=self.currency,
            wallet=wallet,
            block_number=ref.number,
            block_id=ref.block_id,
            block_timestamp_ms=ref.timestamp_ms,
            from_wallet=from_wallet,
        )


def transfers(block: Block, receipts: Sequence[Receipt], usdt: bytes) -> list[Transfer]:
    """Every transfer of USDT (its contract's 20 bytes) and TRX in the block, in order. Raises IncompleteReceipts."""
    found: list[Transfer] = []
    for transaction, receipt in zip(block.transactions, complete(block, receipts), strict=True):
        if receipt.failed:
            continue
        if receipt.result == "SUCCESS":
            for index, log in enumerate(receipt.logs):
                if log.address == usdt and (sent := _usdt_transfer(receipt.txid, index, log)):
                    found.append(sent)
            if receipt.internal:
                found.extend(_internal_transfers(receipt))
        elif transaction.contract_ret == "SUCCESS" and not receipt.result and (sent := _trx_transfer(transaction)):
            found.append(sent)
    return found


def check_receipts(block: Block, receipts: Sequence[Receipt]) -> None:
    """Raises WrongReceipt where a receipt denies the end that the block shows; IncompleteReceipts (FAILURES 42)."""
    for transaction, receipt in zip(block.transactions, complete(block, receipts), strict=True):
        proven = transaction.contract_ret
        denied = proven not in ("", "DEFAULT") and (
            receipt.failed != (proven != "SUCCESS") or receipt.result not in ("", proven)
        )
        if denied or (not receipt.result and _VM_TYPE in transaction.raw_data and _runs_code(transaction)):
            raise WrongReceipt(
                f"the receipt of {transaction.txid} in block {block.ref.number} says {receipt.result or 'nothing'}"
                f"{', failed' if receipt.failed else ''}, and the block says {proven}"
            )


def _runs_code(transaction: ChainTransaction) -> bool:
    try:
        return only_contract(transaction.raw_data)[0] in _VM_TYPES
    except MalformedProtobuf:
        return False


def complete(block: Block, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
    """One receipt for each of the block's transactions, in their order. Raises IncompleteReceipts (FAILURES 2)."""
    number = block.ref.number
    txids = [transaction.txid for transaction in block.transactions]
    misplaced = {receipt.txid for receipt in receipts if receipt.block_number != number}
    if not misplaced and txids == [receipt.txid for receipt in receipts]:
        return receipts
    by_txid, wanted = {receipt.txid: receipt for receipt in receipts}, set(txids)
    missing, foreign = wanted - by_txid.keys(), (by_txid.keys() - wanted) | misplaced
    if missing or foreign or len(receipts) != len(txids):
        raise IncompleteReceipts(number, frozenset(missing), frozenset(foreign))
    return [by_txid[txid] for txid in txids]


def check_link(parent: Cursor, block: Block) -> None:
    """Raises Unlinked unless the block is the parent's child by height and by hash."""
    ref = block.ref
    if ref.number != parent.number + 1 or ref.parent_id != parent.block_id:
        raise Unlinked(
            f"block {ref.number} ({ref.block_id}) names the parent {ref.parent_id},"
            f" but block {parent.number} is {parent.block_id}"
        )


def check(block: Block) -> None:
    """Raises WrongHeader, WrongTransactions or NotWhole unless id, header, txids and txTrieRoot follow from the bytes.

    What is wrong beside the root comes first: NotWhole says that all else holds (TRON.md 2.3). A stranger's bytes hide in
    transactions that are shown: who shows none of some has left them out, however many nodes do.
    """
    ref = block.ref
    try:
        header = HEADER_RAW.decode(block.header_raw, strict=False)
    except MalformedProtobuf as error:
        raise WrongHeader(f"the header of block {ref.number} is malformed: {error}") from error
    stated = (
        header.get("number", 0),
        header.get("timestamp", 0),
        header.get("parentHash", b"").hex(),
        header.get("txTrieRoot", b""),
        header.get("witness_address", b""),
    )
    if stated != (ref.number, ref.timestamp_ms, ref.parent_id, block.tx_trie_root, block.witness):
        raise WrongHeader(f"the header of block {ref.number} says something else than its bytes")
    if block_id(ref.number, block.header_raw) != ref.block_id:
        raise WrongHeader(f"the id {ref.block_id} of block {ref.number} is not its header's hash")
    for transaction in block.transactions:
        if txid_of(transaction.raw_data) != transaction.txid:
            raise WrongTransactions(f"transaction {transaction.txid} of block {ref.number} is not its bytes' hash")
    if tx_trie_root(block.transactions) == block.tx_trie_root:
        return
    if not block.transactions or block.tx_trie_root == _NO_TRANSACTIONS:
        raise WrongTransactions(
            f"block {ref.number} is shown with {len(block.transactions)} transactions, and its header's txTrieRoot"
            f" {'names none' if block.transactions else 'names some'}"
        )
    raise NotWhole(f"the transactions of block {ref.number} are not those its header's txTrieRoot states")


def block_id(number: int, header_raw: bytes) -> str:
    """The height's 8 bytes and the last 24 of the header's sha256."""
    return (number.to_bytes(8, "big") + sha256(header_raw)[8:]).hex()


def tx_trie_root(transactions: Sequence[ChainTransaction]) -> bytes:
    """Merkle root over whole transactions, ret included; an odd node moves up unhashed; 32 zero bytes for none."""
    sha256 = hashlib.sha256  # a block has hundreds: each call in between is dear
    level = [sha256(_whole(transaction)).digest() for transaction in transactions]
    while len(level) > 1:
        pairs = [sha256(left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0] if level else _NO_TRANSACTIONS


def _whole(transaction: ChainTransaction) -> bytes:
    """A transaction as its block holds it. By hand: the message's table would take four times as long (make bench)."""
    tail = _RETS.get(transaction.contract_ret) if transaction.tail is None else transaction.tail
    raw_data, signatures = transaction.raw_data, transaction.signatures
    if len(raw_data) < len(_RAW_KEYS) and len(signatures) == 1 and len(signatures[0]) == 65:  # nearly all of them
        return b"".join((_RAW_KEYS[len(raw_data)], raw_data, b"\x12\x41", signatures[0], tail or b""))
    whole = bytearray(b"\x0a")
    write_varint(whole, len(transaction.raw_data))
    whole += transaction.raw_data
    for signature in transaction.signatures:
        whole += b"\x12"
        write_varint(whole, len(signature))
        whole += signature
    return bytes(whole + (tail or b""))  # a result of an unknown name has no bytes here: the root will not hold


def _usdt_transfer(txid: str, index: int, log: Log) -> Transfer | None:
    """None for another event of the token, and for a transfer of nothing: anybody forges those (FAILURES 10)."""
    topics, data = log.topics, log.data
    if len(topics) != 3 or topics[0] != _TRANSFER_TOPIC or not len(topics[1]) == len(topics[2]) == len(data) == 32:
        return None
    amount = int.from_bytes(data, "big")
    return Transfer(txid, index, topics[1][12:], topics[2][12:], amount, "USDT") if amount else None


def _internal_transfers(receipt: Receipt) -> Iterator[Transfer]:
    for each in receipt.internal:
        key = internal_index(each.place)
        yield Transfer(receipt.txid, key, each.sender, each.receiver, each.amount_sun, "TRX")


def _trx_transfer(transaction: ChainTransaction) -> Transfer | None:
    """None for another contract, and for what cannot be read: `unreadable` in notices.py tells whom that concerns."""
    raw_data = transaction.raw_data
    if (plain := plain_transfer(raw_data)) and plain[2]:
        return Transfer(transaction.txid, None, plain[0], plain[1], plain[2], "TRX")
    if _TRANSFER_TYPE not in raw_data:
        return None
    with contextlib.suppress(MalformedProtobuf, InvalidAddress):
        return read_trx_transfer(transaction)
    return None


def read_trx_transfer(transaction: ChainTransaction) -> Transfer | None:
    """A successful transaction's transfer; None for another contract. Raises MalformedProtobuf, InvalidAddress."""
    kind, type_name, parameter = only_contract(transaction.raw_data)
    if kind != TRANSFER or type_name != _TRANSFER_CONTRACT.name:
        return None
    transfer = _TRANSFER_CONTRACT.read(parameter)
    ends = Address(transfer.get("owner_address", b"")), Address(transfer.get("to_address", b""))
    amount = transfer.get("amount", 0)
    if amount <= 0:
        raise MalformedProtobuf(f"it moves {amount} sun")
    return Transfer(transaction.txid, None, ends[0].evm, ends[1].evm, amount, "TRX")
