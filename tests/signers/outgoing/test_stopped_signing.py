"""While signing is stopped the payout worker prepares, signs and first-sends nothing; what was sent it sees through."""

import logging

import pytest

from core.ledger.ledger import Accepted
from core.streams.notices import Notice, RecordNotice
from core.streams.signing import ResumeSigning
from signers.outgoing.outgoing import REBROADCAST_MS
from tests.signers.outgoing.world import AMOUNT, HOT, LIFE_BLOCKS, World
from tests.signers.payments import STRANGER
from tests.support.devnet import BLOCK_MS, Fate
from tests.support.history import ACTOR, address

pytestmark = pytest.mark.fast


@pytest.fixture
def world() -> World:
    return World()


def notice(world: World, kind: str, place: int = 0) -> None:
    """The recorder has heard of it from a solid block."""
    told = Notice(kind, f"{place:064x}", 0, 7, "cd" * 32, 1)  # type: ignore[arg-type]
    [outcome] = world.ledger.execute([RecordNotice(told, None, ACTOR)])
    assert isinstance(outcome, Accepted)


def test_a_stop_before_preparing_leaves_the_payout_requested(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is built, the log says why once, and the payout is made when the token is unpaused."""
    wished = world.request("p1")
    notice(world, "token_paused")
    with caplog.at_level(logging.WARNING):
        world.live(5)
    assert world.payout(wished).state == "requested"
    assert [r.getMessage() for r in caplog.records if "stopped" in r.getMessage()] == [
        "signing is stopped: token_paused"
    ]
    notice(world, "token_unpaused", 1)
    world.live()
    assert world.payout(wished).state == "confirmed"


def test_a_stop_between_preparing_and_signing_gets_no_signature(world: World) -> None:
    """The prepared bytes are left to die; after the operator's word others are made, and one transfer."""
    wished = world.request("p1")
    world.worker.step()
    first = world.attempt(wished)
    notice(world, "token_deprecated")
    world.live(LIFE_BLOCKS)
    assert world.payout(wished).attempts.signature is None
    assert world.payout(wished).attempts.dead
    assert world.node.sent == []
    world.ledger.execute([ResumeSigning(causes=("token_deprecated",), reason="looked", actor="operator:1")])
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert [txid == first.txid for txid, _ in world.node.transfers_from(HOT)] == [False]
    world.assert_books_are_the_chain()


def test_a_stop_after_the_broadcast_changes_nothing_for_what_was_sent(world: World) -> None:
    """The same bytes go out again and are settled: stopping would only leave them half known."""
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1")
    world.work()
    notice(world, "token_deprecated")
    world.node.fate = Fate()
    world.live(REBROADCAST_MS // BLOCK_MS + LIFE_BLOCKS)
    assert len(world.node.sent) == 2
    assert world.payout(wished).state == "confirmed"
    assert [amount for _, amount in world.node.transfers_from(HOT)] == [AMOUNT]
    world.assert_books_are_the_chain()


def test_a_worker_that_looked_too_early_is_refused_by_the_decision(world: World) -> None:
    """Signing stops between the worker's look and its append: the append refuses, nothing is sent."""
    wished = world.request("p1")
    notice(world, "token_paused")
    world.worker._stopped = lambda: False
    for _ in range(5):
        world.worker.step()
    assert world.payout(wished).state == "requested"
    assert world.node.sent == []


@pytest.mark.parametrize("role", ["hot", "cold", "gas"])
def test_our_own_wallets_are_no_payees(world: World, role: str) -> None:
    """A payout to a system wallet would only burn its fee: it fails, and the reserve goes back."""
    ours = address("a system wallet")
    world.pool.add_wallet(role, ours.base58, None)
    wished = world.request("p1", to=ours)
    world.live(3)
    assert world.payout(wished).state == "failed"
    assert world.node.sent == []
    world.assert_books_are_the_chain()


def test_another_clients_deposit_address_is_a_payee_like_any_other(world: World) -> None:
    """Refusing it would tell one client about another (I12)."""
    world.pool.add_wallet("payin", STRANGER.base58, None)
    wished = world.request("p1", to=STRANGER)
    world.live()
    assert world.payout(wished).state == "confirmed"
