"""Numbers that are looked up when somebody asks: what waits, how far everything came, what the wallets hold.

The API shows them for the whole installation, from the reader's login, and every API process the same: take the maximum. What
cannot be looked up is left out, except that it could not: a gap is no zero. Alarms stay what they were until it is known that
they are over.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.ledger.ledger import EventStore
from core.ports.clients import WebhookOutbox
from core.ports.queues import Queue
from core.ports.unavailable import Unavailable
from core.streams.signing import Cause
from gateways.alarm_list import alarm_kinds, kind_of
from gateways.postgres.connections import Connections, Login
from gateways.postgres.questions import QUESTIONS, Question
from projections.explain.signing import holding

log = logging.getLogger(__name__)

ALARM_NAMES_MAX: Final = 1_000
BACKLOG_MAX: Final = 1_000
"""Webhooks beyond it are not counted: it is enough to know that there are so many."""
READ_WAIT_S: Final = 2.0


_TOTALS: Final = f"SELECT name, times FROM alarm_totals ORDER BY name LIMIT {ALARM_NAMES_MAX}"
_OPEN: Final = (
    "SELECT name, acknowledged_at IS NOT NULL AS taken, count(*) AS alarms FROM alarms"
    " WHERE ended_at IS NULL GROUP BY 1, 2"
)
_OPTIONS: Final = "-c statement_timeout=5000 -c enable_seqscan=off -c default_transaction_read_only=on"


class Installation(Collector):
    """What the reader's login sees. `extra` are questions of others, each looked up like these."""

    def __init__(
        self,
        reader: Connections,
        questions: Sequence[Question] = QUESTIONS,
        unsaid: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """`unsaid` are the names of this process' alarms that the database has not taken."""
        self._reader = reader
        self._questions = questions
        self._unsaid = unsaid
        self._open: dict[tuple[str, str], int] | None = None
        """Name and state -> how many, as they were known last; None until they were."""

    def describe(self) -> Iterable[Metric]:
        """Asked at registration: nothing is looked up for that."""
        return []

    def collect(self) -> Iterator[Metric]:
        reachable = 1
        try:
            for question in self._questions:
                yield from _metrics(question, self._reader.execute(question.sql))
            yield self._alarms()
            self._open = {
                (row.name, "acknowledged" if row.taken else "open"): row.alarms for row in self._reader.execute(_OPEN)
            }
        except Unavailable as error:  # one wait for a database that is down is enough
            log.warning("numbers are missing from /metrics: %s", error)
            reachable = 0
        yield from self._known(reachable)

    def silent(self) -> Iterable[Metric]:
        """What is said while the database does not answer."""
        return self._known(0)

    def _known(self, reachable: int) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "counterfoil_database_reachable", "1 when everything could be looked up, 0 when not", value=reachable
        )
        open_now = GaugeMetricFamily(
            "counterfoil_alarms_open",
            "Alarms that are not over, by name and by whether a person has taken them; 0 for each other that there is",
            labels=["name", "severity", "state"],
        )
        unsaid, known = set(self._unsaid()), self._open or {}
        others = {name for name, _ in known} | unsaid
        names = [*alarm_kinds(), *sorted(others - alarm_kinds().keys())] if self._open is not None else sorted(unsaid)
        for name in names:
            for state in ("open", "acknowledged"):
                alarms = known.get((name, state), 0) + (state == "open" and name in unsaid)
                open_now.add_metric([name, kind_of(name).severity, state], alarms)
        yield open_now

    def _alarms(self) -> Metric:
        """Unknown is left out: a counter that falls to 0 would be taken for a restart."""
        alarms = CounterMetricFamily("counterfoil_alarms", "Alarms of all processes, by name", labels=["name"])
        for row in self._reader.execute(_TOTALS):
            alarms.add_metric([row.name], row.times)
        return alarms


class SigningGauge(Collector):
    """What holds signing back, from the history itself."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        stopped = GaugeMetricFamily(
            "counterfoil_signing_stopped", "1 for each cause that holds signing back now", labels=["cause"]
        )
        try:
            causes = {each.cause for each in holding(self._store)}
        except Unavailable:
            return
        for cause in get_args(Cause):
            stopped.add_metric([cause], cause in causes)
        yield stopped


class QueueGauges(Collector):
    """What waits in queues."""

    def __init__(self, queues: Mapping[str, Queue], every_s: float = 0) -> None:
        """`every_s`: so often they are asked, however often somebody looks: on AWS each question is charged."""
        self._queues = queues
        self._every_s = every_s
        self._asked_s = -math.inf
        self._known: Sequence[Metric] = ()

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        now_s = time.monotonic()
        if now_s - self._asked_s >= self._every_s:
            self._known, self._asked_s = self._ask(), now_s
        yield from self._known

    def _ask(self) -> Sequence[Metric]:
        depth = GaugeMetricFamily("counterfoil_queue_messages", "Messages that wait or are in flight", labels=["queue"])
        dead = GaugeMetricFamily("counterfoil_queue_dead_letters", "Messages nobody could handle", labels=["queue"])
        age = GaugeMetricFamily(
            "counterfoil_queue_age_seconds",
            "Age of the oldest message, 0 without any; on AWS CloudWatch has it",
            labels=["queue"],
        )
        for name, queue in self._queues.items():
            try:
                messages, letters, oldest_s = queue.depth(), queue.dead_depth(), queue.oldest_s()
            except Unavailable as error:
                log.warning("numbers of the queue %s are missing from /metrics: %s", name, error)
                continue
            depth.add_metric([name], messages)
            dead.add_metric([name], letters)
            if oldest_s is not None:
                age.add_metric([name], oldest_s)
        return depth, dead, age


class WebhookGauges(Collector):
    """What should have been sent to clients by now."""

    def __init__(self, outbox: WebhookOutbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        now = self._clock()
        try:
            backlog = self._outbox.backlog(now, BACKLOG_MAX)
        except Unavailable as error:
            log.warning("numbers of webhooks are missing from /metrics: %s", error)
            return
        age_s = 0.0 if backlog.since is None else max(0.0, (now - backlog.since).total_seconds())
        sentence = f"Webhooks that are due and were not tried yet, at most {BACKLOG_MAX}"
        yield GaugeMetricFamily("counterfoil_webhook_backlog", sentence, value=backlog.deliveries)
        yield GaugeMetricFamily(
            "counterfoil_webhook_backlog_seconds", "How long the first of them has been due, 0 without any", value=age_s
        )


def reader_of(login: Login) -> Connections:
    """One connection, for questions that are short."""
    return Connections(login, connections_max=1, wait_s=READ_WAIT_S, options=_OPTIONS)


def _metrics(question: Question, rows: Sequence[Any]) -> list[Metric]:
    families = [GaugeMetricFamily(name, sentence, labels=question.labels) for name, sentence in question.gauges]
    for row in rows:
        labels = [str(getattr(row, label)) for label in question.labels]
        for family in families:
            value = getattr(row, family.name)
            family.add_metric(labels, float("nan") if value is None else float(value))
    return list(families)
