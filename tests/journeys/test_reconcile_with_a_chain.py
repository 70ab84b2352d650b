"""`counterfoil reconcile` on a running installation: the issuer's acts are booked, and a difference says what is behind it."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from core.ledger.books import HOT_WALLET, SUSPENSE
from core.ledger.journal import TREASURY
from gateways.cli.chain.scan import scan_again
from gateways.cli.console import Output
from gateways.cli.reconcile import reconcile_when_quiet
from gateways.postgres.roles import READER, SIGNER
from gateways.settings import Settings, load
from gateways.wiring.ledger_beside_chain import explainer, look_at_chain, wait_for_ledger
from gateways.wiring.on_chain import DepositSight, WalletSight
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import Platform
from projections.audit.deposit_balances import DepositBalances
from projections.audit.on_chain import OnChain
from projections.audit.reconcile import reconcile
from projections.audit.wallet_balances import EVERY, WalletBalances
from tests.journeys.conftest import Installation, get, post
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


def events(platform: Platform, topic: str, stream: str = "") -> int:
    """How many there are of a topic, in streams of this pattern."""
    counted = "SELECT count(*) FROM history WHERE topic ~ %s AND stream ~ %s"
    with psycopg.connect(platform.reader_url) as conn:
        [(count,)] = conn.execute(counted, (f"^{topic}/", stream)).fetchall()
    return int(count)


class _Watch:
    """The wallets' watch on the installation's own database and node, ten minutes later at each look."""

    def __init__(self, platform: Platform) -> None:
        self.rang: list[str] = []
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        sight, board = WalletSight(platform), platform.wallet_board
        self._watch: WalletBalances | DepositBalances = WalletBalances(
            platform.store, sight, board, lambda: self._now, alarm=self._ring
        )

    def _ring(self, name: str, sentence: str) -> None:
        self.rang.append(f"{name}: {sentence}")

    def look(self) -> None:
        self._now += EVERY
        self._watch.step()


class _DepositWatch(_Watch):
    """The same for deposit addresses."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform)
        sight, board = DepositSight(platform), platform.address_board
        self._watch = DepositBalances(platform.store, sight, board, lambda: self._now, alarm=self._ring)


def _trx_by_contracts_is_booked_or_rings(running: Installation, platform: Platform, deposit_address: str) -> None:
    hot = running.hot_wallet()
    before = at(platform, hot).trx_sun
    for address, trx in ((hot, "3"), (deposit_address, "2")):
        _forward(running, address, trx)
    until(lambda: at(platform, hot).trx_sun == before + 3_000_000, "the contract's TRX are there")
    until(lambda: at(platform, deposit_address).trx_sun == 2_000_000, "on the deposit address, too")
    assert all(check.ok for check in reconcile_when_quiet(platform, HANG_S)), differences(platform)
    assert events(platform, "deposit.confirmed", "^deposit-[0-9a-f]{64}--1$") == 2

    armed = httpx2.post(f"{running.devnet}/devnet/faults", json={"kind": "no_internal"}, timeout=HANG_S)
    assert armed.status_code == 200, armed.text
    sweeps = until(lambda: running.child("sweeps"), "sweeps runs")
    settings = load({}, data=running.data, tron_node_url=running.devnet)
    os.kill(sweeps, signal.SIGSTOP)  # it watches the wallets as well, at its own times
    try:
        _forward(running, hot, "5")
        until(lambda: at(platform, hot).trx_sun == before + 8_000_000, "what no receipt shows is there")
        with open_platform(settings, SIGNER) as signer, running.operator() as operator:
            watch = _Watch(signer)
            until(lambda: watch.look() or watch.rang, "the difference rings")
            assert [it.partition(": ")[0] for it in watch.rang] == ["wallet_differs"]
            assert (
                "5.000000 TRX came in a way that no transaction of a block shows, as from a contract" in watch.rang[0]
            )
            [told] = _differences(operator)
            assert (told["currency"], told["found_minor"] - told["booked_minor"]) == ("TRX", 5_000_000)
            assert told["sentence"] == watch.rang[0].partition(": ")[2]
            lines = [
                {"account_id": TREASURY, "ledger_account": code, "side": side, "amount": "5", "currency": "TRX"}
                for code, side in ((HOT_WALLET, "debit"), (SUSPENSE, "credit"))
            ]
            post(operator, "/v1/adjustments", {"reason": "from our own contract", "postings": lines})
            until(lambda: watch.look() or not _differences(operator), "the difference ends")
            assert len(watch.rang) == 1
            _on_a_deposit_address_it_rings_until_the_block_is_read_again(running, signer, settings, deposit_address)
    finally:
        os.kill(sweeps, signal.SIGCONT)
    assert all(check.ok for check in reconcile_when_quiet(platform, HANG_S)), differences(platform)


def _on_a_deposit_address_it_rings_until_the_block_is_read_again(
    running: Installation, signer: Platform, settings: Settings, address: str
) -> None:
    before, first = at(signer, address).trx_sun, signer.node.head().number + 1
    _forward(running, address, "4")
    until(lambda: at(signer, address).trx_sun == before + 4_000_000, "what no receipt shows is there")
    watch = _DepositWatch(signer)
    until(lambda: watch.look() or watch.rang, "the address rings")
    assert [it.partition(": ")[0] for it in watch.rang] == ["deposit_address_differs"]
    assert "4.000000 TRX came in a way that no transaction of a block shows" in watch.rang[0]
    assert [row.address for row in signer.address_board.standing()] == [address]
    cleared = httpx2.request("DELETE", f"{running.devnet}/devnet/faults", timeout=HANG_S)
    assert cleared.status_code == 200, cleared.text
    scan_again(settings, first, None, Output())
    until(lambda: watch.look() or not signer.address_board.standing(), "it is over when the block was read again")
    assert len(watch.rang) == 1


def _forward(running: Installation, address: str, trx: str) -> None:
    asked = httpx2.post(f"{running.devnet}/devnet/forward", json={"address": address, "trx": trx}, timeout=HANG_S)
    assert asked.status_code == 200, asked.text


def _differences(operator: httpx2.Client) -> list[dict[str, Any]]:
    wallets = get(operator, "/v1/system-wallets")["data"]
    return [difference for wallet in wallets for difference in wallet["differences"]]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes through /proc")
def test_every_difference_is_explained_or_booked() -> None:
    """A transfer that nobody read is told with its reason; a fee, destroyed funds and unknown coins are in the books.

    So is TRX that a contract hands on, where the node shows it; else a watch rings until it is adjusted, or read again.
    """
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

            observe = until(lambda: running.child("observe"), "observe runs")
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
            _trx_by_contracts_is_booked_or_rings(running, platform, second)
