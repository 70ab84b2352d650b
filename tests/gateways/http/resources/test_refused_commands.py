"""Refused commands over HTTP: each is an event that the operator can list, and the history holds as before."""

from pathlib import Path

import psycopg

from core.streams.refused_commands import KEPT_PER_HOUR
from projections.audit.reconcile import reconcile
from tests.gateways.http.harness import PAYEE, Client, World, world
from tests.support.exports import exported, verdict
from tests.support.postgres import Database

NOBODY = "00000000-0000-5000-8000-000000000000"


def refuse(client: Client, key: str, amount: str = "900") -> None:
    body = {"from_ledger_account": "User_Liability", "to_ledger_account": "Other", "amount": amount}
    assert client.post("/v1/transfers", json=body, headers={"idempotency-key": key}).status_code == 422


def test_the_operator_sees_what_was_refused(api: World, database: Database, tmp_path: Path) -> None:
    """Who tried what, and why it was refused; payouts, too, and nothing of it moves a balance."""
    acme, other = api.company("Acme", usdt="10"), api.company("Other", usdt="5")
    api.project()
    balances = acme.shown("/v1/balances")
    refuse(acme, "one")
    refuse(other, "one", "1")
    asked = acme.post("/v1/payouts", json={"to_address": PAYEE, "amount": "500"}, headers={"idempotency-key": "two"})
    assert asked.status_code == 422
    assert api.operator.patch(f"/v1/accounts/{NOBODY}", json={"name": "x"}).status_code == 404
    told = api.operator.shown("/v1/refused-commands")["data"]
    assert [(each["command"], each["account_id"], each["code"]) for each in told] == [
        ("change_account", "operator", "account_not_found"),
        ("request_payout", acme.account_id, "insufficient_funds"),
        ("post_transfer", other.account_id, "ledger_account_not_found"),
        ("post_transfer", acme.account_id, "ledger_account_not_found"),
    ]
    assert told[3]["actor"] == f"api-key:{acme.key_id}"
    assert told[3]["wish"]["amount_minor"] == 900_000_000
    assert told[3]["detail"].startswith("The account has no open liability account with the code Other")
    own = api.operator.shown(f"/v1/refused-commands?account_id={acme.account_id}&limit=1")
    assert (own["data"], own["has_more"]) == ([told[1]], True)
    rest = api.operator.shown(f"/v1/refused-commands?account_id={acme.account_id}&after={own['next_cursor']}")
    assert rest["data"] == [told[3]]
    assert acme.get("/v1/refused-commands").status_code == 403
    api.project()
    assert acme.shown("/v1/balances") == balances
    with psycopg.connect(database.reader_url) as conn:
        checks = reconcile(conn, None).checks
    assert [check for check in checks if not check.ok] == []
    assert verdict(exported(database), tmp_path).wrong == {}


def test_an_account_s_refusals_are_bounded(database: Database, tmp_path: Path) -> None:
    """Beyond so many an hour they are answered as before, and append nothing; the server's end tells their count.

    But for those that are their key's answer for ever: of payouts and transfers.
    """
    with world(database, tmp_path) as api:
        acme = api.company()

        def refuse() -> None:
            again = {"code": "User_Liability", "name": "Again", "type": "liability"}
            assert acme.post("/v1/ledger-accounts", json=again).json()["code"] == "ledger_account_exists"

        for _ in range(KEPT_PER_HOUR):
            refuse()
        head = api.platform.store.head()
        for _ in range(5):
            refuse()
        assert api.platform.store.head() == head
        assert len(api.operator.shown("/v1/refused-commands?limit=100")["data"]) == KEPT_PER_HOUR
    with world(database, tmp_path) as api:
        assert api.platform.store.head() == head + 1
        last = api.operator.shown("/v1/refused-commands?limit=1")["data"][0]
        assert (last["account_id"], last["position"]) == (acme.account_id, head + 1)
        assert last["counts"] == [{"command": "open_ledger_account", "code": "ledger_account_exists", "times": 5}]
