"""One node in foreign hands: it can keep coins waiting, and neither have them paid twice nor end an hour before its time."""

from typing import Any

from core.tron.chain import BlockRef, Receipt
from signers.outgoing.settlement import UNSOLID_BLOCKS_MAX
from tests.insiders.world import COINS, Insiders

DAY_MS = 86_400_000


def test_its_clock_ends_no_hour(world: Insiders) -> None:
    """It says that its newest block is of tomorrow: the hour's limit is by the signer's own time."""
    for name in ("one", "two", "three"):
        world.asked(name, 100 * COINS)
    world.live()
    truth = world.node.head

    def ahead() -> BlockRef:
        head = truth()
        return BlockRef(head.number, head.block_id, head.parent_id, head.timestamp_ms + DAY_MS)

    world.node.head = ahead  # type: ignore[method-assign]
    world.live()
    assert world.paid_minor == 200 * COINS
    assert "above_signer_limit" in world.alarms()


def test_a_denied_receipt_pays_nothing_twice(world: Insiders) -> None:
    """It denies that the payout was mined: our own log of blocks knows better, nothing is signed anew, and it rings."""

    def nothing(*_: Any) -> Receipt | None:
        return None

    world.node.receipt = world.node.solid_receipt = nothing  # type: ignore[method-assign]
    world.node.solid_receipts = lambda *_: []  # type: ignore[method-assign]
    world.asked("one", 100 * COINS)
    world.live(UNSOLID_BLOCKS_MAX + 60)
    assert world.paid_minor == 100 * COINS
    assert "receipt_hidden" in world.alarms()
