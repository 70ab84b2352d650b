"""Sweeps and system wallets over HTTP: for the operator alone."""

import msgspec

from core.ledger import books
from core.ledger.ledger import Ledger
from core.streams.wallet_numbers import WalletDifference, WalletNumbers
from gateways.postgres.boards.address_board import PostgresAddressBoard
from gateways.postgres.boards.wallet_board import PostgresWalletBoard
from gateways.postgres.connections import Connections
from gateways.postgres.roles import SIGNER
from tests.gateways.http.harness import World
from tests.support.history import ALICE_ADDRESS, HOT_WALLET, USDT
from tests.support.postgres import Database
from tests.support.treasury import append_treasury, sweep_order

HOT = WalletNumbers(
    "hot", HOT_WALLET.base58, 77, 1_767_225_600_000, 5 * USDT, 3, 10, 20, 30, 40, 50, 60, 70, 80, 1, 2, 3
)

GONE = WalletDifference(books.GAS_WALLET, "TRX", "T", 5, 7, 70, "explained meanwhile")


def test_sweeps_are_listed_with_their_transactions(api: World, ledger: Ledger) -> None:
    """The newest first, by state and address; each with its way, its cost and every txid, and found by its id."""
    append_treasury(ledger)
    api.project()
    third, second, first = api.operator.shown("/v1/sweeps")["data"]
    assert [each["state"] for each in (first, second, third)] == ["confirmed", "failed", "deferred"]
    assert (first["id"], first["method"], first["amount"]) == (sweep_order(1).sweep_id, "loan", "15.000000")
    assert (first["cost"], first["burned_sun"], first["lent_sun"]) == ("1.100000", 2_480_000, 0)
    assert [each["purpose"] for each in first["transactions"]] == ["fuel", "loan", "sweep", "loan_return"]
    assert first["transactions"][2]["tron_tx_hash"] == first["tron_tx_hash"]
    assert sum(each["burned_sun"] for each in first["transactions"]) == first["burned_sun"]
    assert (second["reason"], third["reason"]) == ("reverted", "too dear")
    assert api.operator.shown("/v1/sweeps?state=failed")["data"] == [second]
    assert api.operator.shown(f"/v1/sweeps?address={HOT_WALLET.base58}")["data"] == []
    assert len(api.operator.shown(f"/v1/sweeps?address={ALICE_ADDRESS.base58}")["data"]) == 3
    assert api.operator.shown(f"/v1/sweeps/{first['id']}") == first
    page = api.operator.shown("/v1/sweeps?limit=2")
    assert (page["data"], page["has_more"]) == ([third, second], True)
    assert api.operator.shown(f"/v1/sweeps?limit=2&after={page['next_cursor']}")["data"] == [first]
    assert api.operator.get("/v1/sweeps?state=lost").status_code == 422
    assert api.operator.get(f"/v1/sweeps/{api.company().account_id}").status_code == 404


def test_wallets_have_their_balances_and_what_the_chain_said(api: World, ledger: Ledger, database: Database) -> None:
    """By the books, and as the process sweeps saw them last, with the height; null where nobody looked."""
    append_treasury(ledger)
    api.project()
    connections = Connections(database.role_urls[SIGNER])
    board = PostgresWalletBoard(connections)
    board.put([HOT])
    board.differ([WalletDifference(books.HOT_WALLET, "TRX", "T", 5, 7, 70, "by a contract"), GONE])
    board.differ([WalletDifference(books.HOT_WALLET, "TRX", "T", 5, 8, 77, "by a contract, again")])
    addresses = PostgresAddressBoard(connections)
    off = [WalletDifference(books.PAYIN_WALLETS, "TRX", name, 0, 2, 70, "by a contract") for name in ("A", "B", "C")]
    addresses.differ_at(["A", "B", "C"], off)
    addresses.differ_at(["B", "C"], [again := msgspec.structs.replace(off[1], found=3)])
    assert sorted(addresses.standing(), key=lambda it: it.address) == [off[0], again]
    connections.close()
    wallets = {each["role"]: each for each in api.operator.shown("/v1/system-wallets")["data"]}
    booked = api.operator.shown("/v1/trial-balance")["data"]
    [held] = [line for line in booked if (line["code"], line["currency"]) == ("Hot_Wallet_Asset", "USDT")]
    [usdt] = [each for each in wallets["hot"]["balances"] if each["currency"] == "USDT"]
    assert usdt["amount_minor"] == held["debit_minor"] - held["credit_minor"]
    seen = wallets["hot"]["on_chain"]
    assert (seen["block_number"], seen["block_time"], seen["usdt"], seen["trx_sun"]) == (
        77,
        "2026-01-01T00:00:00Z",
        "5.000000",
        3,
    )
    assert (seen["energy_lendable"], seen["staked_sun"], seen["delegated_sun"]) == (30, 60, 70)
    assert wallets["gas"]["on_chain"] is None
    [off] = wallets["hot"]["differences"]
    assert (off["found_minor"], off["block_number"], off["sentence"]) == (8, 77, "by a contract, again")
    assert wallets["gas"]["differences"] == []
    numbers = api.operator.get("/metrics").text
    assert "counterfoil_wallet_differences 1.0\n" in numbers
    assert "counterfoil_address_differences 2.0\n" in numbers
    assert 'counterfoil_wallet_usdt{wallet="hot"} 5.0\n' in numbers
    assert 'counterfoil_wallet_energy_lendable{wallet="hot"} 30.0\n' in numbers
    assert 'counterfoil_wallet_usdt{wallet="gas"}' not in numbers


def test_a_client_sees_no_sweep(shared: World) -> None:
    """They are the operator's."""
    for path in ("/v1/sweeps", "/v1/system-wallets"):
        assert shared.company().get(path).status_code == 403
