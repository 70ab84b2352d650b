"""Transfers between ledger accounts over HTTP, one by one and in batches."""

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.gateways.http.harness import Client, World, world
from tests.support.postgres import Database


def amounts(client: Client) -> dict[str, str]:
    return {row["code"]: row["amount"] for row in client.shown("/v1/balances")["data"]}


def told_alike(one: Any, other: Any) -> bool:
    """The same answer but for the id of the transfer that it is about."""
    told = [answer.json() | {"request_id": ""} for answer in (one, other)]
    return (one.status_code, told[0]) == (other.status_code, told[1])


def to_bob(amount: str, **change: Any) -> dict[str, Any]:
    return {"from_ledger_account": "User_Liability", "to_ledger_account": "bob", "amount": amount} | change


def company(shared: World, usdt: str = "10") -> Client:
    """With the ledger account bob beside the standard ones."""
    acme = shared.company(usdt=usdt)
    acme.made("/v1/ledger-accounts", {"code": "bob", "name": "Bob", "type": "liability"})
    return acme


def batch(acme: Client, *items: dict[str, Any], atomic: bool = False) -> Any:
    """Each with the key 0, 1, ... unless it names one."""
    keyed = [{"idempotency_key": str(number)} | item for number, item in enumerate(items)]
    return acme.post("/v1/transfers/batch", json={"items": keyed, "atomic": atomic})


def test_a_transfer_moves_between_accounts_and_clients(api: World) -> None:
    """Within one book and between two, both books balance and nothing touches the chain."""
    acme, other = api.company(usdt="10"), api.company("Other")
    assert other.patch("/v1/account", json={"accept_transfers": True}).json()["accept_transfers"] is True
    acme.made("/v1/ledger-accounts", {"code": "bob", "name": "Bob", "type": "liability"})
    within = {"from_ledger_account": "User_Liability", "to_ledger_account": "bob", "amount": "4"}
    moved = acme.made("/v1/transfers", within)
    assert (moved["amount_minor"], moved["to_account_id"]) == (4_000_000, acme.account_id)
    across = {
        "from_ledger_account": "bob",
        "to_ledger_account": "User_Liability",
        "to_account_id": other.account_id,
        "amount": "1.5",
    }
    acme.made("/v1/transfers", across)
    api.project()
    assert amounts(acme) == {
        "User_Liability": "6.000000",
        "bob": "2.500000",
        "Clearing_Account": "0.000000",
        "System_Hot_Wallet_Asset": "8.500000",
    }
    assert amounts(other)["User_Liability"] == "1.500000"
    assert api.operator.shown("/v1/trial-balance")["balanced"]
    of_bob = acme.shown("/v1/journal-entries?ledger_account=bob")["data"]
    assert [entry["event_type"] for entry in of_bob] == ["transfer", "transfer"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": "11"}, "insufficient_funds"),
        ({"to_ledger_account": "User_Liability"}, "same_ledger_account"),
        ({"from_ledger_account": "nobody"}, "ledger_account_not_found"),
        ({"to_ledger_account": "nobody"}, "ledger_account_not_found"),
        ({"to_ledger_account": "Clearing_Account"}, "ledger_account_not_found"),
        ({"to_account_id": "me"}, "validation_failed"),
    ],
)
def test_a_transfer_that_cannot_be(shared: World, change: dict[str, Any], code: str) -> None:
    """Each refusal has its code."""
    acme = shared.company(usdt="10")
    acme.made("/v1/ledger-accounts", {"code": "bob", "name": "Bob", "type": "liability"})
    body = {"from_ledger_account": "User_Liability", "to_ledger_account": "bob", "amount": "1"} | change
    refused = acme.post("/v1/transfers", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_a_transfer_to_another_account_needs_its_consent_and_tells_nothing_of_it(shared: World) -> None:
    """No account, one that did not consent, an unknown code: the same bytes; the owner consents, and takes it back."""
    acme, other = shared.company(usdt="10"), shared.company("Other")

    def to(account_id: str, code: str = "User_Liability") -> Any:
        wish = {"from_ledger_account": "User_Liability", "to_ledger_account": code, "amount": "1"}
        return acme.post("/v1/transfers", json=wish | {"to_account_id": account_id})

    unknown = to("0196b5a0-0000-7000-8000-000000000000")
    assert (unknown.status_code, unknown.json()["code"], "data" in unknown.json()) == (
        422,
        "transfer_not_accepted",
        False,
    )
    assert told_alike(to(other.account_id), unknown)
    consent = other.patch("/v1/account", json={"accept_transfers": True})
    assert (consent.status_code, consent.json()["accept_transfers"]) == (200, True)
    assert told_alike(to(other.account_id, "nobody"), unknown)
    assert told_alike(to(other.account_id, "Clearing_Account"), unknown)
    assert to(other.account_id).status_code == 201
    shared.project()
    assert other.shown("/v1/account")["accept_transfers"] is True
    assert acme.shown("/v1/account")["accept_transfers"] is False
    shared.operator.patch(f"/v1/accounts/{other.account_id}", json={"accept_transfers": False})
    assert told_alike(to(other.account_id), unknown)


def test_a_key_is_answered_the_same_for_ever(shared: World) -> None:
    """A refusal, too, even when the money is there by now; byte for byte, marked, and another wish is refused."""
    acme = company(shared)
    for key, amount, status in (("paid", "4", 201), ("short", "1111", 422)):
        first = acme.post("/v1/transfers", json=to_bob(amount), headers={"idempotency-key": key})
        assert (first.status_code, "idempotency-replayed" in first.headers) == (status, False)
        shared.fund(acme.account_id, "100")
        again = acme.post("/v1/transfers", json=to_bob(amount), headers={"idempotency-key": key})
        assert (again.status_code, again.content) == (status, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        other = acme.post("/v1/transfers", json=to_bob("5"), headers={"idempotency-key": key})
        assert (other.json()["code"], other.json()["data"]["fields"]) == ("idempotency_key_reused", "amount")


def test_a_crowd_with_one_key_makes_one_transfer(shared: World) -> None:
    """Twenty at once with one key: all get the one answer, and none is told to come again."""
    acme = company(shared)
    answers: list[Any] = []

    def ask() -> None:
        with shared.client(acme.headers["x-api-key"]) as client:
            answers.append(client.post("/v1/transfers", json=to_bob("1"), headers={"idempotency-key": "crowd"}))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19


# Batches


def test_a_batch_has_an_outcome_for_each(shared: World) -> None:
    """In the order of the items; what is refused keeps nobody else from being posted, and each key is as one by one."""
    acme = company(shared)
    single = acme.post("/v1/transfers", json=to_bob("1"), headers={"idempotency-key": "before"})
    told = batch(
        acme,
        to_bob("4"),
        to_bob("9"),
        to_bob("1", to_ledger_account="nobody"),
        to_bob("1", idempotency_key="before"),
        to_bob("2", idempotency_key="before"),
        to_bob("5"),
    ).json()["data"]
    assert [each["status"] for each in told] == [201, 422, 422, 201, 422, 201]
    assert [each["replayed"] for each in told] == [False, False, False, True, False, False]
    assert [each["problem"] and each["problem"]["code"] for each in told] == [
        None,
        "insufficient_funds",
        "ledger_account_not_found",
        None,
        "idempotency_key_reused",
        None,
    ]
    assert told[3]["transfer"] == single.json()
    refused = acme.post("/v1/transfers", json=to_bob("9"), headers={"idempotency-key": "1"})
    assert (refused.json(), refused.headers["idempotency-replayed"]) == (told[1]["problem"], "true")
    shared.project()
    assert (amounts(acme)["User_Liability"], amounts(acme)["bob"]) == ("0.000000", "10.000000")


def test_a_batch_that_is_repeated_moves_nothing(shared: World) -> None:
    """The same outcomes, each marked as replayed; a key that stands in it twice is one wish."""
    acme = company(shared)
    items = to_bob("1"), to_bob("50"), to_bob("1", idempotency_key="0")
    first, again = (batch(acme, *items).json()["data"] for _ in range(2))
    assert [each["replayed"] for each in first] == [False, False, True]
    assert again == [each | {"replayed": True} for each in first]
    shared.project()
    assert amounts(acme)["bob"] == "1.000000"


def test_an_atomic_batch_is_posted_as_a_whole(shared: World) -> None:
    """What comes in by one transfer can leave by the next; in one append, and again it is the same."""
    acme = company(shared)
    items = to_bob("10"), {"from_ledger_account": "bob", "to_ledger_account": "User_Liability", "amount": "3"}
    first, again = (batch(acme, *items, atomic=True).json()["data"] for _ in range(2))
    assert [each["status"] for each in first] == [201, 201]
    assert again == [each | {"replayed": True} for each in first]
    shared.project()
    assert (amounts(acme)["User_Liability"], amounts(acme)["bob"]) == ("3.000000", "7.000000")


def test_an_atomic_batch_that_is_refused_has_written_nothing(shared: World) -> None:
    """Every transfer that cannot be is named; no key is answered, so that what is right can be sent again."""
    acme = company(shared)
    items = to_bob("6"), to_bob("5"), to_bob("1", to_ledger_account="nobody")
    refused = batch(acme, *items, atomic=True)
    assert (refused.status_code, refused.json()["code"]) == (422, "transfers_refused")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/items/1", "#/items/2"]
    assert refused.json()["errors"][0]["detail"].startswith("insufficient_funds: ")
    shared.project()
    assert amounts(acme)["bob"] == "0.000000"
    shared.fund(acme.account_id, "1")
    posted = batch(acme, *items[:2], atomic=True).json()["data"]
    assert [(each["status"], each["replayed"]) for each in posted] == [(201, False), (201, False)]


def test_an_atomic_batch_is_refused_for_a_key_that_was_refused(shared: World) -> None:
    """The key is answered so for ever, in a batch as alone."""
    acme = company(shared)
    acme.post("/v1/transfers", json=to_bob("11"), headers={"idempotency-key": "1"})
    shared.fund(acme.account_id, "100")
    refused = batch(acme, to_bob("1"), to_bob("11"), atomic=True)
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/items/1"]


@pytest.mark.parametrize("items", [[], [to_bob("1", idempotency_key=str(number)) for number in range(501)]])
def test_a_batch_is_of_one_to_five_hundred(shared: World, items: list[dict[str, Any]]) -> None:
    refused = batch(company(shared), *items)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/items")


def test_the_longest_batch_there_is_fits(shared: World) -> None:
    """Five hundred items with keys of 255 characters are taken, and are one append's worth."""
    acme = company(shared, "600")
    told = batch(acme, *[to_bob("1", idempotency_key=f"{number:0255}") for number in range(500)]).json()["data"]
    assert {each["status"] for each in told} == {201}


def test_a_batch_counts_as_its_items(database: Database, tmp_path: Path) -> None:
    """One that is larger than what is left of the minute is refused whole, and takes nothing of it."""
    with world(database, tmp_path, rate_limit="10/minute") as api:
        acme = company(api)
        told = batch(acme, *[to_bob("1")] * 6)
        assert (told.status_code, told.headers["ratelimit"].split(";")[1]) == (200, "r=3")
        refused = batch(acme, *[to_bob("1", idempotency_key=str(number)) for number in range(10, 14)])
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert batch(acme, to_bob("1")).status_code == 200
