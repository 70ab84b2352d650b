"""A payout over the wire: the keystore's key, the HTTP node client, and the devnet's server, whose blocks are asked for."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from core.ledger import Ledger
from core.payouts import Payout, payout_stream
from core.tron import USDT_MAINNET, Address
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.tron_node import TronNode
from signers.abi import balance_of_call, read_uint256
from signers.keystore import HOT, Keystore
from signers.payouts import Payouts
from tests.signers.test_payouts import MemoryBookmarks
from tests.support.devnet import SOLID_LAG
from tests.support.history import ALICE, PAYEE, TickingClock, execute, fund, order, register, request_payout
from tests.support.memory import MemoryQueue, MemoryStore

USDT = Address.from_base58(USDT_MAINNET)
COINS = 1_000_000


@pytest.fixture
def devnet() -> Iterator[str]:
    with Devnet(Config(paused=True)) as server:
        yield server.url


@pytest.fixture
def node(devnet: str) -> Iterator[TronNode]:
    client = TronNode(devnet)
    yield client
    client.close()


def test_a_payout_is_made_over_http(devnet: str, node: TronNode, tmp_path: Path) -> None:
    """From the request to the payee's solid balance, through every door that production uses."""
    keys = Keystore.create(tmp_path / "keystore.json", "test passphrase", {HOT: bytes([1]) * 32}, scrypt_n=2)
    hot = keys.key("keystore:hot")
    store = MemoryStore()
    ledger = Ledger(store, TickingClock())
    wished = msgspec.structs.replace(order(ALICE, "p1", 12_500_000, 100_000), to_address=PAYEE.base58)
    execute(ledger, register(ALICE, "Alice Ltd"), fund(ALICE, 1_000 * COINS, "opening"), request_payout(wished))
    httpx2.post(f"{devnet}/devnet/faucet", json={"address": hot.address.base58, "usdt": "100", "trx": "100"})
    mine = {"blocks": SOLID_LAG + 2}
    httpx2.post(f"{devnet}/devnet/mine", json=mine).raise_for_status()
    worker = Payouts(ledger, store, MemoryBookmarks(), MemoryQueue(), node, hot, USDT)
    while worker.step():
        pass
    httpx2.post(f"{devnet}/devnet/mine", json=mine).raise_for_status()
    while worker.step():
        pass
    payout, stream = Payout(), payout_stream(wished.payout_id)
    for recorded in store.histories([stream])[stream]:
        payout = payout.evolve(recorded.event)
    assert payout.state == "confirmed"
    returned = node.call(hot.address, USDT, balance_of_call(PAYEE), solid=True).returned
    assert read_uint256(returned) == 12_500_000
