"""The journey over a devnet that forks: what was seen and left is orphaned, what stands is credited, once."""

import random
from collections.abc import Iterator

import pytest

from core.streams.deposits import deposit_stream
from core.tron.address import TRANSFER_TOPIC
from gateways.devnet.in_process import InProcess
from gateways.devnet.node import Config, Node
from gateways.tron.node import TronNode
from scanners.observer import SOLID, ChainMismatch
from tests.scanners.world import THEM, US, World
from tests.support.chain import USDT

pytestmark = [pytest.mark.fast, pytest.mark.long]

BLOCK_MS = 3_000
START_MS = 1_767_225_600_000
UNSOLID = 18
"""The deepest fork there can be."""


class Forking(World):
    """A world on a devnet, whose clock and branches are turned by hand."""

    def __init__(self, seed: str = "forks") -> None:
        self.now_ms = START_MS
        self.devnet = Node(Config(block_ms=BLOCK_MS, paused=True, seed=seed), lambda: self.now_ms)
        self.client = TronNode("http://devnet", transport=InProcess(self.devnet), monotonic=self.seconds)
        super().__init__()
        self.node = self.client
        self.restart()

    def seconds(self) -> float:
        return self.now_ms / 1000

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.now_ms += BLOCK_MS
            self.devnet.mine()

    def pay(self, amount_minor: int, receiver: object = US) -> str:
        """A payment in the pool; -> its txid."""
        verdict = self.devnet.give_usdt(bytes(receiver), amount_minor)  # type: ignore[call-overload]
        assert verdict.accepted
        return verdict.txid

    def reorg(self, depth: int, drop: list[str] | None = None, *, vanish: bool = False) -> None:
        """Replace the newest blocks by one more than they were."""
        self.now_ms += BLOCK_MS
        self.devnet.reorg(depth, drop or [], vanish=vanish, blocks=depth + 1)

    def fork_somehow(self, dice: random.Random) -> None:
        """Any depth above the solid height; some transactions wait again, or are gone."""
        chain = self.devnet.chain
        unsolid = chain.head.number - chain.solid.number
        if unsolid:
            depth = dice.randint(1, unsolid)
            held = [each.transaction.txid for block in chain.blocks[-depth:] for each in block.included]
            self.reorg(depth, [txid for txid in held if dice.random() < 0.3], vanish=dice.random() < 0.5)

    def finish(self) -> None:
        """Let everything that there is become solid, and be followed."""
        for _ in range(3):
            self.mine(2 * UNSOLID)
            self.settle()

    def truth(self) -> dict[str, int]:
        """What the chain itself paid us: amounts by deposit."""
        return {
            deposit_stream(each.transaction.txid, index): int.from_bytes(log.data, "big")
            for block in self.devnet.chain.blocks
            for each in block.included
            for index, log in enumerate(each.outcome.logs)
            if log.address == USDT.evm and log.topics[0].hex() == TRANSFER_TOPIC and log.topics[2][12:] == US.evm
        }

    def credited(self) -> dict[str, int]:
        """What the books say. Raises where a deposit was confirmed twice."""
        found: dict[str, int] = {}
        for recorded in self.store.events:
            if type(recorded.event).__name__ == "DepositConfirmed":
                assert recorded.stream not in found
                found[recorded.stream] = recorded.event.transfer.amount_minor
        return found


@pytest.fixture
def world() -> Iterator[Forking]:
    world = Forking()
    world.mine()
    world.settle()
    yield world
    world.client.close()


def test_orphaned_and_found_again_in_another_block(world: Forking) -> None:
    """A deposit whose block is replaced is orphaned, detected again where it is mined next, and confirmed once (FAILURES 8)."""
    txid = world.pay(5)
    world.mine()
    world.settle()
    first = world.deposit(txid).transfer
    world.reorg(1, drop=[txid])
    world.settle()
    assert world.story(txid) == ["Detected", "Orphaned"]
    assert world.balance() == 0
    world.mine()
    world.settle()
    assert world.story(txid) == ["Detected", "Orphaned", "Detected"]
    world.finish()
    assert world.story(txid) == ["Detected", "Orphaned", "Detected", "Confirmed"]
    second = world.deposit(txid).transfer
    assert first is not None
    assert second is not None
    assert first.block_id != second.block_id
    assert world.balance() == 5


def test_a_vanished_deposit_is_never_credited(world: Forking) -> None:
    """A deposit that a fork takes away for good stays orphaned, however high the chain grows."""
    txid, kept = world.pay(5), world.pay(7)
    world.mine(3)
    world.settle()
    world.reorg(3, drop=[txid], vanish=True)
    world.finish()
    assert world.story(txid) == ["Detected", "Orphaned"]
    assert world.story(kept)[-1] == "Confirmed"
    assert world.balance() == 7


@pytest.mark.parametrize("depth", [1, 2, 7, UNSOLID - 1])
def test_a_fork_of_any_depth_above_the_solid_height(world: Forking, depth: int) -> None:
    """Whatever number of unsolid blocks is replaced, kept deposits are confirmed once and dropped ones are not."""
    world.mine(2 * UNSOLID)
    lost, kept = [], []
    for amount in range(1, depth + 1):
        (lost if amount % 2 else kept).append((world.pay(amount), amount))
        world.mine()
        world.settle()
    world.reorg(depth, drop=[txid for txid, _ in lost], vanish=True)
    world.settle()
    world.finish()
    assert [world.status(txid) for txid, _ in lost] == ["orphaned"] * len(lost)
    assert [world.status(txid) for txid, _ in kept] == ["confirmed"] * len(kept)
    assert world.credited() == world.truth()


@pytest.mark.parametrize("seed", range(12))
def test_after_any_forks_the_books_are_the_chain(seed: int) -> None:
    """Payments, blocks, forks, restarts and pauses in any order: what is credited is what the final chain paid us, exactly."""
    dice = random.Random(seed)
    world = Forking(f"forks {seed}")
    world.mine(UNSOLID)
    pending: list[str] = []
    for _ in range(60):
        match dice.choice(("pay", "pay", "mine", "mine", "fork", "step", "step", "restart")):
            case "pay":
                pending.append(world.pay(dice.randrange(1, 10**9), dice.choice((US, US, THEM))))
            case "mine":
                world.mine(dice.choice((1, 1, 1, 5)))
            case "fork":
                world.fork_somehow(dice)
            case "step":
                world.observer.step()
                world.recorder.step()
            case "restart":
                world.restart()
    world.finish()
    truth = world.truth()
    assert truth
    assert world.credited() == truth
    assert world.balance() == sum(truth.values())
    for txid in pending:
        assert world.status(txid) in ("confirmed", "orphaned", "absent"), (
            "a deposit that left the chain is still announced"
        )
    world.client.close()


def test_nothing_rewinds_below_the_solid_height(world: Forking) -> None:
    """When a node's solid chain is another one than was booked, the scanner stops, and its cursor and the books stay."""
    world.pay(5)
    world.finish()
    cursor, events = world.cursors.rows[SOLID], list(world.store.events)
    other = Forking("another chain")
    other.mine(world.devnet.chain.head.number + 5)
    world.node = other.client
    world.restart()
    for _ in range(2):
        with pytest.raises(ChainMismatch):
            world.observer.step()
    assert world.cursors.rows[SOLID] == cursor
    assert world.store.events == events
    other.client.close()
