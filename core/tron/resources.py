"""What stake gives, in whole numbers: energy or bandwidth of a stake, the stake that some energy needs.

java-tron computes in doubles and truncates, so a node may differ from `units_of` by one unit either way, and its virtual
machine lets only whole TRX of an account's stake count: `stake_for` adds a unit and gives whole TRX. What counts in the
end is what the node says of the account. Limits and weights are the whole network's, as `AccountResources` has them:
units per day, and staked TRX.
"""

from typing import Final

SUN_PER_TRX: Final = 1_000_000


def units_of(stake_sun: int, total_limit: int, total_weight: int) -> int:
    """Energy or bandwidth that a stake gives, per day; 0 while nobody has staked."""
    return stake_sun * total_limit // (total_weight * SUN_PER_TRX) if total_weight else 0


def stake_for(units: int, total_limit: int, total_weight: int) -> int:
    """The least stake, in sun, that surely gives so many units. Raises ZeroDivisionError where the network gives none."""
    return -(-(units + 1) * total_weight // total_limit) * SUN_PER_TRX if units > 0 else 0


def units_in_machine(stake_sun: int, total_limit: int, total_weight: int) -> int:
    """What a contract call may use of a stake, energy's only: the node's own limit shows the odd sun as well."""
    return units_of(stake_sun // SUN_PER_TRX * SUN_PER_TRX, total_limit, total_weight)
