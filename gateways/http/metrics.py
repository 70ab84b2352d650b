"""What Prometheus reads of requests: by route and status, and how long they took. Beside it stand the process's numbers."""

from prometheus_client import Counter, Histogram

from gateways.telemetry.numbers import SECONDS, Numbers


class Metrics:
    """The requests, counted among the process's numbers."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._latency = Histogram(
            "counterfoil_http_request_seconds",
            "Time from a request's arrival to its answer",
            ["method", "route"],
            buckets=SECONDS,
            registry=numbers.registry,
        )
        self._requests = Counter(
            "counterfoil_http_requests", "Requests answered", ["method", "route", "status"], registry=numbers.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._latency.labels(method, route).observe(seconds)
        self._requests.labels(method, route, str(status)).inc()

    def rejected(self, code: str) -> None:
        """A refusal that is an event: the ledger accepted that it was refused."""
        self._numbers.rejected(code)

    def text(self) -> bytes:
        """Prometheus' text format. It looks things up: not for the event loop."""
        return self._numbers.text()
