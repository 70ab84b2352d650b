"""Ledger accounts, the journal, adjustments and the trial balance over HTTP."""

from typing import Any

import pytest

from tests.gateways.http.harness import PAYEE, Client, World


def amounts(client: Client) -> dict[str, str]:
    return {row["code"]: row["amount"] for row in client.shown("/v1/balances")["data"]}


def test_a_client_opens_accounts_of_its_own(shared: World) -> None:
    """A code is opened once, is listed beside the three standard ones, and can be deposited to and paid from."""
    acme = shared.company(usdt="10")
    opened = acme.made("/v1/ledger-accounts", {"code": "end-user-7", "name": "End user 7", "type": "liability"})
    again = acme.post("/v1/ledger-accounts", json={"code": "end-user-7", "name": "x", "type": "liability"})
    assert (again.status_code, again.json()["code"]) == (409, "ledger_account_exists")
    assert acme.post("/v1/ledger-accounts", json={"code": "a", "name": "x", "type": "asset"}).status_code == 422
    shared.project()
    listed = acme.shown(f"/v1/ledger-accounts?min_position={opened['position']}")["data"]
    assert {row["code"] for row in listed} == {
        "User_Liability",
        "Clearing_Account",
        "System_Hot_Wallet_Asset",
        "end-user-7",
    }
    assert listed[0] == {name: value for name, value in opened.items() if name != "position"}
    page = acme.shown("/v1/ledger-accounts?limit=3")
    rest = acme.shown(f"/v1/ledger-accounts?after={page['next_cursor']}")
    assert page["data"] + rest["data"] == listed


def test_the_journal_shows_what_moved(shared: World) -> None:
    """Every entry of the account's book balances, newest first, and pages hold each once."""
    acme = shared.company(usdt="10")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    shared.project()
    entries = acme.shown("/v1/journal-entries")["data"]
    assert [entry["event_type"] for entry in entries] == ["payout", "adjustment"]
    assert entries[0]["external_ref"] == payout["id"]
    for entry in entries:
        sums = {"debit": 0, "credit": 0}
        for posting in entry["postings"]:
            sums[posting["side"]] += posting["amount_minor"]
        assert sums["debit"] == sums["credit"] > 0
    assert [(line["code"], line["side"], line["amount"]) for line in entries[0]["postings"]] == [
        ("User_Liability", "debit", "2.000000"),
        ("Clearing_Account", "credit", "2.000000"),
    ]
    first = acme.shown("/v1/journal-entries?limit=1")
    second = acme.shown(f"/v1/journal-entries?limit=1&after={first['next_cursor']}")
    assert first["data"] + second["data"] == entries
    assert acme.shown("/v1/journal-entries?ledger_account=Clearing_Account")["data"] == entries[:1]


def lines(book: str, **change: Any) -> list[dict[str, Any]]:
    """Two lines that balance, unless the second is changed."""
    first = {"account_id": book, "ledger_account": "System_Hot_Wallet_Asset", "side": "debit", "amount": "1"}
    second = {"account_id": book, "ledger_account": "User_Liability", "side": "credit", "amount": "1"}
    return [first, second | change]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": "2"}, "unbalanced_entry"),
        ({"currency": "TRX"}, "unbalanced_entry"),
        ({"ledger_account": "nobody"}, "ledger_account_not_found"),
        ({"account_id": "treasury"}, "unbalanced_entry"),
        ({"account_id": "elsewhere"}, "validation_failed"),
    ],
)
def test_an_adjustment_that_cannot_be(shared: World, change: dict[str, Any], code: str) -> None:
    """Lines that do not balance, or name what there is not, are refused."""
    acme = shared.company()
    refused = shared.operator.post(
        "/v1/adjustments", json={"reason": "a test", "postings": lines(acme.account_id, **change)}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_an_adjustment_overdraws_nobody(shared: World) -> None:
    """A correction may not leave a client's liability negative (I5)."""
    acme = shared.company(usdt="1")
    taken = [
        {"account_id": acme.account_id, "ledger_account": "User_Liability", "side": "debit", "amount": "2"},
        {"account_id": acme.account_id, "ledger_account": "System_Hot_Wallet_Asset", "side": "credit", "amount": "2"},
    ]
    refused = shared.operator.post("/v1/adjustments", json={"reason": "a test", "postings": taken})
    assert refused.json()["code"] == "insufficient_funds"


def test_the_trial_balance_is_zero(api: World) -> None:
    """Per kind of book and currency debits equal credits, and the lines add up to the totals."""
    api.company(usdt="10")
    api.company("Other", usdt="5")
    api.project()
    sheet = api.operator.shown("/v1/trial-balance")
    assert sheet["balanced"]
    assert [(total["book"], total["currency"], total["difference_minor"]) for total in sheet["totals"]] == [
        ("clients", "USDT", 0),
        ("treasury", "USDT", 0),
    ]
    custody = next(line for line in sheet["data"] if line["code"] == "Custody_Control")
    assert custody["credit_minor"] == 15_000_000
