"""What an account asked for before it was suspended or frozen waits, and is made when the account may pay again."""

import pytest

from core.ledger.ledger import Accepted
from core.streams.accounts import ChangeAccount
from core.streams.payout.ends import CancelPayout
from core.streams.payouts import PayoutWaiting
from core.streams.set_aside import FreezePayouts, SettleEvent
from signers.outgoing.payouts import SAID_AFTER_MS
from tests.signers.outgoing.world import AMOUNT, COINS, HOT, LIFE_BLOCKS, World
from tests.support.devnet import BLOCK_MS
from tests.support.history import ACTOR, ALICE

pytestmark = pytest.mark.fast


@pytest.fixture
def world() -> World:
    return World()


def set_status(world: World, status: str, account_id: str = ALICE) -> None:
    [outcome] = world.ledger.execute([ChangeAccount(account_id, ACTOR, status=status)])  # type: ignore[arg-type]
    assert isinstance(outcome, Accepted)


def paid(world: World) -> list[int]:
    return [amount for _, amount in world.node.transfers_from(HOT)]


def test_a_payout_asked_for_before_the_suspension_waits_for_its_end(world: World) -> None:
    """Nothing of it is prepared, another account's is paid meanwhile, and it is made when the account is active again."""
    wished = world.request("p1")
    other = world.request("p2", 7 * COINS, account_id=world.client("Bob", 50 * COINS))
    set_status(world, "suspended")
    world.live()
    assert world.payout(wished).state == "requested"
    assert world.payout(other).state == "confirmed"
    set_status(world, "active")
    world.live()
    assert world.payout(wished).state == "confirmed"
    assert paid(world) == [7 * COINS, AMOUNT]


def test_a_frozen_account_s_payout_waits_until_an_operator_has_looked(world: World) -> None:
    """An event that names the account was set aside after the request: nothing is paid until that is settled."""
    wished = world.request("p1")
    world.ledger.execute([FreezePayouts(ALICE, 3, "transfer-x", ACTOR)])
    world.live(SAID_AFTER_MS // BLOCK_MS + 2)
    assert world.payout(wished).state == "requested"
    [waiting] = world.events(PayoutWaiting)
    assert isinstance(waiting, PayoutWaiting)
    assert waiting.reason == "account_frozen"
    world.ledger.execute([SettleEvent(3, "transfer-x", (ALICE,), "looked", ACTOR)])
    world.live()
    assert world.payout(wished).state == "confirmed"


def test_what_was_prepared_and_not_signed_dies_unsigned(world: World) -> None:
    """The suspension came between the bytes and the signature: the bytes are proven dead, and no others are made."""
    wished = world.request("p1")
    world.worker.step()
    assert world.payout(wished).state == "pending_sign"
    set_status(world, "suspended")
    world.live(2 * LIFE_BLOCKS)
    payout = world.payout(wished)
    assert (payout.attempts.dead, payout.attempts.signature, len(payout.attempts.made)) == (True, None, 1)
    assert paid(world) == []


def test_what_was_sent_is_seen_through(world: World) -> None:
    """Bytes that a node has may be mined whatever we wish: the books follow the chain."""
    wished = world.request("p1")
    world.work()
    set_status(world, "suspended")
    world.live()
    assert world.payout(wished).state == "confirmed"


def test_its_client_is_told_after_a_minute(world: World) -> None:
    """Once, with the reason; a worker that begins anew does not say it again."""
    world.request("p1")
    set_status(world, "suspended")
    world.live(SAID_AFTER_MS // BLOCK_MS + 2)
    world.start()
    world.live(SAID_AFTER_MS // BLOCK_MS + 2)
    [waiting] = world.events(PayoutWaiting)
    assert isinstance(waiting, PayoutWaiting)
    assert waiting.reason == "account_suspended"


@pytest.mark.parametrize("signed", [False, True], ids=["before the bytes", "before the signature"])
def test_a_worker_that_looked_too_early_is_refused_by_the_decision(world: World, signed: bool) -> None:
    """The suspension falls between the worker's look and its append: the append refuses, nothing is sent."""
    wished = world.request("p1")
    if signed:
        world.worker.step()
    set_status(world, "suspended")
    world.worker._lanes.held = lambda order: None  # type: ignore[method-assign]
    for _ in range(5):
        world.worker.step()
    assert world.payout(wished).attempts.signature is None
    assert len(world.payout(wished).attempts.made) == signed
    assert world.node.sent == []


def test_what_waits_can_be_taken_back(world: World) -> None:
    """The reserve goes back to the account's own balance, and nothing is left to be made."""
    wished = world.request("p1")
    set_status(world, "suspended")
    world.live(3)
    [outcome] = world.ledger.execute([CancelPayout(wished, "operator:1")])
    assert isinstance(outcome, Accepted)
    set_status(world, "active")
    world.live()
    assert paid(world) == []
    world.assert_books_are_the_chain()
