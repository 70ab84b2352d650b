"""The simulation catches the defects that other gateways have had; each of these is put in on purpose."""

import pytest

from tests.simulation.__main__ import failure_of
from tests.simulation.mutants import MUTANTS

SEEDS_MAX = 60


@pytest.mark.parametrize("name", MUTANTS)
def test_a_defect_breaks_an_invariant(name: str) -> None:
    """A handful of seeds is enough to find it."""
    mutant = MUTANTS[name]
    with mutant.patch():
        failures = (failure_of(seed, mutant=mutant.classes) for seed in range(1, SEEDS_MAX + 1))
        found = next(filter(None, failures), None)
    assert found, f"{SEEDS_MAX} seeds did not notice that {name}"
