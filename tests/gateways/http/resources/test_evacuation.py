"""Evacuation over HTTP: the operator's alone, once, and only where there is a cold wallet."""

from core.streams.treasury import RegisterWallet
from tests.gateways.http.harness import World
from tests.support.history import ACTOR, address, execute

COLD = address("a cold wallet elsewhere").base58


def test_an_operator_begins_it_and_sees_how_far_it_is(api: World) -> None:
    """Refused without a cold wallet; a second wish changes nothing; signing is stopped by it; a client may not look."""
    wish = {"reason": "a key may be in other hands"}
    assert api.operator.shown("/v1/evacuation")["state"] == "none"
    refused = api.operator.post("/v1/evacuation", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_cold_wallet")
    execute(api.signer.ledger, RegisterWallet("cold", COLD, None, ACTOR))
    for _ in range(2):
        answer = api.operator.post("/v1/evacuation", json=wish)
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert (shown["state"], shown["reason"], shown["cold_address"]) == ("under_way", wish["reason"], COLD)
        assert (shown["left_minor"], shown["done_minor"], shown["failed"]) == (0, 0, 0)
    acme = api.company()
    assert acme.get("/v1/evacuation").status_code == 403
    assert acme.post("/v1/evacuation", json=wish).status_code == 403
