"""What stake gives, in whole numbers: energy or bandwidth of a stake, the stake that some energy needs, recovery over a day.

java-tron computes in doubles and truncates, so a node may differ from `units_of` by one unit either way: `stake_for` adds
one, and what counts in the end is what the node says of the account. Limits and weights are the whole network's, as
`AccountResources` has them: units per day, and staked TRX.
"""

from typing import Final

SUN_PER_TRX: Final = 1_000_000
WINDOW_MS: Final = 86_400_000
"""Used energy and bandwidth come back linearly within this time."""


def units_of(stake_sun: int, total_limit: int, total_weight: int) -> int:
    """Energy or bandwidth that a stake gives, per day; 0 while nobody has staked."""
    return stake_sun * total_limit // (total_weight * SUN_PER_TRX) if total_weight else 0


def stake_for(units: int, total_limit: int, total_weight: int) -> int:
    """The stake in sun that surely gives so many units. Raises ZeroDivisionError where the network gives none."""
    return -(-(units + 1) * total_weight * SUN_PER_TRX // total_limit) if units > 0 else 0


def used_after(used: int, elapsed_ms: int, window_ms: int = WINDOW_MS) -> int:
    """What is left of a usage after this time, rounded up: never less than a node will say."""
    return -(-used * max(0, window_ms - elapsed_ms) // window_ms)
