"""Replay one seed with its trace, shrunk when it fails; or run many on all cores."""

import argparse
import logging
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Final

from tests.simulation.invariants import Broken
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import Action, World, plan

HINT_MAX: Final = 150
HINTS: Final = 2
"""So many seeds that find a mutant are held against each other: the suite runs one of them every time."""


def failure_of(seed: int, actions: Sequence[Action] | None = None, trace: bool = False, **system: object) -> str:
    """How a run ends: "" when all is well, else the kind of failure and its sentence."""
    return run(seed, actions, trace, **system)[1]


def run(
    seed: int, actions: Sequence[Action] | None = None, trace: bool = False, **system: object
) -> tuple[World | None, str]:
    """The world as the run left it, None where it could not even begin, and how the run ended as `failure_of` says it."""
    world = None
    try:
        world = World(seed, trace=print if trace else None, **system)
        world.run(plan(seed) if actions is None else actions)
    except Broken as broken:
        return world, str(broken)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        if trace:
            traceback.print_exc()
        return world, f"{type(error).__name__}: {error} at {where.filename}:{where.lineno} (seed {seed})"
    return world, ""


def shrunk(seed: int, actions: Sequence[Action]) -> list[Action]:
    """A shorter list that fails alike: halves, quarters, ... single actions are left out as long as the failure stays."""
    left, kind = list(actions), failure_of(seed, actions).partition(":")[0]
    size = len(left) // 2
    while size:
        start = 0
        while start < len(left):
            fewer = left[:start] + left[start + size :]
            if failure_of(seed, fewer).partition(":")[0] == kind:
                left = fewer
            else:
                start += size
        size //= 2
    return left


def replay(seed: int) -> int:
    actions = plan(seed)
    failure = failure_of(seed, actions, trace=True)
    if not failure:
        print(f"seed {seed}: every invariant holds")
        return 0
    print(f"\n{failure}\n\nshrinking ...\n")
    least = shrunk(seed, actions)
    failure = failure_of(seed, least, trace=True)
    print(f"\n{failure}\n{len(least)} of {len(actions)} actions are enough: {', '.join(map(str, least))}")
    return 1


def many(first: int, count: int) -> int:
    began, failed = time.monotonic(), 0
    with multiprocessing.Pool(os.cpu_count()) as workers:
        seeds = range(first, first + count)
        for done, failure in enumerate(workers.imap_unordered(failure_of, seeds, chunksize=5), start=1):
            if failure:
                failed += 1
                print(failure, flush=True)
            if done % 200 == 0:
                print(f"{done} seeds, {failed} failed, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{count} seeds in {time.monotonic() - began:.0f} s: {failed} failed")
    return 1 if failed else 0


def hint_of(name: str) -> tuple[str, int | None]:
    """A mutant, and the quickest of the first seeds that find it: to be written down with it whenever ACTIONS change."""
    found: dict[int, float] = {}
    with MUTANTS[name].patch():
        for seed in range(1, HINT_MAX + 1):
            began = time.process_time()
            if failure_of(seed, mutant=MUTANTS[name].classes):
                found[seed] = time.process_time() - began
            if len(found) == HINTS:
                break
    return name, min(found, key=lambda seed: found[seed], default=None)


def hints() -> int:
    with multiprocessing.Pool(os.cpu_count()) as workers:
        for name, seed in workers.imap_unordered(hint_of, MUTANTS, chunksize=1):
            print(f"{name}: {seed}", flush=True)
    return 0


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    arguments.add_argument("seed", type=int, help="the seed, or the first of many")
    arguments.add_argument("--hints", action="store_true", help="print the first seed that finds each mutant")
    arguments.add_argument("--many", type=int, default=0, metavar="N", help="run N seeds, print what fails")
    chosen = arguments.parse_args()
    logging.disable(logging.WARNING)
    if chosen.hints:
        return hints()
    return many(chosen.seed, chosen.many) if chosen.many else replay(chosen.seed)


if __name__ == "__main__":
    sys.exit(main())
