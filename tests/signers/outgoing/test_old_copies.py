"""The payout worker of a copy, of a restored database and of a process that died between signing and the mark (I16)."""

import copy
from typing import Any

import pytest

from core.ports.high_water import Mark
from core.ports.scanning import Cursor
from core.streams.payouts import PayoutWaiting
from signers.caught_up import CaughtUp
from signers.fence import Fence
from signers.outgoing.outgoing import Outgoing
from signers.outgoing.payouts import SAID_AFTER_MS, Payouts
from tests.signers.outgoing.world import HOT, MemoryBookmarks, World
from tests.support.devnet import BLOCK_MS
from tests.support.high_water import MemoryArchive, MemoryHighWater
from tests.support.history import TickingClock
from tests.support.memory import Crash, Fuse, MemoryCursors, MemoryOutstanding, MemoryQueue

pytestmark = pytest.mark.fast

NAME = "0d1b2c3d-0000-4000-8000-000000000001"


def fenced(world: World, water: Any, fuse: Fuse | None = None) -> None:
    """Another worker process, with a fence on this mark."""
    through = fuse.through if fuse else lambda port: port
    world.guards["fence"] = Fence(
        world.ledger, world.store, through(water), MemoryArchive(), "system:payouts", lambda: NAME, alarm=world._ring
    )
    world.start(fuse)


def copied(world: World, water: MemoryHighWater) -> World:
    """A copy of the database as it is now, on the same chain with the same keys and another mark of its own or the same."""
    other = copy.copy(world)
    other.store = copy.deepcopy(world.store)
    other.ledger = type(world.ledger)(other.store, TickingClock())
    other.bookmarks, other.queue = MemoryBookmarks(), MemoryQueue()
    other.alarms, other.sentences, other.guards = [], [], {}
    fenced(other, water)
    return other


def paid(world: World) -> int:
    """How many transfers to the payee stand in blocks."""
    return len(world.node.transfers_from(HOT))


def both(world: World, other: World, blocks: int = 40) -> None:
    for _ in range(blocks):
        world.work()
        other.work()
        world.node.mine()


def test_a_restored_copy_pays_nothing_that_is_asked_again() -> None:
    """The client repeats what was paid behind the copy: without the fence it would be paid twice, with it never."""
    world, water = World(), MemoryHighWater()
    fenced(world, water)
    world.work()
    old = copied(world, water)
    world.request("p1")
    world.live()
    assert paid(world) == 1
    again = old.request("p1")
    old.live()
    assert (paid(world), old.payout(again).attempts.signature) == (1, None)
    assert "store_is_older" in old.alarms


def test_of_two_copies_that_run_at_once_one_pays() -> None:
    """Both are asked for the same payout: each prepares bytes of its own, and the second to move the mark signs nothing."""
    world, water = World(), MemoryHighWater()
    fenced(world, water)
    world.work()
    twin = copied(world, water)
    twin.request("p0")  # what tells them apart
    for one in (world, twin):
        one.request("p1")
    both(world, twin)
    stopped = [one for one in (world, twin) if "store_is_older" in one.alarms]
    assert len(stopped) == 1
    [alone] = stopped
    assert not any("Signed" in type(it.event).__name__ for it in alone.store.events)


@pytest.mark.long
def test_a_death_at_any_call_leaves_nothing_sent_beyond_the_mark() -> None:
    """Whatever the worker dies at: what is in the network is under the mark, and the payout is paid once in the end."""
    at = 0
    while True:
        world, water = World(), MemoryHighWater()
        fuse = Fuse(at)
        wished = world.request("p1")

        def under_the_mark(world: World = world, water: MemoryHighWater = water) -> bool:
            signed = [it.position for it in world.store.events if type(it.event).__name__ == "PayoutSigned"]
            return not world.node.sent or (water.mark is not None and water.mark.position >= max(signed))

        try:
            fenced(world, water, fuse)
            for _ in range(6):
                world.work()
                assert under_the_mark()
                world.node.mine()
        except Crash:
            pass
        assert under_the_mark()
        fenced(world, water)
        world.live()
        assert (paid(world), world.payout(wished).state) == (1, "confirmed")
        if not fuse.blown:
            assert at > 100
            return
        at += 7  # every place of a step in some turn, without walking all of them


def test_nothing_is_signed_before_the_chain_is_read_and_the_client_is_told() -> None:
    """The payout waits with its reason, and is paid when the scanner has come to where the chain was at the start."""
    world, water = World(), MemoryHighWater()
    cursors = MemoryCursors()
    world.guards["caught_up"] = CaughtUp(cursors, MemoryOutstanding(), alarm=world._ring)
    fenced(world, water)
    wished = world.request("p1")
    world.live(SAID_AFTER_MS // BLOCK_MS + 2)
    assert world.node.sent == []
    waiting = [it.event.reason for it in world.store.events if isinstance(it.event, PayoutWaiting)]
    assert waiting == ["catching_up"]
    cursors.save("solid", Cursor(world.node.solid().number, "00" * 32))
    world.live()
    assert world.payout(wished).state == "confirmed"


def test_what_was_sent_is_not_sent_again_by_an_older_store() -> None:
    """Nor by one whose mark another has moved meanwhile: it does not know what its bytes would meet."""
    world, water = World(), MemoryHighWater()
    fenced(world, water)
    world.request("p1")
    for _ in range(3):
        world.work()
    assert world.node.sent
    sent = len(world.node.sent)
    water.mark = Mark(NAME, 10_000, "ff" * 32)
    for _ in range(15):
        world.work()
        world.node.mine()
    assert len(world.node.sent) == sent


class SignsBelow(Payouts):
    """Signs without moving the mark first."""

    def _fenced(self) -> bool:
        return True


class SendsAtOnce(Payouts):
    """Signs at the start, before the chain is read."""

    def _held(self, solid: Any) -> Any:
        self._caught_up = None
        return Outgoing._held(self, solid)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (SignsBelow, test_of_two_copies_that_run_at_once_one_pays),
        (SignsBelow, test_a_death_at_any_call_leaves_nothing_sent_beyond_the_mark),
        (SendsAtOnce, test_nothing_is_signed_before_the_chain_is_read_and_the_client_is_told),
    ],
)
def test_a_worker_that_lacks_a_guard_is_found(
    broken: type[Payouts], test: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each guard taken away fails the test that is about it."""
    monkeypatch.setattr("tests.signers.outgoing.world.Payouts", broken)
    with pytest.raises(AssertionError):
        test()
