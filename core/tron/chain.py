"""What a Tron node answers, in our own words: headers, blocks, receipts, logs, answers to a broadcast.

Plain frozen values: adapters fill them from a node's JSON, scanners and signers read them.
"""

from typing import Final, Literal

import msgspec


class BlockRef(msgspec.Struct, frozen=True):
    """A block by height, id (64 hex digits), its parent's id, and its timestamp in ms of chain time."""

    number: int
    block_id: str
    parent_id: str
    timestamp_ms: int


class ChainTransaction(msgspec.Struct, frozen=True, gc=False):
    """A transaction as the block holds it: raw_data bytes, signatures, and the node's ret (contractRet).

    `tail` is what its stored bytes hold behind the signatures, where that is more than a ret with contractRet alone.
    """

    txid: str
    raw_data: bytes
    signatures: tuple[bytes, ...]
    contract_ret: str
    tail: bytes | None = None


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


class Log(msgspec.Struct, frozen=True, gc=False):
    """One event log: the contract's 20 bytes, topics and data as bytes; its index counts all logs of the transaction."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


MOVING_NOTES: Final = frozenset((b"call", b"create", b"suicide"))
"""What java-tron notes of the internal transactions that may move TRX: a call's value, a new contract's, a destroyed one's.

Every node that keeps any (vm.saveInternalTx) keeps these. Others, of a contract's stake and votes, it keeps only with a further
setting; their amounts move nothing, so they are nothing here, and no place counts them.
"""


class InternalTransfer(msgspec.Struct, frozen=True):
    """TRX that a contract handed on within a call: 20-byte ends, and its place among the receipt's internal transactions."""

    place: int
    sender: bytes
    receiver: bytes
    amount_sun: int


class Receipt(msgspec.Struct, frozen=True, gc=False):
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
    energy_staked: int = 0
    """Energy of the owner's own or acquired stake; `energy_used` is all of it, burned for and the contract's share included."""
    origin_energy: int = 0
    """Energy the contract's deployer paid."""
    energy_penalty: int = 0
    """The part of `energy_used` that the contract's dynamic factor added."""
    withdrawn_sun: int = 0
    """Expired unfreezes that came back to the balance: withdrawing does it, and unfreezing or cancelling on the way."""
    cancelled_sun: int = 0
    """Unfreezes that were cancelled and are frozen again."""
    internal: tuple[InternalTransfer, ...] = ()
    """In order; empty also where the node does not keep them. Rejected ones move nothing and are left out."""

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
    energy_penalty: int = 0


Resource = Literal["BANDWIDTH", "ENERGY"]
"""What stake gives, in java-tron's words; stake for votes (TRON_POWER) is history and gives nothing."""


class Permission(msgspec.Struct, frozen=True):
    """Who may sign: keys with weights, the weight they must reach together, and, for an active one, for which types."""

    id: int
    threshold: int
    keys: tuple[tuple[bytes, int], ...]
    operations: bytes = b""
    """32 bytes, bit t of byte t/8 for contract type t; empty for owner and witness, who may all."""


class Unfreezing(msgspec.Struct, frozen=True):
    """Stake on its way back: it gives no resource any more and can be withdrawn at `expires_ms` of chain time."""

    resource: str
    amount_sun: int
    expires_ms: int


class ChainAccount(msgspec.Struct, frozen=True):
    """An account as the node has it; one that was never activated does not exist and reads as None instead.

    `energy_stake_sun` and `bandwidth_stake_sun` are frozen and still here; what was delegated away is counted apart, and
    what others delegated to this account is `acquired`.
    """

    address: bytes
    balance_sun: int
    owner_keys: tuple[bytes, ...]
    """Addresses that may sign as owner; empty means the default, the address itself."""
    is_contract: bool = False
    created_ms: int = 0
    owner: Permission | None = None
    actives: tuple[Permission, ...] = ()
    energy_stake_sun: int = 0
    bandwidth_stake_sun: int = 0
    delegated_energy_sun: int = 0
    delegated_bandwidth_sun: int = 0
    acquired_energy_sun: int = 0
    acquired_bandwidth_sun: int = 0
    other_stake_sun: int = 0
    """Stake that this gateway never makes: for votes, and what is left of Stake 1.0."""
    unfreezing: tuple[Unfreezing, ...] = ()

    @property
    def staked_sun(self) -> int:
        """All that is frozen, delegated away or not; what is unfreezing is no longer."""
        own = self.energy_stake_sun + self.bandwidth_stake_sun + self.other_stake_sun
        return own + self.delegated_energy_sun + self.delegated_bandwidth_sun

    @property
    def owned_sun(self) -> int:
        """Every sun of this account, wherever it stands: balance, frozen, delegated away, unfreezing."""
        return self.balance_sun + self.staked_sun + sum(each.amount_sun for each in self.unfreezing)


class Delegation(msgspec.Struct, frozen=True):
    """Stake that one account lends another. A pair has up to two: one to be taken back at any time, one locked until then.

    An expiry of 0 is no lock.
    """

    owner: bytes
    receiver: bytes
    energy_sun: int = 0
    bandwidth_sun: int = 0
    energy_locked_until_ms: int = 0
    bandwidth_locked_until_ms: int = 0


class DelegationIndex(msgspec.Struct, frozen=True):
    """With whom an account has delegations: those it lends to, those who lend to it."""

    receivers: tuple[bytes, ...] = ()
    owners: tuple[bytes, ...] = ()


class AccountResources(msgspec.Struct, frozen=True):
    """Energy and bandwidth of an account: limits and what is used of them now. Weights are the whole network's, in TRX."""

    energy_limit: int = 0
    energy_used: int = 0
    net_limit: int = 0
    net_used: int = 0
    free_net_limit: int = 0
    free_net_used: int = 0
    total_energy_limit: int = 0
    total_energy_weight: int = 0
    total_net_limit: int = 0
    total_net_weight: int = 0
    tron_power_limit: int = 0
    tron_power_used: int = 0

    @property
    def energy_left(self) -> int:
        return max(0, self.energy_limit - self.energy_used)

    @property
    def net_left(self) -> int:
        """Bandwidth of stake only."""
        return max(0, self.net_limit - self.net_used)

    @property
    def free_net_left(self) -> int:
        return max(0, self.free_net_limit - self.free_net_used)
