"""The same actions, chosen by Hypothesis: it tries other mixtures than the seeds do, and shrinks what it finds."""

import logging

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.simulation.invariants import check
from tests.simulation.world import ACTIONS, Action, World

NAMES = [name for name, (weight, _) in ACTIONS.items() for _ in range(max(1, round(weight)))]


class Hostile(RuleBasedStateMachine):
    """One world; whatever was done to it, in the end every invariant holds."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(0)

    @rule(name=st.sampled_from(NAMES), draw=st.integers(0, 2**32 - 1))
    def act(self, name: str, draw: int) -> None:
        self.world.perform(Action(name, draw))

    def teardown(self) -> None:
        self.world.settle()
        check(self.world.system)


def test_every_invariant_holds_after_whatever_hypothesis_does() -> None:
    """Steps, deaths, lies, forks, lost messages and time in any order end with the books and the chain in agreement."""
    logging.disable(logging.WARNING)
    try:
        run_state_machine_as_test(
            Hostile,
            settings=settings(
                max_examples=25,
                stateful_step_count=60,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        logging.disable(logging.NOTSET)
