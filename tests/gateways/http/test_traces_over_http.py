"""Requests as spans: which trace they are in, and what they tell."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from gateways.telemetry.journeys import journey
from tests.gateways.http.harness import OPERATOR_KEY, PAYEE, World
from tests.support.patience import until
from tests.support.spans import KeptSpans


class Heard:
    """An API that is listened to."""

    def __init__(self, api: World) -> None:
        self.api = api
        self.kept = KeptSpans(api.platform.store, "api")
        object.__setattr__(api.platform, "tracing", self.kept.tracing)

    def request(self, name: str) -> ReadableSpan:
        """The last span of this name; an answer may arrive before its span is made."""
        return until(lambda: [span for span in self.kept.told if span.name == name])[-1]  # type: ignore[no-any-return]


@pytest.fixture
def heard(api: World) -> Heard:
    return Heard(api)


def ids(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_payouts_request_begins_its_trace_and_all_later_ones_are_below_it(heard: Heard) -> None:
    """The first request has the root's id; its repetition and the cancellation are in the same trace, below it."""
    acme = heard.api.company(usdt="10")
    body, key = {"to_address": PAYEE, "amount": "1"}, {"idempotency-key": "the first"}
    payout = acme.made("/v1/payouts", body, **key)
    stream = f"payout-{payout['id']}"
    [requested] = heard.api.platform.store.histories([stream])[stream]
    expected = journey(stream, int(requested.event.occurred_at.timestamp()))
    first = heard.request("POST /v1/payouts")
    assert ids(first) == (expected.trace_id, expected.root_id)
    assert first.parent is None
    acme.made("/v1/payouts", body, **key)
    acme.post(f"/v1/payouts/{payout['id']}/cancel")
    cancelled = heard.request("POST /v1/payouts/{id}/cancel")
    again = heard.request("POST /v1/payouts")
    for later in (again, cancelled):
        assert ids(later)[0] == expected.trace_id
        assert later.parent is not None
        assert later.parent.span_id == expected.root_id
    assert attributes(cancelled)["counterfoil.stream"] == stream


def test_a_cancellation_finds_the_trace_of_a_payout_that_another_process_took(heard: Heard) -> None:
    """What this process does not remember it looks up."""
    acme = heard.api.company(usdt="10")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    first = ids(heard.request("POST /v1/payouts"))
    heard.kept.tracing.journeys._known.clear()
    acme.post(f"/v1/payouts/{payout['id']}/cancel")
    assert ids(heard.request("POST /v1/payouts/{id}/cancel"))[0] == first[0]


def test_other_requests_are_traces_of_their_own_and_watchers_make_none(heard: Heard) -> None:
    """A query is a span with its route and status; health and metrics, asked every few seconds, are none."""
    acme = heard.api.company()
    for path in ("/healthz", "/readyz"):
        heard.api.client("").get(path)
    heard.api.operator.get("/metrics")
    acme.get(
        "/v1/balances", headers={"x-request-id": "mine", "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    )
    balances = heard.request("GET /v1/balances")
    told = attributes(balances)
    assert (told["http.response.status_code"], told["counterfoil.request_id"]) == (200, "mine")
    assert told["aws.balancer.trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
    assert ids(balances)[0] >> 96 > 1_700_000_000  # an X-Ray id: it begins with its time
    assert not {"GET /healthz", "GET /readyz", "GET /metrics"} & set(heard.kept.names())


def test_a_span_of_a_request_holds_no_key(heard: Heard) -> None:
    """Neither the header nor a body's field is told (I13)."""
    acme = heard.api.company()
    acme.get("/v1/webhook-secret")
    heard.request("GET /v1/webhook-secret")
    text = "".join(span.to_json() for span in heard.kept.told)
    assert "cf_live_" not in text
    assert "whsec_" not in text
    assert OPERATOR_KEY not in text
