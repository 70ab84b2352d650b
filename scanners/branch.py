"""The blocks above the solid height, linked, with what was announced of them; and what a fork took away.

Kept in the head cursor, so that a restart in the middle of a fork still says what left the chain (FAILURES 8). Who signed
them says which of them are solid (producers.py).
"""

from collections.abc import Collection
from typing import Self

import msgspec

from core.ports.scanning import Cursor
from core.streams.deposits import TransferFact
from core.tron.chain import BlockRef


class Seen(msgspec.Struct, frozen=True):
    """A block that is not solid yet, who signed it, and the transfers announced from it."""

    number: int
    block_id: str
    transfers: tuple[TransferFact, ...] = ()
    witness: bytes = b""
    """The producer's 21 bytes. Versions before this one did not keep it."""


class Branch(msgspec.Struct, frozen=True):
    """`blocks` follow each other by parent hash, the lowest first; `dropped` are transfers of blocks that were replaced."""

    blocks: tuple[Seen, ...] = ()
    dropped: tuple[TransferFact, ...] = ()

    def tip(self, solid: Cursor) -> Cursor:
        """The block that the next one must name as its parent."""
        return Cursor(self.blocks[-1].number, self.blocks[-1].block_id) if self.blocks else solid

    def announced(self) -> tuple[TransferFact, ...]:
        return tuple(transfer for block in self.blocks for transfer in block.transfers)

    def id_at(self, number: int) -> str:
        """The id of the block seen at this height; "" for none."""
        place = number - self.blocks[0].number if self.blocks else -1
        return self.blocks[place].block_id if 0 <= place < len(self.blocks) else ""

    def grow(self, seen: Seen) -> Self:
        return msgspec.structs.replace(self, blocks=(*self.blocks, seen))

    def cut(self, height: int) -> Self:
        """The blocks from this height on were replaced."""
        kept = tuple(block for block in self.blocks if block.number < height)
        gone = self.blocks[len(kept) :]
        lost = tuple(transfer for block in gone for transfer in block.transfers)
        return msgspec.structs.replace(self, blocks=kept, dropped=(*self.dropped, *lost))

    def settle(self, solid: Cursor, confirmed: Collection[str] = ()) -> Self:
        """Forget what the solid height has passed; what was seen there and is not `confirmed` (streams) is dropped.

        If the solid block is not the one seen at its height, all that was seen is dropped; and one node alone may have
        shown a transfer that is none. That may name too much, and harms nothing: what stands in a solid block was
        confirmed before, and confirmed is never orphaned.
        """
        if not self.blocks or self.blocks[0].number > solid.number:
            return self
        if not any((block.number, block.block_id) == (solid.number, solid.block_id) for block in self.blocks):
            return self.cut(0)
        above = tuple(block for block in self.blocks if block.number > solid.number)
        passed = self.blocks[: len(self.blocks) - len(above)]
        lost = tuple(each for block in passed for each in block.transfers if each.stream not in confirmed)
        return msgspec.structs.replace(self, blocks=above, dropped=(*self.dropped, *lost))

    def orphans(self) -> tuple[TransferFact, ...]:
        """Dropped transfers that stand nowhere in the blocks that replaced theirs."""
        here = {transfer.stream for transfer in self.announced()}
        return tuple(transfer for transfer in self.dropped if transfer.stream not in here)

    def reported(self) -> Self:
        """The dropped transfers have been reported."""
        return msgspec.structs.replace(self, dropped=())

    def differs(self, head: BlockRef) -> bool:
        """Whether another block was seen at the head's height."""
        return any(block.number == head.number and block.block_id != head.block_id for block in self.blocks)
