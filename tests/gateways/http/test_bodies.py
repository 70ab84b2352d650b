"""Bad input gets a sentence that says where and what, and nothing is done."""

from typing import Any

import httpx2
import pytest

from tests.gateways.http.harness import PAYEE, World

GOOD = {"to_address": PAYEE, "amount": "1"}
LONG = "x" * 201

FIELDS: list[tuple[str, Any, str]] = [
    ("a JSON integer", GOOD | {"amount": 12}, "#/amount"),
    ("a JSON float", GOOD | {"amount": 12.5}, "#/amount"),
    ("an exponent", GOOD | {"amount": "1e3"}, "#/amount"),
    ("a sign", GOOD | {"amount": "-1"}, "#/amount"),
    ("a plus", GOOD | {"amount": "+1"}, "#/amount"),
    ("seven decimals", GOOD | {"amount": "0.0000001"}, "#/amount"),
    ("zero", GOOD | {"amount": "0.000000"}, "#/amount"),
    ("no digits before the point", GOOD | {"amount": ".5"}, "#/amount"),
    ("a space", GOOD | {"amount": " 1"}, "#/amount"),
    ("other digits", GOOD | {"amount": "١"}, "#/amount"),
    ("above 2^63-1", GOOD | {"amount": "9223372036854.775808"}, "#/amount"),
    ("null", GOOD | {"amount": None}, "#/amount"),
    ("a missing field", {"amount": "1"}, "#/to_address"),
    ("an unknown field", GOOD | {"ammount": "1"}, "#/ammount"),
    ("a field with a slash", GOOD | {"a/b~": 1}, "#/a~1b~0"),
    ("another currency", GOOD | {"currency": "TRX"}, "#/currency"),
    ("a long reference", GOOD | {"client_reference": LONG}, "#/client_reference"),
    ("an empty reference", GOOD | {"client_reference": ""}, "#/client_reference"),
    ("a number for text", GOOD | {"client_reference": 7}, "#/client_reference"),
    ("NUL", GOOD | {"client_reference": "a\u0000b"}, "#/client_reference"),
    ("a line break", GOOD | {"client_reference": "a\nb"}, "#/client_reference"),
    ("a direction override", GOOD | {"client_reference": "a\u202eb"}, "#/client_reference"),
    ("an object for text", GOOD | {"to_address": {}}, "#/to_address"),
    ("a code with a space", GOOD | {"ledger_account": "User Liability"}, "#/ledger_account"),
    ("a list", [GOOD], "#"),
    ("text", "payout", "#"),
]


@pytest.mark.parametrize(("_", "body", "pointer"), FIELDS, ids=[row[0] for row in FIELDS])
def test_each_wrong_field_is_named(shared: World, _: str, body: Any, pointer: str) -> None:
    """A 422 with a pointer to the field and a sentence about it."""
    refused = shared.company(usdt="100").post("/v1/payouts", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


RAW: list[tuple[str, bytes, int, str]] = [
    ("no JSON", b"amount=1", 400, "malformed_json"),
    ("nothing", b"", 400, "malformed_json"),
    ("half an object", b'{"amount": "1"', 400, "malformed_json"),
    ("NaN", b'{"amount": NaN}', 400, "malformed_json"),
    ("Infinity", b'{"amount": -Infinity}', 400, "malformed_json"),
    ("not UTF-8", b'{"amount": "\xff"}', 400, "malformed_json"),
    ("nested deeply", b'{"amount": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "malformed_json"),
    ("a huge integer", b'{"amount": ' + b"9" * 6000 + b"}", 400, "malformed_json"),
    ("a field twice", b'{"amount": "1", "amount": "2", "to_address": "T"}', 422, "validation_failed"),
    ("a lone surrogate", b'{"amount": "1", "to_address": "\\ud800"}', 422, "validation_failed"),
    ("64 KiB and a byte", b" " * (64 * 1024 + 1), 413, "body_too_large"),
]


@pytest.mark.parametrize(("_", "body", "status", "code"), RAW, ids=[row[0] for row in RAW])
def test_bytes_that_are_no_body(shared: World, _: str, body: bytes, status: int, code: str) -> None:
    """What is no JSON object of ours is refused whole."""
    refused = shared.company().post("/v1/payouts", content=body, headers={"content-type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_body_in_pieces_is_bounded_too(shared: World) -> None:
    """Without a Content-Length the limit holds as well."""
    acme = shared.company()
    refused = acme.post("/v1/payouts", content=(b" " * 8192 for _ in range(9)))
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")


def test_a_form_is_no_json(shared: World) -> None:
    """Another media type is a 415."""
    refused = shared.company().post("/v1/payouts", data={"amount": "1"})
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


def test_several_wrong_fields_are_all_named(shared: World) -> None:
    """One answer names every field that is wrong."""
    refused = shared.company().post("/v1/payouts", json={"amount": 1, "currency": "EUR", "x": 1})
    assert {error["pointer"] for error in refused.json()["errors"]} == {"#/amount", "#/currency", "#/x", "#/to_address"}


QUERIES = [
    ("/v1/payouts?limit=0", "?limit"),
    ("/v1/payouts?limit=201", "?limit"),
    ("/v1/payouts?limit=ten", "?limit"),
    ("/v1/payouts?limit=1&limit=2", "?limit"),
    ("/v1/payouts?limt=1", "?limt"),
    ("/v1/payouts?state=lost", "?state"),
    ("/v1/payouts?after=nonsense", "?after"),
    ("/v1/payouts?after=AAAAAAAAAAAAAAAAAAAAAA", "?after"),
    ("/v1/payouts?%ff", "?"),
    ("/v1/payouts?a", "?"),
    ("/v1/balances?limit=1", "?limit"),
    ("/v1/balances?min_position=1", "?min_position"),
    ("/v1/events?after=-1", "?after"),
    ("/v1/webhook-events?after=x", "?after"),
    ("/v1/deposits?address=%00", "?address"),
]


@pytest.mark.parametrize(("path", "pointer"), QUERIES)
def test_wrong_query_parameters_are_named(shared: World, path: str, pointer: str) -> None:
    """Unknown, repeated and impossible query parameters are a 422 each."""
    refused = shared.company().get(path)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


WEBHOOK_URLS = [
    "ftp://a.example/x",
    "https://",
    "a.example",
    "https://user:pass@a.example",
    "https://a.example/#x",
    "https://a.example:0/",
    "https://a.example:99999/",
    "https://exämple.org/",
    "https://a.example/ b",
    "https://a.example/" + "x" * 2000,
    "javascript:alert(1)",
]


@pytest.mark.parametrize("url", WEBHOOK_URLS)
def test_a_webhook_url_is_an_http_url(shared: World, url: str) -> None:
    """Anything but a plain http(s) URL of a host is refused when it is set."""
    refused = shared.operator.post("/v1/accounts", json={"name": "A", "webhook_url": url})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/webhook_url"


@pytest.mark.parametrize("name", ["", " A", "A ", "x" * 201, "a\tb", None, 5])
def test_names_are_bounded(shared: World, name: Any) -> None:
    """A name is 1 to 200 characters without control characters or outer spaces."""
    assert shared.operator.post("/v1/accounts", json={"name": name}).json()["errors"][0]["pointer"] == "#/name"


def test_an_action_takes_no_body(shared: World) -> None:
    """Where no body is asked for, a body with fields is refused."""
    refused = shared.company().post(f"/v1/payouts/{'0' * 8}/cancel", json={"reason": "x"})
    assert refused.status_code == 422


PLACES = [
    ("GET", "/", 404, "path_not_found"),
    ("GET", "/v1/payouts/", 404, "path_not_found"),
    ("GET", "/v1/nothing", 404, "path_not_found"),
    ("GET", "/v1/payouts/%00", 404, "not_found"),
    ("GET", "/v1/payouts/1", 404, "not_found"),
    ("GET", "/v1/payouts/0196B5A0-0000-7000-8000-000000000000", 404, "not_found"),
    ("PUT", "/v1/payouts", 405, "method_not_allowed"),
    ("DELETE", "/v1/balances", 405, "method_not_allowed"),
    ("TRACE", "/v1/balances", 405, "method_not_allowed"),
    ("OPTIONS", "/v1/payouts", 405, "method_not_allowed"),
    ("GET", "/.git/config", 404, "path_not_found"),
    ("GET", "/docs/..%2f..%2fpyproject.toml", 404, "path_not_found"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), PLACES)
def test_paths_and_methods_that_are_none(shared: World, method: str, path: str, status: int, code: str) -> None:
    """They are problems like every other error, with a request id."""
    answer = shared.company().request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    if status == 405:
        assert answer.headers["allow"]


def test_a_request_id_is_taken_over(shared: World) -> None:
    """A harmless X-Request-Id is used, another one is replaced."""
    client = shared.operator
    assert client.get("/v1/nothing", headers={"x-request-id": "trace-1"}).json()["request_id"] == "trace-1"
    assert client.get("/v1/nothing", headers={"x-request-id": 'a" b'}).json()["request_id"] != 'a" b'


def test_a_defect_is_a_500_without_its_trace(api: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception costs that request a 500 that tells nothing of the inside."""

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(type(api.platform.api_keys), "of_account", broken)
    answer: httpx2.Response = api.operator.get("/v1/accounts/operator/api-keys")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert api.operator.get("/v1/accounts").status_code == 200
