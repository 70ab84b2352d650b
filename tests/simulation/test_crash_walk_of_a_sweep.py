"""One sweep, and a death at every boundary there is: before and after each write of the process that makes it (I7-I11)."""

import functools
from collections import Counter

import pytest

from core.streams.sweeps import SweepConfirmed
from tests.simulation.invariants import check
from tests.simulation.system import Fuse
from tests.simulation.treasury import open_treasury
from tests.simulation.world import World

PARTS = 3
BLOCKS = 110
"""From the deposit until the coins are swept and what was lent is back."""
SEEDS = {"fuel": 0, "loan": 1}
"""An installation without stake, and one with it."""


def life(world: World) -> None:
    """What customers paid before is swept, each instruction until it is solid."""
    for _ in range(BLOCKS):
        for name in ("observe", "record", "sweeps", "sweeps", "sweeps"):
            crashes = world.system.crashes
            world.system.step(name)
            world.system.mine(world.system.crashes - crashes)  # a restart takes its time
        world.system.mine()


def quiet(seed: int) -> World:
    """A world whose two deposits are credited and not swept yet."""
    world = World(seed, backends=1, sweeping=False)
    world.system.sweeping = True
    for name in ("sweeps", "sweeps2"):
        world.system.restart(name)
    return world


@functools.cache
def boundaries(method: str) -> list[str]:
    """Every boundary of an undisturbed life, in order."""
    world = quiet(SEEDS[method])
    before = len(world.system.writes)
    life(world)
    assert not open_treasury(world.system.store)
    assert swept(world) == 2
    return world.system.writes[before:]


def swept(world: World) -> int:
    return sum(isinstance(it.event, SweepConfirmed) for it in world.system.store.events)


@pytest.mark.parametrize("method", SEEDS)
def test_the_walk_passes_every_kind_of_boundary(method: str) -> None:
    """Appends and broadcasts of the sweeps' process are all places to die at."""
    kinds = Counter(boundaries(method))
    assert kinds["sweeps append"] >= {"fuel": 20, "loan": 30}[method]
    assert kinds["sweeps broadcast"] >= {"fuel": 8, "loan": 16}[method]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("method", SEEDS)
def test_a_death_at_any_boundary_of_a_sweep_changes_nothing(method: str, part: int) -> None:
    """Each address is swept once, no stake is leaked, books and chain agree, wherever the process died."""
    places = [("append", n) for n in range(boundaries(method).count("sweeps append"))]
    places += [("broadcast", n) for n in range(boundaries(method).count("sweeps broadcast"))]
    for call, left in places[part::PARTS]:
        world = quiet(SEEDS[method])
        world.system.fuse = Fuse(left, "sweeps", call)
        life(world)
        assert world.system.crashes == 1, (call, left)
        world.settle()
        check(world.system)
        assert swept(world) == 2, (call, left)
