"""The operator's commands of the treasury against a running installation, as an operator types them."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gateways.cli.test_app import counterfoil
from tests.journeys.conftest import Installation, get, post
from tests.support.exports import VERIFIER
from tests.support.history import address
from tests.support.patience import until

COLD = address("a cold wallet elsewhere").base58
PAYEE = address("somebody").base58


def test_the_operator_keeps_the_treasury() -> None:
    """Cold storage registered, excess moved there, a plan shown and begun, stake made, all by the installation's processes."""
    limits = {"hot_floor": "100", "hot_ceiling": "500", "sweep_interval_s": "5", "gas_floor_trx": "1000000"}
    with (
        tempfile.TemporaryDirectory(prefix="cf-treasury-") as folder,
        Installation(Path(folder) / "data", rate_limit="100000/minute", **limits) as running,
    ):

        def typed(*arguments: str) -> str:
            done = counterfoil(*arguments, "--data", str(running.data))
            assert done.returncode == 0, done.stderr
            return " ".join(done.stdout.split())

        with running.operator() as operator:
            wallets = until(lambda: _wallets(operator, 2), "hot and gas are registered")
            assert f"{COLD} is the cold wallet" in typed("wallets", "register", "cold", COLD)
            assert f"cold {COLD} active" in typed("wallets", "list")
            running.faucet(wallets["hot"]["address"], usdt="700", trx="500")
            running.faucet(wallets["gas"]["address"], trx="3000")
            until(lambda: _usdt(operator, "cold") == "400.000000", "all above the middle went to cold storage")

            company = running.company()
            paid = post(company, "/v1/payins", {})["address"]["tron_address_base58"]
            running.faucet(paid, usdt="120")
            until(lambda: get(company, "/v1/deposits", status="confirmed")["data"], "the deposit is credited")
            until(lambda: [s for s in get(operator, "/v1/sweeps")["data"] if s["state"] == "confirmed"], "it is swept")
            [sweep] = [each for each in get(operator, "/v1/sweeps")["data"] if each["currency"] == "USDT"]
            assert (sweep["address"], sweep["amount"], sweep["destination"]) == (paid, "120.000000", "hot")
            assert "nothing was begun" in typed("sweeps", "plan")

            assert "the process sweeps makes it" in typed("stake", "freeze", "gas", "energy", "1000")
            until(lambda: re.search(r"gas \S+ 1000\.000000 ", typed("stake", "status")), "the stake is on chain")
            seen = _wallets(operator, 3)["gas"]["on_chain"]
            assert (seen["usdt"], seen["block_number"] > 0) == ("0.000000", True)
            assert "1 sweep and 0 payouts" in typed("stake", "recommend")
            assert re.search(r"[\d,]+ solid blocks, \d+ to \d+: \d+ transfers to our addresses reported", typed("scan"))
            assert re.search(r"\* http://\S+ \d+ \d+ s \d+ \d+ 1 ", typed("nodes"))
            assert len(json.loads(typed("scan", "producers", "--json"))["producers"]) == 27
            [gas] = [each for each in json.loads(typed("stake", "status", "--json"))["data"] if each["wallet"] == "gas"]
            assert (gas["energy_stake"], gas["energy_stake_sun"]) == ("1000.000000", 1_000_000_000)
            alarms = typed("alarms", "list")
            assert "gas_wallet_low_on_trx" in alarms

            running.faucet(paid, usdt="30")  # too little for a sweep
            until(lambda: len(get(company, "/v1/deposits", status="confirmed")["data"]) == 2, "it is credited")
            _evacuate(typed, operator, company)

            history = Path(folder) / "history.ndjson"
            typed("audit", "export", "--output", str(history))
            signers = json.loads(typed("audit", "keys", "--json"))["data"]
            keys = [part for each in signers if each["purpose"] == "checkpoints" for part in ("--key", each["key"])]
            told = subprocess.run(
                [sys.executable, "-I", str(VERIFIER), "history", str(history), *keys, "--unsigned-tail", "3600"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert told.returncode == 0, told.stdout + told.stderr
            assert "not known" not in told.stdout
        assert running.stop() == 0


def _evacuate(typed, operator, company) -> None:  # type: ignore[no-untyped-def]
    """From the alarm to coins in the cold address, and back to signing; a payout waits meanwhile."""
    assert COLD in typed("evacuate", "--reason", "a key may be in other hands")
    waiting = post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "10"})
    until(lambda: _evacuated(operator), "nothing is left that can be moved")
    assert get(company, f"/v1/payouts/{waiting['id']}")["state"] == "requested"
    assert "everything goes to the cold wallet" in typed("signing", "status")
    assert "under way" in typed("evacuate")
    assert "evacuation" in typed("signing", "resume", "--reason", "it was in a drawer")
    assert get(operator, "/v1/evacuation")["state"] == "ended"


def _evacuated(operator) -> bool:  # type: ignore[no-untyped-def]
    found = get(operator, "/v1/evacuation")
    assert (found["state"], found["cold_address"]) == ("under_way", COLD)
    return bool(found["left_minor"] <= 1 and found["under_way_minor"] == 0)


def _wallets(operator, count: int):  # type: ignore[no-untyped-def]
    rows = {row["role"]: row for row in get(operator, "/v1/system-wallets")["data"]}
    return rows if len(rows) >= count else None


def _usdt(operator, role: str) -> str:  # type: ignore[no-untyped-def]
    held = _wallets(operator, 1)[role]["balances"]
    return next((each["amount"] for each in held if each["currency"] == "USDT"), "")
