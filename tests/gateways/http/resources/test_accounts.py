"""Accounts and API keys over HTTP: what the operator keeps, who may do what, and when a key is dead."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateways.http import auth
from gateways.http.docs.guides import GUIDES
from gateways.http.endpoint import ENDPOINTS, Endpoint
from tests.gateways.http.harness import EVERYTHING, OPERATOR_KEY, PAYEE, World, world
from tests.support.patience import until
from tests.support.postgres import Database

SOME_ID = "0196b5a0-0000-7000-8000-000000000000"


def test_an_account_is_registered_and_changed(api: World) -> None:
    """Registering gives an id, changing changes what is given, and both are seen in the list and by the account itself."""
    account = api.operator.made("/v1/accounts", {"name": "Acme", "webhook_url": "https://acme.example/hook"})
    assert account["status"] == "active"
    path = f"/v1/accounts/{account['id']}"
    changed = api.operator.patch(path, json={"name": "Acme Ltd", "webhook_url": None}).json()
    assert (changed["name"], changed["webhook_url"], changed["status"]) == ("Acme Ltd", None, "active")
    suspended = api.operator.patch(path, json={"status": "suspended"}).json()
    assert suspended["status"] == "suspended"
    api.project()
    shown = api.operator.shown(f"{path}?min_position={suspended['position']}")
    assert shown == {name: value for name, value in suspended.items() if name != "position"}
    assert api.operator.shown("/v1/accounts")["data"] == [shown]
    assert api.operator.patch(path, json={}).json()["code"] == "validation_failed"
    assert api.operator.patch(f"/v1/accounts/{SOME_ID}", json={"name": "x"}).json()["code"] == "account_not_found"


def test_a_key_is_shown_once_and_kept_as_a_hash(api: World) -> None:
    """The key stands in the first answer only: no list, no repetition and no table has it."""
    account = api.operator.made("/v1/accounts", {"name": "Acme"})
    path = f"/v1/accounts/{account['id']}/api-keys"
    body = {"name": "backend", "permissions": ["ledger:read"]}
    first = api.operator.made(path, body, **{"idempotency-key": "one"})
    assert first["key"].startswith("cf_live_")
    assert len(first["key"]) == len("cf_live_") + 43
    again = api.operator.made(path, body, **{"idempotency-key": "one"})
    assert again == {name: value for name, value in first.items() if name != "key"}
    assert api.operator.shown(path)["data"] == [again]
    with psycopg.connect(api.platform.owner_url) as conn:
        for table in ("api_keys", "idempotency_keys", "audit_logs", "events"):
            rows = conn.execute(f"SELECT t::text FROM {table} AS t").fetchall()
            assert rows
            assert first["key"] not in str(rows)


def test_a_revoked_key_is_dead(api: World) -> None:
    """After DELETE the next request is refused; the key stays listed as revoked; revoking twice is as once."""
    acme = api.company()
    assert acme.get("/v1/account").status_code != 401
    path = f"/v1/accounts/{acme.account_id}/api-keys"
    for _ in range(2):
        assert api.operator.delete(f"{path}/{acme.key_id}").status_code == 204
    refused = acme.get("/v1/account")
    assert (refused.status_code, refused.json()["code"]) == (401, "api_key_invalid")
    assert api.operator.shown(path)["data"][0]["status"] == "revoked"
    assert api.operator.delete(f"{path}/{SOME_ID}").json()["code"] == "not_found"


def test_a_key_revoked_elsewhere_dies_with_the_cache(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process's revocation is seen as soon as the cached key is old, which is far below 30 s."""
    assert auth.CACHE_S <= 15
    monkeypatch.setattr(auth, "CACHE_S", 0.2)
    acme = api.company()
    acme.get("/v1/account")
    assert api.platform.api_keys.revoke(acme.account_id, acme.key_id)
    until(lambda: acme.get("/v1/account").status_code == 401)


def test_an_expired_key_says_so(database: Database, tmp_path: Path) -> None:
    """A key dies at its expires_at with a code of its own; one that is already over is not made."""
    now = datetime.now(UTC)
    with world(database, tmp_path, clock=lambda: now) as api:
        path = f"/v1/accounts/{api.operator.made('/v1/accounts', {'name': 'Acme'})['id']}/api-keys"
        wish = {"name": "k", "permissions": ["ledger:read"]}
        soon = now + timedelta(hours=1)
        client = api.client(api.operator.made(path, {**wish, "expires_at": soon.isoformat()})["key"])
        api.project()
        now = soon - timedelta(microseconds=1)
        assert client.get("/v1/account").status_code == 200
        now = soon
        assert client.get("/v1/account").json()["code"] == "api_key_expired"
        past = api.operator.post(path, json={**wish, "expires_at": "2020-01-01T00:00:00Z"})
        assert past.json()["errors"][0]["pointer"] == "#/expires_at"


@pytest.mark.parametrize("key", ["", "nonsense", "cf_live_" + "A" * 43, "x" * 5000, OPERATOR_KEY + "x"])
def test_a_wrong_key_is_refused(shared: World, key: str) -> None:
    """No key, a malformed one and an unknown one get the same answer."""
    answer = shared.client(key).get("/v1/balances")
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_invalid")
    assert "x-api-key" in answer.headers["www-authenticate"]


PROTECTED = [one for one in ENDPOINTS if not one.public]


def _path(declared: Endpoint) -> str:
    return declared.path.replace("{account_id}", SOME_ID).replace("{id}", SOME_ID).replace("{address}", "T1")


def test_no_endpoint_answers_without_a_key(shared: World) -> None:
    """Every endpoint but the public ones asks for a key before anything else."""
    client = shared.client("")
    for declared in PROTECTED:
        answer = client.request(declared.method, _path(declared), content=b"{")
        assert (declared.path, answer.status_code) == (declared.path, 401)
    assert {one.path for one in ENDPOINTS if one.public} == {
        *("/healthz", "/livez", "/readyz", "/openapi.json", "/docs"),
        *(f"/docs/{guide}" for guide in GUIDES),
    }


def test_every_permission_is_asked_for(shared: World) -> None:
    """A key without an endpoint's permission is refused there, and operators' endpoints are closed to every client."""
    keys = {
        permission: shared.company(permissions=[one for one in EVERYTHING if one != permission])
        for permission in EVERYTHING
    }
    keys["operator"] = shared.company()
    for declared in PROTECTED:
        if declared.permission is None:
            continue
        answer = keys[declared.permission].request(declared.method, _path(declared), json={})
        assert (declared.path, answer.status_code) == (declared.path, 403)
        assert answer.json()["data"] == {"permission": declared.permission}


def test_an_operator_is_no_client(shared: World) -> None:
    """An operator's key reads, and asks for nothing in a client's name; and a second operator key can be made."""
    for path, body in (
        ("/v1/payouts", {"to_address": PAYEE, "amount": "1"}),
        ("/v1/payins", {}),
        ("/v1/transfers", {}),
    ):
        assert shared.operator.post(path, json=body).json()["code"] == "permission_denied"
    made = shared.operator.made("/v1/accounts/operator/api-keys", {"name": "second", "permissions": ["operator"]})
    assert shared.client(made["key"]).get("/v1/accounts").status_code == 200
    account = shared.operator.made("/v1/accounts", {"name": "Acme"})
    for path, permissions in (
        ("/v1/accounts/operator/api-keys", ["ledger:read"]),
        (f"/v1/accounts/{account['id']}/api-keys", ["operator"]),
        (f"/v1/accounts/{account['id']}/api-keys", ["ledger:read", "everything"]),
    ):
        refused = shared.operator.post(path, json={"name": "k", "permissions": permissions})
        assert refused.status_code == 422


def test_nobody_sees_anothers(api: World) -> None:
    """What is another account's gets the very answer of what does not exist (I12)."""
    api.fill_pool()
    acme, other = api.company(usdt="10"), api.company("Other")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    payin = acme.made("/v1/payins", {})
    api.project()
    entry = acme.shown("/v1/journal-entries")["data"][0]
    for path in (
        f"/v1/payouts/{payout['id']}",
        f"/v1/payins/{payin['id']}",
        f"/v1/payin-addresses/{payin['address']['id']}",
        f"/v1/journal-entries/{entry['id']}",
    ):
        assert acme.get(path).status_code == 200
        foreign, absent = other.get(path), other.get(path.rsplit("/", 1)[0] + "/" + SOME_ID)
        assert foreign.status_code == absent.status_code == 404
        assert _without_id(foreign.json()) == _without_id(absent.json())
    for path in (f"/v1/payouts/{payout['id']}/cancel", f"/v1/payins/{payin['id']}/disable"):
        assert other.post(path).status_code == 404
    for path in ("/v1/payouts", "/v1/payins", "/v1/payin-addresses", "/v1/deposits", "/v1/journal-entries"):
        assert other.shown(path)["data"] == []
    assert {row["amount_minor"] for row in other.shown("/v1/balances")["data"]} == {0}


def _without_id(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}


def test_behind_a_balancer_the_client_s_own_address_is_kept(database: Database, tmp_path: Path) -> None:
    """The audit log has the address that a balancer of ours saw, whatever the client says of itself."""
    with world(database, tmp_path, trusted_proxies="127.0.0.0/8") as behind:
        said = {"x-forwarded-for": "198.51.100.1, 203.0.113.9"}
        behind.operator.made("/v1/accounts", {"name": "Acme"}, **said)
        assert behind.operator.shown("/v1/audit-logs")["data"][0]["ip_address"] == "203.0.113.9"


def test_acts_are_in_the_audit_log(api: World) -> None:
    """Every act of an operator stands in the audit log with actor, address and request id, without a secret."""
    acme = api.company(usdt="5")
    api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"name": "New"})
    api.operator.delete(f"/v1/accounts/{acme.account_id}/api-keys/{acme.key_id}")
    log = api.operator.shown("/v1/audit-logs")["data"]
    assert [entry["action"] for entry in log] == [
        "api-key.revoke",
        "account.change",
        "adjustment.post",
        "api-key.create",
        "account.register",
    ]
    assert {(entry["actor_id"], entry["actor_type"], entry["ip_address"]) for entry in log} == {
        ("bootstrap", "operator", "127.0.0.1")
    }
    assert all(entry["request_id"] for entry in log)
    page = api.operator.shown("/v1/audit-logs?limit=2")
    rest = api.operator.shown(f"/v1/audit-logs?limit=200&after={page['next_cursor']}")
    assert page["data"] + rest["data"] == log
    one = api.operator.shown(f"/v1/audit-logs?account_id={acme.account_id}")["data"]
    assert len(one) == 4


def test_the_time_of_use_is_noted(shared: World) -> None:
    """last_used_at is set by a request, not while it waits."""
    acme = shared.company()
    acme.get("/v1/account")
    path = f"/v1/accounts/{acme.account_id}/api-keys"
    until(lambda: shared.operator.shown(path)["data"][0]["last_used_at"])
