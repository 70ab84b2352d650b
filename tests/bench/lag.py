"""How long clients read old balances: from an append's commit until every view's bookmark has reached it, at a steady rate."""

import bisect
import random
import threading
import time
from typing import Final, NamedTuple

import psycopg

from core.ledger.ledger import Ledger
from gateways.postgres.database import Database
from gateways.postgres.roles import READER
from gateways.processes.registry import PROCESSES
from gateways.processes.relay import BOOKMARK
from gateways.processes.run import run_with
from gateways.processes.supervisor import Supervisor
from gateways.settings import Settings
from gateways.wiring.opened import open_platform
from tests.bench import engine

PER_SECOND: Final = 2_000
BATCH: Final = 20
_POLL_S: Final = 0.002
_BEHIND: Final = "SELECT min(notification_id) FROM projection_tracking"
_RELAYED: Final = 'SELECT "position" FROM bookmarks WHERE name = %s'


class Measured(NamedTuple):
    """Events a second that were appended, and the lag of each append in ms."""

    rate: float
    p50_ms: float
    p99_ms: float


def at_a_steady_rate(settings: Settings, database: Database, ledger: Ledger, seconds: float) -> Measured:
    """With the processes relay and project as they run; the views must hold everything before."""
    supervisor = Supervisor(settings.data / "logs")

    def process(name: str) -> None:
        with open_platform(settings, PROCESSES[name].role, database) as opened:
            run_with(name, opened)

    seen: list[tuple[int, float]] = []
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(database, seen, ended))
    for name in ("relay", "project"):
        supervisor.start(name, lambda name=name: process(name))
    watcher.start()
    try:
        _write(ledger, 1)  # they are up, their plans are made
        _reached(seen, ledger)
        _relayed(database, ledger)
        began, written = time.perf_counter(), []
        count = int(seconds * PER_SECOND / BATCH)
        for number in range(count):
            time.sleep(max(0.0, began + number * BATCH / PER_SECOND - time.perf_counter()))
            written.append(_write(ledger, BATCH))
        took = time.perf_counter() - began
        _reached(seen, ledger)
    finally:
        ended.set()
        watcher.join()
        supervisor.stop()
    positions = [position for position, _ in seen]
    lags = sorted(seen[bisect.bisect_left(positions, position)][1] - at for position, at in written)
    return Measured(count * BATCH / took, lags[len(lags) // 2] * 1000, lags[len(lags) * 99 // 100] * 1000)


def _write(ledger: Ledger, count: int) -> tuple[int, float]:
    """-> the last position, and when it was durable."""
    outcomes = ledger.execute([engine.payout(random.choice(engine.ACCOUNTS)) for _ in range(count)])
    return max(outcome.position for outcome in outcomes), time.perf_counter()  # type: ignore[union-attr]


def _reached(seen: list[tuple[int, float]], ledger: Ledger) -> None:
    last, _ = _write(ledger, 1)
    deadline = time.monotonic() + 60
    while not seen or seen[-1][0] < last:
        assert time.monotonic() < deadline, "the views do not come up"
        time.sleep(0.01)


def _relayed(database: Database, ledger: Ledger) -> None:
    """The relay has no history of before left to tell, as in an installation that runs."""
    last, _ = _write(ledger, 1)
    deadline = time.monotonic() + 300
    with psycopg.connect(database.url(READER), autocommit=True) as conn:
        while True:
            row = conn.execute(_RELAYED, (BOOKMARK,)).fetchone()
            if row is not None and row[0] >= last:
                return
            assert time.monotonic() < deadline, "the relay does not come up"
            time.sleep(0.05)


def _watch(database: Database, seen: list[tuple[int, float]], ended: threading.Event) -> None:
    with psycopg.connect(database.url(READER), autocommit=True) as conn:
        while not ended.wait(_POLL_S):
            row = conn.execute(_BEHIND).fetchone()
            if row and (not seen or row[0] > seen[-1][0]):
                seen.append((row[0], time.perf_counter()))
