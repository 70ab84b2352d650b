"""Payouts over HTTP: reserved at once, the same answer for ever, refusals with their codes."""

import threading
from typing import Any, get_args

import pytest

from core.ledger.ledger import Accepted
from core.streams.payouts import PayoutOrder
from core.streams.treasury import RegisterWallet, Role
from core.tron.address import USDT_MAINNET, ZERO_ADDRESS
from signers.keys.keys import SoftwareKey
from tests.gateways.http.harness import PAYEE, World
from tests.support.history import confirm_payout, send
from tests.support.patience import until


def test_a_payout_reserves_amount_and_fee(shared: World) -> None:
    """The answer names amount and fee, and the balance is smaller by both as soon as the view has the position."""
    acme = shared.company(usdt="100")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "12.5", "client_reference": "order 7"})
    assert payout["state"] == "requested"
    assert (payout["amount"], payout["amount_minor"], payout["fee_minor"]) == ("12.500000", 12_500_000, 1_000_000)
    shared.project()
    balances = acme.shown(f"/v1/balances?min_position={payout['position']}")["data"]
    amounts = {row["code"]: row["amount"] for row in balances}
    assert amounts == {
        "User_Liability": "86.500000",
        "Clearing_Account": "13.500000",
        "System_Hot_Wallet_Asset": "100.000000",
    }
    shown = acme.shown(f"/v1/payouts/{payout['id']}")
    assert shown.pop("lane") == {"ahead": 0}
    assert shown == {name: value for name, value in payout.items() if name != "position"}
    assert acme.shown("/v1/payouts?state=requested")["data"] == [shown]
    assert acme.shown("/v1/payouts?state=failed")["data"] == []


REFUSALS: list[tuple[str, dict[str, Any], int, str]] = [
    ("more than there is", {"amount": "99.5"}, 422, "insufficient_funds"),
    ("below the minimum", {"amount": "0.49"}, 422, "amount_below_minimum"),
    ("fee beyond bigint", {"amount": "9223372036854.775807"}, 422, "amount_out_of_range"),
    ("unknown ledger account", {"ledger_account": "nobody"}, 422, "ledger_account_not_found"),
    ("an asset account", {"ledger_account": "System_Hot_Wallet_Asset"}, 422, "ledger_account_not_found"),
    ("the clearing account", {"ledger_account": "Clearing_Account"}, 422, "ledger_account_not_found"),
    ("mistyped address", {"to_address": PAYEE[:-1] + "1"}, 422, "invalid_address"),
    ("version 0x42", {"to_address": "Tm5YnMzsdR5y8DLTCF1DCspTyiDg2XEw2s"}, 422, "invalid_address"),
    ("an EVM address", {"to_address": "0x" + "11" * 20}, 422, "invalid_address"),
    ("the zero address", {"to_address": ZERO_ADDRESS.base58}, 422, "address_not_payable"),
    ("the token contract", {"to_address": USDT_MAINNET}, 422, "address_not_payable"),
]


@pytest.mark.parametrize(("_", "change", "status", "code"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_what_cannot_be_paid_is_refused(shared: World, _: str, change: dict[str, Any], status: int, code: str) -> None:
    """Each refusal has its code, and its answer is the same when it is repeated."""
    acme = shared.company(usdt="100")
    body = {"to_address": PAYEE, "amount": "10"} | change
    answers = [acme.post("/v1/payouts", json=body, headers={"idempotency-key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert [answer.json()["code"] for answer in answers] == [code] * 2
    assert answers[0].headers["content-type"] == "application/problem+json"


def test_a_deposit_address_of_the_account_is_not_payable(api: World) -> None:
    """Paying oneself on the chain is refused; another account's deposit address is a payee like any other."""
    api.fill_pool()
    acme, other = api.company(usdt="100"), api.company("Other")
    own = acme.made("/v1/payins", {})["address"]["tron_address_base58"]
    anothers = other.made("/v1/payins", {})["address"]["tron_address_base58"]
    refused = acme.post("/v1/payouts", json={"to_address": own, "amount": "1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "address_not_payable")
    acme.made("/v1/payouts", {"to_address": anothers, "amount": "1"})
    api.project()
    assert not acme.shown(f"/v1/address-checks/{own}")["payable"]
    stranger = acme.shown(f"/v1/address-checks/{PAYEE}")
    foreign = acme.shown(f"/v1/address-checks/{anothers}")
    assert {**stranger, "address": "", "tron_address_base58": "", "tron_address_hex": ""} == {
        **foreign,
        "address": "",
        "tron_address_base58": "",
        "tron_address_hex": "",
    }


def test_the_operators_own_wallets_are_not_payable(api: World) -> None:
    """A payout to the hot, gas or cold wallet is refused at once, and the address check says so beforehand."""
    acme = api.company(usdt="100")
    for number, role in enumerate(get_args(Role), start=50):
        address = SoftwareKey(bytes([number]) * 32).address.base58
        assert acme.shown(f"/v1/address-checks/{address}")["payable"]
        [outcome] = api.signer.ledger.execute([RegisterWallet(role, address, None, "operator:test")])
        assert isinstance(outcome, Accepted)
        refused = acme.post("/v1/payouts", json={"to_address": address, "amount": "1"})
        assert (refused.status_code, refused.json()["code"]) == (422, "address_not_payable")
        check = acme.shown(f"/v1/address-checks/{address}")
        assert (check["valid"], check["payable"]) == (True, False)
    assert acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "99"})["state"] == "requested"


@pytest.mark.parametrize(
    ("text", "valid", "payable"),
    [(PAYEE, True, True), (ZERO_ADDRESS.base58, True, False), (USDT_MAINNET, True, False), ("T123", False, False)],
)
def test_addresses_are_checked(shared: World, text: str, valid: bool, payable: bool) -> None:
    """An address check says whether it is an address, whether it is payable, and why not."""
    shared.company()
    answer = shared.operator.shown(f"/v1/address-checks/{text}")
    assert (answer["valid"], answer["payable"], answer["reason"] is None) == (valid, payable, payable)


def test_the_key_answers_the_same_for_ever(shared: World) -> None:
    """A repetition is byte for byte the first answer, however far the payout came since, and says that it is one."""
    acme = shared.company(usdt="100")
    body = {"to_address": PAYEE, "amount": "1.5"}
    headers = {"idempotency-key": "order 1"}
    first = acme.post("/v1/payouts", json=body, headers=headers)
    assert "idempotency-replayed" not in first.headers
    payout = first.json()
    order = PayoutOrder(
        payout_id=payout["id"],
        account_id=acme.account_id,
        ledger_account="User_Liability",
        to_address=PAYEE,
        amount_minor=1_500_000,
        fee_minor=1_000_000,
        currency="USDT",
        client_reference=None,
    )
    shared.signer.ledger.execute(send(order))
    again = acme.post("/v1/payouts", json={"currency": "USDT", "amount": "1.50", "to_address": PAYEE}, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    shared.project()
    assert acme.shown(f"/v1/payouts/{payout['id']}")["state"] == "broadcasted"


def test_a_payout_is_spelled_one_way(shared: World) -> None:
    """First answer, GET, list and webhook have the same bytes of a payout, but for the position of what was just written.

    One that waits has its place in its lane behind them, where it alone is asked for.
    """
    acme = shared.company(usdt="100")
    body = {"to_address": PAYEE, "amount": "1.5", "client_reference": "order 7"}
    first = acme.post("/v1/payouts", json=body)
    made = first.json()
    position = f',"position":"{made["position"]}"}}'
    assert first.text == (
        f'{{"id":"{made["id"]}","state":"requested","to_address":"{PAYEE}","amount":"1.500000","amount_minor":1500000,'
        '"fee_minor":1000000,"currency":"USDT","ledger_account":"User_Liability","tron_tx_hash":null,'
        f'"client_reference":"order 7","failure_code":null,"priority":"normal","not_before":null,"waiting":null,'
        f'"requested_by":"{acme.key_id}","block_number":null,"created_at":"{made["created_at"]}",'
        f'"updated_at":"{made["updated_at"]}"{position}'
    )
    shared.project()
    assert acme.get(f"/v1/payouts/{made['id']}").text == first.text.removesuffix(position) + ',"lane":{"ahead":0}}'
    wished = PayoutOrder(
        payout_id=made["id"],
        account_id=acme.account_id,
        ledger_account="User_Liability",
        to_address=PAYEE,
        amount_minor=1_500_000,
        fee_minor=1_000_000,
        currency="USDT",
        client_reference="order 7",
    )
    for step in ([*send(wished)], [confirm_payout(wished)]):
        shared.signer.ledger.execute(step)
        shared.project()
        shown = acme.get(f"/v1/payouts/{made['id']}").text
        assert shared.last_webhook_data(acme) == shown
        assert acme.get("/v1/payouts").text == f'{{"data":[{shown}],"has_more":false,"next_cursor":null}}'
    assert '"state":"confirmed"' in shown
    assert '"block_number":120,' in shown
    assert "burned" not in shown
    theirs = shared.operator.shown(f"/v1/payouts/{made['id']}")
    assert (theirs["burned"], theirs["burned_sun"]) == ("0.000000", 0)


def test_a_refusal_is_repeated_byte_for_byte(shared: World) -> None:
    """The key of a refused payout stays refused, even when the money is there by now."""
    acme = shared.company()
    body = {"to_address": PAYEE, "amount": "1.5"}
    first = acme.post("/v1/payouts", json=body, headers={"idempotency-key": "k"})
    assert first.json()["code"] == "insufficient_funds"
    assert first.json()["data"] == {
        "ledger_account": "User_Liability",
        "available": "0.000000",
        "required": "2.500000",
        "currency": "USDT",
    }
    shared.fund(acme.account_id, "10")
    again = acme.post("/v1/payouts", json=body, headers={"idempotency-key": "k"})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    acme.made("/v1/payouts", body)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"amount": "2"}, "amount"),
        ({"client_reference": "x"}, "client_reference"),
        ({"amount": "3", "ledger_account": "other"}, "amount, ledger_account"),
    ],
)
def test_a_key_is_for_one_wish(shared: World, change: dict[str, Any], fields: str) -> None:
    """The same key with another body is refused, naming the fields that differ."""
    acme = shared.company(usdt="100")
    body = {"to_address": PAYEE, "amount": "1"}
    acme.made("/v1/payouts", body, **{"idempotency-key": "k"})
    refused = acme.post("/v1/payouts", json=body | change, headers={"idempotency-key": "k"})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert refused.json()["data"]["fields"] == fields


def test_two_accounts_may_use_one_key(shared: World) -> None:
    """Keys are each account's own."""
    bodies = {"to_address": PAYEE, "amount": "1"}
    ids = {
        shared.company(name, usdt="5").made("/v1/payouts", bodies, **{"idempotency-key": "1"})["id"]
        for name in ("A", "B")
    }
    assert len(ids) == 2


def test_a_crowd_with_one_key_makes_one_payout(shared: World) -> None:
    """Sixteen at once with one key: one payout is reserved, and every answer is that one."""
    acme = shared.company(usdt="100")
    answers = []

    def ask() -> None:
        with shared.client(acme.headers["x-api-key"]) as client:
            answers.append(
                client.post(
                    "/v1/payouts", json={"to_address": PAYEE, "amount": "1"}, headers={"idempotency-key": "crowd"}
                )
            )

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    shared.project()
    assert len(acme.shown("/v1/payouts")["data"]) == 1


def test_a_payout_is_cancelled_while_nothing_is_prepared(shared: World) -> None:
    """Cancelling releases the reserve, twice is as once, and a prepared payout is not cancelled."""
    acme = shared.company(usdt="100")
    payout = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    cancelled = acme.made(f"/v1/payouts/{payout['id']}/cancel", None)
    assert cancelled["state"] == "cancelled"
    assert acme.made(f"/v1/payouts/{payout['id']}/cancel", {}) == cancelled
    shared.project()
    shown = acme.shown(f"/v1/payouts/{payout['id']}?min_position={cancelled['position']}")
    assert shown == {name: value for name, value in cancelled.items() if name != "position"}
    amounts = {row["code"]: row["amount"] for row in acme.shown("/v1/balances")["data"]}
    assert amounts["User_Liability"] == "100.000000"

    sent = acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    order = PayoutOrder(
        payout_id=sent["id"],
        account_id=acme.account_id,
        ledger_account="User_Liability",
        to_address=PAYEE,
        amount_minor=1_000_000,
        fee_minor=1_000_000,
        currency="USDT",
        client_reference=None,
    )
    shared.signer.ledger.execute(send(order))
    refused = acme.post(f"/v1/payouts/{sent['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "payout_not_cancellable")


def test_payouts_are_paged_while_more_come(shared: World) -> None:
    """Pages of a list do not shift when rows are added, and together they hold every row once."""
    acme = shared.company(usdt="100")
    made = [acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})["id"] for _ in range(5)]
    shared.project()
    first = acme.shown("/v1/payouts?limit=2")
    acme.made("/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    shared.project()
    second = acme.shown(f"/v1/payouts?limit=2&after={first['next_cursor']}")
    third = acme.shown(f"/v1/payouts?limit=2&after={second['next_cursor']}")
    ids = [row["id"] for page in (first, second, third) for row in page["data"]]
    assert ids == made[::-1]
    assert (second["has_more"], third["has_more"], third["next_cursor"]) == (True, False, None)


def test_a_suspended_account_pays_nothing_out(shared: World) -> None:
    """Suspension refuses payouts with a code of its own, and reading goes on."""
    acme = shared.company(usdt="100")
    shared.operator.patch(f"/v1/accounts/{acme.account_id}", json={"status": "suspended"})
    refused = acme.post("/v1/payouts", json={"to_address": PAYEE, "amount": "1"})
    assert (refused.status_code, refused.json()["code"]) == (403, "account_suspended")
    shared.project()
    assert until(lambda: acme.shown("/v1/account"))["status"] == "suspended"
