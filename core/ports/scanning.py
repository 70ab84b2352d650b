"""What the scanner keeps between two looks at the chain: cursors, the log of solid blocks, the index of attempts."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from core.tron.chain import BlockRef


class Cursor(msgspec.Struct, frozen=True):
    """How far a scanner came: the block whose facts are durable.

    `unsolid` is what the scanner must remember of blocks that may still leave the chain, in its own encoding.
    """

    number: int
    block_id: str
    unsolid: bytes = b""


class Cursors(Protocol):
    """The scanner's checkpoints (chain_cursors)."""

    def load(self, name: str) -> Cursor | None: ...

    def save(self, name: str, cursor: Cursor) -> None:
        """Move the cursor. Only after the queue has taken what lies before it (I9)."""


class SolidLog(Protocol):
    """Our own log of solid blocks, as the observer checked and linked them: what a proof of death rests on (I7)."""

    def append(self, block: BlockRef, sent: Mapping[str, str]) -> None:
        """A block, and of those transactions in it that addresses of ours own, txid -> contractRet, in one transaction.

        A block that is known stays as it is.
        """

    def blocks(self, first: int, until_ms: int) -> Sequence[BlockRef]:
        """The blocks there are, from height `first` to the lowest that is as old as `until_ms`; none while none is."""

    def newest(self) -> BlockRef | None:
        """The highest block there is; None before the first."""

    def find(self, txid: str) -> tuple[int, str] | None:
        """The height of the block that holds a transaction of ours, and its contractRet there; None when none does."""

    def keep_from(self, holder: str, number: int | None) -> None:
        """Keep everything from this height on for `holder`, however long that takes; None: it needs no old block."""


class AttemptIndex(Protocol):
    """Every attempt whose bytes were ever prepared, a payout's or an instruction's, by txid."""

    def streams_of(self, txids: Sequence[str]) -> Mapping[str, str]:
        """txid -> the stream of the payout or instruction. A txid that is no attempt of ours is left out."""
