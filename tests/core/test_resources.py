"""Stake and what it gives, in whole numbers, against what mainnet said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources import stake_for, units_of, used_after

pytestmark = pytest.mark.fast

ENERGY_LIMIT = 180_000_000_000
ENERGY_WEIGHT = 16_307_698_552
"""Mainnet's in February 2025."""


def test_energy_of_a_recorded_stake() -> None:
    """403 TRX gave 4,448 energy on mainnet; a sweep of 64,285 energy needs about 5,825 TRX at those weights."""
    assert units_of(403_000_000, ENERGY_LIMIT, ENERGY_WEIGHT) == 4_448
    assert stake_for(64_285, ENERGY_LIMIT, ENERGY_WEIGHT) // 1_000_000 == 5_824


@given(st.integers(1, 10**9), st.integers(10**3, 10**12), st.integers(1, 10**12))
def test_the_stake_for_units_gives_them(units: int, limit: int, weight: int) -> None:
    """The stake gives at least the units asked for, in doubles too, and never more than a unit and a stake's step beyond."""
    stake_sun = stake_for(units, limit, weight)
    assert int(stake_sun / 1_000_000 * (limit / weight)) >= units
    assert units_of(stake_sun, limit, weight) >= units + 1
    assert units_of(stake_sun - 1, limit, weight) < units + 1


def test_nothing_needs_no_stake() -> None:
    """No units need no stake, and no stake gives no units, also where nobody has staked."""
    assert stake_for(0, ENERGY_LIMIT, ENERGY_WEIGHT) == units_of(0, ENERGY_LIMIT, ENERGY_WEIGHT) == 0
    assert units_of(1_000_000, ENERGY_LIMIT, 0) == 0


def test_usage_recovers_in_a_day() -> None:
    """Half is left after twelve hours, a rounded-up rest just before a day, nothing after it."""
    assert [used_after(64_285, hours * 3_600_000) for hours in (0, 12, 24, 48)] == [64_285, 32_143, 0, 0]
    assert used_after(64_285, 86_399_999) == 1
