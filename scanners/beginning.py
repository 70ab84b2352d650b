"""Where an installation's history begins: at a block of which the node's own blocks show that it is solid.

A block that a node merely calls solid may be forked away. Whoever began there would stand before another chain for ever.
"""

from typing import Final

from core.ports.chain import Node
from core.tron.chain import BlockRef
from scanners.blocks import Unlinked
from scanners.branch import Seen
from scanners.checked_blocks import CheckedBlocks
from scanners.claims import SolidNotShown
from scanners.producers import Producers

READ_MAX: Final = 100
"""Blocks read below the head: more than three rounds of 27 producers."""


def beginning(
    node: Node, blocks: CheckedBlocks, producers: Producers | None, claimed: BlockRef, start: int | None
) -> BlockRef:
    """The parent of the block `start`; without one the highest block, not above `claimed`, that its successors show solid.

    Of a chain of few blocks that is block 0. Raises SolidNotShown, Unavailable.
    """
    if start is not None:
        return blocks.first(max(start - 1, 0))
    return claimed if producers is None else _shown(node, blocks, producers, claimed)


def _shown(node: Node, blocks: CheckedBlocks, producers: Producers, claimed: BlockRef) -> BlockRef:
    linked: list[Seen] = []
    above: BlockRef | None = None
    top = node.head().number
    for height in range(top, max(0, top - READ_MAX), -1):
        block = blocks.head(height)
        if above is not None and above.parent_id != block.ref.block_id:
            raise Unlinked(f"the node changed to another branch at block {height} while its blocks were read")
        above = block.ref
        linked.insert(0, Seen(height, block.ref.block_id, (), block.witness))
        if height <= claimed.number and producers.solid(linked):
            return block.ref
    if top > READ_MAX:
        raise SolidNotShown(
            f"it calls block {claimed.number} solid, and its last {READ_MAX} blocks up to {top} show none to be solid"
        )
    return blocks.first(0)
