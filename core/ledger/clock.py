"""The time that events carry is not one host's word: it is held against the store's clock and the last event's time.

A stamp that is far ahead would stand at the end of every "as of" for ever, and one that goes back would come into periods that
are over. So an append whose host's clock is wrong waits, and rings, until somebody has set it.
"""

from datetime import datetime, timedelta
from typing import Final

from core.ports.alarm import Alarm, Condition
from core.ports.unavailable import Unavailable

APART_MAX: Final = timedelta(minutes=1)
"""So far the host's clock may be from the store's, and so far back a step may go that is only smoothed."""


class ClockWrong(Unavailable):
    """The host's clock and the store's are too far apart for anything to be written; the message has the seconds."""


class CheckedClock:
    """Rings once when an append has to wait, and again when others went through in between. `host` names it."""

    def __init__(self, host: str, alarm: Alarm) -> None:
        self._host = host
        self._wrongness = Condition(alarm, "clock_wrong", within=host.partition(", pid")[0])

    def agreed(self, now: datetime, server_now: datetime | None, last_at: datetime | None) -> datetime:
        """The time to write: `now`, or the last event's if that is a little later. Raises ClockWrong."""
        if server_now is None:
            return now
        if abs(now - server_now) > APART_MAX:
            side = "ahead of" if now > server_now else "behind"
            raise self._wrong(f"is {_seconds(abs(now - server_now))} s {side} the database's")
        if last_at is None or last_at > server_now + APART_MAX:  # a stamp from the future says nothing of this clock
            last_at = now
        if last_at - now > APART_MAX:
            raise self._wrong(f"is {_seconds(last_at - now)} s before the last event")
        self._wrongness.stand({})
        return max(now, last_at)

    def _wrong(self, what: str) -> ClockWrong:
        said = f"the clock of {self._host} {what}: nothing is written from there until the clocks are set (chronyc makestep)"
        self._wrongness.stand({self._host.partition(", pid")[0]: said})
        return ClockWrong(said)


def _seconds(apart: timedelta) -> int:
    return (apart + timedelta(milliseconds=500)) // timedelta(seconds=1)
