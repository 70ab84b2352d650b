"""The roll-out of this version beside the one before it, while money moves: forth, back, forth again, and finished (I22)."""

import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from core.ledger.events import newest_level
from core.tron.address import USDT_MAINNET, Address
from gateways.cli.upgrade import standing_of
from gateways.processes.registry import PROCESSES
from gateways.tron.node import TronNode
from signers.transactions.abi import balance_of_call, read_uint256
from tests.journeys.load import PAYEE, Load
from tests.journeys.upgrades.rolled_out import PRESENT, OneProcess, Program, RolledOut, program_of_before, rolled_out
from tests.support.patience import HANG_S, until


@pytest.mark.timeout(3600)  # forty-odd starts of processes, one after another
def test_this_version_rolls_out_beside_the_one_before_and_back_and_is_finished() -> None:
    """No client is answered anything but 503 with Retry-After, no payout is paid twice, and nothing dies."""
    with tempfile.TemporaryDirectory(prefix="cf-up-") as folder, rolled_out(Path(folder)) as world:
        before = program_of_before(Path(folder))
        world.begin(before)
        company = _funded(world)
        with Load(company) as load:  # type: ignore[arg-type]
            load.until_served("the version before serves")
            plan = world.document(PRESENT, "upgrade", "plan")
            assert plan["data"], "this version brings a migration"
            assert all(int(each["compatible_from"]) < int(each["migration"][:4]) for each in plan["data"])
            world.document(PRESENT, "migrate")
            load.until_served("the version before serves on the new tables")
            assert world.api.ready().status_code == 200, world.api.ready().text
            world.crash("relay")  # of before: it starts on a database that is newer than itself

            for name in PROCESSES:
                world.replace(name, PRESENT)
                if name == "record":  # half is new, half is old
                    refused = world.command(PRESENT, "upgrade", "finish")
                    assert refused.returncode == 4, refused.stdout + refused.stderr
                    assert "before there were format levels is connected" in refused.stderr
                    world.crash("payouts")
            load.until_served("this version serves")

            for name in ("api", "relay", "payouts", "project"):
                world.replace(name, before)
            load.until_served("the version before serves again")
            for name in ("api", "relay", "payouts", "project"):
                world.replace(name, PRESENT)
            load.until_served("this version serves again")

            until(lambda: not _held_up(world), "nothing of before is connected")
            assert world.document(PRESENT, "upgrade", "status")["holds_up"] == []
            assert world.document(PRESENT, "upgrade", "finish") == {"format_level": newest_level(), "raised": True}
            assert world.document(PRESENT, "upgrade", "finish")["raised"] is False
            load.until_served("this version serves when it is finished")
            _the_version_before_waits(world, before, load)
        assert company.wrong == []
        _all_is_paid_once(world, company, load)
        done = world.command(PRESENT, "reconcile")
        assert done.returncode == 0, done.stdout + done.stderr
        assert not any(each.ended for each in world.processes.values())


def _held_up(world: RolledOut) -> list[str]:
    with psycopg.connect(world.server.url) as conn:
        return standing_of(conn).holds_up


def _address(company: Any) -> str:
    """A deposit address; empty while none is ready."""
    made = company.post("/v1/payins", json={"client_reference": "1"}, headers={"idempotency-key": str(uuid4())}).json()
    return str(made["address"]["tron_address_base58"]) if "address" in made else ""


def _funded(world: RolledOut) -> Any:
    wallets = until(lambda: world.ask("GET", "/v1/system-wallets")["data"], "the wallets are registered")
    hot = next(each["address"] for each in wallets if each["role"] == "hot")
    world.faucet(hot, usdt="100000", trx="100000")
    company = world.company()
    address = until(partial(_address, company), "an address is ready")
    world.faucet(address, usdt="10000")
    until(lambda: _liability(company) == "10000.000000", "the deposit is credited")
    return company


def _liability(company: Any) -> str:
    rows = company.get("/v1/balances").json()["data"]
    return next((row["amount"] for row in rows if row["code"] == "User_Liability"), "")


def _the_version_before_waits(world: RolledOut, before: Program, load: Load) -> None:
    """One that is started after all neither dies nor decides anything: the database refuses what it appends, and says why."""
    late = [OneProcess(world, name, before).until_it_goes() for name in ("relay", "api")]
    relay, api = late
    headers = {"x-api-key": world.operator_key, "idempotency-key": "late"}
    answer = httpx2.post(f"{api.url}/v1/accounts", headers=headers, json={"name": "Too late"}, timeout=HANG_S)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True), answer.text
    assert "installed by a newer version" in api.log
    load.until_served("this version serves beside it")
    assert not relay.ended, relay.log
    for each in late:
        each.stop()


def _all_is_paid_once(world: RolledOut, company: Any, load: Load) -> None:
    def payouts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = company.get(f"/v1/payouts?limit=100{after}").json()
            found += page["data"]
            if not page["has_more"]:
                return found
            after = f"&after={page['next_cursor']}"

    count = len(load.orders)
    until(lambda: Counter(each["state"] for each in payouts()) == {"confirmed": count}, "every payout is confirmed")
    assert {each["id"] for each in payouts()} == load.orders
    node, payee = TronNode(world.devnet), Address.from_base58(PAYEE)
    held = node.call(payee, Address.from_base58(USDT_MAINNET), balance_of_call(payee), solid=True)
    node.close()
    assert read_uint256(held.returned) == 1_000_000 * count
