"""An account's share of a resource: the stake behind it, what that gives, what is used of it, with java-tron's rounding.

Usage comes back linearly within a window of its own: a day for one use, and what is left of each use's day, weighted by
what is left of its usage, when several are merged. Doubles are meant: java-tron computes limits and decay in them.
"""

import math
from typing import Final

import msgspec

SUN_PER_TRX: Final = 1_000_000
SLOT_MS: Final = 3_000
"""Recovery counts slots of three seconds, whatever the devnet's block interval."""

WINDOW_SLOTS: Final = 28_800
WINDOW_UNIT: Final = 1_000
"""A share's window is kept in thousandths of a slot, though decay counts whole slots."""

WINDOW: Final = WINDOW_SLOTS * WINDOW_UNIT
_PRECISION: Final = 1_000_000


class Total(msgspec.Struct, frozen=True):
    """The whole network's: units of the resource per day, and the TRX staked for it."""

    limit: int
    weight: int

    def units(self, stake_sun: int) -> int:
        """What a stake gives."""
        return int(stake_sun / SUN_PER_TRX * (self.limit / self.weight)) if self.weight > 0 else 0

    def units_in_machine(self, stake_sun: int) -> int:
        """What the virtual machine lets a stake give: it counts whole TRX, unlike everything around it."""
        return int(stake_sun // SUN_PER_TRX * (self.limit / self.weight)) if self.weight > 0 else 0

    def stake(self, units: int) -> int:
        """The stake in sun that stands behind so many units in use."""
        return int(units * SUN_PER_TRX * (self.weight / self.limit)) if self.limit > 0 else 0


class Share(msgspec.Struct, frozen=True):
    """`used` is as of `slot`; `window` 0 stands for a whole day. `frozen_sun` is own stake that is not delegated away."""

    frozen_sun: int = 0
    delegated_sun: int = 0
    acquired_sun: int = 0
    used: int = 0
    slot: int = 0
    window: int = 0

    @property
    def stake_sun(self) -> int:
        """What gives this account units: own stake that is here, and stake that others lend."""
        return self.frozen_sun + self.acquired_sun

    @property
    def weight_trx(self) -> int:
        """What this account adds to the network's weight: own stake wherever it is, in whole TRX."""
        return (self.frozen_sun + self.delegated_sun) // SUN_PER_TRX

    @property
    def window_slots(self) -> int:
        return self.window // WINDOW_UNIT or WINDOW_SLOTS

    def used_at(self, now: int) -> int:
        """What is still in use in this slot."""
        return decayed(self.used, self.slot, now, self.window_slots)

    def left(self, total: Total, now: int) -> int:
        return max(0, total.units(self.stake_sun) - self.used_at(now))

    def left_in_machine(self, total: Total, now: int) -> int:
        return max(0, total.units_in_machine(self.stake_sun) - self.used_at(now))

    def use(self, units: int, now: int) -> "Share":
        """The share after a use of so many units, 0 to bring it up to date; its window is merged with the use's day."""
        slots = self.window_slots
        average = _decay(self.used, self.slot, now, slots)
        used = (average * slots + _per_slot(units, WINDOW_SLOTS) * WINDOW_SLOTS) // _PRECISION
        remaining = average * slots // _PRECISION
        if not remaining:
            return msgspec.structs.replace(self, used=used, slot=now, window=WINDOW)
        window = (self.window or WINDOW) - (now - self.slot) * WINDOW_UNIT
        merged = min(_divided_up(remaining * window + units * WINDOW, used), WINDOW)
        return msgspec.structs.replace(self, used=used, slot=now, window=merged)

    def take_over(self, units: int, window: int, now: int) -> "Share":
        """The share after another account's usage came to it, with what is left of that one's window."""
        mine = self.use(0, now)
        used = mine.used + units
        if not used:
            return msgspec.structs.replace(mine, window=WINDOW)
        merged = min(_divided_up(mine.used * mine.window + units * window, used), WINDOW)
        return msgspec.structs.replace(mine, used=used, window=merged)


def slot_of(chain_ms: int) -> int:
    return chain_ms // SLOT_MS


def decayed(used: int, slot: int, now: int, window_slots: int = WINDOW_SLOTS) -> int:
    """What is left of a usage after the slots since."""
    return _decay(used, slot, now, window_slots) * window_slots // _PRECISION


def _decay(used: int, slot: int, now: int, window_slots: int) -> int:
    """The usage per slot, in millionths, after the slots since."""
    average = _per_slot(used, window_slots)
    passed = now - slot
    if passed >= window_slots:
        return 0
    return _rounded(average * ((window_slots - passed) / window_slots)) if passed else average


def _per_slot(units: int, window_slots: int) -> int:
    return _divided_up(units * _PRECISION, window_slots)


def _divided_up(number: int, by: int) -> int:
    return -(-number // by)


def _rounded(number: float) -> int:
    """Java's Math.round: half goes up."""
    whole = math.floor(number)
    return whole + (number - whole >= 0.5)
