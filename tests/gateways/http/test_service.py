"""Health, metrics, documentation, rate limits and logs."""

import json
import logging
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import openapi_spec_validator
import psycopg
import pytest

from core.ledger.ledger import InvariantBroken
from core.ledger.refusals import REJECTIONS
from core.ports.unavailable import Unavailable
from gateways.http.app import serve
from gateways.http.docs.guides import GUIDES
from gateways.http.docs.openapi import document
from gateways.http.edge.rates import RateLimiter
from gateways.http.errors import INTERNAL, catalogue
from gateways.http.reading import queries
from gateways.http.resources import health
from gateways.telemetry.logs import JsonFormatter
from gateways.user_error import UserError
from tests.gateways.http.harness import OPERATOR_KEY, World, platform_of, settings_of, world
from tests.support.patience import HANG_S, until
from tests.support.postgres import Database

KEPT = Path(__file__).parents[3] / "schema" / "openapi.json"


@pytest.mark.fast
def test_the_kept_document_is_the_generated_one() -> None:
    """schema/openapi.json is what the code generates: run `counterfoil openapi > schema/openapi.json` after a change."""
    assert json.loads(KEPT.read_text()) == document()


@pytest.mark.long
@pytest.mark.fast
def test_the_document_is_openapi() -> None:
    """It is valid OpenAPI 3.1, and every schema in it is a valid JSON Schema."""
    made = document()
    openapi_spec_validator.validate(made)
    for schema in made["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.fast
def test_every_code_is_in_the_catalogue() -> None:
    """The catalogue holds each refusal that a client can meet, with its sentence."""
    listed = {entry["code"] for entry in catalogue()}
    assert listed == REJECTIONS.keys() - INTERNAL
    assert all(entry["detail"].endswith(".") for entry in catalogue())


@pytest.mark.fast
def test_every_answered_code_is_declared_once() -> None:
    """Every code that an operation names is in the catalogue, under its own status."""
    statuses = {entry["code"]: entry["status"] for entry in catalogue()}
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path not in ("/readyz", "/livez"):
                    for code in re.findall(r"`(\w+)`", answer["description"]):
                        assert statuses[code] == int(status)


def test_it_is_alive_and_ready(api: World) -> None:
    """Without a key: alive, ready, the document and the page, which names no other host."""
    client = api.client("")
    assert client.shown("/healthz") == {"status": "ok", "wrong": [], "warnings": []}
    assert client.shown("/readyz") == {"status": "ok", "wrong": [], "warnings": []}
    assert client.shown("/openapi.json") == document()
    for path in ("/docs", *(f"/docs/{guide}" for guide in GUIDES)):
        page = client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_a_database_of_another_version_is_not_ready(api: World) -> None:
    """/readyz says what to do: another text of a migration, one that is missing, one that needs a newer program."""
    for statement, said in (
        ("UPDATE schema_migrations SET checksum = 'x' WHERE version = 1", "install the one that made the database"),
        ("DELETE FROM schema_migrations WHERE version = 1", "run `counterfoil migrate`"),
        ("INSERT INTO compatible_migrations VALUES (9001, '9001_later.sql', 'x', 9001)", "install the newer"),
    ):
        with psycopg.connect(api.platform.owner_url, autocommit=True) as conn:
            conn.execute(statement)
        answer = api.client("").get("/readyz")
        assert answer.status_code == 503
        assert said in answer.json()["wrong"][0]


def test_a_database_of_a_newer_version_that_works_for_this_one_is_ready(api: World) -> None:
    """A migration that this program does not have, and that says that this one works with it, changes nothing."""
    with psycopg.connect(api.platform.owner_url, autocommit=True) as conn:
        conn.execute("INSERT INTO compatible_migrations VALUES (9001, '9001_later.sql', 'x', 164)")
    assert api.client("").get("/readyz").status_code == 200


def test_a_history_of_a_newer_format_is_not_ready_and_alive(api: World) -> None:
    """/readyz names the process that stands before what a newer version wrote, and where; /livez answers all the same."""
    with psycopg.connect(api.platform.owner_url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO processes (process, instance, version, migration, format_level, waits_for)"
            " VALUES ('relay', 'x:1', '0.1.0', 164, 2, 'installed by a newer version: position 7, kind x/9')"
        )
    answer = api.client("").get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["wrong"] == ["the process relay stands: installed by a newer version: position 7, kind x/9"]
    with psycopg.connect(api.platform.owner_url, autocommit=True) as conn:
        conn.execute("DELETE FROM processes")
        conn.execute("INSERT INTO format_levels VALUES (99, 7)")
    [said] = api.client("").get("/readyz").json()["wrong"]
    assert "installed by a newer version: position 7, kind format level 99" in said
    assert api.client("").get("/livez").status_code == 200


def test_a_view_far_behind_is_not_ready(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health measures progress (FAILURES 36)."""
    api.company()
    monkeypatch.setattr(health, "BEHIND_EVENTS_MAX", 2)
    answer = api.client("").get("/readyz")
    assert answer.status_code == 503
    assert "the view accounts is" in str(answer.json()["wrong"])
    api.project()
    assert api.client("").get("/readyz").status_code == 200


def test_a_broken_invariant_ends_writing_and_reading_goes_on(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are refused with a code of their own, /readyz says why, and queries are served."""
    acme = api.company(usdt="5")

    def broken(*_: object) -> None:
        raise InvariantBroken("the guard lost rows")

    with monkeypatch.context() as patch:
        patch.setattr(type(api.platform.ledger), "execute", broken)
        assert api.operator.post("/v1/accounts", json={"name": "A"}).json()["code"] == "writing_has_ended"
    refused = api.operator.post("/v1/accounts", json={"name": "A"})
    assert (refused.status_code, refused.json()["code"]) == (503, "writing_has_ended")
    ready = api.client("").get("/readyz")
    assert (ready.status_code, ready.json()["wrong"]) == (503, ["writing has ended: the guard lost rows"])
    assert acme.get("/v1/balances").status_code == 200


def test_a_shut_store_says_when_to_come_back(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unavailable event store is a 503 with Retry-After, and nothing was done."""

    def shut(*_: object) -> None:
        raise Unavailable("the event store is shut")

    with monkeypatch.context() as patch:
        patch.setattr(type(api.platform.ledger), "execute", shut)
        refused = api.operator.post("/v1/accounts", json={"name": "A"}, headers={"idempotency-key": "k"})
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert refused.headers["retry-after"]
    api.operator.made("/v1/accounts", {"name": "A"}, **{"idempotency-key": "k"})


def test_metrics_are_prometheus_text(api: World) -> None:
    """Requests by route and status, batches and refused commands are counted; the operator's key is asked for."""
    acme = api.company()
    acme.post("/v1/payouts", json={"to_address": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u", "amount": "1"})
    assert api.client("").get("/metrics").status_code == 401
    answer = api.operator.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'counterfoil_http_requests_total{method="POST",route="/v1/payouts",status="422"} 1.0' in answer.text
    assert "counterfoil_ledger_batch_commands_count" in answer.text


def test_each_key_has_its_rate(database: Database, tmp_path: Path) -> None:
    """Beyond its rate a key gets 429 with Retry-After, and another key is served."""
    with world(database, tmp_path, rate_limit="5/minute") as api:
        account = api.operator.made("/v1/accounts", {"name": "A"})
        key = api.operator.made(f"/v1/accounts/{account['id']}/api-keys", {"name": "k", "permissions": ["ledger:read"]})
        client = api.client(key["key"])
        statuses = [client.get("/v1/balances").status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        refused = client.get("/v1/balances")
        assert refused.json()["code"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert api.operator.get("/v1/accounts").status_code == 200


@pytest.mark.fast
def test_a_rate_that_is_none_is_an_error_at_start() -> None:
    """A rate that cannot be read names the setting and an example."""
    with pytest.raises(UserError, match="COUNTERFOIL_RATE_LIMIT"):
        RateLimiter("often")


def test_a_port_that_is_taken_is_an_error_at_start(database: Database, tmp_path: Path) -> None:
    """The sentence names the port and the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        platform = platform_of(database, settings_of(tmp_path, http_port=port))
        with pytest.raises(UserError, match=f"port {port} .*COUNTERFOIL_HTTP_PORT"):
            serve(platform)
        platform.close()


def test_a_busy_database_refuses_early(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every connection taken some queries may wait for one; whoever comes after them is refused at once."""
    monkeypatch.setattr(queries, "POOL_WAIT_S", HANG_S)
    monkeypatch.setattr(queries, "_OPTIONS", "-c timezone=UTC")  # and no statement ends before the lock does
    with world(database, tmp_path, database_pool=1) as api:
        key = api.company().headers["x-api-key"]
        with psycopg.connect(api.platform.owner_url) as conn, ThreadPoolExecutor(30) as threads:
            conn.execute("LOCK TABLE balances")
            asked = [threads.submit(api.client(key).get, "/v1/balances") for _ in range(30)]
            refused = until(lambda: (them := [each for each in asked if each.done()])[12:] and them)
            conn.rollback()
        codes = [each.result().json()["code"] for each in refused]
        assert set(codes) == {"overloaded"}
        assert all(each.result().headers["retry-after"] for each in refused)
        assert {each.result().status_code for each in asked if each not in refused} == {200}


def test_a_query_waits_a_moment_for_a_connection(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the only connection is taken, and stays so, whoever waits for it is told that the database is not there."""
    assert queries.POOL_WAIT_S <= 1
    assert queries.STATEMENT_TIMEOUT_MS <= 5_000
    monkeypatch.setattr(queries, "POOL_WAIT_S", 0.2)
    monkeypatch.setattr(
        queries, "_OPTIONS", queries._OPTIONS.replace("statement_timeout=5000", "statement_timeout=500")
    )
    with world(database, tmp_path, database_pool=1) as api:
        acme = api.company()
        key = acme.headers["x-api-key"]
        with psycopg.connect(api.platform.owner_url) as conn, ThreadPoolExecutor(3) as threads:
            conn.execute("LOCK TABLE balances")
            answers = list(threads.map(lambda client: client.get("/v1/balances"), [api.client(key) for _ in range(3)]))
            conn.rollback()
        assert {answer.json()["code"] for answer in answers} == {"service_unavailable"}
        assert all(answer.headers["retry-after"] for answer in answers)
        assert acme.get("/v1/balances").status_code == 200


def test_no_log_line_holds_a_key(api: World, caplog: pytest.LogCaptureFixture) -> None:
    """Requests are logged as JSON with their request id and the key's id, never the key (I13)."""
    with caplog.at_level(logging.INFO):
        acme = api.company()
        acme.get("/v1/balances", headers={"x-request-id": "trace-7"})
        acme.get("/v1/webhook-secret")
    formatter = JsonFormatter()
    lines = [json.loads(formatter.format(record)) for record in caplog.records]
    [mine] = [line for line in lines if line.get("request_id") == "trace-7"]
    assert (mine["route"], mine["status"], mine["api_key_id"]) == ("/v1/balances", 200, acme.key_id)
    text = json.dumps(lines)
    assert acme.headers["x-api-key"] not in text
    assert OPERATOR_KEY not in text
    assert "whsec_" not in text


def test_a_refused_key_is_logged_without_the_key(shared: World, caplog: pytest.LogCaptureFixture) -> None:
    """A key that nobody knows, and one without the permission: a line with the status, and nothing of the key."""
    acme = shared.company(permissions=["ledger:read"])
    with caplog.at_level(logging.INFO):
        shared.client("cf_live_nobody").get("/v1/balances", headers={"x-request-id": "unknown"})
        acme.get("/v1/payouts", headers={"x-request-id": "forbidden"})
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    said = {line["request_id"]: (line["status"], line.get("api_key_id")) for line in lines if "status" in line}
    assert (said["unknown"], said["forbidden"]) == ((401, None), (403, acme.key_id))
    assert "cf_live_nobody" not in json.dumps(lines)
