"""What a Tron node tells us, in our own words: headers, blocks, receipts, logs, answers to a broadcast.

Plain frozen values: adapters fill them from a node's JSON, scanners and signers read them.
"""

from typing import Literal

import msgspec


class BlockRef(msgspec.Struct, frozen=True):
    """A block by height, id (64 hex digits), its parent's id, and its timestamp in ms of chain time."""

    number: int
    block_id: str
    parent_id: str
    timestamp_ms: int


class ChainTransaction(msgspec.Struct, frozen=True):
    """A transaction as the block holds it: raw_data bytes, signatures, and the node's ret (contractRet)."""

    txid: str
    raw_data: bytes
    signatures: tuple[bytes, ...]
    contract_ret: str


class Block(msgspec.Struct, frozen=True):
    """A block with its transactions, in order, and what is needed to check its header."""

    ref: BlockRef
    witness: bytes
    witness_signature: bytes
    tx_trie_root: bytes
    header_raw: bytes
    """The canonical bytes of BlockHeader.raw; sha256 of them gives the id."""
    transactions: tuple[ChainTransaction, ...]


class Producer(msgspec.Struct, frozen=True):
    """A witness as a node states it: whether it is one of the active set now, and the last block it produced."""

    address: bytes
    active: bool
    latest_block: int


class Log(msgspec.Struct, frozen=True):
    """One event log: the contract's 20 bytes, topics and data as bytes; its index counts all logs of the transaction."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class Receipt(msgspec.Struct, frozen=True):
    """A TransactionInfo. `result` is "SUCCESS", a contract result such as "REVERT", or "" for what the VM did not run."""

    txid: str
    block_number: int
    block_timestamp_ms: int
    fee_sun: int
    result: str
    failed: bool
    logs: tuple[Log, ...]
    energy_used: int = 0
    energy_fee_sun: int = 0
    net_used: int = 0
    net_fee_sun: int = 0
    message: str = ""

    @property
    def succeeded(self) -> bool:
        return not self.failed and self.result in ("", "SUCCESS")


class BroadcastAnswer(msgspec.Struct, frozen=True):
    """What the node said: accepted, refused (its code, of this attempt only), or unclear, which means maybe sent."""

    verdict: Literal["accepted", "refused", "unclear"]
    code: str = ""
    message: str = ""


class ConstantResult(msgspec.Struct, frozen=True):
    """A read-only contract call: the energy it used (penalty included), its return data, and whether it reverted."""

    energy_used: int
    returned: bytes
    reverted: bool
    message: str = ""


class ChainAccount(msgspec.Struct, frozen=True):
    """An account as the node has it; one that was never activated does not exist and reads as None instead."""

    address: bytes
    balance_sun: int
    owner_keys: tuple[bytes, ...]
    """Addresses that may sign as owner; empty means the default, the address itself."""
    is_contract: bool = False


class AccountResources(msgspec.Struct, frozen=True):
    """Energy and bandwidth of an account: limits and what is used of them now."""

    energy_limit: int = 0
    energy_used: int = 0
    net_limit: int = 0
    net_used: int = 0
    free_net_limit: int = 0
    free_net_used: int = 0
    total_energy_limit: int = 0
    total_energy_weight: int = 0

    @property
    def energy_left(self) -> int:
        return max(0, self.energy_limit - self.energy_used)
