"""A header that decides over money stands once and trimmed, or the request is refused."""

import gzip
import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateways.http.edge.documents import _takes_gzip
from gateways.http.edge.fields import fields_of
from gateways.http.errors import RequestRefused
from tests.gateways.http.harness import OPERATOR_KEY, World
from tests.support.patience import HANG_S

BODY = {"code": "bob", "name": "Bob", "type": "liability"}


@pytest.mark.parametrize("name", ["x-api-key", "Idempotency-Key", "content-type", "x-request-id", "content-encoding"])
def test_a_header_that_matters_stands_once(shared: World, name: str) -> None:
    """Two are a 400 that names it, equal or not: neither the first nor the last one wins."""
    acme = shared.company()
    content = json.dumps(BODY).encode()
    good = {"x-api-key": acme.headers["x-api-key"], "idempotency-key": "one", "content-type": "application/json"}
    for second in (good.get(name.lower(), "identity"), "another"):
        twice = [(key, value) for key, value in good.items() if key != name.lower()]
        twice += [(name, good.get(name.lower(), "identity")), (name, second)]
        with shared.client("unused") as bare:
            del bare.headers["x-api-key"]
            request = bare.build_request("POST", "/v1/ledger-accounts", content=content, headers=twice)
            answer = bare.send(request)
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] in ("header_repeated", "malformed_request")
    assert acme.post("/v1/ledger-accounts", json=BODY, headers={"idempotency-key": "one"}).status_code == 201


def test_values_are_trimmed(shared: World) -> None:
    """Spaces and tabs around a value are none of it: the same key is the same wish."""
    acme = shared.company()
    first = acme.made("/v1/ledger-accounts", BODY, **{"idempotency-key": "one"})
    parts = urlsplit(shared.url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=HANG_S)
    padded = {
        "x-api-key": f"  {acme.headers['x-api-key']}\t ",
        "idempotency-key": " \tone ",
        "content-type": "\tapplication/json ",
    }
    connection.request("POST", "/v1/ledger-accounts", json.dumps(BODY).encode(), padded)
    again = connection.getresponse()
    assert json.loads(again.read()) == first
    assert again.headers["idempotency-replayed"] == "true"
    connection.close()


@pytest.mark.fast
def test_a_list_may_come_in_pieces() -> None:
    """What is a list is joined; what is none is refused when it comes twice."""
    assert fields_of([(b"prefer", b"receipt"), (b"prefer", b" wait=3 ")]) == {b"prefer": b"receipt, wait=3"}
    with pytest.raises(RequestRefused) as refused:
        fields_of([(b"idempotency-key", b"a"), (b"idempotency-key", b"a")])
    assert (refused.value.refusal.status, refused.value.refusal.code) == (400, "header_repeated")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate, gzip", "x"])
def test_a_compressed_body_is_a_415(shared: World, encoding: str) -> None:
    """It is said that bodies are taken as they are, and nothing is unpacked."""
    packed = gzip.compress(json.dumps(BODY).encode())
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    refused = shared.company().post("/v1/ledger-accounts", content=packed, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_content_encoding")
    assert refused.headers["accept-encoding"] == "identity"


def test_a_document_is_sent_once(shared: World) -> None:
    """/openapi.json and the pages have an ETag, which answers 304, and are compressed for who takes that."""
    with shared.client(OPERATOR_KEY) as anybody:
        for path in ("/openapi.json", "/docs", "/docs/integrate"):
            plain = anybody.get(path, headers={"accept-encoding": "identity"})
            packed = anybody.get(path, headers={"accept-encoding": "br, gzip;q=0.5"})
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.content == plain.content
            assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
            assert (plain.headers["cache-control"], plain.headers["vary"]) == ("no-cache", "accept-encoding")
            tag = plain.headers["etag"]
            for asked in (tag, f'"other", {tag}', "*", tag.removeprefix("W/")):
                known = anybody.get(path, headers={"if-none-match": asked})
                assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
            assert anybody.get(path, headers={"if-none-match": '"other"'}).status_code == 200
        health: Any = anybody.get("/healthz")
        assert "etag" not in health.headers


def test_every_answer_forbids_guessing_and_keeping(shared: World) -> None:
    """Answers, refusals and pages say nosniff, no referrer and no frame; what is no document says no-store."""
    acme = shared.company()
    for path in (
        "/v1/balances",
        "/v1/payouts/none",
        "/nowhere",
        "/healthz",
        "/openapi.json",
        "/docs",
        "/docs/security",
    ):
        headers = acme.get(path).headers
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        [policy] = headers.get_list("content-security-policy")
        assert policy.startswith("default-src 'none'; ")
        assert policy.endswith("frame-ancestors 'none'")
        assert "unsafe" not in policy
        assert headers["cache-control"] == ("no-cache" if path.startswith(("/docs", "/openapi")) else "no-store")
        assert not {"set-cookie", "access-control-allow-origin"} & set(headers)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (b"", False),
        (b"br", False),
        (b"gzip", True),
        (b"GZIP;q=1", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
    ],
)
def test_gzip_is_for_who_takes_it(given: bytes, taken: bool) -> None:
    """Named, and not at a weight of zero."""
    assert _takes_gzip(given) is taken
