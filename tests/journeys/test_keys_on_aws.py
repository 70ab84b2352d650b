"""Every key in KMS, and database logins replaced while everything runs."""

import os
import signal
from collections import Counter
from decimal import Decimal
from pathlib import Path

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from core.tron.address import Address
from gateways.aws.logins import database_of
from gateways.aws.secrets import SecretStore
from gateways.aws.session import Aws
from gateways.postgres.connections import conninfo_of
from gateways.postgres.roles import LOGINS
from gateways.processes.registry import PROCESSES
from gateways.settings import Settings
from tests.journeys.aws import asked, beyond_its_access, command, installation, reconcile
from tests.journeys.conftest import Installation, get, post
from tests.journeys.load import PAYEE, Load, everything
from tests.support.aws import REAL, refusing
from tests.support.patience import until


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes through /proc")
def test_a_journey_with_every_key_in_kms_over_replaced_logins(aws_settings: Settings) -> None:
    """Deposits and payouts go on behind new passwords without a restart; the old ones are refused; who did it is known.

    A key that is disabled and credentials that nobody knows end by themselves, and cost no client a 500.
    """
    with installation(aws_settings, block_ms=200, payin_keys="kms", rate_limit="100000 per 1 minute") as running:
        running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
        company = running.company()
        until(lambda: _posted(company, "/v1/payins", {"client_reference": "1"}), "the first key's address is ready")
        address = post(company, "/v1/payins", {"client_reference": "1"}, "key")["address"]["tron_address_base58"]
        assert Address.from_base58(address).base58 == address
        running.faucet(address, usdt="10")
        until(lambda: _amount(company) == "10.000000", "the first deposit is credited")

        settings = aws_settings.model_copy(update={"database_url": SecretStr(running.settings["database_url"])})
        logins = database_of(settings, SecretStore(Aws(settings))).role_urls
        before = {role: conninfo_of(logins[role]) for role in LOGINS}
        done = command(running, "secrets", "rotate", "database")
        assert done.stdout.count("replaced ") == len(LOGINS)
        for role in LOGINS:
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(before[role])
        _hang_up_on_everybody(running.settings["database_url"])

        running.faucet(address, usdt="10")
        until(lambda: _amount(company) == "20.000000", "a deposit is credited over the new logins")
        order = {"to_address": PAYEE, "amount": "4"}
        until(
            lambda: _posted(company, "/v1/payouts", order), "a payout is ordered, if not at once then with the same key"
        )
        until(lambda: _states(company) == ["confirmed"], "a payout is confirmed over the new logins")
        assert "ended with" not in "".join(running.output), "no process had to start again"

        with running.operator() as operator:
            entries = get(operator, "/v1/audit-logs", limit=200)["data"]
        assert all(each["actor_id"] and each["ip_address"] and each["request_id"] for each in entries)
        started = {each["actor_id"] for each in entries if each["action"] == "process.started"}
        assert started == {f"system:{name}" for name in PROCESSES}
        acts = {(each["action"], each["actor_id"].partition(":")[0]) for each in entries}
        assert {
            ("secret.rotated", "operator"),
            ("deposit-addresses.made", "system"),
            ("payout.broadcast", "system"),
        } <= acts, acts
        if not REAL:
            _outages(running, company, address)
        reconcile(running)
        if not REAL:
            calls = asked(running, Aws(aws_settings))
            assert {process for process, *_ in calls} == set(PROCESSES)
            assert [call for call in calls if beyond_its_access(call, aws_settings.aws_prefix)] == []


@pytest.mark.fast
@pytest.mark.parametrize(
    "call",
    [
        ("api", "kms", "Sign", "alias/p-counterfoil-hot"),
        ("payouts", "kms", "Sign", "alias/p-counterfoil-gas"),
        ("relay", "sqs", "SendMessageBatch", "p-deposit-events.fifo"),
        ("observe", "sqs", "ReceiveMessage", "p-deposit-events.fifo"),
        ("project", "secretsmanager", "GetSecretValue", "p-counterfoil/webhooks"),
        ("record", "dynamodb", "PutItem", "p-api_keys"),
        ("webhooks", "s3", "PUT", "/p-checkpoints/checkpoints/000000000001.json"),
    ],
)
def test_what_a_process_may_not_ask_is_seen(call: tuple[str, str, str, str]) -> None:
    """The check of the journeys can fail."""
    assert beyond_its_access(call, "p-")


def _outages(running: Installation, company: httpx2.Client, address: str) -> None:
    url, log = running.settings["aws_endpoint_url"], running.data / "logs" / "payouts.log"
    running.faucet(address, usdt="1000")
    until(lambda: Decimal(_amount(company)) > 1_000, "there is something to pay out")
    with Load(company) as load:
        load.until_served("orders are taken")
        with refusing(url, "dynamodb kms s3 secretsmanager sqs", "UnrecognizedClientException"):
            load.until_refused("nobody knows the credentials")
        load.until_served("the credentials are known again")
        with refusing(url, "kms", "DisabledException"):
            until(lambda: "DisabledException" in log.read_text(), "the key is disabled")
            os.kill(running.child("payouts") or 0, signal.SIGKILL)
            until(lambda: "the keys cannot be opened yet" in log.read_text(), "payouts are watched without a key")
            post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "1"})
    assert not {status for _, status in load.answers if status >= 500 and status != 503}
    until(lambda: Decimal(_amount(company)) == 1_015 - len(load.orders), "each order has left its account once")
    paid = {"confirmed": len(load.orders) + 2}
    until(lambda: Counter(each["state"] for each in everything(company, "/v1/payouts")) == paid, "all are confirmed")


def _hang_up_on_everybody(owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


def _amount(company) -> str:  # type: ignore[no-untyped-def]
    return next((row["amount"] for row in _rows(company, "/v1/balances") if row["code"] == "User_Liability"), "")


def _states(company) -> list[str]:  # type: ignore[no-untyped-def]
    return [payout["state"] for payout in _rows(company, "/v1/payouts")]


def _posted(company, path: str, body: dict[str, str]) -> bool:  # type: ignore[no-untyped-def]
    """With the same key each time: a client that was told to try again does so."""
    answer = company.post(path, json=body, headers={"idempotency-key": "key"})
    assert answer.status_code in (201, 202, 503), answer.text
    return answer.status_code != 503


def _rows(company, path: str) -> list[dict]:  # type: ignore[no-untyped-def]
    """None while the API says that it has no database: for seconds after a login was replaced, it may have the old one."""
    answer = company.get(path)
    assert answer.status_code in (200, 503), answer.text
    return answer.json()["data"] if answer.status_code == 200 else []
