"""Limits are told before they are met: what a key has left, what an address may still try, and whether to try again."""

from pathlib import Path

import pytest

from gateways.http.docs.openapi import document
from gateways.http.edge.rates import COUNTED_MAX, Window, WrongKeys
from gateways.http.errors import RequestRefused
from gateways.http.peers import group
from tests.gateways.http.harness import PAYEE, World, world
from tests.support.postgres import Database


def test_every_answer_tells_what_is_left(database: Database, tmp_path: Path) -> None:
    """Good answers and refusals alike, as the IETF draft names it; beyond it a 429 with Retry-After."""
    with world(database, tmp_path, rate_limit="5/minute") as api:
        acme = api.company()
        left = []
        for path in ("/v1/balances", "/v1/payouts/nothing", "/v1/accounts", "/v1/payouts?limit=x", "/v1/balances"):
            answer = acme.get(path)
            assert answer.headers["ratelimit-policy"] == '"api-key";q=5;w=60'
            policy, remaining, until = answer.headers["ratelimit"].split(";")
            assert (policy, 1 <= int(until.removeprefix("t=")) <= 61) == ('"api-key"', True)
            left.append(remaining)
        assert left == ["r=4", "r=3", "r=2", "r=1", "r=0"]
        refused = acme.get("/v1/balances")
        assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (429, "rate_limited", True)
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert refused.headers["ratelimit"].startswith('"api-key";r=0;t=')


def test_wrong_keys_are_limited_by_address(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many unknown keys none is looked up; a key that was good before goes on, from the same address too."""
    with world(database, tmp_path) as api:
        acme = api.company()
        assert acme.get("/v1/account").status_code in (200, 404)
        looked = []
        find = api.platform.api_keys.find
        monkeypatch.setattr(
            type(api.platform.api_keys), "find", lambda _, hashed: looked.append(hashed) or find(hashed)
        )
        codes = [api.client(f"wrong-{number}").get("/v1/account").status_code for number in range(100)]
        assert codes == [401] * 60 + [429] * 40
        assert len(looked) == 60
        refused = api.client("wrong").get("/v1/account")
        assert (refused.json()["code"], refused.json()["retryable"]) == ("wrong_keys_limited", True)
        assert refused.headers["ratelimit"].startswith('"wrong-keys";r=0;t=')
        assert acme.get("/v1/balances").status_code == 200
        assert api.operator.get("/v1/accounts").status_code == 200


@pytest.mark.fast
def test_a_window_s_end_forgets_and_its_memory_is_bounded() -> None:
    """Each address has its own count, one network of IPv6 is one address, and so many are counted at once."""
    now = [0.0]
    wrong = WrongKeys("2/minute", lambda: now[0])
    for _ in range(2):
        wrong.must_be_within(wrong.count("2001:db8::1"))
        wrong.count("2001:db8::2", wrong=True)
    with pytest.raises(RequestRefused) as refused:
        wrong.must_be_within(wrong.count("2001:db8::3"))
    assert refused.value.headers == {"retry-after": "61"}
    wrong.must_be_within(wrong.count("203.0.113.9"))
    now[0] = 60.0
    wrong.must_be_within(wrong.count("2001:db8::3"))
    assert group("2001:db8:0:1::1") != group("2001:db8::1") == group("2001:db8::ffff%eth0")
    window = Window("w", "1/minute")
    for number in range(COUNTED_MAX):
        window.count(str(number))
    assert (window.count("new").used, window.count("newer").used, window.count("0").used) == (1, 2, 2)


def test_every_problem_says_whether_to_try_again(shared: World) -> None:
    """retryable is in each problem and in the catalogue: what is wrong with the request is not, what is wrong now is."""
    acme = shared.company()
    assert acme.post("/v1/payouts", json={"to_address": PAYEE, "amount": "1"}).json()["retryable"] is False
    assert acme.get("/v1/nothing").json()["retryable"] is False
    assert acme.get("/v1/payouts?limit=0").json()["retryable"] is False
    told = {each["code"]: each["retryable"] for each in document()["x-error-catalogue"]}
    assert {code for code, again in told.items() if again} == {
        "addresses_exhausted",
        "idempotency_in_progress",
        "internal_error",
        "not_switched_on",
        "overloaded",
        "projection_behind",
        "rate_limited",
        "request_timeout",
        "service_unavailable",
        "signing_is_stopped",
        "store_is_older",
        "stream_stopped",
        "writing_has_ended",
        "wrong_keys_limited",
    }
