"""One sweep, and a death at every boundary there is: before and after each write of the process that makes it (I7-I11)."""

import functools
from collections import Counter

import pytest

from core.streams.sweeps import SweepConfirmed
from tests.simulation.crashes import Fuse
from tests.simulation.invariants import check
from tests.simulation.treasury import open_treasury
from tests.simulation.world import World

PARTS = 3
WRITES = ("sweeps append", "sweeps broadcast")
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


def quiet(seed: int, **system: object) -> World:
    """A world whose two deposits are credited and not swept yet."""
    world = World(seed, backends=1, sweeping=False, **system)
    world.system.sweeping = True
    for name in ("sweeps", "sweeps2"):
        world.system.restart(name)
    return world


@functools.cache
def undisturbed(method: str) -> tuple[list[str], list[int]]:
    """Every boundary of an undisturbed life, in order, and those that are places of their own to die at."""
    world = quiet(SEEDS[method], walked=True)
    before = len(world.system.writes)
    life(world)
    assert not open_treasury(world.system.store)
    assert swept(world) == 2
    return world.system.writes[before:], world.system.places(before, WRITES)


def swept(world: World) -> int:
    return sum(isinstance(it.event, SweepConfirmed) for it in world.system.store.events)


@pytest.mark.parametrize("method", SEEDS)
def test_the_walk_passes_every_kind_of_boundary(method: str) -> None:
    """Appends and broadcasts of the sweeps' process are all places to die at."""
    kinds = Counter(undisturbed(method)[0])
    assert kinds["sweeps append"] >= {"fuel": 20, "loan": 30}[method]
    assert kinds["sweeps broadcast"] >= {"fuel": 8, "loan": 16}[method]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("method", SEEDS)
def test_a_death_at_any_boundary_of_a_sweep_changes_nothing(method: str, part: int) -> None:
    """Each address is swept once, no stake is leaked, books and chain agree, wherever the process died."""
    boundaries, places = undisturbed(method)
    for at in places[part::PARTS]:
        world = quiet(SEEDS[method])
        world.system.fuse = Fuse(at)
        life(world)
        assert world.system.crashes == 1, (boundaries[at], at)
        assert world.system.died_at == boundaries[at]
        world.settle()
        check(world.system)
        assert swept(world) == 2, (boundaries[at], at)
