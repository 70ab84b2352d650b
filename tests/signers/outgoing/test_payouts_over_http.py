"""Payouts over the wire, watched: the keystore's key, the HTTP node client, the devnet's server, observer and recorder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from core.ledger.ledger import Ledger
from core.streams.notices import Noticed
from core.streams.payouts import Payout, PayoutOrder, payout_stream
from core.streams.signing import SIGNING, Signing
from core.tron.address import USDT_MAINNET, Address
from core.tron.transactions import RAW, contract_of, txid_of
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.tron.node import TronNode
from scanners.notices import PERMISSION_UPDATE
from scanners.observer import Observer
from scanners.recorder import Recorder
from signers.keys.keystore import HOT, Keystore
from signers.outgoing.payouts import Payouts
from signers.transactions.abi import balance_of_call, read_uint256
from signers.transactions.build import Envelope, Trc20Transfer, assemble, build
from tests.signers.outgoing.world import MemoryBookmarks
from tests.signers.payments import STRANGER
from tests.support.devnet import SOLID_LAG
from tests.support.history import ALICE, PAYEE, TickingClock, execute, fund, order, register, request_payout
from tests.support.leash import leash
from tests.support.memory import (
    MemoryAttempts,
    MemoryCursors,
    MemoryOutstanding,
    MemoryPool,
    MemoryQueue,
    MemorySolidLog,
    MemoryStore,
)
from tests.support.patience import HANG_S

USDT = Address.from_base58(USDT_MAINNET)
COINS = 1_000_000
KEY = b"observer's key of thirty-two by."


class House:
    """Every process but the API, around one devnet; `settle` runs them until all wait."""

    def __init__(self, url: str, node: TronNode, folder: Path) -> None:
        self.url, self.node = url, node
        keys = Keystore.create(folder / "keystore.json", "test passphrase", {HOT: bytes([1]) * 32}, scrypt_n=2)
        self.key = keys.key("keystore:hot")
        self.hot = self.key.address
        self.store, self.queue, self.log = MemoryStore(), MemoryQueue(), MemorySolidLog()
        self.alarms: list[str] = []
        ledger = self.ledger = Ledger(self.store, TickingClock())
        pool = MemoryPool({self.hot: "hot"})
        execute(ledger, register(ALICE, "Alice Ltd"), fund(ALICE, 1_000 * COINS, "opening"))
        self.devnet("faucet", address=self.hot.base58, usdt="100", trx="1000")
        self.mine()
        told = MemoryOutstanding()
        observer = Observer(
            node, self.queue, MemoryCursors(), pool, self.log, told, usdt=USDT.evm, key=KEY, alarm=self._ring
        )
        attempts = MemoryAttempts(self.store)
        recorder = Recorder(self.queue, ledger, self.store, attempts, told, key=KEY, alarm=self._ring)
        worker = Payouts(
            ledger,
            self.store,
            MemoryBookmarks(),
            MemoryQueue(),
            node,
            self.log,
            pool,
            self.key,
            USDT,
            leash=leash(self.store, self._ring),
            alarm=self._ring,
        )
        self.steps = (observer.step, recorder.step, worker.step)
        self.settle()

    def _ring(self, name: str, sentence: str) -> None:
        self.alarms.append(name)

    def devnet(self, call: str, **body: Any) -> None:
        httpx2.post(f"{self.url}/devnet/{call}", json=body, timeout=HANG_S).raise_for_status()

    def mine(self) -> None:
        self.devnet("mine", blocks=SOLID_LAG + 2)

    def settle(self) -> None:
        for _ in range(100):
            if not any([step() for step in self.steps]):  # noqa: C419  all of them, each round
                return
        raise AssertionError("the steps find work for ever")

    def live(self) -> None:
        """Until everything that was begun is solid."""
        for _ in range(2):
            self.settle()
            self.mine()
        self.settle()

    def request(self, name: str) -> PayoutOrder:
        wished = msgspec.structs.replace(order(ALICE, name, 12_500_000, 100_000), to_address=PAYEE.base58)
        execute(self.ledger, request_payout(wished))
        return wished

    def state(self, wished: PayoutOrder) -> str:
        payout, stream = Payout(), payout_stream(wished.payout_id)
        for recorded in self.store.histories([stream])[stream]:
            payout = payout.evolve(recorded.event)
        return payout.state

    def causes(self) -> tuple[str, ...]:
        signing = Signing()
        for recorded in self.store.histories([SIGNING]).get(SIGNING, []):
            signing = signing.evolve(recorded.event)
        return signing.causes

    def steal(self, raw_data: bytes) -> str:
        """Somebody else has the hot wallet's key."""
        signature = self.key.sign_digest(bytes.fromhex(txid_of(raw_data)))
        assert self.node.broadcast(assemble(raw_data, signature)).verdict == "accepted"
        self.mine()
        self.settle()
        return txid_of(raw_data)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Devnet(Config(paused=True)) as server:
        client = TronNode(server.url)
        yield House(server.url, client, tmp_path)
        client.close()


def test_a_payout_is_made_over_http(house: House) -> None:
    """From the request to the payee's solid balance, through every door that production uses; the watch is silent."""
    wished = house.request("p1")
    house.live()
    assert house.state(wished) == "confirmed"
    returned = house.node.call(house.hot, USDT, balance_of_call(PAYEE), solid=True).returned
    assert read_uint256(returned) == 12_500_000
    assert len(house.log.places) == 1
    assert house.alarms == []
    assert not [recorded for recorded in house.store.events if isinstance(recorded.event, Noticed)]


def test_a_paused_token_stops_signing_until_it_is_unpaused(house: House) -> None:
    """The issuer pauses: an alarm, and nothing is burned on transfers that revert; unpaused, the payout is made."""
    house.devnet("usdt", pause=True)
    house.mine()
    house.settle()
    wished = house.request("p1")
    house.live()
    assert (house.state(wished), house.causes(), house.alarms) == ("requested", ("token_paused",), ["token_paused"])
    house.devnet("usdt", unpause=True)
    house.mine()
    house.live()
    assert (house.state(wished), house.causes()) == ("confirmed", ())


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        ({"deprecate": True}, "token_deprecated"),
        ({"set_params": [10, 40]}, "token_fee_on"),
        ({"blacklist": "hot"}, "hot_wallet_blacklisted"),
    ],
)
def test_what_the_issuer_does_on_chain_stops_signing(house: House, call: dict[str, Any], cause: str) -> None:
    """The owner's call, as the contract logs it, reaches the payout worker through observer and recorder."""
    house.devnet("usdt", **{name: house.hot.base58 if value == "hot" else value for name, value in call.items()})
    house.mine()
    wished = house.request("p1")
    house.live()
    assert len(house.alarms) == 1
    assert house.state(wished) == "requested"
    assert house.causes() == (cause,)


def test_a_stolen_key_is_noticed_when_it_pays(house: House) -> None:
    """A transfer that our own key signed and this program did not: an event, an alarm, and no more signatures (I8)."""
    head = house.node.head()
    solid = house.node.solid()
    envelope = Envelope(solid.number, solid.block_id, head.timestamp_ms, head.timestamp_ms + 60_000, 15_000_000)
    txid = house.steal(build(Trc20Transfer(house.hot, USDT, STRANGER, 5 * COINS), envelope))
    assert house.alarms == ["outgoing_unexplained"]
    [noticed] = [recorded.event for recorded in house.store.events if isinstance(recorded.event, Noticed)]
    assert noticed.notice.txid == txid
    wished = house.request("p1")
    house.live()
    assert house.state(wished) == "requested"


def test_a_stolen_key_is_noticed_when_it_takes_the_wallet_over(house: House) -> None:
    """AccountPermissionUpdate on the hot wallet stops signing, whatever the node says of the account (FAILURES 22)."""
    head, solid = house.node.head(), house.node.solid()
    keys = {"threshold": 1, "keys": [{"address": bytes(STRANGER), "weight": 1}]}
    owner = {"permission_name": "owner", **keys}
    active = {"type": 2, "id": 2, "permission_name": "active", "operations": b"\x7f\xff\x1f\xc0" + bytes(28), **keys}
    update = {"owner_address": bytes(house.hot), "owner": owner, "actives": [active]}
    raw = {
        "ref_block_bytes": bytes.fromhex(solid.block_id[12:16]),
        "ref_block_hash": bytes.fromhex(solid.block_id[16:32]),
        "expiration": head.timestamp_ms + 60_000,
        "timestamp": head.timestamp_ms,
        "contract": [contract_of(PERMISSION_UPDATE, update)],
    }
    house.steal(RAW.encode(raw))
    assert house.causes() == ("wallet_permission_changed",)
    assert house.alarms == ["wallet_permission_changed"]
