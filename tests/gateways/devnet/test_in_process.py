"""The gateway's own node client speaks with a devnet in the same process: no socket, no waiting, one seed, one outcome."""

import pytest

from core.ports.unavailable import Unavailable
from gateways.devnet.in_process import InProcess
from gateways.tron.node import TronNode
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast


class World:
    """A devnet and our client of it; the client's clock is the devnet's, and a timeout moves it on."""

    def __init__(self) -> None:
        self.devnet = Devnet()
        transport = InProcess(self.devnet.node, self._wait)
        self.node = TronNode(
            "http://devnet", timeout_s=10, monotonic=lambda: self.devnet.now_ms / 1000, transport=transport
        )

    def _wait(self, ms: int) -> None:
        self.devnet.now_ms += ms


@pytest.fixture
def world() -> World:
    return World()


def test_every_read(world: World) -> None:
    """Head, solid, blocks, receipts, accounts, calls and parameters are those of the chain."""
    devnet, node = world.devnet, world.node
    paid = devnet.send_call(devnet.alice, "transfer(address,uint256)", STRANGER.evm, 7)
    number, txid = devnet.chain.head.number, paid.transaction.txid
    assert node.head().block_id == devnet.chain.head.block_id
    assert node.solid().block_id == devnet.chain.solid.block_id
    assert node.genesis_id() == devnet.chain.blocks[0].block_id
    block = node.block(number)
    assert block
    assert block.header_raw == devnet.chain.head.header_raw
    assert [each.txid for each in block.transactions] == [each.txid for each in node.receipts(number)] == [txid]
    assert node.solid_block(number) is None
    receipt = node.receipt(txid)
    assert receipt
    assert receipt.succeeded
    assert node.solid_receipt(txid) is None
    assert node.account(STRANGER) is None
    account = node.account(devnet.alice.address)
    assert account
    assert account.owner_keys == (devnet.alice.address,)
    balance = node.call(devnet.alice.address, paid.outcome.contract, devnet.data("balanceOf(address)", STRANGER.evm))
    assert int.from_bytes(balance.returned, "big") == 7
    assert node.chain_parameters()["getEnergyFee"] == 100


def test_broadcasts_and_faults(world: World) -> None:
    """Accepted, refused and unclear reach the client as over a network; a timeout costs chain time and nothing else."""
    devnet, node = world.devnet, world.node
    transaction = devnet.signed(devnet.alice, 1, {"to_address": STRANGER, "amount": TRX})
    began = devnet.now_ms
    devnet.node.faults.arm("reject_code", code="SERVER_BUSY")
    devnet.node.faults.arm("accept_then_timeout")
    assert node.broadcast(transaction.encode()).verdict == "refused"
    assert node.broadcast(transaction.encode()).verdict == "unclear"
    assert devnet.now_ms - began == 10_000
    assert node.broadcast(transaction.encode()).code == "DUP_TRANSACTION_ERROR"
    devnet.node.mine()
    assert node.receipt(transaction.txid)


def test_suspension_is_kept_by_the_clock(world: World) -> None:
    """After a 429 the client asks nobody until the suspension is over by the hand-turned clock."""
    devnet, node = world.devnet, world.node
    devnet.node.faults.arm("http_429")
    with pytest.raises(Unavailable, match="429"):
        node.head()
    with pytest.raises(Unavailable, match="not asked again for 27 s"):
        node.head()
    devnet.now_ms += 27_000
    assert node.head().number == devnet.chain.head.number


def test_same_steps_give_the_same_story() -> None:
    """Twice the same steps, faults and forks, give the same blocks to the byte."""

    def story() -> list[str]:
        world = World()
        devnet, node = world.devnet, world.node
        for step in range(30):
            transaction = devnet.signed(devnet.alice, 1, {"to_address": STRANGER, "amount": step + 1})
            if step % 5 == 0:
                devnet.node.faults.arm("accept_then_drop")
            node.broadcast(transaction.encode())
            devnet.now_ms += 3_000
            devnet.node.mine()
            if step % 7 == 6:
                devnet.node.reorg(3, vanish=step % 2 == 0)
        return [block.block_id for block in devnet.chain.blocks]

    assert story() == story()
