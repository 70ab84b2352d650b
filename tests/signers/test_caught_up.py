"""After a start nothing is signed, and no address given out, before the chain that the signer saw then is read (I16)."""

from collections.abc import Sequence

import pytest

from core.ports.queues import Message
from core.ports.scanning import Cursor
from core.ports.wallets import ReadyAddress
from core.tron.chain import BlockRef
from signers.address_door import LOOKS_BEFORE_OPENING, Doorkeeper
from signers.caught_up import LAG_BLOCKS, RINGS_AFTER_MS, CaughtUp
from tests.support.high_water import MemoryHighWater, Site
from tests.support.memory import MemoryCursors, MemoryOutstanding

pytestmark = pytest.mark.fast


def solid(number: int) -> BlockRef:
    return BlockRef(number, f"{number:064x}", f"{number - 1:064x}", number * 3_000)


class Chain:
    """What the scanner and the recorder have come to."""

    def __init__(self) -> None:
        self.cursors, self.outstanding = MemoryCursors(), MemoryOutstanding()
        self.alarms: list[str] = []

    def start(self) -> CaughtUp:
        return CaughtUp(self.cursors, self.outstanding, alarm=lambda name, _: self.alarms.append(name))

    def scan(self, number: int) -> None:
        self.cursors.save("solid", Cursor(number, f"{number:064x}"))

    def send(self, *keys: str) -> None:
        self.outstanding.keep([Message(b"", "g", key) for key in keys], 100)


def test_the_scanner_must_have_come_to_what_was_solid_at_the_start() -> None:
    """Less what signatures may be short of; what becomes solid later is waited for by nobody."""
    chain = Chain()
    caught_up = chain.start()
    assert not caught_up.look(solid(50))
    assert "first block" in caught_up.waits_for
    chain.scan(50 - LAG_BLOCKS - 1)
    assert not caught_up.look(solid(60))
    assert "block 47 of 50" in caught_up.waits_for
    chain.scan(50 - LAG_BLOCKS)
    assert caught_up.look(solid(60))
    assert caught_up.waits_for == ""


def test_the_recorder_must_have_what_was_sent_by_then() -> None:
    """Reports that were under way when the scanner arrived, and none that came after."""
    chain = Chain()
    chain.send("deposit", "permission")
    chain.scan(50)
    caught_up = chain.start()
    assert not caught_up.look(solid(50))
    assert "the recorder" in caught_up.waits_for
    chain.send("later")
    chain.outstanding.settle(["deposit"])
    assert not caught_up.look(solid(50))
    chain.outstanding.settle(["permission"])
    assert caught_up.look(solid(50))


def test_it_is_asked_once_a_start_and_rings_when_it_lasts() -> None:
    """Later lag is others' alarm; another process looks for itself."""
    chain = Chain()
    chain.scan(10)
    caught_up = chain.start()
    begun = solid(50)
    for late_ms in (0, RINGS_AFTER_MS - 1, RINGS_AFTER_MS, 2 * RINGS_AFTER_MS):
        caught_up.look(BlockRef(51, "", "", begun.timestamp_ms + late_ms))
    assert chain.alarms == ["signing_waits_for_chain"]
    chain.scan(51)
    assert caught_up.look(begun)
    chain.scan(1)
    assert caught_up.look(solid(500))
    assert not chain.start().look(solid(500))


class Door:
    """The port `AddressDoor`, and the part of `AddressPool` that the keeper asks."""

    def __init__(self) -> None:
        self.opened, self.position, self.index, self.used = False, 0, 0, 0
        self.height: int | None = 50
        self.shown = True
        self.free = 5

    def is_open(self) -> bool:
        return self.opened

    def open(self) -> None:
        self.opened = True

    def shut(self) -> None:
        self.opened = False

    def given_up_to(self) -> int:
        return self.position

    def first_index(self) -> int:
        return self.index

    def give_up(self, doubted_at: int, first_index: int) -> None:
        self.position, self.index, self.opened, self.free = doubted_at, first_index, False, 0

    def give_up_used(self) -> None:
        self.used += 1

    def chain_height(self) -> int | None:
        return self.height

    def is_shown_to(self, position: int) -> bool:
        return self.shown

    # The pool's

    def take(self) -> ReadyAddress | None:
        raise NotImplementedError

    def ready(self) -> int:
        return self.free

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        raise NotImplementedError

    def keep(self, addresses: Sequence[ReadyAddress]) -> None:
        raise NotImplementedError


class Keeper:
    """A doorkeeper with everything around it; the chain is read."""

    kept: type[Doorkeeper] = Doorkeeper

    def __init__(self, site: Site | None = None) -> None:
        self.site, self.chain, self.door = site or Site(MemoryHighWater()), Chain(), Door()
        self.chain.scan(50)
        self.start()

    def start(self) -> None:
        ports = (self.site.fence, self.chain.start(), self.site.store, self.door, self.door)
        self.keeper = self.kept(*ports, 5, lambda: 7)  # type: ignore[arg-type]

    def copied(self) -> "Keeper":
        """A copy as it is now, with keys and mark of its own original."""
        return type(self)(self.site.copied())

    def step(self) -> bool:
        self.keeper.step()
        return self.door.opened


def test_the_door_opens_once_the_chain_is_read_and_shown() -> None:
    """Not before a node was heard of since the start; addresses with coins are given up before anybody is given one."""
    keeper = Keeper()
    keeper.door.height = None
    assert not keeper.step()
    keeper.door.height = 60
    assert not keeper.step()
    keeper.chain.scan(60)
    keeper.door.shown = False
    assert not keeper.step()
    assert keeper.door.used == 0
    keeper.door.shown = True
    assert keeper.step()
    assert keeper.door.used == 1


def test_an_older_store_shuts_it_and_what_was_ready_is_given_up() -> None:
    """Also when the doubt is over: others may have been given them. New ones come from indexes far above, once."""
    keeper = Keeper()
    assert keeper.step()
    mark = keeper.site.water.mark
    assert mark is not None
    keeper.site.happen("alice")
    keeper.site.water.mark = None
    assert not keeper.step()
    assert keeper.door.free == 5
    keeper.site.water.mark = mark
    assert [keeper.step() for _ in range(LOOKS_BEFORE_OPENING + 1)] == [False] * LOOKS_BEFORE_OPENING + [True]
    assert (keeper.door.free, keeper.door.index) == (0, 7)
    given_up = keeper.door.position
    keeper.start()
    assert keeper.step()
    assert keeper.door.position == given_up > 0


def test_of_two_copies_that_run_at_once_one_gives_addresses_out() -> None:
    """The second claims the store, and opens its pool only when the first has had time to look and shut its own."""
    first = Keeper()
    assert first.step()
    second = first.copied()
    assert [second.step() for _ in range(LOOKS_BEFORE_OPENING)] == [False] * LOOKS_BEFORE_OPENING
    assert not first.step()
    assert second.step()
    assert not first.step()
    assert first.site.stopped


def test_what_was_given_out_is_under_the_mark_before_more_is_made() -> None:
    """A pool that is not full was taken from: a store that is rolled back behind that knows it."""
    keeper = Keeper()
    assert keeper.step()
    old = keeper.site.copied()
    keeper.site.happen("an address is given out")
    assert keeper.step()
    assert old.fence.holds()
    keeper.door.free = 4
    assert keeper.step()
    assert not old.fence.holds()


class Unclaimed(Doorkeeper):
    def _has_claimed(self) -> bool:
        return True


class OpensAtOnce(Doorkeeper):
    def _has_read(self) -> bool:
        return True


class KeepsReady(Unclaimed):
    def _doubted_at(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (OpensAtOnce, test_the_door_opens_once_the_chain_is_read_and_shown),
        (Unclaimed, test_of_two_copies_that_run_at_once_one_gives_addresses_out),
        (KeepsReady, test_an_older_store_shuts_it_and_what_was_ready_is_given_up),
    ],
)
def test_a_keeper_that_lacks_a_guard_is_found(
    broken: type[Doorkeeper], test: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each guard taken away fails the test that is about it."""
    assert callable(test)
    monkeypatch.setattr(Keeper, "kept", broken)
    with pytest.raises(AssertionError):
        test()
