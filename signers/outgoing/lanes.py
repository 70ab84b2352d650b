"""Whose turn it is at the hot wallet: a lane for each account, so that nobody's flood or shortage holds up another's (I20).

Pure: what is open, what the wallet has and what is set aside make the turn, the same ones always the same. The order in
which payouts are made is no money (I7 does not rest on it), but it is what clients wait for.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

UNIT: Final = 1_000_000
"""Minor units of one USDT."""
HIGH_EVERY: Final = 5
"""At most one in so many of a lane's payouts goes ahead of older ones: the others of the same client are made, too."""


class Place(NamedTuple):
    """A payout that could be made now, in its lane. `key` is its stream, `position` that of its request."""

    key: str
    position: int
    amount_minor: int
    high: bool = False
    expedited: bool = False


class Lane(NamedTuple):
    """One account's payouts in the order of their requests; what was last made of it decides when it is its turn again."""

    account_id: str
    places: Sequence[Place]
    served_at: int = 0
    """The position at which bytes were last made for one of them."""
    since_high: int = HIGH_EVERY
    """How many were made since the last one of high priority."""


class Turn(NamedTuple):
    """Which payouts are to be made, in order; and of each lane that is short, its head and the minor units that it lacks."""

    made: list[str]
    short: dict[str, int]


def turn(lanes: Sequence[Lane], free_minor: int, earmarks: Mapping[str, int], most: int) -> Turn:
    """Each lane in its turn gives one, the longest unserved first, until `most` are found or every lane is empty or short.

    `free_minor`: what the wallet may pay beside what is in flight. `earmarks`: key -> minor units set aside for it, the
    oldest first; nobody takes what is set aside for another, but who is older than that other.
    """
    reserved, ahead = 0, {}
    for key, minor in earmarks.items():
        ahead[key] = reserved
        reserved += minor
    waiting = [(lane.served_at, lane.places[0].position, _Queue(lane)) for lane in lanes if lane.places]
    heapify(waiting)
    made: list[str] = []
    short: dict[str, int] = {}
    while waiting and len(made) < most:
        _, position, queue = heappop(waiting)
        place = queue.head()
        lacking = place.amount_minor - (free_minor - ahead.get(place.key, reserved))
        if lacking > 0:
            short[place.key] = lacking
            continue
        made.append(place.key)
        free_minor -= place.amount_minor
        reserved -= earmarks.get(place.key, 0)
        if queue.take(place):
            heappush(waiting, (_LATER + len(made), position, queue))
    return Turn(made, short)


def head_of(lane: Lane) -> Place:
    """The one whose turn it is when the lane's comes."""
    return _Queue(lane).head()


_LATER: Final = 1 << 62
"""Behind every position: who was served in this turn comes after who was not."""


class _Queue:
    """What is left of a lane in this turn."""

    def __init__(self, lane: Lane) -> None:
        self._since_high = lane.since_high
        self._expedited = deque(each for each in lane.places if each.expedited)
        self._high = deque(each for each in lane.places if each.high and not each.expedited)
        self._normal = deque(each for each in lane.places if not each.high and not each.expedited)

    def __lt__(self, other: object) -> bool:
        """Lanes that stand alike keep their order: the heap asks, and any answer is right."""
        return False

    def head(self) -> Place:
        if self._expedited:
            return self._expedited[0]
        if not self._high or not self._normal:
            return (self._high or self._normal)[0]
        high, normal = self._high[0], self._normal[0]
        may_overtake = self._since_high >= HIGH_EVERY - 1
        return high if may_overtake or high.position < normal.position else normal

    def take(self, place: Place) -> bool:
        """Remove the head; whether there is more."""
        for queue in (self._expedited, self._high, self._normal):
            if queue and queue[0] is place:
                queue.popleft()
        self._since_high = 0 if place.high else self._since_high + 1
        return bool(self._expedited or self._high or self._normal)


def short_of_coins(name: str, amount_minor: int, lacking_minor: int, aside_minor: int, since_ms: int) -> str:
    """What is rung of the payout that heads an account's short lane: the account's name, minor units, chain time."""
    since = datetime.fromtimestamp(since_ms // 1000, UTC).strftime("%H:%M UTC on %Y-%m-%d")
    return (
        f"{name}: {decimal(amount_minor)} waits for coins since {since}, {decimal(lacking_minor)} short,"
        f" {decimal(aside_minor)} set aside; others unaffected. Sweep, or bring coins:"
        f" `counterfoil cold prepare {-(-lacking_minor // UNIT)}`"
    )


def decimal(minor: int) -> str:
    """USDT for a sentence, a fraction of a cent rounded up: 3,002.00."""
    cents = -(-minor // (UNIT // 100))
    return f"{cents // 100:,}.{cents % 100:02}"
