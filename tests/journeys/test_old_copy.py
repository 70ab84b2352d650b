"""A copy of the data's folder, started while the original runs on: it signs nothing and gives out no address (I16)."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.journeys.conftest import Installation, get, post
from tests.support.patience import HANG_S, until

PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


def paid(company: httpx2.Client, key: str) -> None:
    made = post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "5"}, key)
    path = f"/v1/payouts/{made['id']}"
    until(lambda: company.get(path).json().get("state") == "confirmed", f"{key} is confirmed")


@contextmanager
def started(data: Path, original: Installation, **settings: str) -> Iterator[tuple[Installation, httpx2.Client]]:
    """The copy on the original's chain, and the client whose key it knows."""
    with Installation(data, tron_node_url=original.devnet, **settings) as copy:
        client = httpx2.Client(base_url=copy.api, timeout=HANG_S)
        yield copy, client


def older(copy: Installation, doubts: set[str]) -> dict[str, Any]:
    """What the copy says of itself, once it has found out."""
    with copy.operator() as operator:
        shown = until(
            lambda: (it := get(operator, "/v1/store"))["older"] and it["older"]["doubt"] in doubts and it,
            "the copy knows that it is one",
        )
        ready = operator.get("/readyz")
        assert ready.status_code == 503
        assert any(shown["older"]["sentence"] in each for each in ready.json()["wrong"])
        assert 'counterfoil_signing_stopped{cause="store_is_older"} 1.0' in operator.get("/metrics").text
        assert 'counterfoil_alarms_total{name="store_is_older"}' in operator.get("/metrics").text
    return dict(shown)


def refuses(client: httpx2.Client) -> None:
    """It takes the request of a client that repeats what the original has paid, and no address leaves it."""
    post(client, "/v1/payouts", {"to_address": PAYEE, "amount": "5"}, "behind the copy")
    asked = client.post("/v1/payins", json={"client_reference": "2"}, headers={"idempotency-key": "behind the copy"})
    assert (asked.status_code, asked.json()["code"]) == (503, "addresses_exhausted")


def test_a_copy_that_is_started_beside_the_original_or_with_its_keys_pays_nothing_twice() -> None:
    """With the mark that was copied with it, and with the original's own: the payee has each payment once in the end."""
    with tempfile.TemporaryDirectory(prefix="cf-copy-") as folder:
        data, copied = Path(folder) / "data", Path(folder) / "copy"
        with Installation(data) as original:
            original.faucet(original.hot_wallet(), usdt="1000", trx="1000")
            company = original.company()
            address = post(company, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
            original.faucet(address, usdt="100")
            until(lambda: "100.000000" in company.get("/v1/balances").text, "the deposit is credited")
            paid(company, "before the copy")
            assert original.stop() == 0
            subprocess.run(["cp", "-a", str(data), str(copied)], check=True)
            original.start()
            company.base_url = original.api
            paid(company, "behind the copy")
            key = {"x-api-key": company.headers["x-api-key"]}

            with started(copied, original) as (copy, client):
                client.headers.update(key)
                assert "copied" in older(copy, {"copied"})["older"]["sentence"]
                refuses(client)
                paid(company, "while the copy runs")
            # As after a restore of the database alone: the keys, and the mark beside them, are the newest there are.
            with started(copied, original, keystore=str(data / "keystore.json")) as (copy, client):
                client.headers.update(key)
                shown = older(copy, {"behind", "differs"})
                assert shown["older"]["seen"] > 0
                refuses(client)
                paid(company, "while the copy has our keys")
            with original.operator() as operator:
                mine = get(operator, "/v1/store")
                assert mine["older"] is None
                assert mine["store_id"] == shown["store_id"]
                assert mine["high_water"] <= mine["head"]
                causes = [line for line in operator.get("/metrics").text.splitlines() if "signing_stopped{" in line]
                assert all(line.endswith(" 0.0") for line in causes), causes
            states = [payout["state"] for payout in get(company, "/v1/payouts")["data"]]
            assert states == ["confirmed"] * 4
