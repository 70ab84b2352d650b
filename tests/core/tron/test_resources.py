"""Stake and what it gives, in whole numbers, against what mainnet said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tron.resources import stake_for, units_in_machine, units_of

pytestmark = pytest.mark.fast

TRX = 1_000_000
ENERGY_LIMIT = 180_000_000_000
ENERGY_WEIGHT = 16_307_698_552
"""Mainnet's in February 2025."""


def test_energy_of_a_recorded_stake() -> None:
    """403 TRX gave 4,448 energy on mainnet; a sweep of 64,285 energy needs about 5,825 TRX at those weights."""
    assert units_of(403_000_000, ENERGY_LIMIT, ENERGY_WEIGHT) == 4_448
    assert stake_for(64_285, ENERGY_LIMIT, ENERGY_WEIGHT) == 5_825 * TRX


@given(st.integers(1, 10**9), st.integers(10**3, 10**12), st.integers(1, 10**12))
def test_the_stake_for_units_gives_them(units: int, limit: int, weight: int) -> None:
    """The stake is whole TRX, gives at least the units asked for, in doubles too, and a TRX less would not surely do so."""
    stake_sun = stake_for(units, limit, weight)
    assert stake_sun % TRX == 0
    assert int(stake_sun // TRX * (limit / weight)) >= units
    assert units_of(stake_sun, limit, weight) == units_in_machine(stake_sun, limit, weight) >= units + 1
    assert units_of(stake_sun - TRX, limit, weight) < units + 1


def test_the_machine_counts_whole_trx() -> None:
    """Of 5,824.9 TRX a contract call may use what 5,824 TRX give, though the node shows the energy of all of it."""
    stake_sun = 5_824_900_000
    assert units_in_machine(stake_sun, ENERGY_LIMIT, ENERGY_WEIGHT) == units_of(
        5_824 * TRX, ENERGY_LIMIT, ENERGY_WEIGHT
    )
    assert units_in_machine(stake_sun, ENERGY_LIMIT, ENERGY_WEIGHT) < units_of(stake_sun, ENERGY_LIMIT, ENERGY_WEIGHT)


def test_nothing_needs_no_stake() -> None:
    """No units need no stake, and no stake gives no units, also where nobody has staked."""
    assert stake_for(0, ENERGY_LIMIT, ENERGY_WEIGHT) == units_of(0, ENERGY_LIMIT, ENERGY_WEIGHT) == 0
    assert units_of(1_000_000, ENERGY_LIMIT, 0) == 0
