"""Stake at the command line: what is shown is the chain's, what is refused is said, what is ordered is an instruction."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from core.ledger.ledger import Ledger
from core.streams.instructions import Act, Freeze, InstructionGiven, Unfreeze, WithdrawUnfrozen
from core.tron.address import SUN_PER_TRX
from gateways.cli.console import Output
from gateways.cli.stake import freeze, recommend, show_orders, status, unfreeze, withdraw
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Unfreezing
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.roles import API, READER
from gateways.settings import Settings, load
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform
from gateways.wiring.platform import utc_now
from projections.engine.tracking import ViewTracking
from tests.support.history import HOT_WALLET
from tests.support.patience import HANG_S
from tests.support.postgres import Database
from tests.support.treasury import GAS_WALLET, append_treasury
from tests.support.views import project

DAY_MS = 86_400_000
QUIET = Output(stream=io.StringIO())


@pytest.fixture
def devnet() -> Iterator[Devnet]:
    """The gas wallet has 500 TRX, 1000 TRX staked for energy, 5 that can be withdrawn and 7 that wait another day."""
    with Devnet(Config(paused=True)) as running:
        for to, what in ((GAS_WALLET, {"trx": "500"}), (HOT_WALLET, {"usdt": "10", "trx": "40"})):
            gift = {"address": to.base58, **what}
            assert httpx2.post(f"{running.url}/devnet/faucet", json=gift, timeout=HANG_S).status_code == 200
        httpx2.post(f"{running.url}/devnet/mine", json={"blocks": 1}, timeout=HANG_S)
        chain = running.node.chain
        account = accounts.find(chain.state, GAS_WALLET)
        assert account is not None
        now_ms = chain.blocks[-1].timestamp_ms
        staked = msgspec.structs.replace(account.energy, frozen_sun=1_000 * SUN_PER_TRX)
        waiting = [(5, now_ms - 1), (7, now_ms + DAY_MS)]
        unfreezing = tuple(Unfreezing("ENERGY", trx * SUN_PER_TRX, at_ms) for trx, at_ms in waiting)
        changed = msgspec.structs.replace(account, energy=staked, unfreezing=unfreezing)
        chain.state.apply({("account", GAS_WALLET): changed})
        httpx2.post(f"{running.url}/devnet/mine", json={"blocks": 30}, timeout=HANG_S)
        yield running


@pytest.fixture
def settings(
    database: Database, devnet: Devnet, store: PostgresEventStore, tracking: ViewTracking, tmp_path: Path
) -> Settings:
    append_treasury(Ledger(store, utc_now))
    project(store, tracking)
    return load({}, database_url=database.owner_url, data=tmp_path, tron_node_url=devnet.url)


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def ordered(settings: Settings) -> list[tuple[str, str, Act, str]]:
    """(wallet, owner, act, actor) of every instruction of stake."""
    with open_platform(settings, READER) as platform:
        given = [each.event for each in platform.store.read(0, 5_000) if isinstance(each.event, InstructionGiven)]
    stakes = [(each.instruction, each.actor) for each in given if each.instruction.purpose == "stake"]
    return [(it.wallet, it.owner, it.act, actor.partition(":")[0]) for it, actor in stakes]


def test_the_status_has_stake_and_how_long_trx_last(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """What is staked, what waits and since when it is due, and the forecast from what the gas wallet spent."""
    status(settings, 7, Output())
    text = shown(capsys)
    assert re.search(r"gas 500\.000000 1000\.000000 0\.000000 0\.000000 12\.000000 \d+ of \d+ 600 of 600", text)
    assert "gas: 5.000000 TRX can be withdrawn now" in text
    assert re.search(r"gas: 7\.000000 TRX can be withdrawn from \d{4}-\d\d-\d\d \d\d:\d\d UTC on", text)
    # The history's gas wallet burned an account, a loan and its return, and sent one sun.
    [spent, days, hours] = re.findall(
        r"gas: spent (\S+) TRX in the last 1 day; at that rate its TRX last (\d+) days? and (\d+) hours?", text
    )[0]
    assert spent == "2.480001"
    assert int(days) * 24 + int(hours) == 500 * SUN_PER_TRX * 24 // 2_480_001


def test_a_recommendation_follows_the_volume(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """One sweep a day: the energy of one transfer at today's factor, less what is staked; and what it saves."""
    recommend(settings, 7, Output())
    text = shown(capsys)
    assert text.startswith("1 sweep and 2 payouts in the last 1 day")
    need, staked, stake, add, saves = re.findall(r"gas energy (\d+) (\S+) (\S+) (\S+) (\S+)", text)[0]
    assert int(need) == 64_285
    assert staked == "1000.000000"
    in_sun = [int(each.replace(".", "")) for each in (staked, stake, add, saves)]
    assert in_sun[2] == in_sun[1] - in_sun[0] > 0
    assert 0 < in_sun[3] < 64_285 * 420
    assert re.search(r"hot energy 128570 0\.000000", text)


def test_stake_is_ordered_by_the_operator(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """An instruction for the wallet's own process, in the operator's name, and an entry in the audit log."""
    freeze(settings, "hot", "BANDWIDTH", "40", Output())
    assert "the process payouts makes it" in shown(capsys)
    unfreeze(settings, "gas", "ENERGY", "1000", Output())
    assert "the process sweeps makes it" in shown(capsys)
    withdraw(settings, "gas", QUIET)
    assert ordered(settings) == [
        ("hot", HOT_WALLET.base58, Freeze(40 * SUN_PER_TRX, "BANDWIDTH"), "operator"),
        ("gas", GAS_WALLET.base58, Unfreeze(1_000 * SUN_PER_TRX, "ENERGY"), "operator"),
        ("gas", GAS_WALLET.base58, WithdrawUnfrozen(), "operator"),
    ]
    with open_platform(settings, API) as platform:
        actions = {entry.action for _, entry in platform.audit.page(None, None, 100)}
    assert {"stake.freeze", "stake.unfreeze", "stake.withdraw_unfrozen"} <= actions


def test_orders_are_listed_as_far_as_they_are(
    settings: Settings, store: PostgresEventStore, tracking: ViewTracking, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest first, with its wallet, its amount and its state."""
    before = orders_of(settings, capsys)
    freeze(settings, "hot", "BANDWIDTH", "40", QUIET)
    project(store, tracking)
    [new, *rest] = orders_of(settings, capsys)
    assert rest == before
    assert (new["wallet"], new["amount"], new["state"]) == ("hot", "40.000000", "given")


def orders_of(settings: Settings, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    show_orders(settings, 50, Output(as_json=True))
    return list(json.loads(capsys.readouterr().out)["data"])


def test_what_the_chain_would_refuse_is_refused_here(settings: Settings) -> None:
    """More than there is, parts of a TRX, nothing that is due: a sentence, and no instruction."""
    with pytest.raises(UserError, match=r"has 500\.000000 TRX: stake less"):
        freeze(settings, "gas", "ENERGY", "501", QUIET)
    with pytest.raises(UserError, match="give whole TRX"):
        freeze(settings, "gas", "ENERGY", "1.5", QUIET)
    with pytest.raises(UserError, match="is no amount of TRX"):
        freeze(settings, "gas", "ENERGY", "-1", QUIET)
    with pytest.raises(UserError, match=r"has 1000\.000000 TRX staked for energy that are not lent"):
        unfreeze(settings, "gas", "ENERGY", "1001", QUIET)
    with pytest.raises(UserError, match=r"has 0\.000000 TRX staked for bandwidth"):
        unfreeze(settings, "gas", "BANDWIDTH", "1", QUIET)
    with pytest.raises(UserError, match="nothing can be withdrawn yet: and nothing waits"):
        withdraw(settings, "hot", QUIET)
    assert ordered(settings) == []
