"""The simulation catches the defects that other gateways have had; each of these is put in on purpose."""

import pytest

from tests.simulation.__main__ import failure_of
from tests.simulation.mutants import MUTANTS
from tests.simulation.test_simulation import SEEDS

SEEDS_MAX = 100


@pytest.mark.parametrize("name", MUTANTS)
def test_a_defect_breaks_an_invariant(name: str) -> None:
    """A handful of seeds is enough to find it, and the run that found it ends well without the defect."""
    mutant = MUTANTS[name]
    with mutant.patch():
        seeds = (mutant.seed, *range(1, SEEDS_MAX + 1))
        found = next((seed for seed in seeds if failure_of(seed, mutant=mutant.classes)), None)
    assert found, f"{SEEDS_MAX} seeds did not notice that {name}"
    assert found <= SEEDS or failure_of(found) == ""  # test_simulation.py runs the first seeds as they are
