"""What the operator sees and does of sweeps and wallets at the command line, on a devnet and a database."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.ledger.events import Event
from core.ledger.ledger import Ledger
from core.streams.instructions import InstructionGiven, SendToken
from core.streams.notices import Notice, RecordNotice
from core.streams.quarantine import AddressReleased, QuarantineAddress
from core.streams.sweeps import SweepPlanned
from core.streams.treasury import SystemWalletRegistered
from core.tron.address import USDT_MAINNET, ZERO_ADDRESS
from gateways.cli.console import Output
from gateways.cli.sweeps import release, run_plan, show_plan, show_set_aside
from gateways.cli.wallets import register_cold, show_wallets
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.postgres.event_store import PostgresEventStore
from gateways.postgres.roles import API, READER, SIGNER
from gateways.settings import Settings, load
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform
from projections.engine.tracking import ViewTracking
from tests.support.history import BOB_ADDRESS, HOT_WALLET, address, append_history, execute
from tests.support.patience import HANG_S
from tests.support.postgres import Database
from tests.support.treasury import COLD_WALLET, GAS_WALLET, append_treasury
from tests.support.views import project

COINS = 1_000_000
MINE = "operator:"


@pytest.fixture
def devnet() -> Iterator[Devnet]:
    with Devnet(Config(paused=True)) as running:
        yield running


@pytest.fixture
def settings(database: Database, devnet: Devnet, tmp_path: Path) -> Settings:
    return load(
        {},
        database_url=database.owner_url,
        data=tmp_path,
        tron_node_url=devnet.url,
        sweep_threshold="5",
        sweep_cost_max_percent=90,
        hot_ceiling="1000",
    )


@pytest.fixture
def paid(devnet: Devnet, ledger: Ledger, store: PostgresEventStore, tracking: ViewTracking) -> None:
    """Bob's deposit address has 7 USDT, the gas wallet TRX, the hot wallet more than its ceiling; all views know it."""
    append_treasury(ledger)
    project(store, tracking)
    for to, what in ((BOB_ADDRESS, {"usdt": "7"}), (GAS_WALLET, {"trx": "500"}), (HOT_WALLET, {"usdt": "2000"})):
        gift = {"address": to.base58, **what}
        assert httpx2.post(f"{devnet.url}/devnet/faucet", json=gift, timeout=HANG_S).status_code == 200
    assert httpx2.post(f"{devnet.url}/devnet/mine", json={"blocks": 30}, timeout=HANG_S).status_code == 200


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def events(settings: Settings, after: int, *kinds: type[Event]) -> list[Any]:
    with open_platform(settings, READER) as platform:
        return [each.event for each in platform.store.read(after, 1_000) if isinstance(each.event, kinds)]


def head(settings: Settings) -> int:
    with open_platform(settings, READER) as platform:
        return platform.store.read(0, 5_000)[-1].position


def actions(settings: Settings) -> list[str]:
    with open_platform(settings, API) as platform:
        return [entry.action for _, entry in platform.audit.page(None, None, 100)]


@pytest.mark.usefixtures("paid")
def test_a_plan_is_shown_with_its_cost_and_begins_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every address with its means; the sum in TRX and in USDT; what would go to cold storage."""
    before = head(settings)
    show_plan(settings, Output())
    text = shown(capsys)
    assert re.search(rf"{BOB_ADDRESS.base58} \w+ fuel 7\.000000 \d+\.\d+ \d+\.\d+", text)
    burns, costs = re.findall(r"1 sweep of 7\.000000 USDT would burn (\S+) TRX, about (\S+) USDT", text)[0]
    assert int(costs.replace(".", "")) == -(-int(burns.replace(".", "")) * 300_000 // COINS)
    assert "USDT would go from the hot wallet to cold storage" in text
    assert head(settings) == before


@pytest.mark.usefixtures("paid")
def test_a_plan_is_begun_at_once_by_who_asks(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The sweep and the transfer to cold storage, in the operator's name, and once: a second look begins nothing."""
    before = head(settings)
    run_plan(settings, Output())
    assert "2 begun: 1 sweep, 1 transfer to cold storage" in shown(capsys)
    [planned] = events(settings, before, SweepPlanned)
    [given] = events(settings, before, InstructionGiven)
    assert (planned.sweep.address, planned.sweep.amount_minor) == (BOB_ADDRESS.base58, 7 * COINS)
    assert isinstance(given.instruction.act, SendToken)
    assert (given.instruction.purpose, given.instruction.act.to) == ("excess", COLD_WALLET.base58)
    assert planned.actor.startswith(MINE)
    assert given.actor.startswith(MINE)
    run_plan(settings, Output())
    assert "nothing is worth a sweep now" in shown(capsys)
    assert "sweeps.planned" in actions(settings)


@pytest.mark.usefixtures("paid")
def test_an_address_that_was_set_aside_is_released(
    settings: Settings, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its address or a sweep of it, with a reason and an actor; one that is not set aside is refused."""
    for name in (BOB_ADDRESS.base58, _sweep(settings)):
        execute(ledger, QuarantineAddress(BOB_ADDRESS.base58, "reverts", "ab" * 32, "system:test"))
        before = head(settings)
        release(settings, name, " looked at it ", Output())
        [released] = events(settings, before, AddressReleased)
        assert (released.address, released.reason) == (BOB_ADDRESS.base58, "looked at it")
        assert released.actor.startswith(MINE)
    with pytest.raises(UserError, match="is not set aside: the next plan looks at it"):
        release(settings, BOB_ADDRESS.base58, "again", Output())
    with pytest.raises(UserError, match="neither an address nor the id of a sweep"):
        release(settings, "nobody", "so", Output())
    with pytest.raises(UserError, match="say why"):
        release(settings, BOB_ADDRESS.base58, " ", Output())
    assert actions(settings).count("address.released") == 2
    assert "swept again like any other" in shown(capsys)


@pytest.mark.usefixtures("paid")
def test_what_is_set_aside_is_listed_with_its_reason(
    settings: Settings,
    ledger: Ledger,
    store: PostgresEventStore,
    tracking: ViewTracking,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Since when, why and what was seen; nothing once it is released."""
    execute(ledger, QuarantineAddress(BOB_ADDRESS.base58, "reverts", "REVERT in its trial", "system:test"))
    project(store, tracking)
    show_set_aside(settings, Output())
    text = shown(capsys)
    assert f"{BOB_ADDRESS.base58} " in text
    assert "reverts REVERT in its trial" in text
    release(settings, BOB_ADDRESS.base58, "looked", Output(stream=io.StringIO()))
    project(store, tracking)
    show_set_aside(settings, Output())
    assert "no address is set aside" in shown(capsys)


def _sweep(settings: Settings) -> str:
    """The id of Bob's only sweep, which is begun here."""
    run_plan(settings, Output(stream=io.StringIO()))
    [planned] = [it for it in events(settings, 0, SweepPlanned) if it.sweep.address == BOB_ADDRESS.base58]
    return str(planned.sweep.sweep_id)


def test_a_cold_wallet_is_an_address_and_a_plain_account(
    settings: Settings, ledger: Ledger, devnet: Devnet, capsys: pytest.CaptureFixture[str]
) -> None:
    """No form, the token, the zero address, a contract, one of ours, a second one: each is refused and leaves nothing."""
    append_history(ledger)
    with open_platform(settings, SIGNER) as platform:
        platform.pool.add_wallet("hot", HOT_WALLET.base58, "kms:hot")
    fake = httpx2.get(f"{devnet.url}/devnet/info", timeout=HANG_S).json()["contracts"]["fake_usdt"]
    cold = address("somewhere safe")
    for text, said in (
        ("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwc", "no Tron address"),
        (ZERO_ADDRESS.base58, "the zero address"),
        (USDT_MAINNET, "the token itself"),
        (fake, "is a contract"),
        (HOT_WALLET.base58, "is a hot address of this installation"),
    ):
        with pytest.raises(UserError, match=said):
            register_cold(settings, text, Output())
    assert not events(settings, 0, SystemWalletRegistered)[1:]
    before = head(settings)
    for _ in range(2):
        register_cold(settings, cold.base58, Output())
    [registered] = events(settings, before, SystemWalletRegistered)
    assert (registered.role, registered.address, registered.key_id) == ("cold", cold.base58, None)
    assert registered.actor.startswith(MINE)
    assert "is the cold wallet already" in shown(capsys)
    with pytest.raises(UserError, match=f"the cold wallet is {cold}"):
        register_cold(settings, address("elsewhere").base58, Output())
    with open_platform(settings, SIGNER) as platform:
        assert dict(platform.pool.ours([cold.evm, address("elsewhere").evm])) == {cold.evm: "cold"}
    assert actions(settings).count("wallet.registered") == 1


def test_coins_that_a_cold_wallet_has_already_are_named(
    settings: Settings, ledger: Ledger, devnet: Devnet, capsys: pytest.CaptureFixture[str]
) -> None:
    """The books do not know them, and the operator is told what books them."""
    append_history(ledger)
    cold = address("somewhere safe")
    gift = {"address": cold.base58, "usdt": "12.5", "trx": "3"}
    assert httpx2.post(f"{devnet.url}/devnet/faucet", json=gift, timeout=HANG_S).status_code == 200
    httpx2.post(f"{devnet.url}/devnet/mine", json={"blocks": 30}, timeout=HANG_S)
    register_cold(settings, cold.base58, Output())
    assert "it holds 12.500000 USDT and 3.000000 TRX already" in shown(capsys)


@pytest.mark.usefixtures("paid")
def test_wallets_are_listed(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its role and address."""
    show_wallets(settings, Output())
    text = shown(capsys)
    for role, wallet in (("hot", HOT_WALLET), ("gas", GAS_WALLET), ("cold", COLD_WALLET)):
        assert f"{role} {wallet.base58} active" in text


@pytest.mark.usefixtures("paid")
def test_nothing_is_begun_while_signing_is_stopped(settings: Settings, ledger: Ledger) -> None:
    """The token is paused: every trial would revert, and the operator is told where to look."""
    execute(ledger, RecordNotice(Notice("token_paused", "aa" * 32, 0, 7, "cd" * 32, 1), None, "system:test"))
    before = head(settings)
    with pytest.raises(UserError, match="signing is stopped, and nothing is begun meanwhile"):
        run_plan(settings, Output())
    assert head(settings) == before
