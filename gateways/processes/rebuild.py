"""The process `rebuild`: builds new versions of views while the old ones serve."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection

from gateways.postgres.connections import Login, conninfo_of, with_options
from gateways.postgres.event_store import PostgresEventStore, datastore
from gateways.postgres.roles import PROJECTOR
from gateways.processes.process import DATABASE, Access, Deployment, Process
from gateways.processes.rebuild_pace import STALE_S, Latency, RebuildPace
from gateways.steps import Step, Worked, pause_of
from gateways.wiring.audited import rebuilds_noted
from gateways.wiring.platform import Platform
from projections.engine.outages import reachable
from projections.engine.view import View
from projections.named import rows
from projections.rebuild import rebuilds
from projections.rebuild.rebuild import Rebuild
from projections.views import VIEWS

log = logging.getLogger(__name__)

HEAR_EVERY_S: Final = 0.1
NICENESS: Final = 10
"""Where processor time is short, those who serve clients come first."""
_FOREGROUND: Final = (
    "SELECT extract(epoch FROM clock_timestamp() - max(told_at))::float8 AS ago_s, max(p95_ms) AS p95_ms FROM foreground"
    " WHERE told_at > clock_timestamp() - make_interval(secs => %s)"
)


OnEnd = Callable[[Sequence[str], str], None]


def connect(login: Login) -> Connection[Any]:
    """A connection of a rebuild's own."""
    url = conninfo_of(login)
    return psycopg.connect(url, autocommit=True, options=with_options(url, "-c jit=off"), connect_timeout=5)


class Rebuilding:
    """The step of the process `rebuild`: works on what is wished for, at a pace that clients do not feel."""

    def __init__(self, login: Login, views: Iterable[View] = VIEWS.values(), on_end: OnEnd = lambda *_: None) -> None:
        self._login = login
        self._reading = datastore(login)
        self.rebuild = Rebuild(
            list(views),
            PostgresEventStore(self._reading),
            lambda: connect(login),
            time.monotonic_ns,
            on_end=on_end,
        )
        self._pace = RebuildPace()
        self._ear: Connection[Any] | None = None
        self._heard_at = float("-inf")
        self._busy = False

    def __call__(self) -> Worked:
        if self._busy:
            self._hear()
            if self._pace.rests:
                return HEAR_EVERY_S
        self.rebuild.share_percent = max(1, round(100 * self._pace.share))
        begun = time.monotonic()
        self._busy = self.rebuild.step()
        if not self._busy:
            return False
        return self._pace.rest_s(time.monotonic() - begun) or True

    def close(self) -> None:
        self.rebuild.close()
        self._reading.close()
        if self._ear is not None:
            self._ear.close()

    def _hear(self) -> None:
        now = time.monotonic()
        if now - self._heard_at < HEAR_EVERY_S:
            return
        self._heard_at = now
        ear, self._ear = self._ear, None
        with reachable("the views' database"):
            ear = ear or connect(self._login)
            [heard] = rows(ear, _FOREGROUND, (STALE_S,))
        self._ear = ear
        now = time.monotonic()
        self._pace.hear(None if heard.ago_s is None else Latency(round(now - heard.ago_s, 2), heard.p95_ms), now)


def work(login: Login, names: Sequence[str]) -> None:
    """A worker of a command line: until none of these views' rebuilds goes on any more, or all of them are paused or held."""
    os.nice(NICENESS)
    paced = Rebuilding(login, [VIEWS[name] for name in names])
    try:
        with connect(login) as conn:
            while any(_goes_on(row) for row in rebuilds.load(conn, names).values()):
                worked = paced()
                time.sleep(pause_of(worked) if worked else HEAR_EVERY_S)
    finally:
        paced.close()


def _goes_on(row: rebuilds.RebuildRow) -> bool:
    return row.unfinished and row.wish != "pause" and not (row.state == "verified" and row.hold)


def shares(names: Sequence[str], workers: int) -> list[list[str]]:
    """The views divided among workers, each with about the same to do."""
    groups: list[list[str]] = [[] for _ in range(max(1, min(workers, len(names))))]
    for name in sorted(names, key=lambda name: -VIEWS[name].weight_ns):
        min(groups, key=lambda group: sum(VIEWS[each].weight_ns for each in group)).append(name)
    return groups


def steps(platform: Platform) -> Sequence[Step]:
    os.nice(NICENESS)
    return [Rebuilding(platform.logins[PROJECTOR], on_end=rebuilds_noted(platform.audit))]


PROCESS: Final = Process(
    "rebuild",
    "Builds new versions of views while the old ones serve.",
    PROJECTOR,
    needs=DATABASE,
    access=Access(logins=(PROJECTOR,)),
    deployment=Deployment(),
    steps=steps,
)
