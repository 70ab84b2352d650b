"""Solid blocks that hold a transfer which one node alone shows: kept until another can be asked, or the node is trusted."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from core.ports.alarm import Alarm, Condition
from core.ports.scanning import Cursor, Cursors
from core.streams.deposits import TransferFact
from core.tron.chain import Block, BlockRef, Receipt
from scanners.blocks import NodeFault, WrongReceipt
from scanners.checked_blocks import CheckedBlocks
from scanners.proven import check_direct_transfers, is_proven
from scanners.refusals import BlockRefusals

ONE_NODE: Final = "one_node"
"""The reason, and the cursor that keeps the blocks; its number says how many wait."""
WAITING_MAX: Final = 10_000

_BLOCKS: Final = msgspec.json.Decoder(dict[int, str])


class WaitingBlocks:
    """Height -> id, in `cursors`. Each that is added rings once."""

    def __init__(self, cursors: Cursors, refusals: BlockRefusals, alarm: Alarm, usdt: bytes) -> None:
        self._cursors = cursors
        self._refusals = refusals
        self._alarm = alarm
        self._waits = Condition(alarm, "one_node")
        self._usdt = usdt
        self._left: dict[int, str] | None = None
        """What this process has yet to read again; None before the first look."""

    def unproven(
        self, block: Block, receipts: Sequence[Receipt], arrived: Sequence[TransferFact], wallets: Mapping[bytes, str]
    ) -> list[TransferFact]:
        """Of one node's transfers those that its receipts alone show; then the block is kept.

        Raises WrongReceipt where a receipt denies what the block says, and after some refusals lets the block wait for that.
        """
        denied = ""
        try:
            check_direct_transfers(block, receipts, self._usdt, wallets)
        except WrongReceipt as error:
            if not self._refusals.is_hopeless(block.ref.number):
                raise
            denied = str(error)
        unproven = [fact for fact in arrived if not is_proven(fact, block, receipts, self._usdt)]
        if denied or unproven:
            self._add(block.ref, denied or f"{len(unproven)} transfers to us stand in one node's receipts alone")
        return unproven

    def next(self, blocks: CheckedBlocks) -> Block | None:
        """A block that waits, the lowest first; one that cannot be had rings, and is tried again by the next process."""
        if self._left is None:
            self._left = self._all()
        if not self._left:
            return None
        number = min(self._left)
        try:
            block = blocks.solid(number)
            if block.ref.block_id == self._left[number]:
                return block
            why = f"it is {block.ref.block_id} now"
        except NodeFault as fault:
            why = str(fault)
        self._alarm(
            "waiting_block_lost",
            f"block {number} ({self._left.pop(number)}) holds transfers that wait for a second look, and it cannot be had:"
            f" {why}. Look for a node that has it and restart `observe`, or run `counterfoil reconcile`",
        )
        return None

    def forget(self, number: int) -> None:
        """The block was read again."""
        if self._left is not None:
            self._left.pop(number, None)
        self._keep({height: block_id for height, block_id in self._all().items() if height != number})
        self._waits.end(f"block {number}")

    def _all(self) -> dict[int, str]:
        cursor = self._cursors.load(ONE_NODE)
        return _BLOCKS.decode(cursor.unsolid) if cursor is not None and cursor.unsolid else {}

    def _add(self, ref: BlockRef, why: str) -> None:
        waiting = self._all()
        if waiting.get(ref.number) == ref.block_id:
            return
        if len(waiting) < WAITING_MAX:
            self._keep({**waiting, ref.number: ref.block_id})
        self._waits.begin(
            f"block {ref.number}",
            f"in the solid block {ref.number}, {why}: they are detected and not credited. Configure a second node in"
            " COUNTERFOIL_TRON_NODE_URL, or, if the node is your own, set COUNTERFOIL_TRON_NODE_TRUSTED=true: what waits is"
            f" read again then, at the latest by `counterfoil scan --from {ref.number} --to {ref.number}`",
        )

    def _keep(self, waiting: Mapping[int, str]) -> None:
        self._cursors.save(ONE_NODE, Cursor(len(waiting), "", msgspec.json.encode(waiting) if waiting else b""))
