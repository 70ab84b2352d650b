"""What is in no solid block yet pays nobody: coins that only the node's head counts, USDT or TRX for the fee (FAILURES 75)."""

from typing import Any
from unittest.mock import patch

import pytest

from gateways.tron.node import TronNode
from signers.outgoing.funds import usdt_of
from tests.signers.outgoing.world import COINS, HOT, World

pytestmark = [pytest.mark.fast, pytest.mark.long]


@pytest.mark.parametrize("currency", ["USDT", "TRX"])
def test_pending_coins_pay_nobody(currency: str) -> None:
    """The node's head counts them, and they may never come: nothing is prepared until they are solid; then it is paid."""
    world = World(
        usdt_minor=0 if currency == "USDT" else 1_000 * COINS, sun=1_000 * COINS if currency == "USDT" else COINS
    )
    wished = world.request("p1")
    if currency == "USDT":
        assert world.node.devnet.give_usdt(HOT, 1_000 * COINS).accepted
        world.node.mine()
    else:
        assert world.node.devnet.give_trx(HOT, 1_000 * COINS).accepted
    world.work()
    assert world.payout(wished).state == "requested"
    assert not world.payout(wished).attempts.made
    world.live(60)
    assert world.payout(wished).state == "confirmed"


def _pending_counts(node: Any, address: Any, token: Any, *, solid: bool = True) -> int:
    return usdt_of(node, address, token, solid=False)


@pytest.mark.parametrize(
    ("currency", "target", "broken"),
    [
        ("USDT", "signers.outgoing.funds.usdt_of", _pending_counts),
        ("TRX", "gateways.tron.node.TronNode.solid_account", TronNode.account),
    ],
)
def test_without_the_solid_view_pending_coins_would_pay(currency: str, target: str, broken: Any) -> None:
    """The broken variant asks the head for what the hot wallet has, and prepares bytes."""
    with patch(target, broken), pytest.raises(AssertionError):
        test_pending_coins_pay_nobody(currency)
