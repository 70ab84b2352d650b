"""`make live` against a devnet: what it does to a real node it does here, on blocks of a few milliseconds."""

import hashlib
from pathlib import Path

import pytest

from gateways.devnet.chain.genesis import USDT
from gateways.devnet.node import Config
from gateways.devnet.server import Devnet
from signers.keys.keys import SoftwareKey
from tests.gateways.devnet.world import TRX
from tests.live import token
from tests.live.__main__ import Asked, Live, Unusable, asked
from tests.live.hand import Hand, TooDear

BLOCK_MS = 60
STEPS = ("wallets funded", "deposit", "payout to a new address", "reconcile")
"""Of the journey: stake, cold storage, sweeps and permissions have journeys of their own here, with the same commands."""


def test_a_node_keeps_its_contract_and_carries_one_journey() -> None:
    """Everything holds, and no more leaves the key's account than was said before."""
    with Devnet(Config(block_ms=BLOCK_MS)) as devnet:
        secret = devnet.node.chain.genesis.accounts[0].secret
        said: list[str] = []
        live = Live(Asked(devnet.url, "", "", "", secret, USDT.base58, stake_trx=10_000, steps=STEPS), said.append)
        before = live.hand.sun()
        assert live.run(), "\n".join(said)
        assert before - live.hand.sun() <= live.most_sun
        assert f"at most {live.most_sun // TRX} TRX" in said[1]
        assert {row.what for row in live.rows} >= {*STEPS, "what is left comes back"}


@pytest.mark.fast
def test_what_cannot_be_played_is_said_before() -> None:
    """No node, no key, a key that is none, too few coins: one sentence, and nothing is sent."""
    for wrong in ({}, {"NODE": "http://127.0.0.1:1", "KEY": "zz"}, {"NODE": "x", "KEY": "11" * 32, "TOKEN": "T"}):
        with pytest.raises(Unusable):
            asked(wrong)
    with Devnet(Config(paused=True)) as devnet:
        poor = Live(Asked(devnet.url, "", "", "", b"\x01" * 32, USDT.base58, 1), lambda _: None)
        with pytest.raises(Unusable, match="fewer than that"):
            poor.run()


@pytest.mark.fast
def test_no_more_than_was_said_is_spent() -> None:
    """A transaction that may cost more than what is left is not sent."""
    with Devnet(Config(paused=True)) as devnet:
        account = devnet.node.chain.genesis.accounts[0]
        live = Live(Asked(devnet.url, "", "", "", account.secret, USDT.base58, 1), lambda _: None)
        hand = Hand(live.node, SoftwareKey(account.secret), left_sun=TRX)
        with pytest.raises(TooDear):
            hand.pay(account.address, TRX)
        assert not devnet.node.chain.pool.txids()


@pytest.mark.fast
def test_the_token_is_what_its_source_says() -> None:
    """Whoever changes token.sol builds token.json anew."""
    source = Path(token.SOURCE).read_bytes()
    assert token.BUILT["source_sha256"] == hashlib.sha256(source).hexdigest()
