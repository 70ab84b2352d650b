"""RebuildPace: a rebuild takes what clients do not feel, all of it when there are none."""

import pytest

from gateways.processes.rebuild_pace import LISTEN_EVERY_S, LISTEN_S, SHARE_MIN, STALE_S, Latency, RebuildPace

pytestmark = pytest.mark.fast

EVERY_S = 0.5


def play(pace: RebuildPace, latency_ms: float, seconds: float, begin_s: float) -> float:
    """Requests of one latency for a while, told twice a second -> the time then."""
    now = begin_s
    while now < begin_s + seconds:
        pace.hear(Latency(now, latency_ms), now + 0.05)
        now += EVERY_S
    return now


def test_nobody_served_means_all_the_time() -> None:
    """Where nothing was told, or not lately, the rebuild neither rests nor holds back."""
    pace = RebuildPace()
    pace.hear(None, 10)
    pace.hear(Latency(1, 500), 1 + STALE_S + 1)
    assert (pace.share, pace.rests, pace.rest_s(3)) == (1.0, False, 0)


def test_it_listens_first_and_begins_gently() -> None:
    """With clients there, it rests until it knows how fast they are served undisturbed."""
    pace = RebuildPace()
    pace.hear(Latency(0, 10), 0.05)
    assert pace.rests
    play(pace, 10, LISTEN_S + EVERY_S, 0.5)
    assert not pace.rests
    assert pace.share == pytest.approx(0.25, rel=0.2)
    assert pace.rest_s(1) == pytest.approx(3, rel=0.3)


def test_it_takes_less_while_requests_are_slower_and_more_again_later() -> None:
    """A latency that rises while it works brings the share down in seconds; one that does not lets it grow to all."""
    pace = RebuildPace()
    now = play(pace, 10, 3, 0)
    now = play(pace, 30, 4, now)
    slow = pace.share
    assert slow < 0.02 + 0.25 * 0.6**5
    assert slow >= SHARE_MIN
    play(pace, 10, 12, now)
    assert pace.share > 0.3


def test_what_is_normal_is_asked_again() -> None:
    """When all requests become slower for reasons of their own, that is normal after the next listening."""
    pace = RebuildPace()
    now = play(pace, 10, 3, 0)
    now = play(pace, 40, LISTEN_EVERY_S, now)
    assert pace.share == SHARE_MIN or pace.rests
    now = play(pace, 40, 4, now)
    play(pace, 40, 8, now)
    assert pace.share > 5 * SHARE_MIN


def test_clients_that_left_are_forgotten() -> None:
    """Once nobody is served, it takes all again, and begins gently with the next ones."""
    pace = RebuildPace()
    now = play(pace, 10, 3, 0)
    pace.hear(None, now)
    assert (pace.share, pace.rests) == (1.0, False)
    pace.hear(Latency(now, 10), now)
    assert pace.rests
