"""The time of an append: one host's clock, held against the store's and the last event's."""

from datetime import UTC, datetime, timedelta

import pytest

from core.ledger.clock import CheckedClock, ClockWrong
from core.ports.unavailable import Unavailable

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 13, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Rings:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.clock = CheckedClock("host-1 (api, pid 7)", lambda *each: self.said.append(each))


def test_a_small_step_back_takes_the_last_events_time() -> None:
    """Events never go back, and a clock that is set back by seconds holds nobody up."""
    clock = Rings().clock
    assert clock.agreed(NOW, NOW, NOW - SECOND) == NOW
    assert clock.agreed(NOW - 59 * SECOND, NOW, NOW) == NOW
    assert clock.agreed(NOW, None, None) == NOW
    assert clock.agreed(NOW, NOW, None) == NOW


@pytest.mark.parametrize(
    ("now", "server_now", "last_at", "said"),
    [
        (NOW + 61 * SECOND, NOW, None, "61 s ahead of the database's"),
        (NOW - 61 * SECOND, NOW, None, "61 s behind the database's"),
        (NOW - 30 * SECOND, NOW, NOW + 45 * SECOND, "75 s before the last event"),
        (NOW + timedelta(days=29_200), NOW, None, "ahead of"),
    ],
)
def test_a_wrong_clock_waits_and_rings_once(now: datetime, server_now: datetime, last_at: datetime, said: str) -> None:
    """What is more than a minute from the database's clock, or before the last event, is not written; it is unavailable."""
    rings = Rings()
    for _ in range(3):
        with pytest.raises(ClockWrong, match=said):
            rings.clock.agreed(now, server_now, last_at)
    assert issubclass(ClockWrong, Unavailable)
    [(name, sentence)] = rings.said
    assert name == "clock_wrong"
    assert "host-1 (api, pid 7)" in sentence
    rings.clock.agreed(NOW, NOW, NOW)
    with pytest.raises(ClockWrong):
        rings.clock.agreed(now, server_now, last_at)
    assert len(rings.said) == 2


def test_a_stamp_from_the_future_stops_nobody() -> None:
    """An event of 2106, whoever wrote it, says nothing about the clock of those that come after."""
    assert Rings().clock.agreed(NOW, NOW, NOW.replace(year=2106)) == NOW
