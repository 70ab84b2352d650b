"""A host's clock beside the blocks that come: who rings, and who only waits for a node."""

from datetime import UTC, datetime, timedelta

import pytest

from core.tron.chain import BlockRef
from scanners.chain_clock import ChainClock

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 13, tzinfo=UTC)


def rung(apart_s: int, *, pace: float = 1.0, looks: int = 4) -> list[str]:
    """Looks a minute apart at blocks that are so many seconds behind the host, and come at a pace -> what rang."""
    said: list[str] = []
    now = NOW

    def head() -> BlockRef:
        passed = (now - NOW).total_seconds()
        at = NOW + timedelta(seconds=passed * pace - apart_s)
        return BlockRef(1_000 + int(passed), "00" * 32, "00" * 32, int(at.timestamp() * 1000))

    clock = ChainClock(head, lambda: now, lambda _, sentence: said.append(sentence), "host-1 (observer, pid 7)")
    for _ in range(looks):
        assert not clock.step()
        now += timedelta(minutes=1)
    return said


def test_a_clock_that_is_minutes_from_fresh_blocks_rings_once() -> None:
    """With the seconds and the host, on either side."""
    [ahead] = rung(300)
    assert "the clock of host-1 (observer, pid 7) is 300 s ahead of fresh blocks" in ahead
    [behind] = rung(-300)
    assert "300 s behind" in behind


def test_a_node_that_catches_up_or_stands_says_nothing_of_the_clock() -> None:
    """Nor does a clock that is right."""
    assert rung(3) == rung(-20) == []
    assert rung(3_000, pace=5.0) == []
    assert rung(300, pace=0.0) == []
