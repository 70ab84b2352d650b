"""Spans as X-Ray segments, to the daemon on this machine over UDP: where no collector translates, we do.

What another process led to is a segment of this process's service; the calls within it are subsegments. A datagram that
nobody takes is lost, as UDP is: traces are for looking, and nothing waits for them.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

_NOT_IN_NAMES: Final = re.compile(r"[^\w\s.:/%&#=+\\\-@]")
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9_]")
NAME_MAX: Final = 200
_HTTP: Final = {
    "http.request.method": "method",
    "http.route": "url",
    "http.response.status_code": "status",
}
"""What X-Ray has places of its own for. Of a URL we record the route, which names no object."""


class XRayExporter(SpanExporter):
    """Sends every span as it comes."""

    def __init__(self, daemon: str) -> None:
        self._emitter = UDPEmitter(daemon)

    def export(self, spans: "Sequence[ReadableSpan]") -> SpanExportResult:
        for span in spans:
            self._emitter.send_entity(entity_of(span))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._emitter._socket.close()


def entity_of(span: "ReadableSpan") -> Any:
    """The segment, or the subsegment where the span above it is of the same turn."""
    context, parent = span.context, span.parent
    assert context is not None
    service = str(span.resource.attributes["service.name"])
    if parent is not None and not parent.is_remote:
        namespace = "remote" if span.kind is SpanKind.CLIENT else "local"
        within = Segment(service, _id(parent.span_id), trace_id_of(context))
        entity = Subsegment(_name(span.name), namespace, within)
        entity.id, entity.parent_id = _id(context.span_id), _id(parent.span_id)
    else:
        above = None if parent is None else _id(parent.span_id)
        entity = Segment(_name(service), _id(context.span_id), trace_id_of(context), above)
        entity.put_annotation("operation", span.name)
        entity.service = {"version": span.resource.attributes["service.version"]}
    for key, value in (span.attributes or {}).items():
        if key in _HTTP:
            entity.put_http_meta(_HTTP[key], value)
        else:
            entity.put_annotation(_NOT_IN_KEYS.sub("_", key), value)
    if span.links:
        entity.links = [{"trace_id": trace_id_of(link.context), "id": _id(link.context.span_id)} for link in span.links]
    if span.status.status_code is StatusCode.ERROR and not getattr(entity, "error", False):
        entity.add_fault_flag()
    assert span.start_time is not None
    assert span.end_time is not None
    entity.start_time = span.start_time / 1e9
    entity.close(span.end_time / 1e9)
    return entity


def trace_id_of(context: "SpanContext") -> str:
    """As X-Ray writes it: 1-{time}-{the rest}."""
    text = f"{context.trace_id:032x}"
    return f"1-{text[:8]}-{text[8:]}"


def _id(span_id: int) -> str:
    return f"{span_id:016x}"


def _name(name: str) -> str:
    return _NOT_IN_NAMES.sub("", name)[:NAME_MAX]
