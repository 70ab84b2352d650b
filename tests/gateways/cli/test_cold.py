"""What a bundle for cold storage builds on: a block of our own log, never one that a node merely calls solid."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from core.ledger.ledger import Ledger
from gateways.cli.cold_storage.cold import prepare
from gateways.cli.cold_storage.machine import read_bundle
from gateways.cli.console import Output
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.postgres.roles import OBSERVER
from gateways.settings import Settings, load
from gateways.user_error import UserError
from gateways.wiring.opened import open_platform
from tests.support.patience import HANG_S
from tests.support.postgres import Database
from tests.support.treasury import COLD_WALLET, append_treasury


@pytest.fixture
def devnet() -> Iterator[Devnet]:
    """Cold storage has coins; block 30 and what follows it are solid for whoever believes the node."""
    with Devnet(Config(paused=True)) as running:
        gift = {"address": COLD_WALLET.base58, "usdt": "1000", "trx": "100"}
        assert httpx2.post(f"{running.url}/devnet/faucet", json=gift, timeout=HANG_S).status_code == 200
        assert httpx2.post(f"{running.url}/devnet/mine", json={"blocks": 60}, timeout=HANG_S).status_code == 200
        yield running


@pytest.fixture
def settings(database: Database, devnet: Devnet, tmp_path: Path) -> Settings:
    return load({}, database_url=database.owner_url, data=tmp_path, tron_node_url=devnet.url)


def test_a_bundle_builds_on_our_own_log(settings: Settings, ledger: Ledger, tmp_path: Path) -> None:
    """Without a block in the log nothing is prepared; then it is the log's newest, however high the node's solid block is."""
    append_treasury(ledger)
    file = tmp_path / "bundle.json"
    with pytest.raises(UserError, match="the scanner has read no block yet"):
        prepare(settings, "400", file, 24, Output())
    assert not file.exists()
    with open_platform(settings, OBSERVER) as platform:
        counted = platform.node.solid_block(20)
        assert counted is not None
        assert platform.node.solid().number > counted.ref.number
        platform.solid_log.append(counted.ref, {})
    prepare(settings, "400", file, 24, Output())
    attempt = read_bundle(file).attempt
    assert (attempt.ref_block_number, attempt.ref_block_id) == (counted.ref.number, counted.ref.block_id)
