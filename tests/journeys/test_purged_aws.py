"""MODE=aws with every queue purged and every table but api_keys emptied, while work is under way (I11)."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from gateways import queues
from gateways.aws import names
from gateways.aws.queue import SqsQueue
from gateways.aws.session import Aws
from gateways.processes.registry import PROCESSES
from gateways.settings import Settings
from tests.journeys.aws import asked, beyond_its_access, installation, reconcile
from tests.journeys.conftest import Installation, get, post
from tests.support.aws import REAL, emptied
from tests.support.http_server import Answered, HttpServer, serving
from tests.support.patience import until

PAYEE = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7"


@contextmanager
def halted(running: Installation, *processes: str) -> Iterator[None]:
    """These processes stand still while the block runs."""
    pids = [until(lambda name=name: running.child(name), f"{name} runs") for name in processes]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def purge_queues(aws: Aws) -> None:
    """Every one; AWS allows it once a minute."""
    for name in queues.QUEUES:
        SqsQueue(aws, name).purge()


def empty_tables(aws: Aws) -> None:
    """Every one but api_keys."""
    for table in names.TABLES:
        if table != names.API_KEYS:
            emptied(aws, table)


def told(receiver: HttpServer) -> Counter[str]:
    """Webhooks that were answered with 204, by type and object."""
    found: dict[str, str] = {}
    for each in receiver.asked:
        body = msgspec.json.decode(each.body)
        found[each.headers["webhook-id"]] = f"{body['type']} {body['data']['id']}"
    return Counter(found.values())


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes through /proc")
def test_purged_queues_and_emptied_tables_lose_and_double_nothing(aws_settings: Settings) -> None:
    """What was on its way to recorder, projectors, signer and clients when all was lost arrives, once."""
    aws = Aws(aws_settings)
    with serving(lambda _: Answered(500)) as receiver, installation(aws_settings) as running:
        running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
        company = running.company(webhook_url=f"{receiver.url}/hooks")
        wish = {"client_reference": "1"}
        payin = post(company, "/v1/payins", wish, "payin")
        address = payin["address"]["tron_address_base58"]
        txids = [running.faucet(address, usdt="10")]
        until(lambda: _amount(company) == "10.000000", "the first deposit is credited")
        until(lambda: len(receiver.asked) > 0, "a webhook was tried and is to be tried again")
        deposits = SqsQueue(aws, queues.DEPOSIT_EVENTS)

        with halted(running, "record", "project", "payouts", "webhooks"):
            txids += [running.faucet(address, usdt="10") for _ in range(3)]
            until(lambda: deposits.depth() >= 3, "deposits wait in the queue")
            order = {"to_address": PAYEE, "amount": "4"}
            payout = post(company, "/v1/payouts", order, "payout")["id"]
            until(lambda: SqsQueue(aws, queues.PAYOUT_REQUESTS).depth() > 0, "the payout waits in the queue")
            purge_queues(aws)
            empty_tables(aws)
            receiver.answer = lambda _: Answered(204)
            receiver.asked.clear()

        assert post(company, "/v1/payins", wish, "payin")["id"] == payin["id"]
        assert post(company, "/v1/payouts", order, "payout")["id"] == payout
        until(lambda: _amount(company) == "36.000000", "4 x 10 came in, 4 went out")
        until(lambda: _states(company) == {"confirmed": 1}, "the payout is confirmed")
        shown = until(lambda: _confirmed(company, len(txids)), "every deposit is shown as confirmed")
        assert Counter(deposit["tx_hash"] for deposit in shown) == Counter(txids)

        empty_tables(aws)
        assert post(company, "/v1/payins", wish, "payin")["id"] == payin["id"]
        txids.append(running.faucet(address, usdt="10"))
        until(lambda: _amount(company) == "46.000000", "work goes on after the tables are lost once more")
        events = until(lambda: _events(company, deposits=len(txids), payouts=1), "every event stands in the list")
        until(lambda: set(events) <= set(told(receiver)), f"every webhook arrives: {events}")
        assert max(told(receiver).values()) == 1
        assert deposits.dead_depth() == 0
        if not REAL:
            calls = asked(running, aws)
            assert {process for process, *_ in calls} == set(PROCESSES)
            assert [call for call in calls if beyond_its_access(call, aws_settings.aws_prefix)] == []
        reconcile(running)


def _amount(company) -> str:  # type: ignore[no-untyped-def]
    rows = get(company, "/v1/balances")["data"]
    return next((row["amount"] for row in rows if row["code"] == "User_Liability"), "")


def _states(company) -> Counter[str]:  # type: ignore[no-untyped-def]
    return Counter(payout["state"] for payout in get(company, "/v1/payouts")["data"])


def _confirmed(company, count: int) -> list[dict]:  # type: ignore[no-untyped-def]
    found = get(company, "/v1/deposits")["data"]
    return found if [each["status"] for each in found] == ["confirmed"] * count else []


def _events(company, *, deposits: int, payouts: int) -> list[str]:  # type: ignore[no-untyped-def]
    """Type and object of each event, when the last ones of all objects are there."""
    found = get(company, "/v1/events", limit=100)["data"]
    kinds = Counter(event["type"] for event in found)
    if kinds["deposit.confirmed"] != deposits or kinds["payout.confirmed"] != payouts:
        return []
    return [f"{event['type']} {event['data']['id']}" for event in found]
