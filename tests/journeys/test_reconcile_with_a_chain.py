"""`counterfoil reconcile` on a running installation: the issuer's acts are booked, and a difference says what is behind it."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest

from gateways.cli.reconcile import reconcile_when_quiet
from gateways.cli.reconcile_chain import explainer, look_at_chain, wait_for_ledger
from gateways.postgres.roles import READER
from gateways.settings import load
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from projections.audit.on_chain import OnChain
from projections.audit.reconcile import reconcile
from tests.journeys.conftest import Installation, get, post
from tests.journeys.test_kill_each_process import child
from tests.support.patience import HANG_S, until


@contextmanager
def looking(running: Installation) -> Iterator[Platform]:
    with open_platform(load({}, data=running.data, tron_node_url=running.devnet), READER) as platform:
        yield platform


def at(platform: Platform, address: str) -> OnChain:
    """Nothing, for an address that was never paid."""
    found = (each for each in look_at_chain(platform) if each.address == address)
    return next(found, OnChain("payin", address, 0, 0, 0))


def differences(platform: Platform) -> tuple[str, ...]:
    on_chain = look_at_chain(platform)
    with psycopg.connect(platform.reader_url) as conn:
        return reconcile(conn, on_chain, explain=explainer(platform)).checks[-1].differences


def owner_calls(running: Installation, **call: object) -> None:
    answer = httpx2.post(f"{running.devnet}/devnet/usdt", json=call, timeout=HANG_S)
    assert answer.status_code == 200, answer.text


def events(platform: Platform, topic: str) -> int:
    with psycopg.connect(platform.reader_url) as conn:
        [(count,)] = conn.execute("SELECT count(*) FROM history WHERE topic ~ %s", (f"^{topic}/",)).fetchall()
    return int(count)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes through /proc")
def test_every_difference_is_explained_or_booked() -> None:
    """A transfer that nobody read is told with its reason; a fee, destroyed funds and unknown coins are in the books."""
    with (
        tempfile.TemporaryDirectory(prefix="cf-chain-") as folder,
        Installation(Path(folder) / "data", sweep_threshold="100000") as running,
    ):
        running.faucet(running.hot_wallet(), usdt="1000", trx="1000")
        company = running.company()
        first, second = (
            post(company, "/v1/payins", {"client_reference": name})["address"]["tron_address_base58"] for name in "12"
        )
        running.faucet(first, usdt="10", trx="2")
        until(lambda: len(get(company, "/v1/deposits", status="confirmed")["data"]) == 1, "the deposit is credited")
        with looking(running) as platform:
            assert all(check.ok for check in reconcile_when_quiet(platform, HANG_S))

            observe = until(lambda: child(running, "observe"), "observe runs")
            os.kill(observe, signal.SIGSTOP)
            try:
                running.faucet(first, usdt="5")
                found = until(lambda: (it := at(platform, first)).usdt_minor == 15_000_000 and it, "it is solid")
                assert not wait_for_ledger(platform, found.block_number, wait_s=0)
                told = [it for it in differences(platform) if first in it]
                assert len(told) == 1
                assert "the ledger has 10.000000 USDT, the chain 15.000000 at block" in told[0]
                assert "the process observe has read solid blocks up to" in told[0]
            finally:
                os.kill(observe, signal.SIGCONT)
            assert wait_for_ledger(platform, found.block_number)
            assert all(check.ok for check in reconcile_when_quiet(platform, HANG_S))

            owner_calls(running, set_params=[10, 40])
            running.faucet(second, usdt="100")
            until(lambda: at(platform, second).usdt_minor == 99_900_000, "a tenth of a percent is the issuer's")
            owner_calls(running, blacklist=first)
            owner_calls(running, destroy=first)
            until(lambda: events(platform, "token.funds-destroyed"), "the issuer destroyed what was there")
            assert at(platform, first).usdt_minor == 0
            assert all(check.ok for check in reconcile_when_quiet(platform, HANG_S)), differences(platform)
