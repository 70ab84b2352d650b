"""The doors the inside knows: what it asks of a chain, a queue and a store, never who answers.

Each port is a bare noun; adapters in gateways are named vendor + port. A shut door raises Unavailable.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from core.chain import (
    AccountResources,
    Block,
    BlockRef,
    BroadcastAnswer,
    ChainAccount,
    ConstantResult,
    Receipt,
)


class Unavailable(Exception):
    """A door is shut for now: the work is not done and may be tried again later."""


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

    def call(self, owner: bytes, contract: bytes, data: bytes, *, solid: bool = False) -> ConstantResult: ...

    def chain_parameters(self) -> Mapping[str, int]:
        """getEnergyFee, getTransactionFee, ...: sun, per unit of energy or byte."""


class Message(msgspec.Struct, frozen=True):
    """What a queue is given: `group` keeps its order, `key` makes repeats within the queue's window vanish."""

    body: bytes
    group: str
    key: str


class Received(msgspec.Struct, frozen=True):
    """What a queue gives: the body, how often it was given before, and the receipt that deletes it."""

    body: bytes
    group: str
    receipt: str
    attempts: int


class Queue(Protocol):
    """FIFO per group, at least once. What is not deleted within its visibility timeout comes again."""

    def send(self, messages: Sequence[Message]) -> None:
        """Returns when all are durable, in order. Raises Unavailable: then any prefix may have been taken."""

    def receive(self, limit: int) -> Sequence[Received]:
        """Up to `limit` messages, none of a group that has one in flight. Waits at most the adapter's poll time."""

    def delete(self, receipts: Sequence[str]) -> None: ...

    def release(self, receipts: Sequence[str]) -> None:
        """Give them back at once instead of at the visibility timeout."""

    def bury(self, receipt: str, reason: str) -> None:
        """Move one poison message to the dead letters, with its reason."""

    def depth(self) -> int:
        """About how many messages wait or are in flight."""

    def purge(self) -> None: ...
