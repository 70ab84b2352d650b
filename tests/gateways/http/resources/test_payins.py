"""Payins over HTTP: an address of one's own, and what arrives on it."""

import psycopg

from core.streams.deposits import ConfirmDeposit, TransferFact
from core.tron.address import Address
from tests.gateways.http.harness import Client, World
from tests.support.history import ACTOR, HOT_WALLET, USDT, detect, orphan, transfer


def _confirm(client: Client, fact: TransferFact, code: str = "User_Liability") -> ConfirmDeposit:
    return ConfirmDeposit(fact, ACTOR, account_id=client.account_id, ledger_account=code)


def test_a_payin_gets_an_address_of_the_pool(api: World) -> None:
    """A ready address becomes the payin's own, and the answer is what the views show later."""
    pool = {item.base58 for item in api.fill_pool()}
    acme = api.company()
    payin = acme.made("/v1/payins", {"client_reference": "customer 42"})
    assert payin["address"]["tron_address_base58"] in pool
    assert payin["address"]["tron_address_hex"] == Address.from_base58(payin["address"]["tron_address_base58"]).hex()
    api.project()
    shown = acme.shown(f"/v1/payins/{payin['id']}?min_position={payin['position']}")
    assert shown == {name: value for name, value in payin.items() if name != "position"}
    assert acme.shown("/v1/payins")["data"] == [shown]
    address = acme.shown(f"/v1/payin-addresses/{payin['address']['id']}")
    assert address["tron_address_base58"] == payin["address"]["tron_address_base58"]
    assert acme.shown("/v1/payin-addresses")["data"] == [address]


def test_no_address_is_given_twice(api: World) -> None:
    """Every payin has another address, and a repetition takes none from the pool."""
    api.fill_pool(3)
    acme = api.company()
    addresses = {acme.made("/v1/payins", {})["address"]["id"] for _ in range(2)}
    for _ in range(3):
        addresses.add(acme.made("/v1/payins", {}, **{"idempotency-key": "one"})["address"]["id"])
    assert len(addresses) == 3
    assert api.platform.pool.ready() == 0


def test_an_empty_pool_says_when_to_come_back(api: World) -> None:
    """Without a ready address the answer is a 503, and the same key succeeds once there is one."""
    acme = api.company()
    refused = acme.post("/v1/payins", json={}, headers={"idempotency-key": "k"})
    assert (refused.status_code, refused.json()["code"]) == (503, "addresses_exhausted")
    assert int(refused.headers["retry-after"]) > 0
    api.fill_pool(1)
    acme.made("/v1/payins", {}, **{"idempotency-key": "k"})


def test_a_refused_payin_takes_no_address(api: World) -> None:
    """An unknown ledger account or a suspended account cannot drain the pool."""
    api.fill_pool(1)
    acme = api.company()
    for code in ("nobody", "System_Hot_Wallet_Asset"):
        refused = acme.post("/v1/payins", json={"ledger_account": code})
        assert (refused.status_code, refused.json()["code"]) == (422, "ledger_account_not_found")
    api.operator.patch(f"/v1/accounts/{acme.account_id}", json={"status": "suspended"})
    refused = acme.post("/v1/payins", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "account_suspended")
    assert api.platform.pool.ready() == 1


def test_an_address_that_is_taken_is_passed_over(api: World) -> None:
    """An address that came into the pool twice is assigned once; the next payin gets the next one."""
    api.fill_pool(2)
    acme = api.company()
    first = acme.made("/v1/payins", {})["address"]["tron_address_base58"]
    evm = Address.from_base58(first).evm
    with psycopg.connect(api.platform.owner_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")  # else a trigger refuses it
        conn.execute("UPDATE addresses SET state = 'ready' WHERE evm = %s", (evm,))
    second = acme.made("/v1/payins", {})["address"]["tron_address_base58"]
    assert second != first


def test_a_deposit_is_shown_from_the_head_to_its_confirmation(api: World) -> None:
    """Detected is pending and not spendable, confirmed is balance; a deposit that left the chain says so."""
    api.fill_pool()
    acme = api.company()
    payin = acme.made("/v1/payins", {})
    to = Address.from_base58(payin["address"]["tron_address_base58"])
    fact, gone = transfer("a", to, 25 * USDT), transfer("b", to, 3 * USDT)
    api.recorder.ledger.execute([detect(fact), detect(gone)])
    api.project()
    balance = next(row for row in acme.shown("/v1/balances")["data"] if row["code"] == "User_Liability")
    assert (balance["amount_minor"], balance["pending_minor"]) == (0, 28 * USDT)
    api.recorder.ledger.execute([_confirm(acme, fact), orphan(gone)])
    api.project()
    balance = next(row for row in acme.shown("/v1/balances")["data"] if row["code"] == "User_Liability")
    assert (balance["amount"], balance["pending_minor"]) == ("25.000000", 0)
    [orphaned, confirmed] = acme.shown("/v1/deposits")["data"]
    assert (orphaned["status"], orphaned["confirmed_at"], orphaned["journal_entry_id"]) == ("orphaned", None, None)
    assert (confirmed["status"], confirmed["amount"], confirmed["tx_hash"]) == ("confirmed", "25.000000", fact.txid)
    assert acme.shown(f"/v1/deposits/{confirmed['id']}") == confirmed
    assert acme.shown("/v1/deposits?status=confirmed")["data"] == [confirmed]
    assert acme.shown(f"/v1/deposits?address={to.base58}&limit=1")["data"] == [orphaned]
    assert acme.shown(f"/v1/deposits?address={HOT_WALLET.base58}")["data"] == []
    entry = acme.shown(f"/v1/journal-entries/{confirmed['journal_entry_id']}")
    assert (entry["event_type"], entry["external_ref"]) == ("payin", fact.txid)
    events = acme.shown("/v1/events")["data"]
    assert [(event["sequence"], event["type"]) for event in events] == [
        (1, "deposit.detected"),
        (2, "deposit.detected"),
        (3, "deposit.confirmed"),
        (4, "deposit.orphaned"),
    ]
    assert events[2]["data"] == confirmed
    page = acme.shown("/v1/events?after=1&limit=2")
    assert ([event["sequence"] for event in page["data"]], page["has_more"], page["next_cursor"]) == ([2, 3], True, "3")


def test_a_deposit_is_spelled_one_way(api: World) -> None:
    """GET, list, list as of a position and webhook have the same bytes of a deposit, detected and confirmed."""
    api.fill_pool()
    acme = api.company()
    payin = acme.made("/v1/payins", {"client_reference": "customer 42"})
    address = payin["address"]["tron_address_base58"]
    fact = transfer("one spelling", Address.from_base58(address), 25 * USDT)
    for step in (detect(fact), _confirm(acme, fact)):
        api.recorder.ledger.execute([step])
        api.project()
        page = acme.get("/v1/deposits")
        [deposit] = page.json()["data"]
        shown = acme.get(f"/v1/deposits/{deposit['id']}").text
        assert page.text == f'{{"data":[{shown}],"has_more":false,"next_cursor":null}}'
        assert acme.get(f"/v1/deposits?as_of_position={page.headers['counterfoil-position']}").text == page.text
        assert api.last_webhook_data(acme) == shown
    confirmed_at, entry = deposit["confirmed_at"], deposit["journal_entry_id"]
    assert shown == (
        f'{{"id":"{deposit["id"]}","tx_hash":"{fact.txid}","log_index":{fact.log_index},"block_number":{fact.block_number},'
        f'"address":"{address}","from_address":"{fact.from_address}","payin_id":"{payin["id"]}",'
        '"client_reference":"customer 42","ledger_account":"User_Liability","amount":"25.000000","amount_minor":25000000,'
        f'"currency":"USDT","status":"confirmed","journal_entry_id":"{entry}","detected_at":"{deposit["detected_at"]}",'
        f'"confirmed_at":"{confirmed_at}"}}'
    )


def test_a_disabled_payin_still_books(api: World) -> None:
    """Disabling is a label, twice is as once; money that arrives later is credited all the same (FAILURES 12)."""
    api.fill_pool()
    acme = api.company()
    payin = acme.made("/v1/payins", {})
    disabled = acme.made(f"/v1/payins/{payin['id']}/disable", None)
    assert (disabled["state"], disabled["address"]["status"]) == ("disabled", "disabled")
    assert acme.made(f"/v1/payins/{payin['id']}/disable", None) == disabled
    to = Address.from_base58(payin["address"]["tron_address_base58"])
    api.recorder.ledger.execute([_confirm(acme, transfer("late", to, USDT))])
    api.project()
    shown = acme.shown(f"/v1/payins/{payin['id']}?min_position={disabled['position']}")
    assert shown == {name: value for name, value in disabled.items() if name != "position"}
    assert acme.shown("/v1/deposits")["data"][0]["status"] == "confirmed"
