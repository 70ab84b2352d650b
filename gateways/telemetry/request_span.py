"""An HTTP request as a span. One that asks for a payout is the first span of that payout's trace.

The API is where a trace begins: a caller's own is linked and not gone on with, so that no client can write into the traces of
others, or decide which are kept.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Final

from core.ledger.ledger import Accepted, Outcome, Repeated
from gateways.telemetry.journeys import DATED_BY_FIRST_EVENT, Journey
from gateways.telemetry.spans import Ids, Value
from gateways.telemetry.tracing import Tracing
from gateways.telemetry.turns import HERE, Part, Turn

UNTRACED: Final = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
"""Asked by machines every few seconds."""
_ROOT: Final = re.compile(rb"(?:Root|Self)=(1-[0-9a-f]{8}-[0-9a-f]{24})\b")


class RequestSpan(Turn):
    """A request under way."""

    def __init__(self, tracing: Tracing, headers: Mapping[bytes, bytes]) -> None:
        super().__init__(tracing.spans.new_ids())
        self._tracing = tracing
        self._headers = headers
        self._journey: Journey | None = None
        self._token = HERE.set(self)

    async def committed(self, outcome: Outcome, start_ns: int) -> None:
        """A command of the request was decided. From here on the request is in the trace of the payout it is about."""
        self.note(Part("commit", start_ns, time.time_ns(), "internal", None))
        if not isinstance(outcome, Accepted | Repeated) or self._journey is not None:
            return
        found = self._tracing.journeys.of_records(outcome.events[:1], look_up=False)
        if not found and outcome.events and outcome.events[0].stream.startswith(DATED_BY_FIRST_EVENT):
            found = await asyncio.to_thread(self._tracing.journeys.of_records, outcome.events[:1])
        for record, journey in found:
            is_first = isinstance(outcome, Accepted) and record.version == 1
            spans = self._tracing.spans
            first = Ids(journey.trace_id, journey.root_id)
            self.ids = first if is_first else spans.below(journey.trace_id, journey.root_id)
            self._journey = journey

    def end(self, method: str, route: str, status: int, request_id: str) -> None:
        """The request is answered."""
        HERE.reset(self._token)
        if route in UNTRACED:
            return
        given: dict[str, Value] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "counterfoil.request_id": request_id,
        }
        if self._journey is not None:
            given["counterfoil.stream"] = self._journey.stream
        balancer = _ROOT.search(self._headers.get(b"x-amzn-trace-id", b""))
        if balancer is not None:
            given["aws.balancer.trace_id"] = balancer[1].decode()
        caller = self._tracing.spans.caller(self._headers)
        error = str(status) if status >= 500 else None
        links = [caller] if caller else []
        self._tracing.tell_turn(self, f"{method} {route}", "server", attributes=given, links=links, error=error)


def request_span(tracing: Tracing | None, headers: Mapping[bytes, bytes]) -> RequestSpan | None:
    """The request as a span to be, where somebody listens."""
    return None if tracing is None else RequestSpan(tracing, headers)


def here() -> RequestSpan | None:
    """The request that is under way in this task."""
    turn = HERE.get()
    return turn if isinstance(turn, RequestSpan) else None
