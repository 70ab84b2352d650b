"""What the worker does about rows that cannot be read: their payout, or their account's, waits, and everybody else is paid."""

import pytest

from core.ledger.events import Recorded
from core.ledger.history import recorded
from core.ledger.ledger import Accepted
from core.streams.set_aside import FreezePayouts, SettleEvent, freeze_stream
from tests.signers.outgoing.world import COINS, World
from tests.support.history import ALICE

pytestmark = pytest.mark.fast

JUNK = '{"occurred_at":"2026-01-01T00:00:00Z","actor":"x"}'


def poison(world: World, stream: str, topic: str) -> int:
    """A row past the program -> its position."""
    events: list[Recorded] = world.store.events
    version = 1 + sum(record.stream == stream for record in events)
    events.append(recorded(len(events) + 1, stream, version, topic, JUNK))
    return len(events)


def settle(world: World, position: int, stream: str, *accounts: str) -> None:
    [outcome] = world.ledger.execute([SettleEvent(position, stream, accounts, "looked at", "operator:a")])
    assert isinstance(outcome, Accepted)


def test_a_stopped_payout_waits_and_others_are_paid(world: World) -> None:
    """Also its own account's others; settled, it is paid, by a worker that ran on and by one that begins."""
    wished, beside = world.request("p1"), world.request("p2", 7 * COINS)
    at = poison(world, wished.stream, "payout.prepared/1")
    world.live()
    assert world.payout(wished).state == "requested"
    assert world.payout(beside).state == "confirmed"
    settle(world, at, wished.stream)
    world.live()
    assert world.payout(wished).state == "confirmed"


@pytest.mark.parametrize("how", ["its own stream", "its freezes' stream", "a freeze"])
def test_a_stopped_account_waits_and_others_are_paid(world: World, how: str) -> None:
    """What was asked for before is not made, nothing spins or ends, and all goes on once it is settled."""
    wished = world.request("p1")
    other = world.request("p2", 7 * COINS, account_id=world.client("Bob", 50 * COINS))
    if how == "a freeze":
        stream = "payout-junk"
        at = poison(world, stream, "payout.requested/2")
        world.ledger.execute([FreezePayouts(ALICE, at, stream, "system:recorder")])
    elif how == "its own stream":
        stream = f"account-{ALICE}"
        at = poison(world, stream, "account.renamed/1")
    else:
        stream = freeze_stream(ALICE)
        at = poison(world, stream, "account.payouts-frozen/1")
    world.live()
    assert world.payout(wished).state == "requested"
    assert world.payout(other).state == "confirmed"
    settle(world, at, stream, ALICE)
    world.live()
    assert world.payout(wished).state == "confirmed"


@pytest.fixture
def world() -> World:
    return World()
