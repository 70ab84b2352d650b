"""The first answer again, for everything that creates (payouts have tests of their own)."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from gateways.http.edge.idempotency import field_hashes
from gateways.http.endpoint import ENDPOINTS
from gateways.http.resources.accounts import NewAccount
from gateways.http.resources.transfers import NewTransfer
from tests.gateways.http.harness import World

CREATING: list[tuple[str, dict[str, Any]]] = [
    ("/v1/ledger-accounts", {"code": "bob", "name": "Bob", "type": "liability"}),
    ("/v1/payins", {"client_reference": "x"}),
    ("/v1/transfers", {"from_ledger_account": "User_Liability", "to_ledger_account": "bob", "amount": "1"}),
    ("/v1/webhook-events/test", {}),
    ("/v1/webhook-secret/rotate", {}),
]


@pytest.mark.parametrize(("path", "body"), CREATING)
def test_a_repetition_gets_the_first_answer(shared: World, path: str, body: dict[str, Any]) -> None:
    """Byte for byte, marked as replayed, and without the secret where there was one; refusals too."""
    shared.fill_pool()
    acme = shared.company(usdt="10")
    shared.operator.patch(f"/v1/accounts/{acme.account_id}", json={"webhook_url": "https://a.example/"})
    for key in ("one", "two"):
        first = acme.post(path, json=body, headers={"idempotency-key": key})
        assert "idempotency-replayed" not in first.headers
        again = acme.post(path, json=body, headers={"idempotency-key": key})
        assert again.status_code == first.status_code
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
        if "secret" in first.json():
            assert again.json() == {name: value for name, value in first.json().items() if name != "secret"}
        else:
            assert again.content == first.content
        if path != "/v1/ledger-accounts":
            reused = acme.post(path, json=body | {"amount": "2"}, headers={"idempotency-key": key})
            assert reused.status_code == 422


def test_operators_repeat_too(api: World) -> None:
    """Accounts and adjustments are made once per key."""
    first, again = (
        api.operator.post("/v1/accounts", json={"name": "A"}, headers={"idempotency-key": "k"}) for _ in range(2)
    )
    assert again.content == first.content
    other = api.operator.post("/v1/accounts", json={"name": "B"}, headers={"idempotency-key": "k"})
    assert (other.json()["code"], other.json()["data"]["fields"]) == ("idempotency_key_reused", "name")


def test_creating_needs_a_key(shared: World) -> None:
    """Without an Idempotency-Key nothing is created, anywhere."""
    acme = shared.company()
    for declared in ENDPOINTS:
        if declared.creates == "nothing":
            continue
        client = shared.operator if declared.permission == "operator" else acme
        path = declared.path.replace("{account_id}", "operator")
        refused = client.post(path, json={}, headers={"idempotency-key": ""})
        assert (declared.path, refused.status_code) == (declared.path, 400)
        assert refused.json()["code"] == "idempotency_key_missing"


@pytest.mark.parametrize("key", ["x" * 256, "tab\there", "é"])
def test_a_key_is_printable_and_bounded(shared: World, key: str) -> None:
    """1 to 255 printable ASCII characters; 255 are fine."""
    refused = shared.operator.post("/v1/accounts", json={"name": "A"}, headers={"idempotency-key": key.encode()})
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_invalid")
    shared.operator.made("/v1/accounts", {"name": "A"}, **{"idempotency-key": "k" * 255})


def test_a_request_that_still_runs_says_so(api: World) -> None:
    """While the first one runs the second is a 409 with Retry-After; a wrong body is a 422 even then."""
    body = {"name": "A", "webhook_url": None}
    begun = api.platform.idempotency_keys.begin(
        "operator", "POST /v1/accounts", "k", field_hashes(NewAccount(**body)), datetime.now(UTC)
    )
    assert begun is None
    running = api.operator.post("/v1/accounts", json=body, headers={"idempotency-key": "k"})
    assert (running.status_code, running.json()["code"]) == (409, "idempotency_in_progress")
    assert running.headers["retry-after"]
    other = api.operator.post("/v1/accounts", json={"name": "B"}, headers={"idempotency-key": "k"})
    assert other.json()["code"] == "idempotency_key_reused"


def test_a_crash_behind_the_work_creates_nothing_twice(api: World) -> None:
    """When the answer was not noted, the next request with the key finds the same account and answers the same."""
    first = api.operator.post("/v1/accounts", json={"name": "A"}, headers={"idempotency-key": "k"})
    with psycopg.connect(api.platform.owner_url, autocommit=True) as conn:
        conn.execute("DELETE FROM idempotency_keys")
    again = api.operator.post("/v1/accounts", json={"name": "A"}, headers={"idempotency-key": "k"})
    assert again.content == first.content
    api.project()
    assert len(api.operator.shown("/v1/accounts")["data"]) == 1


@pytest.mark.fast
def test_bodies_are_compared_by_meaning() -> None:
    """Another spelling of an amount and a default written out are the same wish; another amount is not."""
    given = {"from_ledger_account": "a", "to_ledger_account": "b", "amount": "1.5"}
    hashes = field_hashes(NewTransfer.model_validate(given))
    assert field_hashes(NewTransfer.model_validate(given | {"amount": "1.500000", "to_account_id": None})) == hashes
    assert field_hashes(NewTransfer.model_validate(given | {"amount": "1.6"})) != hashes
