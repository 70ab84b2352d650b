"""The whole system on a hostile chain, one run a seed: forks, lies, crashes, lost queues, and then every invariant.

A failing seed says its number; `make simulate SEED=<number>` replays it with its trace and leaves out what is not needed.
"""

import functools
from collections import Counter
from typing import NamedTuple

import pytest

from tests.simulation.__main__ import failure_of, run, shrunk
from tests.simulation.faults import FAULTS
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import ACTIONS, World, plan

SEEDS = 50
PARTS = 10


class Course(NamedTuple):
    """What is kept of a run: how it ended, and what there was in it."""

    failure: str
    happened: Counter[str]
    struck: Counter[str]
    crashes: int


@functools.cache
def course(seed: int) -> Course:
    world, failure = run(seed)
    assert world is not None, failure
    events = Counter(type(recorded.event).__name__ for recorded in world.system.store.events)
    return Course(failure, events + Counter(it.name for it in plan(seed)), world.struck, world.system.crashes)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_invariant_holds_for_every_seed(part: int) -> None:
    """Whatever a seed brings, in the end deposits are credited exactly, payouts paid once, books and chain equal."""
    failures = [course(seed).failure for seed in range(1 + part, 1 + SEEDS, PARTS)]
    assert not any(failures), "\n".join(filter(None, failures))


def test_the_seeds_bring_everything_about() -> None:
    """In some seeds there is every action and fault, deaths, and payouts and deposits that end in each way they can."""
    wanted = set(ACTIONS) | {
        *("PayoutConfirmed", "PayoutFailed", "PayoutCancelled", "PayoutExpired", "PayoutRefused"),
        *("DepositDetected", "DepositOrphaned", "DepositConfirmed", "SigningStopped"),
    }
    courses = [course(seed) for seed in range(1, 1 + SEEDS)]
    happened = sum((it.happened for it in courses), Counter[str]())
    struck = sum((it.struck for it in courses), Counter[str]())
    assert not wanted - happened.keys()
    assert sum(it.crashes for it in courses) > 20
    assert len(struck) > len({kind for kind, _ in FAULTS}) // 2, struck


def test_a_seed_is_always_the_same_run() -> None:
    """Two runs of one seed have the same history, event by event."""
    first, second = World(7), World(7)
    first.run(plan(7))
    second.run(plan(7))
    assert first.system.store.sealed == second.system.store.sealed
    assert first.system.devnet.chain.head.block_id == second.system.devnet.chain.head.block_id


def test_a_failure_shrinks_to_the_actions_that_cause_it() -> None:
    """What is left of a failing run is short and still fails in the same way."""
    mutant = MUTANTS["deposits are keyed by txid only"]
    with mutant.patch():
        actions = plan(1)[:40]
        kind = failure_of(1, actions).partition(":")[0]
        least = shrunk(1, actions)
        assert kind
        assert len(least) <= 3, least
        assert failure_of(1, least).partition(":")[0] == kind
    assert not failure_of(1, least)
