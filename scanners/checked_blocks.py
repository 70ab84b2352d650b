"""Blocks and receipts as a node gives them, each checked before anybody reads it: height, header, producer, root, count."""

from collections.abc import Callable, Sequence

import msgspec

from core.ports.chain import Disagreement, Node, SecondOpinion, UnusableAnswer
from core.ports.wallets import AddressPool
from core.tron.chain import Block, BlockRef, Receipt
from scanners.blocks import NodeFault, NotWhole, check
from scanners.notices import addresses_in
from scanners.producers import Producers
from scanners.refusals import BlockRefusals


class MissingBlock(NodeFault):
    """The node named a height and has no block there: it lags behind itself."""


class CheckedBlocks:
    """What `node` has, or its fault. Every method raises Unavailable."""

    def __init__(
        self,
        node: Node,
        pool: AddressPool,
        refusals: BlockRefusals,
        *,
        usdt: bytes,
        producers: Producers | None,
        opinion: SecondOpinion | None,
        accepted: Callable[[int], str],
    ) -> None:
        self._node = node
        self._pool = pool
        self._refusals = refusals
        self._usdt = usdt
        self._producers = producers
        self._opinion = opinion
        self._accepted = accepted

    def first(self, number: int) -> BlockRef:
        """Where a history begins: taken as it is, since nothing is booked from it, and block 0 has no signature."""
        return _present(self._node.solid_block(number), number).ref

    def head(self, number: int) -> Block:
        """A block of the head's branch. What is said of it is taken back where the solid block does not hold it."""
        block = _present(self._node.block(number), number)
        self._is_whole(block)
        return block

    def solid(self, number: int) -> Block:
        """A block that the node calls solid."""
        block = _present(self._node.solid_block(number), number)
        if fault := self._is_whole(block):
            self._let_pass(block, fault)
        return block

    def receipts(self, block: Block, *, solid: bool) -> tuple[Block, Sequence[Receipt]]:
        """The block and its receipts; where nobody's answer can be used, those that concern us, and the block with no others.

        How much a block's receipts weigh is a stranger's to choose (FAILURES 90).
        """
        number = block.ref.number
        try:
            return block, self._node.solid_receipts(number) if solid else self._node.receipts(number)
        except UnusableAnswer:
            if not self._refusals.is_hopeless(number):
                raise
        ours = self._pool.ours(list(addresses_in(block)))
        named = (self._usdt, *ours)
        few = tuple(it for it in block.transactions if any(address in it.raw_data for address in named))
        ask = self._node.solid_receipt if solid else self._node.receipt
        found = [receipt for it in few if (receipt := ask(it.txid)) is not None]
        self._refusals.tell_once(
            "receipts_passed_over",
            number,
            f"the receipts of block {number} cannot be had at once: those of {len(few)} transactions that name the token or"
            f" an address of ours were asked one by one, those of {len(block.transactions) - len(few)} others were not looked"
            " at. Run `counterfoil reconcile`",
        )
        return msgspec.structs.replace(block, transactions=few), found

    def _is_whole(self, block: Block) -> NotWhole | None:
        """Raises for a block that is not what its header and its producer say -> the fault of one whose root alone fails."""
        fault = None
        try:
            check(block)
        except NotWhole as error:
            fault = error
        if self._producers is not None:
            self._producers.check(block)
        return fault

    def _let_pass(self, block: Block, fault: NotWhole) -> None:
        """Raises the fault unless an operator accepted this block, or a second node shows the same one (FAILURES 38)."""
        ref = block.ref
        if self._accepted(ref.number) == ref.block_id:
            why = "an operator accepted it"
        elif self._opinion is not None:
            try:
                self._opinion.agree_on_block(block)
            except Disagreement as error:
                raise fault from error
            why = "two nodes show the same"
        else:
            raise fault
        self._refusals.tell_once(
            "block_not_whole",
            ref.number,
            f"block {ref.number} ({ref.block_id}) does not prove its transactions: a stranger may have put into one of them"
            f" what no node's JSON shows. {why}, so it is taken",
        )


def _present(block: Block | None, number: int) -> Block:
    if block is None:
        raise MissingBlock(f"the node has no block {number} although its chain is higher")
    if block.ref.number != number:
        raise MissingBlock(f"the node answered block {block.ref.number} when asked for {number}")
    return block
