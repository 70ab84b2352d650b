"""Another key for a wallet over HTTP: the operator's alone, one at a time, and seen in words."""

from core.streams.treasury import RegisterWallet
from core.streams.wallet.rotation import BeginWalletRotation, GiveUpWalletRotation, RetireWallet
from tests.gateways.http.harness import World
from tests.support.history import ACTOR, address, execute

OLD, NEW = address("the hot wallet of before").base58, address("the hot wallet of now").base58


def test_an_operator_asks_for_another_key_and_sees_how_far_it_is(api: World) -> None:
    """Refused without a wallet and while one is under way; a client may not look; each state has its words."""
    path = "/v1/wallets/hot"
    assert api.operator.shown(f"{path}/rotation")["state"] == "none"
    assert api.operator.post(f"{path}/rotate", json={}).status_code == 404
    assert api.operator.get("/v1/wallets/cold/rotation").status_code == 404
    execute(api.signer.ledger, RegisterWallet("hot", OLD, "keystore:hot", ACTOR))
    asked = api.operator.made(f"{path}/rotate", {})
    assert (asked["state"], asked["from_address"], asked["to_address"]) == ("asked", OLD, None)
    refused = api.operator.post(f"{path}/rotate", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "rotation_under_way")
    execute(api.signer.ledger, GiveUpWalletRotation("hot", ACTOR, reason="there is no such key"))
    shown = api.operator.shown(f"{path}/rotation")
    assert (shown["state"], "there is no such key" in shown["sentence"]) == ("given_up", True)
    api.operator.made(f"{path}/rotate", {"kms_key": "alias/hot-2"})
    execute(api.signer.ledger, BeginWalletRotation("hot", ACTOR, address=NEW, key_id="kms:2"))
    shown = api.operator.shown(f"{path}/rotation")
    assert (shown["state"], shown["to_address"]) == ("under_way", NEW)
    assert "nobody has looked at it yet" in shown["sentence"]
    execute(api.signer.ledger, RetireWallet("hot", ACTOR, address=OLD, block_number=900))
    assert f"{OLD} is retired: at block 900" in api.operator.shown(f"{path}/rotation")["sentence"]
    acme = api.company()
    assert acme.get(f"{path}/rotation").status_code == 403
    assert acme.post(f"{path}/rotate", json={}).status_code == 403
