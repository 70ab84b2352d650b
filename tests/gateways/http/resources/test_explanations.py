"""Explanations over HTTP: for the operator alone."""

import pytest

from core.ledger.journal import derived_id
from core.streams.deposits import deposit_id
from tests.gateways.http.harness import PAYEE, World
from tests.support.history import detect, transfer


def test_the_operator_sees_what_changed(api: World) -> None:
    """Which balances, by how much, by which events; one account's alone if asked."""
    acme = api.company(usdt="10")
    api.company("Other", usdt="5")
    api.project()
    head = api.operator.shown("/v1/trial-balance")["position"]
    told = api.operator.shown(f"/v1/audit/diff?from=0&to={head}")
    assert (told["from"], told["to"]) == (0, head)
    own = api.operator.shown(f"/v1/audit/diff?from=0&to={head}&account_id={acme.account_id}")["data"]
    assert [each for each in told["data"] if each["account_id"] == acme.account_id] == own
    assert {each["ledger_account"]: each["change"] for each in own} == {
        "System_Hot_Wallet_Asset": "10.000000",
        "User_Liability": "10.000000",
    }
    assert {event["topic"] for each in own for event in each["events"]} == {"adjustment.posted/1"}
    last = own[0]["events"][-1]["position"]
    assert api.operator.shown(f"/v1/audit/diff?from={last}&to={last}")["data"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=0", "validation_failed"),
        ("from=5&to=4", "validation_failed"),
        ("from=0&to=-1", "validation_failed"),
        ("from=0&to=999999", "position_beyond_head"),
        ("from=0&to=1&account_id=nobody", "validation_failed"),
    ],
)
def test_a_range_that_is_none_is_refused(shared: World, query: str, code: str) -> None:
    """With its code."""
    refused = shared.operator.get(f"/v1/audit/diff?{query}")
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_the_operator_is_told_why(api: World) -> None:
    """Of any client's deposit and payout, a refused one, too."""
    acme = api.company(usdt="10")
    [to] = api.fill_pool(1)
    acme.made("/v1/payins", {})
    fact = transfer("seen", to, 3_000_000)
    api.recorder.ledger.execute([detect(fact)])
    accepted = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "2"})
    refused = acme.post("/v1/payouts", json={"to_address": PAYEE, "amount": "200"}, headers={"idempotency-key": "much"})
    assert refused.json()["code"] == "insufficient_funds"
    api.project()
    why = api.operator.shown(f"/v1/deposits/{deposit_id(fact.txid, 0)}/explanation")
    assert (why["state"], why["account_id"], why["now"]["code"]) == ("detected", acme.account_id, "nothing_solid_read")
    assert why["story"][0]["data"]["amount_minor"] == 3_000_000
    why = api.operator.shown(f"/v1/payouts/{accepted['id']}/explanation")
    assert (why["state"], why["now"]["code"]) == ("requested", "waiting_for_trx")
    why = api.operator.shown(f"/v1/payouts/{derived_id('payout', acme.account_id, 'much')}/explanation")
    assert (why["now"]["code"], why["story"][0]["data"]["code"]) == ("refused", "insufficient_funds")
    for noun in ("deposits", "payouts"):
        assert api.operator.get(f"/v1/{noun}/{acme.account_id}/explanation").status_code == 404
        assert acme.get(f"/v1/{noun}/{accepted['id']}/explanation").status_code == 403


def test_a_client_sees_no_explanation(shared: World) -> None:
    """It is the operator's."""
    assert shared.company().get("/v1/audit/diff?from=0&to=1").status_code == 403
