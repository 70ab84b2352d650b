"""The observer on a devnet's gRPC port: a deposit from the head to its solid block, and past receipts that nobody can take."""

import contextlib
from collections.abc import Iterator

import pytest

from core.ports.unavailable import Unavailable
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from gateways.node_addresses import NodeAddress
from gateways.tron import grpc_channel
from gateways.tron.grpc_node import node_at
from scanners.observer import SOLID, Observer
from scanners.producers import Producers
from tests.support.chain import USDT, person
from tests.support.memory import MemoryCursors, MemoryOutstanding, MemoryPool, MemoryQueue, MemorySolidLog

PAYEE = person(81)


@pytest.fixture
def devnet() -> Iterator[Devnet]:
    with Devnet(Config(paused=True, grpc_port=0)) as devnet:
        yield devnet


class Watch:
    """An observer over the devnet's gRPC port, with what it sent and what rang."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        address = NodeAddress(devnet.url, devnet.url, "", devnet.grpc_url, devnet.grpc_url)
        self.node = node_at(address, token=USDT.evm)
        self.queue, self.cursors = MemoryQueue(), MemoryCursors()
        self.alarms: list[str] = []
        self.observer = Observer(
            self.node,
            self.queue,
            self.cursors,
            MemoryPool({PAYEE: "payin"}),
            MemorySolidLog(),
            MemoryOutstanding(),
            usdt=USDT.evm,
            key=b"key",
            alarm=lambda name, sentence: self.alarms.append(name),
            producers=Producers(self.node),
        )
        self.observer.step()

    @property
    def sent(self) -> list[str]:
        return [message.key.split(":")[0] for message in self.queue.sent]

    def turn(self, steps: int) -> None:
        for _ in range(steps):
            with contextlib.suppress(Unavailable):
                self.observer.step()


def test_a_deposit_is_followed_by_grpc(devnet: Devnet) -> None:
    """Detected at the head, confirmed once its block is solid; every block checked, signed by a producer, nothing rings."""
    watch = Watch(devnet)
    assert devnet.node.give_usdt(bytes(PAYEE), 12_500_000).accepted
    devnet.node.mine()
    watch.turn(1)
    assert watch.sent == ["detected"]
    devnet.node.mine(40)
    watch.turn(5)
    assert (watch.sent, watch.alarms) == (["detected", "confirmed"], [])
    watch.node.close()


@pytest.mark.parametrize("over_http", [True, False])
def test_receipts_that_nobody_can_take_stop_nothing(
    devnet: Devnet, monkeypatch: pytest.MonkeyPatch, over_http: bool
) -> None:
    """Receipts above what is taken are read over HTTP, in silence; where those are none either, they are asked one by one.

    Refused three times before, and our deposit is confirmed in each case (FAILURES 90).
    """
    monkeypatch.setattr(grpc_channel, "ANSWER_BYTES_MAX", 500_000)
    watch = Watch(devnet)
    assert devnet.node.give_usdt(bytes(PAYEE), 12_500_000).accepted
    heavy = devnet.node.mine().number
    devnet.node.mine(40)
    devnet.node.faults.arm("heavy_infos", times=None)
    if not over_http:
        devnet.node.faults.arm("garbage", times=None, path="/walletsolidity/gettransactioninfobyblocknum")
    watch.turn(20)
    assert watch.sent == ["confirmed"]
    assert watch.cursors.rows[SOLID].number > heavy
    assert watch.alarms == ([] if over_http else ["block_refused", "receipts_passed_over"])
    watch.node.close()
