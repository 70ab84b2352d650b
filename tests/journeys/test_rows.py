"""Rows, sums and locks that would once have stopped the machine, on the running product: one stands, all else goes on."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.gateways.poison import insert
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.journeys.load import PAYEE
from tests.journeys.test_outages import owner
from tests.support.patience import until


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with (
        tempfile.TemporaryDirectory(prefix="cf-rows-") as folder,
        Installation(Path(folder) / "data", rate_limit="100000 per 1 minute") as started,
    ):
        started.faucet(started.hot_wallet(), usdt="10000", trx="30000")
        yield started


def funded(running: Installation, name: str) -> tuple[httpx2.Client, str]:
    """A company with 100 USDT -> its client and its account's id."""
    company = running.company(name)
    address = post(company, "/v1/payins", {"client_reference": "1"})["address"]["tron_address_base58"]
    running.faucet(address, usdt="100")
    until(lambda: "100.000000" in company.get("/v1/balances").text, "the deposit is credited")
    return company, str(get(company, "/v1/account")["id"])


def command(running: Installation, *arguments: str) -> "subprocess.CompletedProcess[str]":
    asked = [sys.executable, "-m", "gateways", *arguments, "--json", "--data", str(running.data)]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)


def paid(company: httpx2.Client) -> dict[str, Any]:
    """A payout, to its end."""
    made = post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "1"})

    def ended() -> dict[str, Any] | None:
        answer = company.get(f"/v1/payouts/{made['id']}")  # which its view may not have yet
        shown = dict(answer.json())
        return shown if shown.get("state") in ("confirmed", "failed") else None

    return until(ended, "the payout has ended")


def test_a_poison_row_stops_its_account_and_nobody_else(running: Installation) -> None:
    """Past the program, sealed and junk: it rings once, its account pays nothing out, others do, `settle` ends it."""
    (acme, account), (other, _) = funded(running, "Acme Exchange"), funded(running, "Bolt Shop")
    with owner(running) as conn:
        at = insert(conn, "payout-poison", "payout.requested/2", f'"order":{{"account_id":"{account}"}}')

        def refusal() -> str | None:
            answer = acme.post(
                "/v1/payouts", json={"to_address": PAYEE, "amount": "1"}, headers={"idempotency-key": "frozen"}
            )
            return str(answer.json().get("code"))

        running.until_happened("account.payouts-frozen")
        assert refusal() == "payouts_frozen"
        assert paid(other)["state"] == "confirmed"
        rung = "SELECT count(*), max(sentence) FROM alarms WHERE name = 'event_set_aside'"
        [(times, sentence)] = conn.execute(rung).fetchall()
        assert (times, f"position {at} " in sentence) == (1, True)

    [listed] = json.loads(command(running, "set-aside", "list").stdout)["data"]
    assert (listed["position"], listed["accounts"]) == (at, [account])
    verified = command(running, "audit", "verify")
    assert (verified.returncode, f"position {at}:" in verified.stdout) == (1, True), verified.stdout
    rebuilt = command(running, "rebuild", "payouts")
    assert (rebuilt.returncode, f"position {at}" in rebuilt.stdout) == (0, True), rebuilt.stdout + rebuilt.stderr
    settled = command(running, "set-aside", "settle", str(at), "--reason", "nothing was paid by it")
    assert settled.returncode == 0, settled.stderr
    assert paid(acme)["state"] == "confirmed"
    [key] = [
        each["key"]
        for each in json.loads(command(running, "audit", "keys").stdout)["data"]
        if each["purpose"] == "checkpoints"
    ]
    verified = command(running, "audit", "verify", "--key", key, "--unsigned-tail", "3600")
    assert verified.returncode == 0, verified.stdout


def test_a_held_lock_rings_with_who_holds_it(running: Installation) -> None:
    """Nobody can write meanwhile, /readyz says why, and everything goes on when it is let go of."""
    company = running.company("Lock Shop")
    with owner(running) as conn:
        with conn.transaction():
            conn.execute("SET LOCAL ROLE counterfoil_webhooks")
            conn.execute("SELECT take_append_lock()")
            pid = conn.info.backend_pid

            def unready() -> bool:
                answer = httpx2.get(f"{running.api}/readyz")
                return answer.status_code == 503 and f"backend {pid}" in answer.text

            until(unready, "who holds the lock is named")
        rung = "SELECT count(*) FROM alarms WHERE name = 'append_lock_held'"
        until(lambda: conn.execute(rung).fetchone() == (1,), "it rings")
    post(company, "/v1/payins", {"client_reference": "1"})
    until(lambda: httpx2.get(f"{running.api}/readyz").status_code == 200, "all is ready")


def test_a_sum_beyond_what_can_be_stored_is_refused(running: Installation) -> None:
    """The adjustment that would take an account over 2^63 is a 422, every view goes on, and the books agree."""
    account = str(get(running.company("Sum Shop"), "/v1/account")["id"])
    lines = [
        {"account_id": account, "ledger_account": "System_Hot_Wallet_Asset", "side": "debit"},
        {"account_id": account, "ledger_account": "User_Liability", "side": "credit"},
        {"account_id": "treasury", "ledger_account": "Payin_Wallets_Asset", "side": "debit"},
        {"account_id": "treasury", "ledger_account": "Custody_Control", "side": "credit"},
    ]
    with running.operator() as operator:
        postings = [line | {"amount": "9000000000000", "currency": "USDT"} for line in lines]
        answer = operator.post(
            "/v1/adjustments", json={"reason": "too much", "postings": postings}, headers={"idempotency-key": "sum"}
        )
    assert (answer.status_code, answer.json()["code"]) == (422, "amount_out_of_range"), answer.text
    assert paid(funded(running, "Next Shop")[0])["state"] == "confirmed"
