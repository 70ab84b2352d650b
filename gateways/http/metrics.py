"""What Prometheus is told: requests by route, status and latency, batch sizes, refused commands by code."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (1, 2, 5, 10, 20, 50, 100, 200, 500)


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

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._latency.labels(method, route).observe(seconds)
        self._requests.labels(method, route, str(status)).inc()

    def batch(self, commands: int) -> None:
        self._batches.observe(commands)

    def rejected(self, code: str) -> None:
        self._rejected.labels(code).inc()

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
