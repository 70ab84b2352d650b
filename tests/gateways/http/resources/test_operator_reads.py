"""Who answers the phone reads what clients read, of one account or of all; a client its own, whatever it asks (I12)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from core.ledger.books import USER_LIABILITY
from core.tron.address import Address
from gateways.http.endpoint import ENDPOINTS
from gateways.postgres.server import EmbeddedPostgres
from tests.gateways.http.harness import PAYEE, Client, World, world
from tests.support.history import USDT, confirm, detect, execute, transfer
from tests.support.postgres import fresh_database

LISTS = (
    "/v1/deposits",
    "/v1/payouts",
    "/v1/payins",
    "/v1/payin-addresses",
    "/v1/journal-entries",
    "/v1/ledger-accounts",
    "/v1/events",
    "/v1/webhook-events",
)
"""Those that an operator reads across accounts."""
ONE_BY_ONE = ("/v1/deposits", "/v1/payouts", "/v1/payins", "/v1/payin-addresses", "/v1/journal-entries")
OF_ONE_ACCOUNT = ("/v1/balances", "/v1/statements", "/v1/statements.csv")
PERIOD = {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}


class Tenants(NamedTuple):
    """Two companies that have done the same, under the same references."""

    api: World
    acme: Client
    other: Client


def busy(api: World, name: str) -> Client:
    """A company with a webhook, two payouts, two payins, and deposits on each."""
    client = api.company(name, usdt="100")
    api.operator.patch(f"/v1/accounts/{client.account_id}", json={"webhook_url": "https://client.example/hook"})
    api.project()
    api.fill_pool(2)
    for number in (1, 2):
        to = client.made("/v1/payins", {"client_reference": f"customer {number}"})["address"]["tron_address_base58"]
        fact = transfer(f"{name} {number}", Address.from_base58(to), number * USDT)
        execute(api.recorder.ledger, detect(fact))
        execute(api.recorder.ledger, confirm(fact, client.account_id, USER_LIABILITY))
        client.made("/v1/payouts", {"to_address": PAYEE, "amount": str(number), "client_reference": f"order {number}"})
    api.project()
    client.made("/v1/webhook-events/redeliver", {"after_sequence": 0})
    return client


@pytest.fixture(scope="module")
def tenants(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with fresh_database(postgres) as database, world(database, tmp_path_factory.mktemp("api")) as api:
        yield Tenants(api, busy(api, "Acme"), busy(api, "Other"))


def everything(client: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found, after = [], None
    while True:
        page = client.get(path, params={**query, **({"after": after} if after else {})}).json()
        found += page["data"]
        if not page["has_more"]:
            return found
        after = page["next_cursor"]


def own(item: dict[str, Any]) -> dict[str, Any]:
    """The item as its owner sees it."""
    return {name: value for name, value in item.items() if name != "account_id"}


@pytest.mark.parametrize("path", LISTS)
def test_the_operator_reads_any_account_s_list(tenants: Tenants, path: str) -> None:
    """With ?account_id= exactly what its own key gets, each row with whose it is."""
    for client in (tenants.acme, tenants.other):
        found = everything(tenants.api.operator, path, account_id=client.account_id)
        assert found
        assert {it["account_id"] for it in found} == {client.account_id}
        assert [own(it) for it in found] == everything(client, path)


@pytest.mark.parametrize("path", LISTS)
def test_without_an_account_a_list_spans_them(tenants: Tenants, path: str) -> None:
    """Whatever the page's size, each row once, the newest first; it holds every account's rows."""
    whole = everything(tenants.api.operator, path, limit=200)
    for size in (1, 3):
        assert everything(tenants.api.operator, path, limit=size) == whole
    times = [it["created_at"] if "created_at" in it else it["detected_at"] for it in whole]
    assert times == sorted(times, reverse=True)
    for client in (tenants.acme, tenants.other):
        mine = [own(it) for it in whole if it["account_id"] == client.account_id]
        theirs = everything(client, path)
        assert mine == (list(reversed(theirs)) if path == "/v1/events" else theirs)


@pytest.mark.parametrize("path", ONE_BY_ONE)
def test_the_operator_reads_any_by_its_id(tenants: Tenants, path: str) -> None:
    """The same object with whose it is; another client finds nothing (I12)."""
    item = tenants.acme.shown(path)["data"][0]
    one = f"{path}/{item['id']}"
    found = tenants.api.operator.shown(one)
    assert found["account_id"] == tenants.acme.account_id
    assert own(found) == tenants.acme.shown(one)
    assert tenants.other.get(one).status_code == 404


@pytest.mark.parametrize("path", OF_ONE_ACCOUNT)
def test_what_is_one_account_s_is_asked_for_by_account(tenants: Tenants, path: str) -> None:
    """The operator names it, and gets what the account gets; without it the answer says that it is needed."""
    asked = PERIOD if "statements" in path else {}
    refused = tenants.api.operator.get(path, params=asked)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "?account_id")
    found = tenants.api.operator.get(path, params={**asked, "account_id": tenants.acme.account_id})
    assert found.status_code == 200
    assert found.content == tenants.acme.get(path, params=asked).content


@pytest.mark.parametrize("path", [*LISTS, *OF_ONE_ACCOUNT])
def test_a_client_cannot_ask_for_another_s(tenants: Tenants, path: str) -> None:
    """?account_id= of somebody else is refused before anything is read; its own is no harm (I12)."""
    asked = PERIOD if "statements" in path else {}
    for foreign in (tenants.other.account_id, "00000000-0000-0000-0000-000000000000"):
        refused = tenants.acme.get(path, params={**asked, "account_id": foreign})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "?account_id")
    mine = tenants.acme.get(path, params={**asked, "account_id": tenants.acme.account_id})
    assert mine.status_code == 200
    assert tenants.other.account_id not in mine.text


def test_every_client_s_list_is_looked_at_here() -> None:
    """A new endpoint that clients and the operator read is one of those above."""
    shared = {each.path for each in ENDPOINTS if each.method == "GET" and each.operator_too}
    by_id = {f"{path}/{{id}}" for path in ONE_BY_ONE}
    assert shared == {*LISTS, *OF_ONE_ACCOUNT, *by_id}


def test_one_ledger_account_s_entries_are_of_a_book(tenants: Tenants) -> None:
    """Its code alone names no book: the operator says which account's."""
    refused = tenants.api.operator.get("/v1/journal-entries?ledger_account=User_Liability")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "?account_id")
    asked = f"/v1/journal-entries?ledger_account=User_Liability&account_id={tenants.acme.account_id}"
    theirs = tenants.acme.shown("/v1/journal-entries?ledger_account=User_Liability")
    assert [own(it) for it in tenants.api.operator.shown(asked)["data"]] == theirs["data"]
