"""Spans on their way out: made when what they describe has ended, with ids that are known before, and sent in batches.

Where no collector and no daemon is configured there is no `Spans` at all, and OpenTelemetry is not even loaded.
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from gateways import VERSION
from gateways.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import SpanContext

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool

EXPORT_TIMEOUT_S: Final = 3.0
WAITING_SPANS_MAX: Final = 8_192
"""More are dropped: a collector that is slow or gone slows nobody down."""
BATCH_SPANS_MAX: Final = 512
DELAY_MS: Final = 1_000.0


class Ids(NamedTuple):
    """Where a span stands. A `parent_id` of 0 is a trace's first span."""

    trace_id: int
    span_id: int
    parent_id: int = 0


class Caller(NamedTuple):
    """The trace of somebody else that led to ours."""

    trace_id: int
    span_id: int


class Spans:
    """Makes finished spans. `ratio` of all traces are kept, the same ones in every process, since the id decides."""

    def __init__(self, processor: "SpanProcessor", process: str, ratio: float = 1.0) -> None:
        from opentelemetry.sdk.extension.aws.trace import AwsXRayIdGenerator
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

        here = threading.local()

        class GivenIds(AwsXRayIdGenerator):
            """X-Ray ids, or those that were decided on before."""

            def generate_trace_id(self) -> int:
                return getattr(here, "trace_id", 0) or super().generate_trace_id()

            def generate_span_id(self) -> int:
                return getattr(here, "span_id", 0) or super().generate_span_id()

        self._here = here
        self._ids = AwsXRayIdGenerator()
        self._bound = TraceIdRatioBased.get_bound_for_rate(ratio)
        resource = {
            "service.name": f"counterfoil-{process}",
            "service.namespace": "counterfoil",
            "service.version": VERSION,
            "host.name": socket.gethostname(),
        }
        self._provider = TracerProvider(
            TraceIdRatioBased(ratio), Resource.create(resource), shutdown_on_exit=False, id_generator=GivenIds()
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("counterfoil", VERSION)

    def new_ids(self) -> Ids:
        """A trace of its own."""
        return Ids(self._ids.generate_trace_id(), self._ids.generate_span_id())

    def below(self, trace_id: int, parent_id: int) -> Ids:
        """A new span below another one."""
        return Ids(trace_id, self._ids.generate_span_id(), parent_id)

    def keeps(self, trace_id: int) -> bool:
        """Whether this trace is among those that are kept."""
        return trace_id & 0xFFFFFFFFFFFFFFFF < self._bound

    def record(
        self,
        name: str,
        ids: Ids,
        start_ns: int,
        end_ns: int,
        *,
        kind: Kind = "internal",
        attributes: Mapping[str, Value] | None = None,
        links: Sequence[Caller] = (),
        error: str | None = None,
        within: bool = False,
    ) -> None:
        """One finished span; `within` says that the one above is of the same process.

        `error` is a code or a class, never a sentence: a stranger's words are not passed on (I13).
        """
        from opentelemetry import trace
        from opentelemetry.context import Context

        if not self.keeps(ids.trace_id):
            return
        context = Context()
        if ids.parent_id:
            parent = trace.NonRecordingSpan(_context(ids.trace_id, ids.parent_id, is_remote=not within))
            context = trace.set_span_in_context(parent, context)
        self._here.trace_id, self._here.span_id = ids.trace_id, ids.span_id
        try:
            span = self._tracer.start_span(
                name,
                context,
                kind=trace.SpanKind[kind.upper()],
                attributes=attributes,
                links=[trace.Link(_context(*link)) for link in links],
                start_time=start_ns,
            )
        finally:
            self._here.trace_id = self._here.span_id = 0
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(trace.StatusCode.ERROR, error)
        span.end(end_ns)

    def headers(self, ids: Ids) -> dict[str, str]:
        """What names a span of ours to somebody else: W3C's header, and X-Ray's."""
        from opentelemetry import trace
        from opentelemetry.propagators.aws import AwsXRayPropagator
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        context = trace.set_span_in_context(trace.NonRecordingSpan(_context(ids.trace_id, ids.span_id)))
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers, context)
        AwsXRayPropagator().inject(headers, context)
        return headers

    def caller(self, headers: Mapping[bytes, bytes]) -> Caller | None:
        """The span that a caller's headers name, W3C's before X-Ray's; None where they name none that could be."""
        from opentelemetry import trace
        from opentelemetry.propagators.aws import AwsXRayPropagator
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = {
            name: headers[name.lower().encode()].decode("latin-1")
            for name in ("traceparent", "X-Amzn-Trace-Id")
            if name.lower().encode() in headers
        }
        for propagator in (TraceContextTextMapPropagator(), AwsXRayPropagator()):
            found = trace.get_current_span(propagator.extract(named, trace.set_span_in_context(trace.INVALID_SPAN)))
            if (context := found.get_span_context()).is_valid:
                return Caller(context.trace_id, context.span_id)
        return None

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _context(trace_id: int, span_id: int, *, is_remote: bool = True) -> "SpanContext":
    from opentelemetry import trace

    kept = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    return trace.SpanContext(trace_id, span_id, is_remote=is_remote, trace_flags=kept)


def exporter_of(settings: Settings) -> "SpanExporter | None":
    """Where spans go: to a collector over OTLP, else to an X-Ray daemon, else nowhere."""
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        base = settings.otlp_endpoint.rstrip("/").removesuffix("/v1/traces")
        return OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=EXPORT_TIMEOUT_S)
    if settings.xray_daemon_address:
        from gateways.telemetry.xray import XRayExporter

        return XRayExporter(settings.xray_daemon_address)
    return None


@contextlib.contextmanager
def open_spans(settings: Settings, process: str) -> Iterator[Spans | None]:
    """A process's spans, sent by a thread of their own, or None where there is nowhere to send them to."""
    exporter = exporter_of(settings)
    if exporter is None:
        yield None
        return
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ending = _Ending(exporter)
    processor = BatchSpanProcessor(
        cast("SpanExporter", ending),
        max_queue_size=WAITING_SPANS_MAX,
        schedule_delay_millis=DELAY_MS,
        max_export_batch_size=BATCH_SPANS_MAX,
    )
    spans = Spans(processor, process, settings.trace_ratio)
    try:
        yield spans
    finally:
        ending.give_up_at = time.monotonic() + EXPORT_TIMEOUT_S
        spans.close()


class _Ending:
    """A SpanExporter that gives up: a process that ends does not wait long for a collector that does not answer."""

    def __init__(self, exporter: "SpanExporter") -> None:
        self._exporter = exporter
        self.give_up_at = math.inf

    def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
        from opentelemetry.sdk.trace.export import SpanExportResult

        return self._exporter.export(spans) if time.monotonic() < self.give_up_at else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        self._exporter.shutdown()
