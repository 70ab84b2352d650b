"""What a replaced wallet still has, and what is done about it next: pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from core.streams.instructions import Act, SendTrx, Undelegate, Unfreeze, WithdrawUnfrozen
from core.tron.address import SUN_PER_TRX
from core.tron.chain import Resource

RESERVE_SUN: Final = 5 * SUN_PER_TRX
"""What stays while stake is on its way back: taking it back and withdrawing it burn bandwidth."""
WORTH_SUN: Final = SUN_PER_TRX
"""Less is not sent while something has to stay anyway."""


class Lent(NamedTuple):
    """Stake that can be taken back now."""

    receiver: str
    stake_sun: int
    resource: Resource


class Left(NamedTuple):
    """One wallet at one look, where blocks are solid: minor units and sun."""

    usdt_minor: int
    balance_sun: int
    fee_sun: int
    """What sending TRX away burns: bandwidth, and the account of who gets it."""
    usdt_sun: int
    """What sending the USDT away may burn."""
    lent: Sequence[Lent]
    locked_sun: int
    """Stake that is lent and cannot be taken back yet, or that a sweep needs."""
    energy_stake_sun: int
    bandwidth_stake_sun: int
    unfreezing_sun: int
    withdrawable_sun: int
    unfreezes_left: int

    @property
    def staked(self) -> bool:
        """Whether anything comes back as TRX later."""
        stake_sun = self.locked_sun + self.energy_stake_sun + self.bandwidth_stake_sun + self.unfreezing_sun
        return bool(stake_sun or self.lent)

    @property
    def is_nothing(self) -> bool:
        return not (self.usdt_minor or self.balance_sun or self.staked)


def next_act(left: Left, to: str, usdt: Act | None) -> Act | None:
    """What takes the wallet one step further; None while there is nothing to do but wait. `usdt` moves its USDT.

    TRX that nothing here needs go first: the wallet in its place pays with them as soon as it has coins.
    """
    kept_sun = left.usdt_sun + (RESERVE_SUN if left.staked else 0)
    spare_sun = left.balance_sun - left.fee_sun - kept_sun
    if spare_sun > (WORTH_SUN if kept_sun else 0):
        return SendTrx(to, spare_sun)
    if usdt is not None:
        return usdt
    if left.lent:
        return Undelegate(*left.lent[0])
    if left.unfreezes_left:
        if left.energy_stake_sun:
            return Unfreeze(left.energy_stake_sun, "ENERGY")
        if left.bandwidth_stake_sun:
            return Unfreeze(left.bandwidth_stake_sun, "BANDWIDTH")
    return WithdrawUnfrozen() if left.withdrawable_sun else None
