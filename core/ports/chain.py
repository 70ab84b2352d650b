"""What is asked of a Tron node, of several, and of staking."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from core.ports.unavailable import Unavailable
from core.tron.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ConstantResult,
    Delegation,
    DelegationIndex,
    InternalTransfer,
    Producer,
    Receipt,
    Resource,
)


class CallNotMade(Unavailable):
    """The node did not make a constant call: it was too slow for this one, or does not know the contract yet (FAILURES 76).

    Nothing is wrong with the rest of its answers: this one thing waits, and is asked again later, or of another node.
    """


class Node(Protocol):
    """A Tron node. Every method may block for its timeout and raise Unavailable; none repairs or guesses an answer."""

    def head(self) -> BlockRef: ...

    def solid(self) -> BlockRef:
        """The last block confirmed by 19 of 27 producers, as the solidity view has it."""

    def genesis_id(self) -> str:
        """The id of block 0: which network this is."""

    def block(self, number: int) -> Block | None:
        """The block at this height, or None while the node has none."""

    def solid_block(self, number: int) -> Block | None: ...

    def receipts(self, number: int) -> Sequence[Receipt]:
        """The receipts of a block; an empty answer may also mean that the node does not have the block."""

    def solid_receipts(self, number: int) -> Sequence[Receipt]: ...

    def receipt(self, txid: str) -> Receipt | None: ...

    def solid_receipt(self, txid: str) -> Receipt | None: ...

    def broadcast(self, signed: bytes) -> BroadcastAnswer:
        """Send a signed Transaction's bytes. Never raises for what may have been sent: the answer is then unclear."""

    def account(self, address: bytes) -> ChainAccount | None: ...

    def solid_account(self, address: bytes) -> ChainAccount | None: ...

    def resources(self, address: bytes) -> AccountResources: ...

    def call(self, owner: bytes, contract: bytes, data: bytes, *, solid: bool = False) -> ConstantResult:
        """Raises CallNotMade."""

    def chain_parameters(self) -> Mapping[str, int]:
        """getEnergyFee, getTransactionFee, ...: sun, per unit of energy or byte."""


class Staking(Protocol):
    """What a node says of stake and its delegation. `solid` asks the solidity view instead of the head.

    What can be done now, the most that can be delegated say, is true of the node's head only until the next block.
    Raises Unavailable.
    """

    def delegations(self, owner: bytes, receiver: bytes, *, solid: bool = False) -> Sequence[Delegation]:
        """What `owner` lends `receiver`: nothing, one row, or two where part of it is locked."""

    def delegation_index(self, address: bytes, *, solid: bool = False) -> DelegationIndex: ...

    def delegatable_sun(self, owner: bytes, resource: Resource, *, solid: bool = False) -> int:
        """The most stake that the owner can delegate: what is frozen here, less what its own usage still needs."""

    def unfreezes_left(self, owner: bytes, *, solid: bool = False) -> int:
        """How many more unfreezes can wait at the same time (32 in all)."""

    def withdrawable_sun(self, owner: bytes, at_ms: int, *, solid: bool = False) -> int:
        """Unfrozen stake that has expired at this chain time."""

    def next_maintenance_ms(self) -> int:
        """Chain time of the next maintenance: prices and energy factors stay as they are until then."""


class Chain(Node, Staking, Protocol):
    """A node, asked for everything there is."""


class Network(Protocol):
    """Who produces blocks, as the nodes state it. Raises Unavailable."""

    def producers(self) -> Sequence[Producer]:
        """All candidates; those that are `active` produce now."""

    def producer_key(self, address: bytes) -> bytes:
        """The address whose key signs a producer's blocks: its own, or the one its witness permission names."""


class UnusableAnswer(Unavailable):
    """The node answered, and nothing can be done with it: malformed, larger than it may be, or too slow to wait for."""


class Disagreement(Unavailable):
    """Nodes state different things about what is final: nothing is done until two of them say the same (I14)."""


class NoSecondOpinion(Unavailable):
    """No second node knows the matter yet."""


class SecondOpinion(Protocol):
    """What a second node says of what is final; with one node configured, what that one says.

    Raises Disagreement where nodes contradict each other, NoSecondOpinion while no second one can say.
    """

    def agree_on_solid(self, number: int) -> str:
        """The id of the solid block at this height."""

    def agree_on_block(self, block: Block) -> None:
        """Returns when a second node has the same solid block with the same transactions, which end in the same way.

        For a block that does not prove its transactions itself, so one node alone never agrees: it raises Disagreement.
        """

    def agree_on_receipts(self, number: int, receipts: Sequence[Receipt]) -> None:
        """Returns when a second node has receipts of the same outcome and logs in its solid block of this height."""

    def agree_on_internal(
        self, number: int, internal: Collection[tuple[str, InternalTransfer]]
    ) -> Collection[tuple[str, InternalTransfer]]:
        """Those of them, each with its txid, that a second node's receipts of this solid block show too.

        A node need not keep internal transactions, so one that lacks them contradicts nobody.
        """

    def agree_on_absence(self, txid: str, solid: BlockRef) -> None:
        """Returns when a second node has this solid block, too, and the transaction in no block up to its own solid one."""
