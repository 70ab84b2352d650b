"""Segments as the X-Ray daemon takes them, over UDP on loopback."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from gateways.settings import InvalidSettings, Settings, load
from gateways.telemetry.journeys import journey
from gateways.telemetry.spans import Caller, Ids, Spans, exporter_of, open_spans
from gateways.telemetry.xray import XRayExporter
from tests.support.patience import HANG_S

pytestmark = pytest.mark.fast

DEPOSIT = journey("deposit-a-0", 1_700_000_000)


class Daemon:
    """Takes datagrams."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(HANG_S)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def take(self) -> dict[str, Any]:
        header, _, segment = self._socket.recv(65_536).decode().partition("\n")
        assert json.loads(header) == {"format": "json", "version": 1}
        return dict(json.loads(segment))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.close()


@pytest.fixture
def spans(daemon: Daemon) -> Iterator[Spans]:
    made = Spans(SimpleSpanProcessor(XRayExporter(daemon.address)), "record")
    yield made
    made.close()


def test_what_another_process_led_to_is_a_segment_of_this_service(daemon: Daemon, spans: Spans) -> None:
    """Its id is the span's, its trace is written as X-Ray writes it, and what we say of it can be searched for."""
    ids = Ids(DEPOSIT.trace_id, 9, DEPOSIT.root_id)
    spans.record(
        "record deposit.confirmed", ids, 10**9, 3 * 10**9, kind="consumer", attributes={"counterfoil.batch": 4}
    )
    segment = daemon.take()
    trace = f"{DEPOSIT.trace_id:032x}"
    assert segment["trace_id"] == f"1-{trace[:8]}-{trace[8:]}"
    assert int(trace[:8], 16) == 1_700_000_000
    assert (segment["name"], segment["id"], segment["parent_id"]) == (
        "counterfoil-record",
        f"{9:016x}",
        f"{DEPOSIT.root_id:016x}",
    )
    assert (segment["start_time"], segment["end_time"]) == (1.0, 3.0)
    assert segment["annotations"] == {"operation": "record deposit.confirmed", "counterfoil_batch": 4}
    assert not {"type", "fault", "error"} & segment.keys()


def test_a_call_within_a_turn_is_a_subsegment_of_it(daemon: Daemon, spans: Spans) -> None:
    """It names the segment that it is part of; a call to somebody else is marked as remote, and a failed one as a fault."""
    ids = Ids(DEPOSIT.trace_id, 8, 9)
    spans.record("node.broadcast", ids, 10**9, 2 * 10**9, kind="client", error="Unavailable", within=True)
    part = daemon.take()
    assert (part["type"], part["name"], part["parent_id"]) == ("subsegment", "node.broadcast", f"{9:016x}")
    assert (part["namespace"], part["fault"]) == ("remote", True)


def test_a_request_has_its_method_route_and_status(daemon: Daemon, spans: Spans) -> None:
    """RefusedCommands are errors of the caller and not faults of ours; the caller's own trace is linked."""
    given = {"http.request.method": "POST", "http.route": "/v1/payouts", "http.response.status_code": 422}
    spans.record("POST /v1/payouts", Ids(5 << 96, 6), 1, 2, kind="server", attributes=given, links=[Caller(7 << 96, 8)])
    segment = daemon.take()
    assert segment["http"] == {"request": {"method": "POST", "url": "/v1/payouts"}, "response": {"status": 422}}
    assert (segment["error"], "fault" in segment) == (True, False)
    assert segment["links"] == [{"trace_id": f"1-{7:08x}-{0:024x}", "id": f"{8:016x}"}]
    assert "parent_id" not in segment


def test_names_hold_only_what_x_ray_takes(daemon: Daemon, spans: Spans) -> None:
    """A route's braces are left out; the operation keeps the whole name."""
    spans.record("GET /v1/payouts/{id}", Ids(5 << 96, 6, 7), 1, 2, within=True)
    assert daemon.take()["name"] == "GET /v1/payouts/id"


def test_the_daemon_is_asked_where_no_collector_is(daemon: Daemon) -> None:
    """OTLP goes first; MODE=aws has the daemon beside it; everywhere else there must be one that is named."""
    assert exporter_of(Settings()) is None
    by_default = exporter_of(Settings(mode="aws"))
    assert isinstance(by_default, XRayExporter)
    by_default.shutdown()
    assert Settings(mode="aws").xray_daemon_address == "127.0.0.1:2000"
    both = Settings(mode="aws", otlp_endpoint="http://127.0.0.1:4318", xray_daemon=daemon.address)
    assert type(exporter_of(both)).__name__ == "OTLPSpanExporter"
    with open_spans(Settings(xray_daemon=daemon.address), "observe") as spans:
        assert spans is not None
        spans.record("told", spans.new_ids(), 1, 2)
    assert daemon.take()["name"] == "counterfoil-observe"


@pytest.mark.parametrize("text", ["2000", "127.0.0.1", "udp://127.0.0.1:2000", "a b:1", "host:0"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    """The setting is named, and how to write it."""
    with pytest.raises(InvalidSettings, match=r"COUNTERFOIL_XRAY_DAEMON.*host:port"):
        load({"COUNTERFOIL_XRAY_DAEMON": text})
