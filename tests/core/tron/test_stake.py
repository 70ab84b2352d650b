"""What stake is recommended: whole numbers, by hand."""

import pytest

from core.tron.address import SUN_PER_TRX
from core.tron.resources import units_of
from core.tron.stake import Terms, advise, lasts_hours

pytestmark = pytest.mark.fast

TERMS = Terms(
    energy_sun=100,
    bandwidth_sun=1_000,
    energy_limit=180_000_000_000,
    energy_weight=18_000_000_000,
    bandwidth_limit=43_200_000_000,
    bandwidth_weight=43_200_000_000,
)
"""Ten energy for a TRX, one byte for a TRX."""
TRANSFER = 64_285


def test_stake_gives_what_the_mean_day_needs() -> None:
    """70 sweeps in 7 days: ten transfers of energy a day, whose burning today's price names."""
    advice = advise("gas", "ENERGY", TERMS, times=70, days=7, units_each=TRANSFER, staked_sun=0)
    assert advice.units_a_day == 10 * TRANSFER
    assert units_of(advice.stake_sun, TERMS.energy_limit, TERMS.energy_weight) >= advice.units_a_day
    assert advice.stake_sun == 64_286 * SUN_PER_TRX
    assert advice.saves_sun_a_day == 10 * TRANSFER * 100
    assert advice.pays_back_days == -(-64_286 * SUN_PER_TRX // (10 * TRANSFER * 100))


def test_what_is_staked_already_saves_nothing_again() -> None:
    """Half of it staked: half is to be added and half is saved; with all of it nothing is."""
    half = advise("gas", "ENERGY", TERMS, times=70, days=7, units_each=TRANSFER, staked_sun=32_143 * SUN_PER_TRX)
    assert half.add_sun == (64_286 - 32_143) * SUN_PER_TRX
    assert half.saves_sun_a_day == (10 * TRANSFER - 321_430) * 100
    whole = advise("gas", "ENERGY", TERMS, times=70, days=7, units_each=TRANSFER, staked_sun=90_000 * SUN_PER_TRX)
    assert (whole.add_sun, whole.saves_sun_a_day, whole.pays_back_days) == (0, 0, None)


def test_lending_is_not_free() -> None:
    """What the bytes of lending and taking back burn is taken off what is saved, down to nothing."""
    lent = advise("gas", "ENERGY", TERMS, times=7, days=7, units_each=TRANSFER, staked_sun=0, costs_sun_each=568_000)
    assert lent.saves_sun_a_day == TRANSFER * 100 - 568_000
    dear = advise("gas", "ENERGY", TERMS, times=7, days=7, units_each=TRANSFER, staked_sun=0, costs_sun_each=9 * 10**9)
    assert dear.saves_sun_a_day == 0


def test_the_free_allowance_needs_no_stake() -> None:
    """A day's 600 free bytes cover one transfer: only what goes beyond is staked for."""
    none = advise("hot", "BANDWIDTH", TERMS, times=7, days=7, units_each=346, free_a_day=600, staked_sun=0)
    assert (none.units_a_day, none.stake_sun, none.saves_sun_a_day) == (0, 0, 0)
    some = advise("hot", "BANDWIDTH", TERMS, times=14, days=7, units_each=346, free_a_day=600, staked_sun=0)
    assert (some.units_a_day, some.saves_sun_a_day) == (92, 92_000)


def test_where_nobody_stakes_nothing_is_recommended() -> None:
    """A network without limits gives nothing for stake."""
    empty = Terms(100, 1_000, 0, 0, 0, 0)
    advice = advise("gas", "ENERGY", empty, times=70, days=7, units_each=TRANSFER, staked_sun=0)
    assert (advice.stake_sun, advice.saves_sun_a_day) == (0, 0)


def test_how_long_trx_last() -> None:
    """At the rate of the last days, in hours, rounded down; nobody knows where nothing was spent."""
    assert lasts_hours(700 * SUN_PER_TRX, 70 * SUN_PER_TRX, 7) == 70 * 24
    assert lasts_hours(99, 100, 1) == 23
    assert lasts_hours(100, 0, 7) is None
