"""Spans kept in memory, for tests of what is told."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateways.telemetry.journeys import Journeys
from gateways.telemetry.spans import Spans
from gateways.telemetry.tracing import Tracing


class KeptSpans:
    """`tracing` as a process has it; `told` is what it told."""

    def __init__(self, store: Any = None, process: str = "record", ratio: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        self.spans = Spans(SimpleSpanProcessor(self._exporter), process, ratio)
        self.tracing = Tracing(self.spans, Journeys(store), process)

    @property
    def told(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def names(self) -> list[str]:
        return [span.name for span in self.told]
