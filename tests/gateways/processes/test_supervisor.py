"""A process that ends is started again, after longer and longer pauses, for ever; while it is down its sign says so."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways.processes.supervisor import PAUSE_MAX_S, RINGS_AT, STEADY_S, Child
from gateways.telemetry.life_signs import LifeSign, look_after
from tests.support.patience import HANG_S, until


def ends_at_once() -> None:
    os._exit(3)


def goes_on() -> None:
    signal.pause()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def child(tmp_path: Path, clock: Clock) -> Iterator[Child]:
    made = Child("record", ends_at_once, tmp_path / "log", tmp_path / "record", clock)
    yield made
    made.stop()
    made.join(HANG_S)


def pause_of(child: Child, clock: Clock) -> int:
    """Seconds from the end of the process to its next start."""
    until(lambda: not child.alive, "it has ended")
    before, seconds = child.pid, 0
    child.revive()
    while child.pid == before:
        clock.now += 1
        seconds += 1
        child.revive()
    return seconds


def test_nothing_stays_down(child: Child, clock: Clock) -> None:
    """Pauses are doubled up to a minute, and it goes on for ever (FAILURES 46)."""
    pauses = [pause_of(child, clock) for _ in range(12)]
    assert pauses == [0, 1, 2, 4, 8, 16, 32, *[int(PAUSE_MAX_S)] * 5]


def test_who_ran_for_a_minute_is_started_again_at_once(child: Child, clock: Clock) -> None:
    """Earlier troubles are forgotten."""
    for _ in range(4):
        pause_of(child, clock)
    until(lambda: not child.alive, "it has ended")
    clock.now += STEADY_S + 1
    assert pause_of(child, clock) == 0


def test_while_it_is_down_its_sign_says_so(
    child: Child, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`counterfoil health` and /readyz read it at once; the first round of the process itself clears it; the fifth rings."""
    signs = tmp_path / "signs"
    signs.mkdir()
    child._sign = signs / "record"
    for _ in range(RINGS_AT):
        pause_of(child, clock)
    assert look_after(signs) == [f"record ended with 3, the {RINGS_AT}. time in a row"]
    assert "ALARM process_down" in caplog.text
    LifeSign(signs, "record").renew()
    assert look_after(signs) == []


def test_what_the_machine_has_not_ends_nobody(
    child: Child, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No room for its sign, no process to be had: both are waited for."""
    child._sign = tmp_path  # no file that could be written
    for _ in range(3):
        pause_of(child, clock)
    until(lambda: not child.alive, "it has ended")
    clock.now += PAUSE_MAX_S
    child.revive()
    clock.now += PAUSE_MAX_S
    start = child._start

    def none() -> None:
        raise BlockingIOError("no process to be had")

    monkeypatch.setattr(child, "_start", none)
    child.revive()
    assert "could not be started" in caplog.text
    monkeypatch.setattr(child, "_start", start)
    assert pause_of(child, clock) >= 1
