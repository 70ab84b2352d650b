"""Webhook events and the signing secret over HTTP."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from core.ports.clients import Delivery
from core.tron.address import Address
from gateways.http.reading import event_watch
from gateways.http.reading.event_watch import EventWatch
from gateways.webhooks.signatures import webhook_secret
from gateways.wiring.platform import utc_now
from tests.gateways.http.harness import Client, World, world
from tests.support.history import USDT, detect, transfer
from tests.support.patience import HANG_S
from tests.support.postgres import Database


def listening(api: World) -> Client:
    acme = api.company()
    api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"webhook_url": "https://acme.example/hook"})
    return acme


def test_a_test_event_is_put_into_the_outbox(shared: World) -> None:
    """It is pending, listed, and its body is what a receiver gets."""
    acme = listening(shared)
    sent = acme.made("/v1/webhook-events/test", {})
    assert (sent["type"], sent["status"], sent["attempts"], sent["sequence"]) == ("webhook.test", "pending", 0, 0)
    assert acme.shown("/v1/webhook-events")["data"] == [sent]
    assert acme.shown("/v1/webhook-events?status=delivered")["data"] == []
    kept = shared.platform.outbox.find(acme.account_id, sent["id"])
    assert kept is not None
    assert msgspec.json.decode(kept.payload)["type"] == "webhook.test"


def test_a_test_event_needs_somewhere_to_go(shared: World) -> None:
    """Without a webhook_url there is nothing to test."""
    refused = shared.company().post("/v1/webhook-events/test", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_url_missing")


def test_an_exhausted_event_is_delivered_again(shared: World) -> None:
    """Redelivery makes it pending and due; another account's event is not there."""
    acme, other = listening(shared), listening(shared)
    event_id = acme.made("/v1/webhook-events/test", {})["id"]
    kept = shared.platform.outbox.find(acme.account_id, event_id)
    assert kept is not None
    failed = msgspec.structs.replace(kept, status="exhausted", attempts=1, last_error="410", next_retry_at=None)
    assert shared.deliveries.record(failed)
    [shown] = acme.shown("/v1/webhook-events?status=exhausted")["data"]
    assert (shown["last_error"], shown["next_retry_at"]) == ("410", None)
    again = acme.made(f"/v1/webhook-events/{event_id}/redeliver", None)
    assert (again["status"], again["attempts"]) == ("pending", 1)
    assert again["next_retry_at"] is not None
    assert other.post(f"/v1/webhook-events/{event_id}/redeliver").status_code == 404
    assert acme.post("/v1/webhook-events/nothing/redeliver").status_code == 404


def test_webhook_events_are_paged(shared: World) -> None:
    """Pages run from the newest and hold each event once."""
    acme = listening(shared)
    began = utc_now()
    shared.platform.outbox.put(
        [
            Delivery(
                account_id=acme.account_id,
                event_id=f"0196b5a0-0000-7000-8000-00000000000{number}",
                event_type="deposit.detected",
                subject="deposit-1",
                sequence=number,
                payload=b"{}",
                status="pending",
                attempts=0,
                created_at=began + timedelta(seconds=number),
            )
            for number in range(1, 6)
        ]
    )
    page = acme.shown("/v1/webhook-events?limit=3")
    rest = acme.shown(f"/v1/webhook-events?limit=3&after={page['next_cursor']}")
    assert [event["sequence"] for event in page["data"] + rest["data"]] == [5, 4, 3, 2, 1]
    assert (page["has_more"], rest["has_more"]) == (True, False)


def test_the_secret_is_derived_and_rotated(shared: World) -> None:
    """Rotation begins a new generation, says how long the old one signs beside it, and shows the secret once."""
    acme = listening(shared)
    shared.project()
    master = shared.platform.secrets.webhook_master
    first = acme.shown("/v1/webhook-secret")
    assert (first["generation"], first["secret"]) == (1, webhook_secret(master, acme.account_id, 1))
    assert first["previous_until"] is None
    rotated = acme.made("/v1/webhook-secret/rotate", {}, **{"idempotency-key": "k"})
    assert (rotated["generation"], rotated["secret"]) == (2, webhook_secret(master, acme.account_id, 2))
    again = acme.made("/v1/webhook-secret/rotate", {}, **{"idempotency-key": "k"})
    assert "secret" not in again
    assert again["generation"] == 2
    shared.project()
    shown = acme.shown(f"/v1/webhook-secret?min_position={rotated['position']}")
    assert shown == {name: value for name, value in rotated.items() if name != "position"}
    assert shown["previous_until"] > shown["rotated_at"]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a caller waits for an event."""
    waits, wait = threading.Event(), EventWatch.wait

    async def told(self: EventWatch, account_id: str, after: int, at_most_s: float) -> None:
        waits.set()
        await wait(self, account_id, after, at_most_s)

    monkeypatch.setattr(EventWatch, "wait", told)
    return waits


def test_a_long_poll_is_answered_when_something_happens(api: World, begun: threading.Event) -> None:
    """Without an event the answer is held back, and comes with the event; with one, it comes at once."""
    api.fill_pool()
    acme = api.company()
    to = Address.from_base58(acme.made("/v1/payins", {})["address"]["tron_address_base58"])
    api.project()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(acme.shown, "/v1/events?wait=30")
        assert begun.wait(HANG_S)
        assert not waiting.done()
        api.recorder.ledger.execute([detect(transfer("a", to, USDT))])
        api.project()
        [event] = waiting.result(HANG_S)["data"]
    assert (event["sequence"], event["type"]) == (1, "deposit.detected")
    begun.clear()
    assert acme.shown("/v1/events?wait=30")["data"] == [event]
    assert not begun.is_set()
    assert acme.shown("/v1/events?after=1&wait=1")["data"] == []


def test_who_waits_is_let_go_when_the_server_stops(database: Database, tmp_path: Path, begun: threading.Event) -> None:
    """A long poll does not hold up a stop: it is answered with what there is."""
    with ThreadPoolExecutor(1) as threads:
        with world(database, tmp_path) as api:
            acme = api.company()
            api.project()
            waiting = threads.submit(acme.shown, "/v1/events?wait=30")
            assert begun.wait(HANG_S)
        assert waiting.result(HANG_S)["data"] == []


def test_those_beyond_a_bound_are_answered_at_once(shared: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of one account wait at once; one more gets what there is."""
    monkeypatch.setattr(event_watch, "WAITING_PER_ACCOUNT_MAX", 0)
    acme = shared.company()
    shared.project()
    assert acme.shown("/v1/events?wait=30")["data"] == []
