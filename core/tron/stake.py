"""How much stake the last days' volume needs, what it saves against burning, and how long TRX last. Whole numbers only."""

from typing import Literal

import msgspec

from core.tron.chain import Resource
from core.tron.resources import stake_for, units_of

Staker = Literal["gas", "hot"]


class Volume(msgspec.Struct, frozen=True):
    """What was done within so many days: confirmed sweeps and payouts, and the TRX that left each wallet for it, in sun."""

    days: int
    sweeps: int
    payouts: int
    gas_spent_sun: int
    hot_spent_sun: int


class Terms(msgspec.Struct, frozen=True):
    """Today's prices in sun, and what the whole network's stake gives: units a day, and staked TRX."""

    energy_sun: int
    bandwidth_sun: int
    energy_limit: int
    energy_weight: int
    bandwidth_limit: int
    bandwidth_weight: int

    def units(self, resource: Resource, stake_sun: int) -> int:
        limit, weight = self._network(resource)
        return units_of(stake_sun, limit, weight)

    def stake(self, resource: Resource, units: int) -> int:
        """0 where the network gives nothing for stake."""
        limit, weight = self._network(resource)
        return stake_for(units, limit, weight) if limit else 0

    def price(self, resource: Resource) -> int:
        return self.energy_sun if resource == "ENERGY" else self.bandwidth_sun

    def _network(self, resource: Resource) -> tuple[int, int]:
        if resource == "ENERGY":
            return self.energy_limit, self.energy_weight
        return self.bandwidth_limit, self.bandwidth_weight


class Advice(msgspec.Struct, frozen=True):
    """What one wallet needs of one resource a day, the stake for it, what it has, and what the difference would save a day."""

    wallet: Staker
    resource: Resource
    units_a_day: int
    stake_sun: int
    staked_sun: int
    saves_sun_a_day: int

    @property
    def add_sun(self) -> int:
        return max(0, self.stake_sun - self.staked_sun)

    @property
    def pays_back_days(self) -> int | None:
        """When the saved TRX are as many as were staked, rounded up; stake is no expense, it comes back in 14 days."""
        return -(-self.add_sun // self.saves_sun_a_day) if self.add_sun and self.saves_sun_a_day else None


def advise(
    wallet: Staker,
    resource: Resource,
    terms: Terms,
    *,
    times: int,
    days: int,
    units_each: int,
    free_a_day: int = 0,
    staked_sun: int,
    costs_sun_each: int = 0,
) -> Advice:
    """For something done `times` times in `days`. `free_a_day` comes without stake, `costs_sun_each` is what using it burns.

    What is staked already is not counted as saved again; usage recovers within a day, so stake gives its units once a day.
    """
    needed = max(0, -(-times * units_each // days) - free_a_day)
    short = max(0, needed - terms.units(resource, staked_sun))
    burned_sun = short * terms.price(resource)
    costs_sun = short * costs_sun_each // units_each if units_each else 0
    saves_sun = max(0, burned_sun - costs_sun)
    stake_sun = terms.stake(resource, needed)
    return Advice(wallet, resource, needed, stake_sun, staked_sun, saves_sun if stake_sun > staked_sun else 0)


def lasts_hours(balance_sun: int, spent_sun: int, days: int) -> int | None:
    """How long the balance lasts if spending goes on as in the last days; None where nothing was spent."""
    return balance_sun * 24 * days // spent_sun if spent_sun > 0 else None
