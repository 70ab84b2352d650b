"""The dynamic energy factor: java-tron's rule to the unit, cycle by cycle, and what it makes a call cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.devnet.chain.genesis import USDT
from gateways.devnet.machine import energy
from gateways.devnet.state import committee, factor
from gateways.devnet.state.factor import Heat
from gateways.devnet.state.parameters import MAINNET
from tests.gateways.devnet.world import Devnet

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"
CYCLE_MS = 21_600_000
WARM = Heat(5_000, 1_000, 1_000_000)


def parameters(threshold: int, increase: int, most: int) -> dict[str, int]:
    return {
        "getDynamicEnergyThreshold": threshold,
        "getDynamicEnergyIncreaseFactor": increase,
        "getDynamicEnergyMaxFactor": most,
    }


@pytest.mark.parametrize(
    ("cycle", "threshold", "increase", "most", "expected"),
    [
        (1_010, 900_000, 1_000, 10_000, 3_137),
        (1_001, 2_000_000, 2_000, 10_000, 4_250),
        (1_001, 1_000_000, 2_000, 10_000, 4_250),  # the threshold must be passed, not reached
        (1_001, 900_000, 2_000, 10_000, 8_000),
        (1_001, 900_000, 5_000, 10_000, 10_000),
        (1_002, 900_000, 5_000, 10_000, 7_500),
        (1_003, 900_000, 5_000, 10_000, 5_312),
        (1_004, 900_000, 5_000, 10_000, 3_398),
        (1_005, 900_000, 5_000, 10_000, 1_723),
        (1_006, 900_000, 5_000, 10_000, 258),
        (1_007, 900_000, 5_000, 10_000, 0),
    ],
)
def test_java_trons_own_examples(cycle: int, threshold: int, increase: int, most: int, expected: int) -> None:
    """The values that java-tron's tests expect of a contract with factor 5,000 after a million energy in cycle 1,000."""
    assert factor.caught_up(WARM, cycle, parameters(threshold, increase, most)) == Heat(expected, cycle)


def test_a_cycle_changes_nothing_within_itself() -> None:
    """In the cycle it stands in, a contract keeps factor and usage; one that no cycle is known of begins with nothing."""
    assert factor.caught_up(WARM, 1_000, MAINNET) is WARM
    assert factor.caught_up(Heat(), 7, MAINNET) == Heat(cycle=7)
    assert factor.caught_up(WARM, 999, MAINNET) == Heat(cycle=999)


@given(st.integers(0, 34_000), st.integers(1, 400))
def test_what_the_world_uses_keeps_it_hot(start: int, cycles: int) -> None:
    """With the world's use above the threshold in each cycle the factor climbs by a fifth to its maximum and stays there."""
    heat = factor.caught_up(Heat(start, 1), 1 + cycles, MAINNET, world=10**10)
    expected = start
    for _ in range(cycles):
        expected = min(34_000, int((expected + 10_000) * 1.2) - 10_000)
    assert heat == Heat(expected, 1 + cycles)


@given(st.integers(0, 34_000), st.integers(1, 400), st.integers(0, 10**10), st.integers(1, 10**10))
def test_one_step_or_many_are_the_same_world(start: int, cycles: int, used: int, world: int) -> None:
    """A contract that is looked at in every cycle and one that is looked at once at the end have the same factor."""
    at_once = factor.caught_up(Heat(start, 1, used), 1 + cycles, MAINNET, world)
    stepwise = Heat(start, 1, used)
    for cycle in range(2, 2 + cycles):
        stepwise = factor.caught_up(stepwise, cycle, MAINNET, world)
    assert at_once == stepwise


def test_usdt_stays_at_its_maximum(devnet: Devnet) -> None:
    """Whatever time passes, a transfer to a holder costs 64,285 energy, as on mainnet, where USDT is always hot."""
    devnet.freeze(devnet.alice, 20_000)
    for days in (0, 1, 30):
        devnet.node.advance(days * 86_400_000 + 1)
        outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
        assert outcome.energy_used == 64_285


def test_a_contract_that_cools_grows_cheaper(devnet: Devnet) -> None:
    """Without the world's use a maintenance takes a twentieth of the price, for estimate and call alike."""
    devnet.node.decree({f"world:{USDT.hex()}": 0})
    devnet.node.advance(CYCLE_MS)
    assert factor.heat_of(devnet.chain.state, USDT).factor == 31_800
    estimate = devnet.read(TRANSFER, devnet.bob.address.evm, 1)
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert outcome.energy_used == estimate.energy < 64_285
    assert (outcome.energy_used, outcome.energy_penalty) == energy.cost(energy.TRANSFER, 31_800)


def test_use_above_the_threshold_makes_it_dearer(devnet: Devnet) -> None:
    """Own calls count too: base energy above the threshold in one cycle raises the factor in the next."""
    contract = devnet.genesis.fake_usdt
    devnet.node.decree({"getDynamicEnergyThreshold": 2 * 14_650 - 1})
    for _ in range(2):
        outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1, contract=contract).outcome
        assert outcome.energy_used == 14_650
    heat = factor.heat_of(devnet.chain.state, contract)
    assert (heat.factor, heat.used) == (0, 2 * 14_650)
    devnet.node.advance(CYCLE_MS)
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1, contract=contract).outcome
    assert factor.heat_of(devnet.chain.state, contract) == Heat(2_000, committee.cycle(devnet.chain.state), 14_650)
    assert (outcome.energy_used, outcome.energy_penalty) == energy.cost(energy.TRANSFER, 2_000)


def test_only_successful_calls_count(devnet: Devnet) -> None:
    """A reverted call heats nothing, nor does one that only reads."""
    before = factor.heat_of(devnet.chain.state, USDT)
    devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 10**30)
    devnet.read(TRANSFER, devnet.bob.address.evm, 1)
    assert factor.heat_of(devnet.chain.state, USDT) == before


def test_a_factor_can_be_decreed(devnet: Devnet) -> None:
    """A decreed factor counts from the next call on: at 12,000 a transfer costs what it did on mainnet in 2024."""
    devnet.node.decree({f"factor:{USDT.hex()}": 12_000})
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert (outcome.energy_used, outcome.energy_penalty) == (31_895, 17_245)
