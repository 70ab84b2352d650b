"""How much may be signed for one wallet in an hour and in a day, and what was: by the ledger's time, in slots of five minutes.

The ledger's time, not the chain's: a node says what the chain's is, and one that lies could end an hour early. A slot counts
until all of it is out of the window, so that rounding never lets more go.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec

from core.ports.spent_totals import SLOT_S, Spent

HOUR_S: Final = 3_600
DAY_S: Final = 86_400


class SignerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Minor units that leave one wallet without an approval: by one payout, within an hour, within a day. None: any amount."""

    payout_max: int | None = None
    hour_max: int | None = None
    day_max: int | None = None
    approvals: int = 1
    """How many approvers' signatures lift a payout above them."""

    @property
    def any(self) -> bool:
        return (self.payout_max, self.hour_max, self.day_max) != (None, None, None)

    @property
    def counts(self) -> bool:
        """Whether what was signed must be known."""
        return self.hour_max is not None or self.day_max is not None

    def left(self, *spent: Mapping[int, int], now: datetime) -> int | None:
        """What may still be signed now, by whichever record has more; None: any amount."""
        windows = ((self.hour_max, HOUR_S), (self.day_max, DAY_S))
        most = [
            limit - max(within(each, now, seconds) for each in spent) for limit, seconds in windows if limit is not None
        ]
        return min(most, default=None)


def slot_of(at: datetime) -> int:
    """The beginning of its slot, in seconds since 1970."""
    seconds = int(at.timestamp())
    return seconds - seconds % SLOT_S


def within(slots: Mapping[int, int], now: datetime, seconds: int) -> int:
    """What stands in slots of which any part lies within the last so many seconds, or ahead of now."""
    since = now.timestamp() - seconds
    return sum(minor for slot, minor in slots.items() if slot + SLOT_S > since)


class Counted(msgspec.Struct):
    """What the history says was signed for one wallet, or what is kept of it beside the keys."""

    slots: dict[int, int] = msgspec.field(default_factory=dict)

    def add(self, at: datetime, minor: int) -> None:
        slot = slot_of(at)
        self.slots[slot] = self.slots.get(slot, 0) + minor
        if len(self.slots) > 2 * DAY_S // SLOT_S:
            self.slots = current(self.slots, at)


def current(slots: Mapping[int, int], now: datetime) -> dict[int, int]:
    """Those that may still count."""
    since = now.timestamp() - DAY_S
    return {slot: minor for slot, minor in slots.items() if slot + SLOT_S > since}


def with_added(spent: Spent, signed: Mapping[str, int], now: datetime, pending: Collection[str]) -> Spent:
    """The next version: these signatures (txid -> minor units) count now. Of those before, `pending` may still be made."""
    slots, slot = current(spent.slots, now), slot_of(now)
    for minor in signed.values():
        slots[slot] = slots.get(slot, 0) + minor
    kept = (txid for txid in spent.counted if txid in pending)
    return Spent(spent.version + 1, slots, tuple(dict.fromkeys((*kept, *signed))))
