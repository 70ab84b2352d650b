"""Webhooks once more, from any event on: what was sent, what was given up, and what was never sent."""

from pathlib import Path

import msgspec
import pytest

from core.ports.clients import DeliveryStatus
from core.tron.address import Address
from tests.gateways.http.harness import Client, World, world
from tests.support.history import USDT, detect, transfer
from tests.support.postgres import Database

STATES: tuple[DeliveryStatus, ...] = ("delivered", "exhausted", "disabled", "pending")


def happened(api: World, client: Client, count: int) -> list[str]:
    """So many deposits of a client, seen by the scanner and by nobody's webhooks -> their events' ids."""
    api.fill_pool()
    to = Address.from_base58(client.made("/v1/payins", {})["address"]["tron_address_base58"])
    api.recorder.ledger.execute([detect(transfer(f"{client.account_id} {each}", to, USDT)) for each in range(count)])
    api.project()
    return [event["id"] for event in client.shown("/v1/events")["data"]]


def become(api: World, client: Client, event_id: str, status: DeliveryStatus) -> None:
    """What an attempt has come to."""
    client.made(f"/v1/webhook-events/{event_id}/redeliver", None)
    kept = api.platform.outbox.find(client.account_id, event_id)
    assert kept is not None
    retry = kept.next_retry_at if status == "pending" else None
    assert api.deliveries.record(msgspec.structs.replace(kept, status=status, attempts=1, next_retry_at=retry))


def statuses(client: Client) -> dict[str, str]:
    return {event["id"]: event["status"] for event in client.shown("/v1/webhook-events")["data"]}


def test_what_was_missed_without_a_url_is_sent(api: World) -> None:
    """After a 410 and a new URL every event is delivered from a sequence on, also those that no webhook was made for."""
    acme, other = api.company(), api.company("Other")
    missed = happened(api, acme, 3)
    assert statuses(acme) == {}
    refused = acme.post("/v1/webhook-events/redeliver", json={"after_sequence": 0})
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_url_missing")
    api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"webhook_url": "https://acme.example/new"})
    told = acme.made("/v1/webhook-events/redeliver", {"after_sequence": 1})
    assert told == {"events": 2, "redelivered": 2, "after_sequence": 3, "has_more": False}
    assert statuses(acme) == dict.fromkeys(missed[1:], "pending")
    body = api.platform.outbox.find(acme.account_id, missed[1])
    assert body is not None
    assert msgspec.json.decode(body.payload)["sequence"] == 2
    assert acme.made(f"/v1/webhook-events/{missed[0]}/redeliver", None)["sequence"] == 1
    assert other.post(f"/v1/webhook-events/{missed[0]}/redeliver").status_code == 404


def test_a_webhook_is_delivered_again_in_every_state(api: World) -> None:
    """All from one on, or only those that failed; by a sequence or by a time."""
    acme = api.company()
    api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"webhook_url": "https://acme.example/new"})
    events = happened(api, acme, len(STATES) + 1)
    never = events.pop()

    def after_attempts() -> None:
        for event_id, status in zip(events, STATES, strict=True):
            kept = api.platform.outbox.find(acme.account_id, event_id)
            assert kept is not None
            api.deliveries.record(msgspec.structs.replace(kept, status=status, attempts=kept.attempts + 1))

    for event_id, status in zip(events, STATES, strict=True):
        become(api, acme, event_id, status)
    assert statuses(acme) == dict(zip(events, STATES, strict=True))
    told = acme.made("/v1/webhook-events/redeliver", {"after_sequence": 0, "only_failed": True})
    assert (told["events"], told["redelivered"]) == (5, 3)
    again = {"delivered": "delivered", "exhausted": "pending", "disabled": "pending", "pending": "pending"}
    assert statuses(acme) == {event: again[was] for event, was in zip(events, STATES, strict=True)} | {never: "pending"}
    after_attempts()
    told = acme.made("/v1/webhook-events/redeliver", {"since": "2020-01-01T00:00:00Z"})
    assert (told["events"], told["redelivered"]) == (5, 5)
    assert set(statuses(acme).values()) == {"pending"}
    assert acme.made("/v1/webhook-events/redeliver", {"since": "2999-01-01T00:00:00Z"})["events"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"after_sequence": 0, "since": "2020-01-01T00:00:00Z"},
        {"after_sequence": -1},
        {"after_sequence": "0"},
        {"after_sequence": 2**63},
        {"since": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_from_where_must_be_said(shared: World, body: dict[str, object]) -> None:
    """A sequence or a time, one of them."""
    refused = shared.company().post("/v1/webhook-events/redeliver", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")


def test_a_webhook_on_mainnet_is_https_on_an_ordinary_port(database: Database, tmp_path: Path) -> None:
    """http and odd ports are refused when they are set; elsewhere they may be."""
    with world(database, tmp_path, network="mainnet") as api:
        acme = api.company()
        for url in (
            "http://acme.example/hook",
            "https://acme.example:22/hook",
            "http://acme.example:443/",
            "https://a.example:80/",
        ):
            refused = api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"webhook_url": url})
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/webhook_url"), url
            assert api.operator.post("/v1/accounts", json={"name": "x", "webhook_url": url}).status_code == 422
        for url in ("https://acme.example/hook", "https://acme.example:8443/hook", "https://acme.example:443/"):
            api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"webhook_url": url}).raise_for_status()
