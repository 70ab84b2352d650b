"""While a key cannot sign, what was sent is seen through, nothing is used up, and all goes on by itself afterwards."""

import contextlib

import msgspec
import pytest

from core.ports.unavailable import Unavailable
from core.streams.attempts import Attempt, Attempts
from core.streams.payouts import PayoutExpired, PayoutPrepared, PayoutWaiting
from core.tron.chain import BlockRef, BroadcastAnswer
from signers.keys.keys import KeyNotHeld
from signers.outgoing.outgoing import REBROADCAST_MS, Outgoing
from tests.signers.outgoing.world import AMOUNT, COINS, HOT, LIFE_BLOCKS, RULES, World
from tests.signers.payments import KEY
from tests.support.devnet import BLOCK_MS, Fate

pytestmark = [pytest.mark.fast, pytest.mark.long]


class MovableKey:
    """The hot wallet's key, which does not sign while there is a reason."""

    address = HOT

    def __init__(self) -> None:
        self.reason: Exception | None = None
        self.asked = 0

    def sign_digest(self, digest: bytes) -> bytes:
        self.asked += 1
        if self.reason is not None:
            raise self.reason
        return KEY.sign_digest(digest)


@pytest.fixture
def key() -> MovableKey:
    return MovableKey()


@pytest.fixture
def world(key: MovableKey) -> World:
    world = World(rules=msgspec.structs.replace(RULES, attempts_max=2))
    world.start(key=key)
    return world


REASONS = [Unavailable("KMS refuses for now: DisabledException"), KeyNotHeld("there is no key hot in KMS")]


@pytest.mark.parametrize("reason", REASONS)
def test_what_was_sent_is_settled_while_the_key_cannot_sign(world: World, key: MovableKey, reason: Exception) -> None:
    """It is sent again and confirmed; what comes meanwhile waits, and is paid when the key signs again."""
    world.node.fate = Fate(arrives=False, answer=BroadcastAnswer("unclear", "timeout"))
    sent = world.request("p1")
    world.work()
    key.reason = reason
    later = world.request("p2")
    world.node.fate = Fate()
    world.live(REBROADCAST_MS // BLOCK_MS + LIFE_BLOCKS)
    assert world.payout(sent).state == "confirmed"
    assert world.payout(later).state != "confirmed"
    key.reason = None
    world.live(2 * LIFE_BLOCKS)
    assert world.payout(later).state == "confirmed"
    assert [amount for _, amount in world.node.transfers_from(HOT)] == [AMOUNT, AMOUNT]
    world.assert_books_are_the_chain()


def test_a_key_that_is_shut_for_hours_uses_up_no_payout(world: World, key: MovableKey) -> None:
    """No attempt that never left counts as one: after ten lives without a signature all are paid, and none has failed."""
    key.reason = REASONS[0]
    orders = [world.request(f"p{number}", COINS) for number in range(20)]
    world.live(10 * LIFE_BLOCKS)
    assert len(world.events(PayoutPrepared)) <= 50, "hardly anything is prepared that nobody signs"
    assert key.asked < 100
    assert world.alarms == ["key_unavailable"]
    assert "DisabledException" in world.sentences[0]
    key.reason = None
    world.live(3 * LIFE_BLOCKS)
    assert {world.payout(each).state for each in orders} == {"confirmed"}
    assert len(world.node.transfers_from(HOT)) == len(orders)
    world.assert_books_are_the_chain()


def test_counting_what_never_left_would_fail_payouts(
    world: World, key: MovableKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: each attempt counts when it is prepared."""
    prepared = Attempts.prepared

    def counted(self: Attempts, attempt: Attempt) -> Attempts:
        return msgspec.structs.replace(prepared(self, attempt), left=self.left + 1)

    monkeypatch.setattr(Attempts, "prepared", counted)
    key.reason = REASONS[0]
    wished = world.request("p1")
    world.live(5 * LIFE_BLOCKS)
    assert world.payout(wished).state == "failed"


def test_a_step_that_ended_at_the_key_would_send_nothing_again(
    world: World, key: MovableKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: the key's trouble is the step's."""

    def ends(_: Outgoing, address: str, error: Exception, head: BlockRef) -> None:
        raise error

    monkeypatch.setattr(Outgoing, "_key_failed", ends)
    world.node.fate = Fate(arrives=False, answer=BroadcastAnswer("unclear", "timeout"))
    sent = world.request("p1")
    world.work()
    key.reason = REASONS[0]
    world.request("p2")
    world.node.fate = Fate()
    for _ in range(REBROADCAST_MS // BLOCK_MS + LIFE_BLOCKS):
        with contextlib.suppress(Unavailable):
            world.work()
        world.node.mine()
    assert world.payout(sent).state != "confirmed"


def test_its_client_is_told_what_a_payout_waits_for(world: World, key: MovableKey) -> None:
    """After a minute, as of everything else that holds it up: each client whose payouts nobody signs."""
    key.reason = REASONS[0]
    clients = [world.client(f"client {number}", 10 * COINS) for number in range(3)]
    for account_id in clients:
        world.request("p", COINS, account_id=account_id)
    world.live(2 * LIFE_BLOCKS)
    told = world.events(PayoutWaiting)
    assert {event.reason for event in told} == {"signing_stopped"}
    assert sorted(event.account_id for event in told) == sorted(clients)


def test_a_restarted_worker_takes_the_same_up(world: World, key: MovableKey) -> None:
    """Nothing that is remembered of a shut key is needed again."""
    key.reason = REASONS[0]
    wished = world.request("p1")
    world.live(LIFE_BLOCKS)
    world.start(key=key)
    world.live(LIFE_BLOCKS)
    key.reason = None
    world.start(key=key)
    world.live(2 * LIFE_BLOCKS)
    assert world.payout(wished).state == "confirmed"
    assert len(world.events(PayoutExpired)) >= 1
    world.assert_books_are_the_chain()
