"""The numbers of one process, in a registry of its own: its steps, what it appended, what it refused.

Names are Prometheus': counterfoil_, base units, `_total` for what only grows. No label takes a value that strangers choose.
"""

import contextlib
import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)

from core.ledger.events import TOPICS
from core.ledger.ledger import Accepted, Failed, Outcome, Refused
from core.ports.unavailable import Unavailable
from gateways.steps import Step, Worked
from gateways.user_error import UserError

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OUTCOMES: Final = ("worked", "idle", "unavailable", "failed")
COMMANDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began is a series for each series, and nobody asks


class Numbers:
    """What a process counts. `registry` takes collectors of what is looked up when it is asked."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._steps = Counter(
            "counterfoil_steps",
            "Steps by what came of them: worked, idle, unavailable (something did not answer), failed",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in OUTCOMES:  # from 0 on: the first that fails is one more, too
            self._steps.labels(outcome)
        self._step_seconds = Histogram(
            "counterfoil_step_seconds", "Time of steps that worked", buckets=SECONDS, registry=self.registry
        )
        self._last_step = Gauge(
            "counterfoil_last_step_timestamp_seconds", "When the last step ended", registry=self.registry
        )
        self._batch = Histogram(
            "counterfoil_ledger_batch_commands", "Commands per batch", buckets=COMMANDS, registry=self.registry
        )
        self._batch_seconds = Histogram(
            "counterfoil_ledger_batch_seconds",
            "Time from a batch's decision to its durability",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._events = Counter("counterfoil_events_appended", "Events appended here", ["event"], registry=self.registry)
        self._rejected = Counter("counterfoil_commands_rejected", "Commands refused", ["code"], registry=self.registry)
        self._failed = Counter("counterfoil_commands_failed", "Commands that met a defect", registry=self.registry)

    def step(self, step: Step) -> Step:
        """The step, counted and timed."""

        def counted() -> Worked:
            began = time.perf_counter()
            outcome = "failed"
            try:
                busy = step()
                outcome = "worked" if busy else "idle"
            except Unavailable:
                outcome = "unavailable"
                raise
            finally:
                self._steps.labels(outcome).inc()
                self._last_step.set_to_current_time()
                if outcome == "worked":
                    self._step_seconds.observe(time.perf_counter() - began)
            return busy

        return counted

    def rejected(self, code: str) -> None:
        self._rejected.labels(code).inc()

    def batch(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """A batch was decided and is durable."""
        self._batch.observe(len(outcomes))
        self._batch_seconds.observe(seconds)
        appended = Tally(
            type(each.event) for outcome in outcomes if isinstance(outcome, Accepted) for each in outcome.events
        )
        for kind, times in appended.items():
            self._events.labels(TOPICS[kind].partition("/")[0]).inc(times)
        for outcome in outcomes:
            match outcome:
                case Refused(refusal=refusal):
                    self.rejected(refusal.code)
                case Failed():
                    self._failed.inc()

    def text(self) -> bytes:
        """Prometheus' text format. Collectors look up what they show: not for the event loop."""
        return generate_latest(self.registry)

    @contextlib.contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Served to whoever asks on this port, without a key; nowhere for port 0. Raises UserError for a port that is taken."""
        if not port:
            yield
            return
        try:
            server, thread = start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise UserError(
                f"nothing can listen on {host} port {port} ({error.strerror}): choose another COUNTERFOIL_METRICS_PORT"
            ) from error
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
