"""Payouts over HTTP: reserved at once, the same answer for ever, refusals with their codes."""

import pytest

from tests.gateways.http.harness import PAYEE, World


def test_a_payout_reserves_amount_and_fee(api: World) -> None:
    """The answer names amount and fee, and the balance is smaller by both as soon as the view has the position."""
    acme = api.company(usdt="100")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "12.5", "client_reference": "order 7"})
    assert payout["state"] == "requested"
    assert (payout["amount"], payout["amount_minor"], payout["fee_minor"]) == ("12.500000", 12_500_000, 1_000_000)
    api.project()
    balances = acme.shown(f"/v1/balances?min_position={payout['position']}")["data"]
    amounts = {row["code"]: row["amount"] for row in balances}
    assert amounts == {
        "User_Liability": "86.500000",
        "Clearing_Account": "13.500000",
        "System_Hot_Wallet_Asset": "100.000000",
    }
    shown = acme.shown(f"/v1/payouts/{payout['id']}")
    assert shown == {name: value for name, value in payout.items() if name != "position"}
    assert acme.shown("/v1/payouts?state=requested")["data"] == [shown]
    assert acme.shown("/v1/payouts?state=failed")["data"] == []
