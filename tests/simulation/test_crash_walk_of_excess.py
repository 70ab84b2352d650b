"""The hot wallet's excess on its way to cold storage, and a death at every boundary there is (I7, I9, I11)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from core.streams.instructions import InstructionConfirmed
from tests.support.memory import Crash, Fuse
from tests.support.treasury_world import COINS, RULES, SOLID_LAG, TreasuryWorld

LIMITED = msgspec.structs.replace(RULES, hot_floor_minor=500 * COINS, hot_ceiling_minor=1_500 * COINS)
BLOCKS = 5 * SOLID_LAG
"""From the gift that is too much until its transfer is solid and booked."""
BOUNDARIES_MIN = 12
"""Given, prepared, signed, confirmed, each before and after its append; the broadcast; what the scanner wrote."""


class Calls(NamedTuple):
    """The two calls that leave a trace, as they are."""

    append: Callable[..., Any]
    broadcast: Callable[..., Any]


def life(fuse: Fuse) -> TreasuryWorld:
    """A wallet above its ceiling; whatever dies is started again on what is durable."""
    world = TreasuryWorld(rules=LIMITED, hot_usdt=1_400)
    world.give(world.hot, usdt=700)
    calls = Calls(world.store.append, world.node.broadcast)
    fused = fuse.through(calls)
    world.store.append, world.node.broadcast = fused.append, fused.broadcast  # type: ignore[method-assign]
    try:
        world.live(BLOCKS)
    except Crash:
        world.store.append, world.node.broadcast = calls.append, calls.broadcast  # type: ignore[method-assign]
        world.queue.timeout()  # what the dead process had taken is given out again
        world.start()
        world.live(BLOCKS)
    world.settle()
    return world


def test_a_death_at_any_boundary_moves_the_excess_once() -> None:
    """The wallet is at its target, cold storage has the rest, books and chain agree, wherever the process died."""
    places = 0
    while True:
        fuse = Fuse(places)
        world = life(fuse)
        assert world.usdt_of(world.hot) == 1_000 * COINS, places
        assert world.usdt_of(world.cold) == 1_100 * COINS, places
        done = [it for it in world.events(InstructionConfirmed) if it.instruction.purpose == "excess"]
        assert len(done) == 1, places
        world.assert_books_are_the_chain()
        if not fuse.blown:
            break
        places += 1
    assert places >= BOUNDARIES_MIN
