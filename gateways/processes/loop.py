"""The one loop of all workers: call the steps, rest when none had work, back off when something is unavailable, stop when told.

Steps know no time and no thread; what they may not do is done here.
"""

import contextlib
import gc
import logging
import random
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import psycopg

from core.ports.unavailable import Unavailable
from gateways.postgres.connections import Login, conninfo_of
from gateways.processes.waits import Waits
from gateways.steps import Step, pause_of
from gateways.user_error import NotReady
from projections.engine.outages import is_outage

log = logging.getLogger(__name__)

IDLE_S: Final = 0.25
"""Without a wake-up, a step is asked again after so long: a lost NOTIFY delays, it never stops."""
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 10.0
ROUND_S: Final = 0.5


class Rest(Protocol):
    """How a loop waits for work."""

    def wait(self, timeout_s: float) -> None: ...


class NotifyWait:
    """Waits on Postgres' NOTIFY, which is a wake-up and never the only one (FAILURES 35)."""

    def __init__(self, login: Login, channels: Sequence[str], stop: threading.Event) -> None:
        self._login = login
        self._channels = channels
        self._stop = stop
        self._conn: psycopg.Connection | None = None

    def wait(self, timeout_s: float) -> None:
        """Returns at a notification, at a stop, or after the time."""
        try:
            if self._conn is None:
                self._conn = psycopg.connect(conninfo_of(self._login), autocommit=True)
                for channel in self._channels:
                    self._conn.execute(f"LISTEN {channel}")
                return  # what came before we listened is looked at once
            for _ in self._conn.notifies(timeout=timeout_s, stop_after=1):
                pass
        except (psycopg.Error, Unavailable) as error:
            if isinstance(error, psycopg.Error) and not is_outage(error):
                raise
            self._close()  # a standby, for one, takes nobody who listens: the work is looked for all the same
            self._stop.wait(timeout_s)

    def _close(self) -> None:
        if self._conn is not None:
            with contextlib.suppress(psycopg.Error):
                self._conn.close()
        self._conn = None


class TimedWait:
    """Waits for the time alone."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def wait(self, timeout_s: float) -> None:
        self._stop.wait(timeout_s)


def run(
    steps: Sequence[Step],
    rest: Rest,
    stop: threading.Event,
    *,
    idle_s: float = IDLE_S,
    on_round: Callable[[], None] = lambda: None,
    waits: Waits | None = None,
    first: int = 0,
) -> None:
    """Until `stop`: every step in turn. What is unavailable or not ready backs off with jitter; a defect goes up.

    `on_round` is called at every round. `waits` is told of each step that cannot work, by its number from `first` on.
    """
    waits = waits or Waits("the loop", lambda *_: None)
    backoff_s = BACKOFF_FIRST_S
    while not stop.is_set():
        on_round()
        busy = down = False
        pause_s = 0.0
        for number, step in enumerate(steps, first):
            if stop.is_set():
                return
            try:
                worked = step()
                waits.end(number)
                busy = bool(worked) or busy
                pause_s = max(pause_s, pause_of(worked))
            except (Unavailable, NotReady, psycopg.Error) as error:
                if isinstance(error, psycopg.Error) and not is_outage(error):
                    raise
                down = True
                waits.begin(number, error)
                log.warning("%s; trying again in about %.1f s", error, backoff_s)
        if down:
            stop.wait(backoff_s * random.uniform(0.5, 1))  # noqa: S311  jitter, not a secret
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
            continue
        backoff_s = BACKOFF_FIRST_S
        if not busy:
            rest.wait(idle_s)
        elif pause_s:
            stop.wait(pause_s)


def run_side_by_side(
    steps: Sequence[Step],
    stop: threading.Event,
    *,
    idle_s: float = IDLE_S,
    on_round: Callable[[], None] = lambda: None,
    waits: Waits | None = None,
) -> None:
    """Each step in a loop of its own, for steps that wait at their own queues. The first defect stops all, and goes up.

    `on_round` is called when every one of them has come round: one that hangs is missed.
    """
    defects: list[BaseException] = []
    rounds: set[int] = set()

    def follow(number: int, step: Step) -> None:
        try:
            came_round = partial(rounds.add, number)
            run([step], TimedWait(stop), stop, idle_s=idle_s, on_round=came_round, waits=waits, first=number)
        except BaseException as defect:  # raised below, in the thread that was asked
            defects.append(defect)
            stop.set()

    threads = [threading.Thread(target=follow, args=each, daemon=True) for each in enumerate(steps)]
    for thread in threads:
        thread.start()
    while alive := [thread for thread in threads if thread.is_alive()]:
        alive[0].join(ROUND_S)
        if len(rounds) == len(steps):
            rounds.clear()
            on_round()
    if defects:
        raise defects[0]


def keep_loaded() -> None:
    """What is loaded by now lives as long as the process: the collector need not look through it at every turn."""
    gc.collect()
    gc.freeze()


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT end the loop after the step that runs."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
