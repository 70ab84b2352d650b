"""Two nodes of one chain, one of them faulty in every way that the devnet knows: late perhaps, and never wrong."""

import contextlib
import random
from typing import Any

import pytest

from core.ports.unavailable import Unavailable
from gateways.devnet.in_process import InProcess
from gateways.devnet.node import Config, Node
from gateways.tron.node import TronNode
from gateways.tron.nodes import Nodes
from tests.scanners.test_forks import BLOCK_MS, UNSOLID, Forking
from tests.scanners.world import US

pytestmark = [pytest.mark.fast, pytest.mark.long]

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "http_429", "seconds": 5},
    {"kind": "http_500"},
    {"kind": "timeout"},
    {"kind": "drop_connection"},
    {"kind": "garbage"},
    {"kind": "stale"},
    {"kind": "lagging", "times": 20},
    {"kind": "empty_infos"},
    {"kind": "empty_block"},
    {"kind": "no_block"},
    {"kind": "omit_tx"},
    {"kind": "forge_transfer", "to": US.base58, "amount_minor": 10**12},
)


class TwoNodes(Forking):
    """A faulty node that is preferred, and an honest one behind it; all that happens to the chain happens to both."""

    def __init__(self, seed: str) -> None:
        super().__init__(seed)
        self.honest = Node(Config(block_ms=BLOCK_MS, paused=True, seed=seed), lambda: self.now_ms)
        self.second = TronNode("http://honest", transport=InProcess(self.honest), monotonic=self.seconds)
        self.alarms_of_nodes: list[str] = []
        self.nodes = Nodes(
            {"faulty": self.client, "honest": self.second},
            alarm=lambda name, sentence: self.alarms_of_nodes.append(f"{name} {sentence.split(':')[0]}"),
            monotonic=self.seconds,
        )
        self.node = self.opinion = self.nodes
        self.restart()

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            super().mine()
            self.honest.mine()
            assert self.honest.chain.head.block_id == self.devnet.chain.head.block_id

    def pay(self, amount_minor: int, receiver: object = US) -> str:
        assert self.honest.give_usdt(bytes(receiver), amount_minor).accepted  # type: ignore[call-overload]
        return super().pay(amount_minor, receiver)

    def reorg(self, depth: int, drop: list[str] | None = None, *, vanish: bool = False) -> None:
        super().reorg(depth, drop, vanish=vanish)
        self.honest.reorg(depth, drop or [], vanish=vanish, blocks=depth + 1)

    def suffer(self, fault: dict[str, Any]) -> None:
        """Arm a fault of the first node."""
        self.devnet.faults.arm(fault["kind"], **{name: value for name, value in fault.items() if name != "kind"})

    def step(self) -> None:
        with contextlib.suppress(Unavailable):
            self.nodes.on_one(self.observer.step)()
        self.recorder.step()

    def finish(self) -> None:
        """No more faults; everything becomes solid and is followed, however long the nodes must rest."""
        self.devnet.faults.clear()
        for _ in range(40):
            self.mine(2)
            self.now_ms += 20_000
            for _ in range(3):
                self.step()

    def announced(self) -> set[str]:
        """Deposits that are neither confirmed nor orphaned."""
        last = {recorded.stream: type(recorded.event).__name__ for recorded in self.store.events}
        return {stream for stream, name in last.items() if name == "DepositDetected"}

    def close(self) -> None:
        self.client.close()
        self.second.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["kind"])
def test_after_any_fault_the_books_are_the_chain(fault: dict[str, Any]) -> None:
    """Whatever a node's answers suffer, nothing false is credited or stays announced, and nothing true is missed."""
    world = TwoNodes("faults")
    world.mine(UNSOLID)
    for amount in range(1, 9):
        world.pay(amount)
        world.suffer({"times": 3, **fault})
        world.mine(4)
        for _ in range(4):
            world.now_ms += 1_000
            world.step()
            assert world.credited().items() <= world.truth().items()
    assert world.devnet.faults.struck[fault["kind"]]
    world.finish()
    assert len(world.truth()) == 8
    assert world.credited() == world.truth()
    assert world.announced() == set()
    world.close()


def test_a_forged_transfer_has_a_name() -> None:
    """A receipt that only one of two nodes has is a disagreement; nothing is credited, and the cursor waits."""
    world = TwoNodes("forged")
    world.mine()
    world.pay(5)
    world.mine()
    world.devnet.faults.arm("forge_transfer", times=None, to=US.base58, amount_minor=10**12)
    world.mine(2 * UNSOLID)
    for _ in range(6):
        world.now_ms += 2_000
        world.step()
    assert world.credited() == {}
    assert {alarm.split()[0] for alarm in world.alarms_of_nodes} == {"disagreement"}
    world.finish()
    assert world.credited() == world.truth()
    world.close()


@pytest.mark.parametrize("seed", range(12))
def test_faults_and_forks_together(seed: int) -> None:
    """Payments, forks, faults and restarts in any order, from one seed: what is credited is what the chain paid us, exactly."""
    dice = random.Random(seed)
    world = TwoNodes(f"both {seed}")
    world.mine(UNSOLID)
    for _ in range(50):
        match dice.choice(("pay", "pay", "mine", "mine", "fork", "fault", "fault", "step", "step", "step", "restart")):
            case "pay":
                world.pay(dice.randrange(1, 10**9))
            case "mine":
                world.mine(dice.choice((1, 1, 5)))
            case "fork":
                world.fork_somehow(dice)
            case "fault":
                world.suffer({"times": dice.randint(1, 5), **dice.choice(FAULTS)})
            case "step":
                world.step()
            case "restart":
                world.restart()
        world.now_ms += 500
    world.finish()
    assert world.truth()
    assert world.credited() == world.truth()
    assert world.balance() == sum(world.truth().values())
    assert world.announced() == set()
    world.close()
