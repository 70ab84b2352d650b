"""One question for whatever the caller on the phone has: a client finds its own, the operator anybody's (I12)."""

import logging
from typing import Any

import pytest

from core.streams.payouts import payout_stream
from tests.gateways.http.harness import EVERYTHING, PAYEE, Client, World
from tests.gateways.http.resources.test_filters import Tenants, tenants
from tests.support.history import PAYER

__all__ = ["tenants"]


def found(client: Client, text: str, **more: Any) -> list[tuple[str, str]]:
    """Kind and id of what is found, the newest first."""
    answer = client.get("/v1/find", params={"q": text, **more})
    assert answer.status_code == 200, answer.text
    return [(it["kind"], it["id"]) for it in answer.json()["data"]]


def ids(client: Client, path: str) -> list[str]:
    return [it["id"] for it in client.shown(path)["data"]]


def test_each_kind_of_clue_finds_its_thing(tenants: Tenants) -> None:
    """Id, txid, address in base58 and hex, reference, amount: each finds its owner's things, and nobody else's."""
    acme, other, operator = tenants.acme, tenants.other, tenants.api.operator
    seen, paid = acme.shown("/v1/deposits")["data"]
    payin = acme.shown("/v1/payins?client_reference=42")["data"][0]
    payout = acme.shown("/v1/payouts?client_reference=order 2")["data"][0]
    entry = acme.shown("/v1/journal-entries")["data"][0]
    ledger_account = acme.shown("/v1/ledger-accounts")["data"][0]
    of_its_own: list[tuple[str, list[tuple[str, str]]]] = [
        (paid["id"], [("deposit", paid["id"])]),
        (paid["tx_hash"], [("deposit", paid["id"])]),
        ("0x" + paid["tx_hash"].upper(), [("deposit", paid["id"])]),
        (paid["address"], [("deposit", paid["id"]), ("payin", payin["id"])]),
        (payin["address"]["tron_address_hex"], [("deposit", paid["id"]), ("payin", payin["id"])]),
        (payin["id"], [("payin", payin["id"])]),
        (payin["address"]["id"], [("payin_address", payin["address"]["id"])]),
        (payout["id"].upper(), [("payout", payout["id"])]),
        (entry["id"], [("journal_entry", entry["id"])]),
        (ledger_account["id"], [("ledger_account", ledger_account["id"])]),
    ]
    for clue, things in of_its_own:
        assert found(acme, f" {clue} ") == things, clue
        assert found(other, clue) == [], clue
        assert found(operator, clue) == things, clue
        assert found(operator, clue, account_id=other.account_id) == [], clue
    both: list[tuple[str, int]] = [(PAYER.base58, 2), ("42", 2), ("order 2", 1), ("25.00", 1), ("3", 0), ("9.0", 1)]
    for clue, count in both[:4] + both[5:]:
        mine, theirs = found(acme, clue), found(other, clue)
        assert (len(mine), len(theirs)) == (count, count), clue
        assert not set(mine) & set(theirs), clue
        assert set(found(operator, clue)) >= {*mine, *theirs}, clue
    assert seen["id"] in {it for _, it in found(acme, "3.00")}


def test_the_answer_says_what_and_where(tenants: Tenants) -> None:
    """A line a thing, whose it is for the operator, its place, and how far and what was searched."""
    paid = tenants.acme.shown("/v1/deposits?status=confirmed")["data"][0]
    answer = tenants.api.operator.shown(f"/v1/find?q={paid['tx_hash']}")
    [thing] = answer["data"]
    assert thing["title"] == f"25.000000 USDT from {PAYER.base58}"
    assert (thing["state"], thing["account_id"]) == ("confirmed", tenants.acme.account_id)
    assert tenants.api.operator.shown(thing["href"])["id"] == paid["id"]
    assert answer["searched"]["position"] == tenants.api.platform.store.head()
    assert "account" in answer["searched"]["kinds"]
    mine = tenants.acme.shown(f"/v1/find?q={paid['tx_hash']}")
    assert "account_id" not in mine["data"][0]
    assert "account" not in mine["searched"]["kinds"]


def test_a_key_finds_what_it_may_read(shared: World) -> None:
    """Without payouts:read no payout is found, and the answer says that none was looked for."""
    acme = shared.company(usdt="10")
    made = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    shared.project()
    assert shared.platform.store.histories([payout_stream(made["id"])])
    key = shared.operator.made(
        f"/v1/accounts/{acme.account_id}/api-keys",
        {"name": "less", "permissions": [it for it in EVERYTHING if it != "payouts:read"]},
    )
    assert found(acme, made["id"]) == [("payout", made["id"])]
    answer = shared.client(key["key"]).shown(f"/v1/find?q={made['id']}")
    assert answer["data"] == []
    assert "payout" not in answer["searched"]["kinds"]


def test_more_than_a_page_is_said(tenants: Tenants) -> None:
    """With a limit the newest are given, and that there are others."""
    answer = tenants.acme.shown(f"/v1/find?q={PAYER.base58}&limit=1")
    assert (len(answer["data"]), answer["has_more"]) == (1, True)
    assert answer["data"][0]["id"] == ids(tenants.acme, "/v1/deposits")[0]


@pytest.mark.parametrize(
    "secret",
    ["cf_live_" + "A" * 43, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw", " ".join(["abandon"] * 11 + ["about"])],
)
def test_a_secret_is_neither_looked_for_nor_kept(
    tenants: Tenants, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who pastes a key is told to have it replaced; it stands in no log and in no answer (I13)."""
    with caplog.at_level(logging.DEBUG):
        refused = tenants.acme.get("/v1/find", params={"q": secret})
    assert (refused.status_code, refused.json()["code"]) == (422, "looks_like_a_secret")
    assert secret not in refused.text
    assert all(secret not in record.getMessage() for record in caplog.records if record.name.startswith("counterfoil"))


def test_too_short_a_clue_is_refused(tenants: Tenants) -> None:
    """One character is nearly anything."""
    refused = tenants.acme.get("/v1/find?q=5%20")
    assert (refused.status_code, refused.json()["code"]) == (422, "query_too_short")
    assert refused.json()["data"] == {"characters_min": 2}
