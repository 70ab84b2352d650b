"""Each process of an installation is killed in turn while coins come and go (I6, I7, I9, I11, I15)."""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.tron.address import USDT_MAINNET, Address
from gateways.processes.registry import PROCESSES
from gateways.tron.node import TronNode
from signers.transactions.abi import balance_of_call, read_uint256
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.support.patience import HANG_S, until

PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"
VICTIMS = ("devnet", *PROCESSES)


def again(act: Callable[[], Any]) -> Any:
    """What a client does: the same request until it is answered; the door may be shut for a moment."""

    def answered() -> Any:
        try:
            return act()
        except (httpx2.HTTPError, AssertionError):
            return None

    return until(answered, "an answer")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes through /proc")
def test_a_kill_of_each_process_in_turn_loses_and_doubles_nothing() -> None:
    """Every deposit is credited once, every payout paid once, and reconcile finds books, views and chain equal."""
    with tempfile.TemporaryDirectory(prefix="cf-each-") as folder, Installation(Path(folder) / "data") as running:
        hot = running.hot_wallet()
        running.faucet(hot, usdt="1000", trx="1000")
        company = running.company()
        address = post(company, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
        txids = [running.faucet(address, usdt="100")]
        until(lambda: _amount(company) == "100.000000", "the first deposit is credited")
        payouts = []
        for name in VICTIMS:
            txids.append(again(lambda: running.faucet(address, usdt="10")))
            # A node that is killed forgets what waits in its pool, as java-tron does: the customer sees his payment mined.
            until(lambda: again(lambda: _mined(running, txids[-1])), "the customer's payment is in a block")
            wish = {"to_address": PAYEE, "amount": "5"}
            payouts.append(again(lambda: post(company, "/v1/payouts", wish, name))["id"])  # noqa: B023
            victim = until(lambda: running.child(name), f"{name} runs")  # noqa: B023
            os.kill(victim, signal.SIGKILL)
            until(lambda: running.child(name) not in (None, victim), f"{name} runs again")  # noqa: B023
            repeated = again(lambda: post(company, "/v1/payouts", wish, name))["id"]  # noqa: B023
            assert repeated == payouts[-1]
        count = len(VICTIMS)
        until(lambda: again(lambda: _states(company)) == {"confirmed": count}, "every payout is confirmed")
        left = f"{100 + 10 * count - 5 * count}.000000"
        until(lambda: again(lambda: _amount(company)) == left, f"{left} USDT are left")
        deposits = get(company, "/v1/deposits")["data"]
        assert Counter(deposit["tx_hash"] for deposit in deposits) == Counter(txids)
        assert _paid(running) == 5_000_000 * count
        _reconcile(running)
        assert running.stop() == 0


def _amount(company: httpx2.Client) -> str:
    rows = get(company, "/v1/balances")["data"]
    return next((row["amount"] for row in rows if row["code"] == "User_Liability"), "")


def _states(company: httpx2.Client) -> Counter[str]:
    return Counter(payout["state"] for payout in get(company, "/v1/payouts")["data"])


def _mined(running: Installation, txid: str) -> bool:
    asked = {"value": txid}
    answer = httpx2.post(f"{running.devnet}/wallet/gettransactioninfobyid", json=asked, timeout=HANG_S)
    return answer.json().get("id") == txid


def _paid(running: Installation) -> int:
    """What the payee has on chain, in minor units."""
    node, payee = TronNode(running.devnet), Address.from_base58(PAYEE)
    held = node.call(payee, Address.from_base58(USDT_MAINNET), balance_of_call(payee), solid=True)
    node.close()
    return read_uint256(held.returned) or 0


def _reconcile(running: Installation) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    done = subprocess.run(
        [sys.executable, "-m", "gateways", "reconcile", "--data", str(running.data)],
        cwd=ROOT,
        env={**environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
