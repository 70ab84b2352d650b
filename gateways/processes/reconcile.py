"""The process `reconcile`: holds books, views and chain against each other every hour, and keeps what it found.

A process of its own: a look reads the whole history, which may take minutes, and holds up nobody else. It has no keys.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

import psycopg

from core.ports.alarm import Alarm, Condition
from core.ports.unavailable import Unavailable
from gateways.aws.names import FOR_NODE
from gateways.postgres.roles import OBSERVER, READER
from gateways.processes.process import DATABASE, NODE, Access, Deployment, Process
from gateways.steps import Step
from gateways.wiring.platform import Platform
from gateways.wiring.reconciled import Reconciled, keep, reconciled

EVERY: Final = timedelta(hours=1)
FIRST: Final = timedelta(minutes=2)
"""After a start, when the others have begun."""
OLD: Final = timedelta(hours=3)
TOLD_MAX: Final = 3
BY: Final = "system:reconcile"

log = logging.getLogger(__name__)


class Hourly:
    """A look every hour, in a thread of its own: the process goes round meanwhile, and is seen to be alive."""

    def __init__(
        self, look: Callable[[], Reconciled], clock: Callable[[], datetime], *, alarm: Alarm, first: timedelta = FIRST
    ) -> None:
        """`look` compares and keeps what it found; it may raise Unavailable."""
        self._look = look
        self._clock = clock
        self._differs = Condition(alarm, "reconcile_differs")
        self._old = Condition(alarm, "reconcile_old")
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reconcile")
        self._looking: Future[Reconciled] | None = None
        self._due = clock() + first
        self._since = clock()
        """When one ended last, or this process began."""

    def step(self) -> bool:
        """Never busy. Raises Unavailable where a look could not be made: it is made again."""
        now = self._clock()
        self._ring_if_old(now)
        if self._looking is None:
            if now >= self._due:
                self._looking = self._pool.submit(self._look)
            return False
        if not self._looking.done():
            return False
        looked, self._looking = self._looking, None
        found = looked.result()
        self._due, self._since = now + EVERY, now
        self._tell(found)
        return False

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self, found: Reconciled) -> None:
        differences = found.differences
        shown = "; ".join(differences[:TOLD_MAX])
        more = f"; and {len(differences) - TOLD_MAX} more" if len(differences) > TOLD_MAX else ""
        said = f"position {found.found.position}, block {found.block}: {shown}{more}"
        self._differs.stand({"books and chain": said} if differences else {})
        log.info(
            "reconcile at position %d, block %s: %d differences", found.found.position, found.block, len(differences)
        )

    def _ring_if_old(self, now: datetime) -> None:
        hours = (now - self._since) // timedelta(hours=1)
        said = f"no reconcile has ended for {hours} hours: its log says what it waits for"
        self._old.stand({"the last reconcile": said} if now - self._since >= OLD else {})


def look_at(platform: Platform) -> Reconciled:
    """One look, kept. Raises Unavailable, WrongNetwork."""
    began = platform.clock()
    try:
        with psycopg.connect(platform.reader_url) as conn:
            found = reconciled(platform, conn)
    except psycopg.OperationalError as error:
        raise Unavailable(f"the database cannot be reached: {error}") from error
    keep(platform.logins[OBSERVER], began, BY, found)
    return found


def steps(platform: Platform) -> Sequence[Step]:
    return [Hourly(lambda: look_at(platform), platform.clock, alarm=platform.alarm).step]


PROCESS: Final = Process(
    "reconcile",
    "Holds books, views and chain against each other, every hour.",
    OBSERVER,
    needs=(*DATABASE, *NODE),
    access=Access(secrets=(FOR_NODE,), logins=(OBSERVER, READER)),
    deployment=Deployment(reaches=("nodes",)),
    steps=steps,
    idle_s=1.0,
    public_idle_s=1.0,
)
