"""A whole installation on the emulator, every kind of work in it, and every command beside it: what each asks of AWS.

Commands have credentials of their own, as the role of the tools machine has; processes are known by the name that they give.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from core.ports.queues import Message
from gateways import queues
from gateways.aws import names
from gateways.aws.idempotency_keys import DynamoIdempotencyKeys
from gateways.aws.kms import Kms
from gateways.aws.queue import SqsQueue
from gateways.aws.session import Aws
from gateways.settings import Settings
from gateways.wiring.platform import utc_now
from tests.journeys.aws import installation
from tests.journeys.conftest import ROOT, Installation, get, post
from tests.support.emulator.calls import CALLS
from tests.support.http_server import Answered, serving
from tests.support.patience import HANG_S, until

TOOLS: Final = "tools"
ANOTHER: Final = "hot-2"
RECEIVERS: Final = {
    "record": queues.DEPOSIT_EVENTS,
    "payouts": queues.PAYOUT_REQUESTS,
    "project": queues.PROJECT_VIEWS,
}
PAYEE: Final = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


class Call(NamedTuple):
    """`who` is a process, or TOOLS; `asker` the process or the command; `what` the part of a request that policies look at."""

    who: str
    asker: str
    service: str
    operation: str
    what: str

    @property
    def subject(self) -> dict[str, Any]:
        return dict(json.loads(self.what))


def heard(url: str) -> Iterator[Call]:
    """All calls since the emulator began; those of the test itself are nobody's."""
    for credentials, process, *asked in httpx2.get(f"{url}{CALLS}", timeout=HANG_S).json():
        who, _, command = credentials.partition(".")
        if who == TOOLS:
            yield Call(TOOLS, command.replace("_", " "), *asked)
        elif process != "MainProcess":
            yield Call(process, process, *asked)


class Commands:
    """`counterfoil ...` with the tools' credentials, and how each ended."""

    def __init__(self, running: Installation, folder: Path) -> None:
        given = {**running.settings, "tron_node_url": running.devnet, "data": str(folder)}
        self._environment = {
            **os.environ,
            **{f"COUNTERFOIL_{name.upper()}": value for name, value in given.items()},
        }
        self.ended: dict[str, tuple[int, str]] = {}

    def run(self, *words: str) -> str:
        """-> what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "gateways", *words],
            cwd=ROOT,
            env={**self._environment, "AWS_ACCESS_KEY_ID": f"{TOOLS}.{'_'.join(words[:2])}"},
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        self.ended[" ".join(words)] = (done.returncode, f"{done.stdout}\n{done.stderr}".strip())
        return done.stdout


def recorded(settings: Settings, folder: Path) -> tuple[list[Call], Mapping[str, tuple[int, str]]]:
    """-> what was asked, and how each command ended."""
    more = {
        "sweep_threshold": "1",
        "sweep_interval_s": "5",
        "rate_limit": "100000/minute",
        "checkpoint_interval_s": "1",
    }
    answers = iter([Answered(500)])
    with serving(lambda _: next(answers, Answered(204))) as receiver, installation(settings, **more) as running:
        aws = Aws(settings)
        another_wallet_key(aws)
        ids = work(running, aws, f"{receiver.url}/hooks")
        by_adapters(settings)
        commands = Commands(running, folder)
        order(commands, running, ids)
        calls = list(heard(running.settings["aws_endpoint_url"]))
        aliases = {
            each["TargetKeyId"]: each["AliasName"]
            for page in aws.client("kms").get_paginator("list_aliases").paginate()
            for each in page["Aliases"]
            if "TargetKeyId" in each
        }
        return [call._replace(what=_named(call.what, aliases)) for call in calls], commands.ended


def _named(what: str, aliases: Mapping[str, str]) -> str:
    """With each key's alias for its id."""
    for key, alias in aliases.items():
        what = what.replace(key, alias)
    return what


def another_wallet_key(aws: Aws) -> None:
    """As Terraform makes it for a wallet that is to get another one."""
    kms = aws.client("kms")
    key = kms.create_key(KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=names.key_alias(aws.prefix, ANOTHER), TargetKeyId=key)


def work(running: Installation, aws: Aws, hooks: str) -> dict[str, str]:
    """Deposits, payouts, sweeps, keys, webhooks -> what commands are asked about."""
    running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
    with running.operator() as operator:
        wallets = {it["role"]: it["address"] for it in get(operator, "/v1/system-wallets")["data"]}
        running.faucet(wallets["gas"], trx="3000")
        account = post(operator, "/v1/accounts", {"name": "Acme Exchange", "webhook_url": hooks})["id"]
        path = f"/v1/accounts/{account}/api-keys"
        for name in ("first", "second"):
            post(operator, path, {"name": name, "permissions": ["ledger:read"]})
        key, other = (each["id"] for each in get(operator, path)["data"])
        assert operator.delete(f"{path}/{key}", headers={"idempotency-key": "revoked"}).status_code < 300
        company = running.company(webhook_url=hooks)
        poison = [SqsQueue(aws, queue) for queue in RECEIVERS.values()]
        for queue in poison:
            queue.send([Message(body=b"nobody can read this", group="a", key="poison")])
        wish = {"client_reference": "1"}
        until(
            lambda: company.post("/v1/payins", json=wish, headers={"idempotency-key": "1"}).status_code < 300, "ready"
        )
        address = post(company, "/v1/payins", wish, "1")["address"]["tron_address_base58"]
        running.faucet(address, usdt="120")
        deposit = until(lambda: get(company, "/v1/deposits", status="confirmed")["data"], "the deposit is credited")[0]
        assert company.post("/v1/payouts", json={}, headers={"idempotency-key": "broken"}).status_code == 422
        payout = post(company, "/v1/payouts", {"to_address": PAYEE, "amount": "4"}, "payout")["id"]
        until(lambda: get(company, "/v1/payouts", state="confirmed")["data"], "the payout is confirmed")
        until(lambda: [s for s in get(operator, "/v1/sweeps")["data"] if s["state"] == "confirmed"], "it is swept")
        events = until(lambda: get(company, "/v1/webhook-events", status="delivered")["data"], "a webhook has arrived")
        company.post(f"/v1/webhook-events/{events[0]['id']}/redeliver", headers={"idempotency-key": "again"})
        company.post("/v1/webhook-events/redeliver", json={}, headers={"idempotency-key": "all"})
        get(operator, "/v1/audit-logs", limit=100)
        operator.get("/metrics")
        until(lambda: all(queue.dead_depth() for queue in poison), "what cannot be read is buried")
        get(company, "/v1/webhook-secret")
        get(company, "/v1/statements", **{"from": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"})
        return {
            "account": account,
            "deposit": deposit["id"],
            "payout": payout,
            "cold": PAYEE,
            "another": names.key_alias(aws.prefix, ANOTHER),
            "key": other,
        }


@contextmanager
def named(process: str) -> Iterator[None]:
    """Clients that are made in this block say that they are the process'."""
    before = multiprocessing.current_process().name
    multiprocessing.current_process().name = process
    try:
        yield
    finally:
        multiprocessing.current_process().name = before


def by_adapters(settings: Settings) -> None:
    """What a process asks seldom: what its collector reads, what takes long, what is given up, a key for each address."""
    for process, queue in RECEIVERS.items():
        with named(process):
            its = SqsQueue(Aws(settings), queue)
            its.depth(), its.dead_depth(), its.oldest_s()
            its.release(["no receipt"])
    with named("api"):
        keys = DynamoIdempotencyKeys(Aws(settings))
        keys.begin("account", "POST /v1/payouts", "given up", {}, utc_now())
        keys.abandon("account", "POST /v1/payouts", "given up")
    with named("addresses"):
        made = Kms(Aws(settings)).make().rpartition(":")[2]
        assert made in {key_id.rpartition(":")[2] for key_id, _ in Kms(Aws(settings)).made()}
    with named("sweeps"):
        Kms(Aws(settings)).public_key(made)
        Kms(Aws(settings)).sign_digest(made, bytes(32))


def order(commands: Commands, running: Installation, ids: Mapping[str, str]) -> None:
    """Every command that opens an installation, as an operator types it on the tools machine."""
    folder = running.data.parent / "typed"
    folder.mkdir(exist_ok=True)
    for line in SCRIPT.format(**ids, folder=folder).strip().splitlines():
        commands.run(*line.split())


SCRIPT: Final = """
secrets make
migrate
upgrade plan
upgrade status
upgrade finish
reconcile
rebuild balances
census
scan
scan producers
nodes
signing status
signing resume --reason looked
signing vouch 1 --reason looked
payouts show {payout}
alarms list
alarms secret
accounts list
accounts show {account}
keys list {account}
keys revoke {account} {key}
keys create {account} --name another --permission ledger:read
webhooks list {account}
webhooks redeliver {account} --after-sequence 0
webhooks test {account}
webhooks list
deposits list {account}
find {payout}
refusals
audit-log
trial-balance
schemas list
adjustments --help
set-aside list
queue list
queue dead deposit-events
queue redrive deposit-events
wallets list
wallets register cold {cold}
wallets permissions show hot
wallets rotate hot --kms {another}
sweeps plan
sweeps run
sweeps release {cold} --reason looked
stake status
stake recommend
stake freeze gas energy 10
cold list
explain deposit {deposit}
explain payout {payout}
statement make {account} --from 2026-01-01 --until 2027-01-01 --output {folder}/statement
audit export --output {folder}/export
audit verify
audit diff --from 1 --to 2
audit keys
audit regrow-tree
addresses rotate-seed
restore settle
secrets rotate webhooks
secrets rotate deposit-facts
secrets rotate api
secrets rotate database
restore declare --reason tried
evacuate
evacuate --reason tried
"""
