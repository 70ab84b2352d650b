"""Explanations over HTTP: for the operator alone."""

import pytest

from tests.gateways.http.harness import World


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


def test_a_client_sees_no_explanation(shared: World) -> None:
    """It is the operator's."""
    assert shared.company().get("/v1/audit/diff?from=0&to=1").status_code == 403
