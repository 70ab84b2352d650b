"""One deposit and one payout through a whole installation, as those see them who watch it: traces, logs, numbers."""

import contextlib
import random
import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateways.embedded.secrets_file import load_or_create
from gateways.processes.registry import PROCESSES
from signers.keys.keystore import GAS, HOT, Keystore
from tests.journeys.conftest import Installation, get, post
from tests.support.http_server import Answered, Asked, HttpServer, serving
from tests.support.numbers import samples
from tests.support.patience import HANG_S, until

PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
URL_TOKEN = "a-token-in-the-path-of-a-webhook-url"
CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"


class Told(NamedTuple):
    """A span as the collector got it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[str]


class Journey(NamedTuple):
    """What was done, and everything that was told of it."""

    data: Path
    client_secrets: set[str]
    collector: HttpServer
    webhooks: HttpServer
    txid: str
    payout_id: str
    numbers: dict[str, str]
    """What each process told Prometheus."""

    def spans(self) -> list[Told]:
        return [span for asked in list(self.collector.asked) for span in spans_of(asked)]

    def trace(self, **attributes: Any) -> list[Told]:
        """The spans of the trace that has a span with these attributes."""
        told = self.spans()
        ids = {each.trace_id for each in told if attributes.items() <= each.attributes.items()}
        assert len(ids) == 1, ids
        return [each for each in told if each.trace_id in ids]


def spans_of(asked: Asked) -> list[Told]:
    assert asked.path == "/v1/traces"
    found = []
    for resource in ExportTraceServiceRequest.FromString(asked.body).resource_spans:
        service = next(each.value.string_value for each in resource.resource.attributes if each.key == "service.name")
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            attributes = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
            links = [link.trace_id.hex() for link in span.links]
            ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
            found.append(Told(service, span.name, *ids, attributes, links))
    return found


@pytest.fixture(scope="module")
def journey() -> Iterator[Journey]:
    """A company gets a deposit, asks for a payout, and hears of both, while a collector listens."""
    with (
        serving(lambda _: Answered()) as collector,
        serving(lambda _: Answered(204)) as webhooks,
        tempfile.TemporaryDirectory(prefix="cf-traces-") as folder,
        contextlib.ExitStack() as stopping,
    ):
        metrics_port = free_ports(len(PROCESSES))
        settings = {
            "metrics_port": str(metrics_port),
            "otlp_endpoint": collector.url,
            "webhook_allow_loopback": "true",
            "log_level": "debug",
        }
        running = Installation(Path(folder) / "data", **settings)
        stopping.callback(running.stop)  # also when the journey gets stuck
        running.start()
        running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
        company = running.company(webhook_url=f"{webhooks.url}/{URL_TOKEN}")
        address = post(company, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
        txid = seen_at_the_head(running, company, address)
        until(lambda: heard(webhooks, "deposit.confirmed"), "the deposit's webhook")
        company.headers["traceparent"] = f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"
        payout_id = post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "5"})["id"]
        until(lambda: heard(webhooks, "payout.confirmed"), "the payout's webhook")
        numbers = {
            name: httpx2.get(f"http://127.0.0.1:{metrics_port + number}/metrics", timeout=HANG_S).text
            for number, name in enumerate(PROCESSES)
        }
        with running.operator() as operator:
            numbers["/metrics"] = operator.get("/metrics").text
        webhook_secret = get(company, "/v1/webhook-secret")["secret"]
        known = {running.operator_key, company.headers["x-api-key"], webhook_secret}
        assert running.stop() == 0  # what waits to be sent is sent by who ends in order
        yield Journey(running.data, known, collector, webhooks, txid, payout_id, numbers)


def seen_at_the_head(running: Installation, company: httpx2.Client, address: str) -> str:
    """A deposit in a block that does not become solid before an observer, however late, has looked at it -> its txid."""
    chain = f"{running.devnet}/devnet"
    httpx2.post(f"{chain}/pause", timeout=HANG_S).raise_for_status()
    txid = running.faucet(address, usdt="100")
    httpx2.post(f"{chain}/mine", json={"blocks": 1}, timeout=HANG_S).raise_for_status()
    until(lambda: get(company, "/v1/deposits", status="detected")["data"], "that the deposit is seen at the head")
    httpx2.post(f"{chain}/resume", timeout=HANG_S).raise_for_status()
    return txid


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on now, below those that outgoing connections are given."""
    while True:
        first = random.randrange(15_000, 32_000 - count)
        try:
            with contextlib.ExitStack() as taken:
                for port in range(first, first + count):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        return first


def heard(webhooks: HttpServer, kind: str) -> Any:
    return next((asked for asked in list(webhooks.asked) if msgspec.json.decode(asked.body)["type"] == kind), None)


def test_a_deposit_is_one_trace_from_its_block_to_its_webhook(journey: Journey) -> None:
    """Observer, recorder, relay, projector and webhooks told of it in one trace, whose first span ends with the credit."""
    told = journey.trace(**{"counterfoil.stream": f"deposit-{journey.txid}-0"})
    names = {(each.service.removeprefix("counterfoil-"), each.name) for each in told}
    assert names >= {
        ("record", "deposit"),
        ("observe", "observe deposit.detected"),
        ("record", "record deposit.detected"),
        ("observe", "observe deposit.confirmed"),
        ("record", "record deposit.confirmed"),
        ("relay", "relay deposit.confirmed"),
        ("project", "project deposit.confirmed"),
        ("webhooks", "webhooks queue deposit.confirmed"),
        ("webhooks", "webhooks post"),
    }
    [first] = [each for each in told if not each.parent_id]
    assert first.name == "deposit"
    assert {each.parent_id for each in told if each.parent_id} == {first.span_id}


def test_a_payout_is_one_trace_from_its_request_to_its_confirmation(journey: Journey) -> None:
    """The request is the first span; every transition, the broadcast and the webhooks are below it."""
    told = journey.trace(**{"counterfoil.stream": f"payout-{journey.payout_id}"})
    names = {(each.service.removeprefix("counterfoil-"), each.name) for each in told}
    assert names >= {
        ("api", "POST /v1/payouts"),
        ("api", "commit"),
        ("relay", "relay payout.requested"),
        ("payouts", "payouts payout.prepared"),
        ("payouts", "payouts payout.signed"),
        ("payouts", "payouts broadcast"),
        ("payouts", "payouts payout.confirmed"),
        ("project", "project payout.confirmed"),
        ("webhooks", "webhooks post"),
    }
    [first] = [each for each in told if not each.parent_id]
    assert first.name == "POST /v1/payouts"
    assert {each.parent_id for each in told if each.parent_id} == {first.span_id}


def test_a_callers_trace_is_linked_and_not_gone_on_with(journey: Journey) -> None:
    """No span of ours is in a trace that a client chose; the request's span says which one led to it."""
    assert CALLERS_TRACE not in {each.trace_id for each in journey.spans()}
    [request] = [each for each in journey.spans() if each.name == "POST /v1/payouts"]
    assert request.links == [CALLERS_TRACE]


@pytest.mark.parametrize("kind", ["deposit.confirmed", "payout.confirmed"])
def test_a_webhook_carries_its_trace(journey: Journey, kind: str) -> None:
    """Both headers name the span of the post itself, so that the client can go on from there."""
    asked = heard(journey.webhooks, kind)
    [post] = [
        each for each in journey.spans() if each.attributes.get("counterfoil.webhook_id") == asked.headers["webhook-id"]
    ]
    assert asked.headers["traceparent"] == f"00-{post.trace_id}-{post.span_id}-01"
    root = f"1-{post.trace_id[:8]}-{post.trace_id[8:]}"
    assert asked.headers["x-amzn-trace-id"] == f"Root={root};Parent={post.span_id};Sampled=1"


def test_a_log_line_leads_to_its_trace_and_a_request_to_its_payout(journey: Journey) -> None:
    """Every process logs JSON lines with its name; the request's line has the trace that the payout went on with."""
    lines = {
        name: [msgspec.json.decode(line) for line in (journey.data / "logs" / f"{name}.log").read_text().splitlines()]
        for name in PROCESSES
    }
    assert {(name, line["process"]) for name, found in lines.items() for line in found} <= {(n, n) for n in PROCESSES}
    told = journey.trace(**{"counterfoil.stream": f"payout-{journey.payout_id}"})
    [request] = [line for line in lines["api"] if (line.get("method"), line.get("route")) == ("POST", "/v1/payouts")]
    assert request["trace_id"] == told[0].trace_id
    steps = {each.trace_id for each in journey.spans() if each.name == "payouts step"}
    broadcast = [line for line in lines["payouts"] if ": broadcast " in line["message"]]
    assert broadcast
    assert {line["trace_id"] for line in broadcast} <= steps


def test_every_process_tells_its_numbers(journey: Journey) -> None:
    """Each has a port of its own, without a key; what only one knows, that one tells, and the API tells of all."""
    told = {name: samples(text) for name, text in journey.numbers.items()}
    for name in PROCESSES.keys() - {"api"}:
        assert sum(number for line, number in told[name].items() if line.startswith("counterfoil_steps_total")) > 0, (
            name
        )
    assert told["observe"]["counterfoil_scanner_lag_blocks"] >= 0
    assert told["record"]["counterfoil_events_appended_total{event=deposit.confirmed}"] >= 3
    assert told["record"]["counterfoil_queue_messages{queue=deposit-events}"] >= 0
    assert told["payouts"]["counterfoil_events_appended_total{event=payout.confirmed}"] == 1
    assert told["webhooks"]["counterfoil_webhook_backlog_seconds"] >= 0
    for name in ("api", "/metrics"):
        assert told[name]["counterfoil_http_requests_total{method=POST,route=/v1/payouts,status=202}"] == 1
        assert told[name]["counterfoil_database_reachable"] == 1
        assert told[name]["counterfoil_scanner_lag_seconds"] >= 0


def test_nothing_that_is_told_holds_a_secret(journey: Journey) -> None:
    """No key, password, seed, webhook secret or token of a URL stands in a log, a span or a number (I13)."""
    data = journey.data
    kept = load_or_create(data / "secrets.json")
    made = msgspec.to_builtins(kept)
    secrets = {*made.pop("role_passwords").values(), *made.values(), *journey.client_secrets, URL_TOKEN}
    keystore = Keystore.open(data / "keystore.json", kept.keystore_passphrase)
    secrets |= {keystore._secrets[name].hex() for name in (HOT, GAS)}
    logs = {path.name: path.read_text() for path in (data / "logs").glob("*.log")}
    told = {
        **logs,
        "spans": "".join(repr(each) for each in journey.spans()),
        **{f"numbers of {name}": text for name, text in journey.numbers.items()},
    }
    assert len(secrets) > 10
    assert len(logs) > 8
    assert [(name, secret[:4]) for name, text in told.items() for secret in secrets if secret in text] == []
    assert not re.search(r"cf_live_\w{20}|whsec_\w{20}", "".join(told.values()))
