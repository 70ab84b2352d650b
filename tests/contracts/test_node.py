"""The node's contract on the devnet, whose rules it shares with a real node: `make live` asks that one."""

import pytest

from core.tron.address import Address
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.in_process import InProcess
from gateways.tron.node import TronNode
from signers.keys.keys import SoftwareKey
from tests.contracts.node import NodeContract
from tests.gateways.devnet.world import Devnet
from tests.live.hand import Hand

pytestmark = pytest.mark.fast


@pytest.fixture
def hand() -> Hand:
    """An account of a devnet whose next block comes when it is waited for."""

    devnet = Devnet()

    def turn() -> None:
        devnet.node.mine()

    node = TronNode("http://devnet", transport=InProcess(devnet.node))
    return Hand(node, SoftwareKey(devnet.alice.secret), turn)


@pytest.fixture
def token() -> Address:
    return USDT


class TestTheDevnet(NodeContract):
    """The devnet keeps the contract."""
