"""`counterfoil up`, killed and started again: nothing is lost, nothing is doubled (I7, I11, I15)."""

import tempfile
from collections import Counter
from pathlib import Path

from tests.journeys.conftest import Installation, get, post
from tests.support.patience import until

DEPOSITS = 6
PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


def test_sigkill_at_any_moment_loses_and_doubles_nothing() -> None:
    """Deposits and payouts under way when everything is killed end once each, and books and chain agree."""
    with tempfile.TemporaryDirectory(prefix="cf-kill-") as folder, Installation(Path(folder) / "data") as running:
        hot = running.hot_wallet()
        running.faucet(hot, usdt="1000", trx="1000")
        company = running.company()
        key = company.headers["x-api-key"]
        addresses = [
            post(company, "/v1/payins", {"client_reference": str(n)})["address"]["tron_address_base58"]
            for n in range(DEPOSITS)
        ]
        txids = [running.faucet(address, usdt="10") for address in addresses[: DEPOSITS // 2]]
        until(lambda: _amount(company) == "30.000000", "the first deposits are credited")
        txids += [running.faucet(address, usdt="10") for address in addresses[DEPOSITS // 2 :]]
        payouts = [post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "5"}, f"p{n}")["id"] for n in range(3)]

        running.kill()
        running.start()

        company.base_url = running.api
        company.headers["x-api-key"] = key
        again = [post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "5"}, f"p{n}")["id"] for n in range(3)]
        assert again == payouts
        until(lambda: _states(company) == {"confirmed": 3}, "every payout is confirmed")
        until(lambda: _amount(company) == "45.000000", "6 x 10 came in, 3 x 5 went out")
        deposits = get(company, "/v1/deposits")["data"]
        assert Counter(deposit["tx_hash"] for deposit in deposits) == Counter(txids)
        assert {deposit["status"] for deposit in deposits} == {"confirmed"}
        assert running.stop() == 0


def _amount(company) -> str:  # type: ignore[no-untyped-def]
    rows = get(company, "/v1/balances")["data"]
    return next((row["amount"] for row in rows if row["code"] == "User_Liability"), "")


def _states(company) -> Counter[str]:  # type: ignore[no-untyped-def]
    return Counter(payout["state"] for payout in get(company, "/v1/payouts")["data"])
