"""A block of the devnet: header, producer's signature, transactions with their outcomes; ids and roots as mainnet's."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from core.tron.secp256k1 import sha256
from core.tron.transactions import HEADER_RAW
from gateways.devnet.execution.outcome import Outcome
from gateways.devnet.state.decrees import Decrees
from gateways.devnet.state.transaction import Transaction, decode_stored

HEADER_VERSION = 34
NO_DECREES: Final[Decrees] = MappingProxyType({})


class Included(msgspec.Struct, frozen=True):
    """A transaction in a block and how it ended there."""

    transaction: Transaction
    outcome: Outcome


class Block(msgspec.Struct, frozen=True):
    """`header_raw` are the bytes of BlockHeader.raw; the other header fields are read from them."""

    number: int
    block_id: str
    timestamp_ms: int
    witness: bytes
    header_raw: bytes
    witness_signature: bytes
    included: tuple[Included, ...] = ()
    decrees: Decrees = NO_DECREES

    @property
    def header(self) -> dict[str, Any]:
        return HEADER_RAW.decode(self.header_raw)

    @property
    def parent_id(self) -> str:
        parent: bytes = self.header["parentHash"]
        return parent.hex()


class SealedBlock(msgspec.Struct, frozen=True, array_like=True):
    """A block as it is kept: what cannot be computed from the state before it."""

    header_raw: bytes
    witness_signature: bytes
    transactions: tuple[bytes, ...] = ()
    decrees: dict[str, int] = {}


def block_id(number: int, header_raw: bytes) -> str:
    """Eight bytes of height, then the header's sha256 from its ninth byte on."""
    return (number.to_bytes(8, "big") + sha256(header_raw)[8:]).hex()


def tx_trie_root(transactions: Sequence[bytes]) -> bytes:
    """Merkle root over sha256 of whole transactions, result included; an odd node moves up unhashed; 32 zeros if none."""
    level = [sha256(transaction) for transaction in transactions]
    if not level:
        return bytes(32)
    while len(level) > 1:
        pairs = [sha256(level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


def assemble(
    header_raw: bytes, witness_signature: bytes, included: tuple[Included, ...], decrees: Decrees = NO_DECREES
) -> Block:
    header = HEADER_RAW.decode(header_raw)
    number = header.get("number", 0)
    return Block(
        number,
        block_id(number, header_raw),
        header.get("timestamp", 0),
        header.get("witness_address", b""),
        header_raw,
        witness_signature,
        included,
        decrees,
    )


def seal(block: Block) -> SealedBlock:
    transactions = tuple(each.transaction.encode(each.outcome.contract_ret) for each in block.included)
    return SealedBlock(block.header_raw, block.witness_signature, transactions, dict(block.decrees))


def unseal(sealed: SealedBlock) -> list[tuple[Transaction, str]]:
    """The transactions of a kept block with the contractRet each ended with."""
    return [decode_stored(data) for data in sealed.transactions]
