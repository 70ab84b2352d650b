"""Another key for the hot wallet under a payout, and a death at boundaries all along its way (I7, I9, I11)."""

from core.streams.instructions import InstructionConfirmed, SendToken
from core.streams.payouts import PayoutOrder
from core.streams.wallet.rotation import WalletRetired, WalletRotationBegun
from tests.simulation.test_crash_walk_of_excess import Calls
from tests.support.history import ALICE, order, request_payout
from tests.support.memory import Crash, Fuse
from tests.support.treasury_world import COINS, TreasuryWorld

BOUNDARIES_MIN = 100
"""Begun, three instructions and two payouts, each prepared, signed, sent and confirmed; retired; what the scanner saw."""
STRIDE = 5
"""Of some 140 boundaries, most of them the scanner's, every fifth: with 1 all of them are walked, in five minutes."""
BLOCKS_MAX = 400


def played(world: TreasuryWorld, orders: list[PayoutOrder]) -> None:
    """Until the old wallet is retired and everybody is paid. A second payout is asked for when the new key is there."""
    for _ in range(BLOCKS_MAX):
        if len(orders) == 1 and world.role("hot").begun is not None:
            wished = order(ALICE, "after", 20 * COINS)
            world.ledger.execute([request_payout(wished)])  # asked again with the same key after a death
            orders.append(wished)
        if world.role("hot").retired and {world.payout(it).state for it in orders} == {"confirmed"}:
            return
        world.live(1)
    raise AssertionError(f"not over after {BLOCKS_MAX} blocks: {world.alarms}")


def life(fuse: Fuse) -> TreasuryWorld:
    """A payout on its way when a rotation begins; whatever dies is started again on what is durable."""
    world = TreasuryWorld(hot_usdt=500, interval_ms=0)
    world.deposits(300)
    orders = [world.pay_out("before", 10)]
    world.work()
    world.rotate("hot")
    calls = Calls(world.store.append, world.node.broadcast)
    fused = fuse.through(calls)
    world.store.append, world.node.broadcast = fused.append, fused.broadcast  # type: ignore[method-assign]
    try:
        played(world, orders)
    except Crash:
        world.store.append, world.node.broadcast = calls.append, calls.broadcast  # type: ignore[method-assign]
        world.queue.timeout()  # what the dead process had taken is given out again
        world.start()
        played(world, orders)
    world.settle()
    return world


def test_a_death_on_the_way_rotates_once_and_pays_each_payout_once() -> None:
    """One new key, the coins moved once, nothing left at the old address, books and chain agree, wherever it died."""
    places = 0
    while True:
        fuse = Fuse(places)
        world = life(fuse)
        old, new = world.addresses_of("hot")
        assert (world.usdt_of(old), world.sun_of(old)) == (0, 0), places
        assert world.usdt_of(new) == 470 * COINS, places
        assert (len(world.events(WalletRotationBegun)), len(world.events(WalletRetired))) == (1, 1), places
        moved = [it for it in world.events(InstructionConfirmed) if isinstance(it.instruction.act, SendToken)]
        [amount] = [it.instruction.act.amount_minor for it in moved if it.instruction.purpose == "rotation"]
        assert amount in (490 * COINS, 500 * COINS), places  # the first payout is the old wallet's, or the new one's
        world.assert_books_are_the_chain()
        if not fuse.blown:
            break
        places += STRIDE
    assert places >= BOUNDARIES_MIN
