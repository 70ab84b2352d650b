"""The loop: works while there is work, rests when there is none, backs off from a shut door, and stops when told."""

import os
import signal
import threading
from unittest.mock import Mock, patch

import psycopg
import pytest

from core.ports.unavailable import Unavailable
from gateways.processes import loop
from gateways.processes.loop import NotifyWait, TimedWait, run, run_side_by_side, stop_on_signals
from gateways.processes.waits import ALARM, Waits
from gateways.telemetry.numbers import Numbers
from gateways.user_error import NotReady
from tests.support.patience import HANG_S
from tests.support.postgres import Database
from tests.support.spans import KeptSpans


class Rest:
    """Counts the rests, and stops the loop at the last of them."""

    def __init__(self, stop: threading.Event, rests: int = 1) -> None:
        self._stop = stop
        self.left = rests

    def wait(self, timeout_s: float) -> None:
        self.left -= 1
        if self.left == 0:
            self._stop.set()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.mark.fast
def test_steps_are_called_while_any_has_work(stop: threading.Event) -> None:
    """One busy step keeps all of them going; the loop rests only when nobody had work."""
    work = {"a": 3, "b": 0}

    def step(name: str) -> bool:
        work[name] -= 1
        return work[name] >= 0

    run([lambda: step("a"), lambda: step("b")], Rest(stop), stop)
    assert work == {"a": -1, "b": -4}


@pytest.mark.fast
def test_work_that_lets_others_go_first_rests_in_between(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step says how long to leave it alone, and that is heard though it is counted and traced."""
    pauses: list[float] = []
    monkeypatch.setattr(stop, "wait", lambda timeout=None: pauses.append(timeout) or stop.is_set())
    says = iter([0.25, 0.5, True, False])
    run([KeptSpans().tracing.step(Numbers().step(lambda: next(says)))], Rest(stop), stop)
    assert pauses == [0.25, 0.5]


@pytest.mark.fast
def test_a_shut_door_is_backed_off_from_and_tried_again(stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unavailable costs one step its turn; the others go on; the pauses grow to a limit and end with success."""
    pauses: list[float] = []
    monkeypatch.setattr(stop, "wait", lambda timeout=None: pauses.append(timeout) or stop.is_set())
    tries = iter(range(100))
    others = []

    def shut_at_first() -> bool:
        if next(tries) < 12:
            raise Unavailable("the node does not answer")
        return False

    def other() -> bool:
        others.append(1)
        return False

    run([shut_at_first, other], Rest(stop), stop)
    assert len(pauses) == 12
    assert len(others) == 13
    for number, pause in enumerate(pauses):
        longest = min(loop.BACKOFF_FIRST_S * 2**number, loop.BACKOFF_MAX_S)
        assert longest / 2 <= pause <= longest


@pytest.mark.fast
def test_an_outage_that_lasts_shows_and_rings_once(stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in its first minute, and once however long it is; when it ends it shows no more, and the next one rings again."""
    now_s, rang, shown = 0.0, list[str](), list[str]()
    waits = Waits("payouts", lambda name, said: rang.append(f"{name}: {said}"), lambda: now_s)

    def rest(timeout: float | None = None) -> bool:
        nonlocal now_s
        now_s += timeout or 0
        return stop.is_set()

    monkeypatch.setattr(stop, "wait", rest)
    errors = [Unavailable("KMS refuses for now"), NotReady("the secret has no value")]

    def shut() -> bool:
        if len(shown) in (100, 200):
            return False
        raise errors[len(shown) % 2]

    run(
        [shut, lambda: True],
        Rest(stop, 3),
        stop,
        on_round=lambda: shown.append(waits.sentence()) or (len(shown) > 200 and stop.set()),
        waits=waits,
    )
    assert [each.split(":")[0] for each in rang] == [ALARM] * 2
    first = next(number for number, each in enumerate(shown) if each)
    assert 5 < first < 30
    assert all(each.startswith("payouts has waited for") for each in shown[first:100])
    assert not shown[101]


@pytest.mark.fast
def test_a_defect_ends_the_loop(stop: threading.Event) -> None:
    """Whatever is not Unavailable goes up: the process stops and somebody looks."""

    def defective() -> bool:
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        run([defective], Rest(stop), stop)


@pytest.mark.fast
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_loop_after_the_step_that_runs(stop: threading.Event, number: signal.Signals) -> None:
    """The step is finished, the next one is not begun, and `run` returns."""
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    done: list[str] = []

    def told() -> bool:
        os.kill(os.getpid(), number)
        done.append("finished")
        return True

    try:
        stop_on_signals(stop)
        run([told, lambda: bool(done.append("begun"))], TimedWait(stop), stop)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert done == ["finished"]


@pytest.mark.timeout(HANG_S)  # whoever is not woken waits for ten times as long
def test_a_doorbell_wakes_and_survives_its_connection(database: Database, stop: threading.Event) -> None:
    """It returns at a notification; when its connection is killed it only waits, and listens again afterwards."""
    bell = NotifyWait(database.reader_url, ["counterfoil_events"], stop)
    bell.wait(10 * HANG_S)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("NOTIFY counterfoil_events")
        bell.wait(10 * HANG_S)
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'counterfoil_reader'")
        bell.wait(0.01)
        bell.wait(10 * HANG_S)
        conn.execute("NOTIFY counterfoil_events")
        bell.wait(10 * HANG_S)


@pytest.mark.fast
@pytest.mark.parametrize(
    "refused",
    [
        psycopg.errors.ReadOnlySqlTransaction("cannot execute LISTEN during recovery"),
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg.errors.InsufficientPrivilege("permission denied"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_who_cannot_listen_looks_by_itself(refused: psycopg.Error) -> None:
    """A standby that is read takes nobody who listens: that ends no process, and the time passes."""
    bell = NotifyWait("host=/nonexistent", ["counterfoil_events"], threading.Event())
    conn = Mock(spec=psycopg.Connection)
    conn.execute.side_effect = refused
    with patch("gateways.processes.loop.psycopg.connect", return_value=conn) as connect:
        bell.wait(0.001)
        bell.wait(0.001)
    assert connect.call_count == 2  # a new try each time
    assert conn.close.call_count == 2


@pytest.mark.fast
def test_a_wrong_listen_is_a_defect() -> None:
    """What our own words cause is no outage, and goes up."""
    conn = Mock(spec=psycopg.Connection)
    conn.execute.side_effect = psycopg.errors.SyntaxError("syntax error")
    bell = NotifyWait("host=/nonexistent", ["no channel"], threading.Event())
    with patch("gateways.processes.loop.psycopg.connect", return_value=conn), pytest.raises(psycopg.errors.SyntaxError):
        bell.wait(0.001)


@pytest.mark.timeout(HANG_S)
def test_a_doorbell_without_a_server_is_a_clock(stop: threading.Event) -> None:
    """No server: it waits for its time, and a stop ends that at once."""
    bell = NotifyWait("host=/nonexistent user=x dbname=x", ["counterfoil_events"], stop)
    bell.wait(0.01)
    stop.set()
    bell.wait(10 * HANG_S)


@pytest.mark.fast
def test_steps_side_by_side_do_not_wait_for_each_other(stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs holds no other up; and the process shows no sign of life until that one comes round, too."""
    monkeypatch.setattr(loop, "ROUND_S", 0.01)
    hangs, goes_on = threading.Event(), threading.Event()
    beats = turns = beats_until_release = 0

    def hanging() -> bool:
        hangs.set()
        goes_on.wait(HANG_S)
        return True

    def working() -> bool:
        nonlocal turns, beats_until_release
        assert hangs.wait(HANG_S)
        turns += 1
        if turns == 100:
            beats_until_release = beats
            goes_on.set()
        elif turns > 100 and beats > beats_until_release:
            stop.set()
        return bool(stop.wait(0.001)) or True

    def on_round() -> None:
        nonlocal beats
        beats += 1

    run_side_by_side([hanging, working], stop, idle_s=0, on_round=on_round)
    assert turns > 100
    assert beats_until_release <= 1  # both had come round once when the one began to hang


@pytest.mark.fast
def test_a_defect_of_one_ends_all_side_by_side(stop: threading.Event) -> None:
    """It is raised when the others have ended, as a defect of the process."""

    def broken() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_side_by_side([lambda: False, broken], stop, idle_s=0.01)
    assert stop.is_set()
