"""Whatever a caller has finds the deposit, the payout, the payin or the event: of its own account only, and by an index."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from core.ledger.books import USER_LIABILITY
from core.tron.address import Address
from gateways.http.reading import queries
from gateways.http.reading.queries import Found, Queries
from gateways.http.resources import deposits, payins, payouts, webhooks
from gateways.postgres.server import EmbeddedPostgres
from tests.gateways.http.harness import Client, World, world
from tests.support.history import PAYEE, PAYER, USDT, confirm, detect, execute, transfer
from tests.support.postgres import Database, fresh_database

NOBODY = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
OTHER_TXID = "ab" * 32
FAR, PAST = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


class Tenants(NamedTuple):
    """Two companies that have done the same, under the same references, with the same payer and payee."""

    api: World
    acme: Client
    other: Client


def busy(api: World, name: str) -> Client:
    """A company with a payin, a deposit of 25 that is confirmed, one of 3 that is not, and two payouts."""
    client = api.company(name, usdt="100")
    api.project()
    api.fill_pool(2)
    to = [client.made("/v1/payins", {"client_reference": it})["address"]["tron_address_base58"] for it in ("42", "43")]
    paid = transfer(f"{name} pays", Address.from_base58(to[0]), 25 * USDT)
    seen = transfer(f"{name} is seen", Address.from_base58(to[1]), 3 * USDT)
    execute(api.recorder.ledger, detect(paid), detect(seen))
    execute(api.recorder.ledger, confirm(paid, client.account_id, USER_LIABILITY))
    for amount, reference in (("5", "order 1"), ("7", "order 2")):
        client.made("/v1/payouts", {"to_address": PAYEE.base58, "amount": amount, "client_reference": reference})
    gone = client.made("/v1/payouts", {"to_address": NOBODY, "amount": "9", "client_reference": "order 3"})
    client.made(f"/v1/payouts/{gone['id']}/cancel", None)
    api.project()
    return client


@pytest.fixture(scope="module")
def tenants(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with fresh_database(postgres) as database, world(database, tmp_path_factory.mktemp("api")) as api:
        yield Tenants(api, busy(api, "Acme"), busy(api, "Other"))


def own(client: Client, path: str, name: str) -> Any:
    """What the newest of the client's own has under the filter's name."""
    return client.shown(path)["data"][0][name]


DEPOSITS: list[tuple[str, Any, list[str]]] = [
    ("status", "confirmed", ["25.000000"]),
    ("status", "orphaned", []),
    ("from_address", PAYER.base58, ["3.000000", "25.000000"]),
    ("from_address", PAYER.hex(), ["3.000000", "25.000000"]),
    ("from_address", NOBODY, []),
    ("client_reference", "42", ["25.000000"]),
    ("client_reference", "4", []),
    ("ledger_account", USER_LIABILITY, ["3.000000", "25.000000"]),
    ("ledger_account", "customer-1", []),
    ("min_amount", "25", ["25.000000"]),
    ("max_amount", "24.999999", ["3.000000"]),
    ("created_after", FAR, []),
    ("created_after", PAST, ["3.000000", "25.000000"]),
    ("created_before", FAR, ["3.000000", "25.000000"]),
    ("created_before", PAST, []),
    ("tx_hash", OTHER_TXID, []),
    ("address", NOBODY, []),
]
PAYOUTS: list[tuple[str, Any, list[str]]] = [
    ("state", "requested", ["7.000000", "5.000000"]),
    ("state", ["requested", "cancelled"], ["9.000000", "7.000000", "5.000000"]),
    ("state", "confirmed", []),
    ("to_address", PAYEE.base58, ["7.000000", "5.000000"]),
    ("client_reference", "order 2", ["7.000000"]),
    ("client_reference", "order", []),
    ("ledger_account", USER_LIABILITY, ["9.000000", "7.000000", "5.000000"]),
    ("min_amount", "7", ["9.000000", "7.000000"]),
    ("max_amount", "5", ["5.000000"]),
    ("created_after", FAR, []),
    ("created_before", FAR, ["9.000000", "7.000000", "5.000000"]),
    ("tx_hash", OTHER_TXID, []),
]


@pytest.mark.parametrize(("name", "value", "found"), DEPOSITS)
def test_deposits_are_found_by(tenants: Tenants, name: str, value: Any, found: list[str]) -> None:
    """Each filter narrows to what fits, of one's own account; the operator finds both accounts' (I12)."""
    _found_by(tenants, "/v1/deposits", name, value, found)


@pytest.mark.parametrize(("name", "value", "found"), PAYOUTS)
def test_payouts_are_found_by(tenants: Tenants, name: str, value: Any, found: list[str]) -> None:
    """Each filter narrows to what fits, of one's own account; the operator finds both accounts' (I12)."""
    _found_by(tenants, "/v1/payouts", name, value, found)


def _found_by(tenants: Tenants, path: str, name: str, value: Any, found: list[str]) -> None:
    mine = {client.account_id: [it["id"] for it in client.shown(path)["data"]] for client in tenants[1:]}
    for client in (tenants.acme, tenants.other):
        answered = client.get(path, params={name: value}).json()["data"]
        assert [it["amount"] for it in answered] == found
        assert {it["id"] for it in answered} <= set(mine[client.account_id])
    everybodys = tenants.api.operator.get(path, params={name: value}).json()["data"]
    assert len(everybodys) == 2 * len(found)
    for account_id in mine:
        theirs = tenants.api.operator.get(path, params={name: value, "account_id": account_id}).json()["data"]
        assert [it["amount"] for it in theirs] == found
        assert theirs == [it for it in everybodys if it["account_id"] == account_id]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/deposits", "tx_hash"),
        ("/v1/deposits", "address"),
        ("/v1/payins", "address"),
        ("/v1/events", "subject"),
    ],
)
def test_what_only_one_account_has_the_other_does_not_find(tenants: Tenants, path: str, name: str) -> None:
    """A txid, an address, an object's events: its owner and the operator find it, another client nothing (I12)."""
    newest = tenants.acme.shown(path)["data"][0]
    value = newest.get(name)
    if path == "/v1/payins":
        value = newest["address"]["tron_address_base58"]
    if path == "/v1/events":
        value = f"{newest['type'].partition('.')[0]}-{newest['data']['id']}"
    for client, finds in ((tenants.acme, True), (tenants.other, False), (tenants.api.operator, True)):
        found = client.get(path, params={name: value}).json()["data"]
        assert bool(found) == finds
        assert all(it["id"] in {mine["id"] for mine in tenants.acme.shown(path)["data"]} for it in found)


def test_payins_are_found_by_reference(tenants: Tenants) -> None:
    """One's own with exactly this reference; the operator finds each account's (I12)."""
    for client in (tenants.acme, tenants.other):
        [found] = client.shown("/v1/payins?client_reference=42")["data"]
        assert found["id"] in {it["id"] for it in client.shown("/v1/payins")["data"]}
        assert client.shown("/v1/payins?client_reference=4")["data"] == []
    found = tenants.api.operator.shown("/v1/payins?client_reference=42")["data"]
    assert {it["account_id"] for it in found} == {tenants.acme.account_id, tenants.other.account_id}


def test_events_are_found_by_type(tenants: Tenants) -> None:
    """One type, or all that begin alike; a type that there is not is a mistake, and no filter waits."""
    kinds = [it["type"] for it in tenants.acme.shown("/v1/events")["data"]]
    assert [it["type"] for it in tenants.acme.shown("/v1/events?type=deposit.*")["data"]] == kinds
    assert [it["type"] for it in tenants.acme.shown("/v1/events?type=deposit.confirmed")["data"]] == [
        "deposit.confirmed"
    ]
    assert tenants.acme.shown("/v1/events?type=payout.*")["data"] == []
    for asked, pointer in (("type=paid", "?type"), ("type=*x", "?type"), ("type=deposit.*&wait=1", "?wait")):
        refused = tenants.acme.get(f"/v1/events?{asked}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


def test_filters_narrow_together(tenants: Tenants) -> None:
    """A caller's payer, amount and reference at once; and one that does not fit finds nothing."""
    asked = {"from_address": PAYER.base58, "min_amount": "20", "max_amount": "30", "client_reference": "42"}
    assert len(tenants.acme.get("/v1/deposits", params=asked).json()["data"]) == 1
    assert tenants.acme.get("/v1/deposits", params={**asked, "status": "detected"}).json()["data"] == []
    twice = tenants.acme.get("/v1/deposits?status=detected&status=confirmed")
    assert (twice.status_code, twice.json()["errors"][0]["pointer"]) == (422, "?status")


# By an index

MANY = 30_000
"""Rows of each table, every other one of another account, of which a filter finds few."""
LOOKED_AT_MAX = 1_000
"""So many rows a list may look at, of each table, to find a page."""
ROWS = f"""
INSERT INTO payin_addresses
SELECT gen_random_uuid(), %(account)s, NULL, 'User_Liability', 'T' || n, '41' || n, 'k', 'active', now(), n - {MANY}
  FROM generate_series(1, {MANY}) AS n;
INSERT INTO payin_requests
SELECT gen_random_uuid(), account_id, NULL, ledger_account, id, 'customer ' || tron_address_base58, status, now(), "position"
  FROM payin_addresses;
INSERT INTO observed_transactions
SELECT gen_random_uuid(), CASE n %% 2 WHEN 0 THEN %(account)s ELSE %(other)s END::uuid, gen_random_uuid(), 'customer-' || n,
       a.id, 'T' || n, 'payer ' || n, lpad(n::text, 64, '0'), 0, n, 'b', n, 'USDT',
       CASE n WHEN 4 THEN 'detected' ELSE 'confirmed' END, '{{}}', CASE n WHEN 4 THEN NULL ELSE gen_random_uuid() END,
       now(), now(), NULL, now(), n - {MANY}
  FROM generate_series(1, {MANY}) AS n JOIN payin_addresses AS a ON a.tron_address_base58 = 'T' || n;
INSERT INTO payout_requests (id, account_id, from_ledger_account_id, ledger_account, to_address_base58, amount_minor, fee_minor,
                             currency, state, tron_tx_hash, client_reference, attempts, created_at, updated_at, "position")
SELECT gen_random_uuid(), CASE n %% 2 WHEN 0 THEN %(account)s ELSE %(other)s END::uuid, gen_random_uuid(), 'customer-' || n,
       'payee ' || n, n, 1, 'USDT', CASE n WHEN 4 THEN 'requested' ELSE 'confirmed' END, lpad(n::text, 64, '0'),
       'order ' || n, 1, now(), now(), n - {MANY}
  FROM generate_series(1, {MANY}) AS n;
INSERT INTO client_events
SELECT CASE n %% 2 WHEN 0 THEN %(account)s ELSE %(other)s END::uuid, n, gen_random_uuid(),
       CASE n WHEN 4 THEN 'payout.failed' ELSE 'deposit.confirmed' END,
       'deposit-00000000-0000-0000-0000-' || lpad(n::text, 12, '0'), '{{}}', now(), n - {MANY}
  FROM generate_series(1, {MANY}) AS n;
ANALYZE
"""
SOUGHT = {
    "status": "detected",
    "state": "requested",
    "min_amount": "0.029999",
    "max_amount": "0.000009",
    "client_reference": "order 4",
    "ledger_account": "customer-4",
    "tx_hash": "4".rjust(64, "0"),
    "type": "payout.*",
    "subject": "deposit-00000000-0000-0000-0000-" + "4".rjust(12, "0"),
    "from_address": NOBODY,
    "to_address": NOBODY,
    "address": NOBODY,
    "created_after": FAR,
}
ASKED = [
    *(("/v1/deposits", name) for name in (*deposits.FILTERS, "created_after")),
    *(("/v1/payouts", name) for name in (*payouts.FILTERS, "created_after")),
    *(("/v1/payins", name) for name in payins.FILTERS),
    *(("/v1/events", name) for name in webhooks.FILTERS),
]
FOUND = ("order 4", "4".rjust(64, "0"), NOBODY, "0.029999", "29999", "00000000-0000-4000-8000-000000000000")
"""All but created_before, which is a place to begin at, as a cursor is."""


def test_each_filter_goes_by_an_index(api: World, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30,000 rows none looks at more than a page's worth, whether a client asks, or the operator for one or for all."""
    acme, other = api.company(), api.company("Other")
    api.project()
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for statement in ROWS.split(";\n"):
            conn.execute(statement, {"account": acme.account_id, "other": other.account_id})
    asked: list[tuple[str, Any]] = []
    read = Queries.read

    async def noted(self: Queries, view: str, sql: Any, params: Any) -> Found:
        asked.append((sql, dict(params)))
        return await read(self, view, sql, params)

    monkeypatch.setattr(Queries, "read", noted)
    wished = [(path, {name: SOUGHT[name]}) for path, name in ASKED] + [("/v1/find", {"q": text}) for text in FOUND]
    slow: list[Any] = []
    with psycopg.connect(api.platform.reader_url, options=queries._OPTIONS) as conn:
        for path, query in wished:
            for client, whose in ((acme, {}), (api.operator, {}), (api.operator, {"account_id": acme.account_id})):
                asked.clear()
                assert client.get(path, params={**query, **whose}).status_code == 200
                assert asked
                for sql, params in asked:
                    looked = _looked_at(conn, queries._WITH_BOOKMARK.format(sql), {**params, "view": "deposits"})
                    slow += [(path, query, whose, it) for it in looked if it[1] > LOOKED_AT_MAX or it[0] == "Seq Scan"]
    assert slow == []


def _looked_at(conn: psycopg.Connection, sql: Any, params: Any) -> list[tuple[str, int]]:
    """Each scan of the plan -> how it goes, and how many rows it looked at."""
    [(plans,)] = conn.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params).fetchall()
    plan = plans if isinstance(plans, list) else json.loads(plans)
    return list(_scans(plan[0]["Plan"]))


def _scans(node: dict[str, Any]) -> Iterator[tuple[str, int]]:
    if "Scan" in node["Node Type"]:
        loops, removed = node["Actual Loops"], node.get("Rows Removed by Filter", 0)
        yield node["Node Type"], int((node["Actual Rows"] + removed) * loops)
    for each in node.get("Plans", ()):
        yield from _scans(each)
