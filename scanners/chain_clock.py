"""Step: is this host's clock the chain's? Blocks that come one by one, as they are made, tell the time to a few seconds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from core.ports.alarm import Alarm, Condition
from core.tron.chain import BlockRef

LOOK_EVERY: Final = timedelta(seconds=30)
APART_MAX: Final = timedelta(minutes=2)
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
SAME_PACE: Final = timedelta(seconds=15)
"""Between two looks the chain's time passes as the host's does, to so much: else a node is catching up, or stands."""


class ChainClock:
    """Rings once while the clock is minutes away from fresh blocks. `head` is asked at a look only; `host` names the host."""

    def __init__(self, head: Callable[[], BlockRef], clock: Callable[[], datetime], alarm: Alarm, host: str) -> None:
        self._head = head
        self._clock = clock
        self._about = f"the chain beside {host.partition(', pid')[0]}"
        self._wrongness = Condition(alarm, "clock_wrong", within=self._about)
        self._host = host
        self._seen: tuple[datetime, BlockRef] | None = None

    def step(self) -> bool:
        """False: a look brings no more work. Raises Unavailable."""
        now = self._clock()
        if self._seen is not None and timedelta(0) <= now - self._seen[0] < LOOK_EVERY:
            return False
        before, head = self._seen, self._head()
        self._seen = now, head
        apart = now - _time_of(head)
        is_fresh = (
            before is not None
            and before[1].number < head.number
            and (abs((now - before[0]) - (_time_of(head) - _time_of(before[1]))) <= SAME_PACE)
        )
        if abs(apart) <= APART_MAX:
            self._wrongness.stand({})
        elif is_fresh:
            side = "ahead of" if apart > timedelta(0) else "behind"
            said = (
                f"the clock of {self._host} is {abs(apart) // timedelta(seconds=1)} s {side} fresh blocks"
                f" ({head.number}): set it, or, if it is right, every configured node is that late"
            )
            self._wrongness.stand({self._about: said})
        return False


def _time_of(block: BlockRef) -> datetime:
    return _UNIX + timedelta(milliseconds=block.timestamp_ms)
