"""A chain in memory that is turned by hand: real header bytes, ids, roots and receipts, and the port `Node` over it.

Only what scanners ask is answered. It can fork above the solid height and lie in the ways nodes do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import coincurve
import msgspec

from core.tron.address import TRANSFER_TOPIC, USDT_MAINNET, Address
from core.tron.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ChainTransaction,
    ConstantResult,
    Log,
    Producer,
    Receipt,
)
from core.tron.secp256k1 import address_of, sha256
from core.tron.transactions import HEADER_RAW, RAW, TRANSFER, TRIGGER, contract_of, txid_of
from scanners.blocks import block_id, tx_trie_root

USDT = Address.from_base58(USDT_MAINNET)
SOLID_LAG = 18
GENESIS_MS = 1_700_000_000_000
WITNESS_KEY = coincurve.PrivateKey(b"\x07" * 32)
WITNESS = address_of(WITNESS_KEY.public_key.format())


class Included(msgspec.Struct, frozen=True):
    """A transaction and its receipt, whose block is filled in when it is included."""

    transaction: ChainTransaction
    receipt: Receipt


class MemoryChain:
    """Blocks and their receipts, the newest last. `solid_lag` blocks at the head are not solid.

    The producers take turns; with 27 of them the lag of 18 blocks is what their signatures show.
    """

    def __init__(self, solid_lag: int = SOLID_LAG, seats: int = 1) -> None:
        self.solid_lag = solid_lag
        self.signers = [WITNESS_KEY, *(producer_key(seat) for seat in range(1, seats))]
        self.blocks: list[Block] = []
        self.contents: list[list[Included]] = []
        self.empty_receipts = 0
        self.nonce = 0
        self.mine()

    def mine(self, *included: Included, blocks: int = 1) -> Block:
        """Append blocks, the first with these transactions."""
        for position in range(blocks):
            self._append(list(included) if position == 0 else [])
        return self.blocks[-1]

    def fork(self, depth: int, *contents: Sequence[Included]) -> None:
        """Replace the last `depth` blocks by others with these contents, one block each, and one more on top."""
        del self.blocks[-depth:], self.contents[-depth:]
        for content in (*contents, *[()] * (depth - len(contents) + 1)):
            self._append(list(content))

    def _append(self, included: list[Included]) -> None:
        self.nonce += 1
        number = len(self.blocks)
        parent = bytes.fromhex(self.blocks[-1].ref.block_id) if self.blocks else bytes(32)
        transactions = tuple(each.transaction for each in included)
        root = tx_trie_root(transactions)
        timestamp_ms = GENESIS_MS + 3_000 * self.nonce
        self.blocks.append(block_of(number, parent, timestamp_ms, root, transactions, self.signer(number)))
        self.contents.append(included)

    def producers(self) -> list[Producer]:
        return [
            Producer(bytes(address_of(key.public_key.format())), True, len(self.blocks) - 1) for key in self.signers
        ]

    def signer(self, number: int) -> coincurve.PrivateKey:
        """Whose turn it is at this height."""
        return self.signers[number % len(self.signers)]

    def producer_key(self, address: bytes) -> bytes:
        return address

    def head(self) -> BlockRef:
        return self.blocks[-1].ref

    def solid(self) -> BlockRef:
        return self.blocks[max(0, len(self.blocks) - 1 - self.solid_lag)].ref

    def genesis_id(self) -> str:
        return self.blocks[0].ref.block_id

    def block(self, number: int) -> Block | None:
        return self.blocks[number] if number < len(self.blocks) else None

    def solid_block(self, number: int) -> Block | None:
        return self.block(number) if number <= self.solid().number else None

    def receipts(self, number: int) -> list[Receipt]:
        if self.empty_receipts:
            self.empty_receipts -= 1
            return []
        at = self.blocks[number].ref
        return [
            msgspec.structs.replace(each.receipt, block_number=number, block_timestamp_ms=at.timestamp_ms)
            for each in self.contents[number]
        ]

    def solid_receipts(self, number: int) -> list[Receipt]:
        return self.receipts(number)

    def receipt(self, txid: str) -> Receipt | None:
        found = (r for number in range(len(self.blocks)) for r in self.receipts(number) if r.txid == txid)
        return next(found, None)

    def solid_receipt(self, txid: str) -> Receipt | None:
        raise NotImplementedError

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        raise NotImplementedError

    def account(self, address: bytes) -> ChainAccount | None:
        raise NotImplementedError

    def solid_account(self, address: bytes) -> ChainAccount | None:
        raise NotImplementedError

    def resources(self, address: bytes) -> AccountResources:
        raise NotImplementedError

    def call(self, owner: bytes, contract: bytes, data: bytes, *, solid: bool = False) -> ConstantResult:
        raise NotImplementedError

    def chain_parameters(self) -> Mapping[str, int]:
        raise NotImplementedError


def producer_key(seat: int) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(sha256(b"producer %d" % seat))


def block_of(
    number: int,
    parent: bytes,
    timestamp_ms: int,
    root: bytes,
    transactions: tuple[ChainTransaction, ...],
    key: coincurve.PrivateKey = WITNESS_KEY,
) -> Block:
    """A block with this header, signed by the producer whose key this is."""
    witness = address_of(key.public_key.format())
    header = HEADER_RAW.encode(
        {
            "timestamp": timestamp_ms,
            "txTrieRoot": root,
            "parentHash": parent,
            "number": number,
            "witness_address": bytes(witness),
            "version": 34,
        }
    )
    ref = BlockRef(number, block_id(number, header), parent.hex(), timestamp_ms)
    signature = key.sign_recoverable(sha256(header), hasher=None)
    return Block(ref, bytes(witness), signature, root, header, transactions)


def person(number: int) -> Address:
    """An address of somebody."""
    return Address.from_evm(number.to_bytes(20, "big"))


PAYER = person(1)


def transfer_log(sender: Address, receiver: Address, amount_minor: int, contract: Address = USDT) -> Log:
    topics = (bytes.fromhex(TRANSFER_TOPIC), bytes(12) + sender.evm, bytes(12) + receiver.evm)
    return Log(contract.evm, topics, amount_minor.to_bytes(32, "big"))


def token_call(salt: int, *logs: Log, result: str = "SUCCESS") -> Included:
    """A contract call that ended with `result` and these logs; `salt` makes its txid its own."""
    parameter = {"owner_address": bytes(PAYER), "contract_address": bytes(USDT), "data": b"\xa9\x05\x9c\xbb"}
    transaction = _transaction(salt, contract_of(TRIGGER, parameter), result)
    return Included(transaction, _receipt(transaction.txid, result, logs))


def usdt_transfer(salt: int, receiver: Address, amount_minor: int, sender: Address = PAYER) -> Included:
    return token_call(salt, transfer_log(sender, receiver, amount_minor))


def direct_transfer(salt: int, receiver: Address, amount_minor: int) -> Included:
    """A call of the token's own `transfer`, as the block states it and the receipt says it."""
    data = bytes.fromhex("a9059cbb") + bytes(12) + receiver.evm + amount_minor.to_bytes(32, "big")
    parameter = {"owner_address": bytes(PAYER), "contract_address": bytes(USDT), "data": data}
    transaction = _transaction(salt, contract_of(TRIGGER, parameter), "SUCCESS")
    return Included(transaction, _receipt(transaction.txid, "SUCCESS", (transfer_log(PAYER, receiver, amount_minor),)))


def trx_transfer(salt: int, receiver: Address, amount_sun: int, sender: Address = PAYER) -> Included:
    parameter = {"owner_address": bytes(sender), "to_address": bytes(receiver), "amount": amount_sun}
    transaction = _transaction(salt, contract_of(TRANSFER, parameter), "SUCCESS")
    return Included(transaction, _receipt(transaction.txid, "", ()))


def _transaction(salt: int, contract: dict[str, Any], result: str) -> ChainTransaction:
    raw = RAW.encode({"contract": [contract], "timestamp": salt, "expiration": GENESIS_MS})
    return ChainTransaction(txid_of(raw), raw, (salt.to_bytes(65, "big"),), result)


def _receipt(txid: str, result: str, logs: tuple[Log, ...]) -> Receipt:
    return Receipt(
        txid=txid,
        block_number=0,
        block_timestamp_ms=0,
        fee_sun=0,
        result=result,
        failed=result not in ("", "SUCCESS"),
        logs=logs,
    )
