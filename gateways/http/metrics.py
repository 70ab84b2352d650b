"""What Prometheus is told: requests by route, status and latency, batch sizes, refused commands by code, scanner lag."""

import math
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateways.http.alarm_metrics import AlarmMetrics

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Scanner(NamedTuple):
    """The last solid block that was scanned, and how many seconds ago the chain made it."""

    block_number: int
    lag_s: float


class Metrics:
    """The process's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._latency = Histogram(
            "counterfoil_http_request_seconds",
            "Time from a request's arrival to its answer",
            ["method", "route"],
            buckets=_LATENCY_S,
            registry=self.registry,
        )
        self._requests = Counter(
            "counterfoil_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._batches = Histogram(
            "counterfoil_commit_batch_commands", "Commands per commit", buckets=_BATCH, registry=self.registry
        )
        self._rejected = Counter("counterfoil_commands_rejected", "Commands refused", ["code"], registry=self.registry)
        self._scanner_block = Gauge(
            "counterfoil_scanner_block", "The last solid block that was scanned", registry=self.registry
        )
        self._scanner_lag = Gauge(
            "counterfoil_scanner_lag_seconds", "How long ago the chain made that block", registry=self.registry
        )
        self.alarms = AlarmMetrics()
        self.registry.register(self.alarms)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._latency.labels(method, route).observe(seconds)
        self._requests.labels(method, route, str(status)).inc()

    def batch(self, commands: int) -> None:
        self._batches.observe(commands)

    def rejected(self, code: str) -> None:
        self._rejected.labels(code).inc()

    def scanner(self, scanner: Scanner | None) -> None:
        """NaN, Prometheus' word for unknown, where nothing was scanned or it cannot be read."""
        self._scanner_block.set(math.nan if scanner is None else scanner.block_number)
        self._scanner_lag.set(math.nan if scanner is None else max(0.0, scanner.lag_s))

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
