"""The operator's commands of the treasury against a running installation, as an operator types them."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import psycopg

from gateways.settings import load
from gateways.wiring.opened import visiting
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

            _rotate(typed, running, operator, company)
            _rotate_seed(typed, running, operator, company)

            running.faucet(paid, usdt="30")  # too little for a sweep
            until(lambda: len(get(company, "/v1/deposits", status="confirmed")["data"]) == 2, "it is credited")
            _evacuate(typed, operator, company)

            _verify(typed, Path(folder) / "history.ndjson")
        assert running.stop() == 0


def _verify(typed, history: Path) -> None:  # type: ignore[no-untyped-def]
    """The stand-alone verifier knows every story that was played."""
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


def _rotate(typed, running, operator, company) -> None:  # type: ignore[no-untyped-def]
    """Another key for the hot wallet under running payouts: each is paid once, the old address ends empty, the books fit."""
    asked = [_asked(company, number) for number in range(3)]
    old = _wallets(operator, 3)["hot"]["address"]
    assert "asked for another key of the hot wallet" in typed("wallets", "rotate", "hot")
    again = counterfoil("wallets", "rotate", "hot", "--data", str(running.data))
    assert (again.returncode, "is being rotated already" in again.stderr) == (2, True), again.stderr
    until(lambda: _wallets(operator, 3)["hot"]["address"] != old, "the new key is made")
    asked += [_asked(company, number) for number in range(3, 6)]
    until(lambda: f"{old} is retired" in typed("wallets", "list"), "the old wallet is empty and retired")
    until(lambda: {_state(company, it) for it in asked} == {"confirmed"}, "every payout is paid")
    assert get(operator, "/v1/wallets/hot/rotation")["state"] == "retired"
    new = _wallets(operator, 3)["hot"]["address"]
    payers = [_sent_from(running, get(company, f"/v1/payouts/{it}")["tron_tx_hash"]) for it in asked]
    assert len(set(payers)) == 2
    assert payers[3:] == [new] * 3
    until(lambda: "everything holds" in typed("reconcile"), "books and chain agree about both addresses")


def _rotate_seed(typed, running, operator, company) -> None:  # type: ignore[no-untyped-def]
    """New deposit addresses are of another seed, and are swept like those before."""
    assert "asked for deposit seed 2" in typed("addresses", "rotate-seed")
    running.until_happened("seed.rotated")
    until(lambda: _ready_of(running, "derived:2:") and not _ready_of(running, "derived:m"), "those before are given up")
    paid = post(company, "/v1/payins", {})["address"]["tron_address_base58"]
    running.faucet(paid, usdt="200")
    until(lambda: _is_swept(operator, paid), "it is swept")


def _ready_of(running, prefix: str) -> int:  # type: ignore[no-untyped-def]
    """How many addresses of a seed are ready to be given out."""
    asked = "SELECT count(*) FROM addresses WHERE state = 'ready' AND starts_with(key_id, %s)"
    with visiting(load({}, data=running.data)) as database, psycopg.connect(database.owner_url) as conn:
        return int(conn.execute(asked, (prefix,)).fetchall()[0][0])


def _is_swept(operator, address: str) -> bool:  # type: ignore[no-untyped-def]
    sweeps = get(operator, "/v1/sweeps", address=address)["data"]
    return any((each["state"], each["amount"]) == ("confirmed", "200.000000") for each in sweeps)


def _asked(company, number: int) -> str:  # type: ignore[no-untyped-def]
    asked = post(company, "/v1/payouts", {"to_address": PAYEE, "amount": f"{number + 1}"})
    return str(asked["id"])


def _state(company, payout_id: str) -> str:  # type: ignore[no-untyped-def]
    return str(get(company, f"/v1/payouts/{payout_id}")["state"])


def _sent_from(running, txid: str) -> str:  # type: ignore[no-untyped-def]
    found = httpx2.post(f"{running.devnet}/wallet/gettransactionbyid", json={"value": txid, "visible": True})
    return str(found.json()["raw_data"]["contract"][0]["parameter"]["value"]["owner_address"])


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
    rows = {row["role"]: row for row in get(operator, "/v1/system-wallets")["data"] if row["status"] == "active"}
    return rows if len(rows) >= count else None


def _usdt(operator, role: str) -> str:  # type: ignore[no-untyped-def]
    held = _wallets(operator, 1)[role]["balances"]
    return next((each["amount"] for each in held if each["currency"] == "USDT"), "")
