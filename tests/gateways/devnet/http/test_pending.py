"""What /wallet answers is pending: transactions in no block show there, and not at /walletsolidity, as on java-tron."""

import msgspec
import pytest

from gateways.devnet.http import door
from gateways.devnet.requests import NodeAnswer, Request
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast


def balance(devnet: Devnet, view: str) -> int:
    """The stranger's, in sun; 0 where there is no account."""
    body = msgspec.json.encode({"address": STRANGER.hex()})
    answered = door.answer(devnet.node, Request("POST", f"/{view}/getaccount", {}, body))
    assert isinstance(answered, NodeAnswer)
    found: int = msgspec.json.decode(answered.body).get("balance", 0)
    return found


def test_a_transaction_shows_before_its_block() -> None:
    """An account that a waiting transaction makes is there at /wallet, at /walletsolidity only when its block is solid."""
    devnet = Devnet()
    devnet.node.broadcast(devnet.signed(devnet.alice, 1, {"to_address": STRANGER, "amount": 5 * TRX}))
    assert (balance(devnet, "wallet"), balance(devnet, "walletsolidity")) == (5 * TRX, 0)
    devnet.node.mine(18)
    assert (balance(devnet, "wallet"), balance(devnet, "walletsolidity")) == (5 * TRX, 0)
    devnet.node.mine(1)
    assert balance(devnet, "walletsolidity") == 5 * TRX


def test_what_never_comes_into_a_block_shows_until_it_is_forgotten() -> None:
    """A transaction that is withheld shows while it waits, and is gone with nothing left when its time is over."""
    devnet = Devnet()
    never = devnet.signed(devnet.alice, 1, {"to_address": STRANGER, "amount": 5 * TRX})
    devnet.node.withhold(never.txid)
    devnet.node.broadcast(never)
    devnet.node.mine(3)
    assert (balance(devnet, "wallet"), balance(devnet, "walletsolidity")) == (5 * TRX, 0)
    devnet.node.mine(30)
    assert balance(devnet, "wallet") == 0
