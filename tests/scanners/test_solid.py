"""Solid is counted from the producers' signatures: what a node claims beyond them is not confirmed, and the node is named."""

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from core.ports.scanning import Cursor
from core.tron.chain import Block, BlockRef, Producer
from scanners.beginning import READ_MAX
from scanners.blocks import IncompleteReceipts, NodeFault
from scanners.branch import Branch, Seen
from scanners.claims import SolidNotShown
from scanners.observer import HEAD, HELD_MAX, SOLID, UNSOLID_BLOCKS_MAX, ChainMismatch, Observer
from scanners.producers import Producers
from tests.scanners.world import THEM, US, World
from tests.support.chain import SOLID_LAG, MemoryChain, tx_trie_root, usdt_transfer
from tests.support.chain import block_of as made

pytestmark = pytest.mark.fast

SEATS = 27
CHANGE = msgspec.structs.replace


class Talker:
    """A node that says of the chain what it is told to say, and counts what it is asked."""

    def __init__(self, chain: MemoryChain) -> None:
        self.chain = chain
        self.asked: Counter[str] = Counter()
        self.says: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self.chain, name)

        def answer(*asked: Any) -> Any:
            self.asked[name] += 1
            return self.says.get(name, honest)(*asked)

        return answer


def world_of(seats: int = SEATS) -> tuple[World, Talker]:
    world = World(seats=seats)
    world.node = talker = Talker(world.chain)
    world.restart()
    return world, talker


def hasty(talker: Talker) -> None:
    """The node calls every block solid at once."""
    chain = talker.chain
    talker.says["solid"] = chain.head
    talker.says["solid_block"] = chain.block


def named_within(world: World, blocks: int) -> str:
    """What the node is blamed for as its chain grows, if anything."""
    for _ in range(blocks):
        world.chain.mine()
        try:
            world.observer.step()
        except SolidNotShown as fault:
            return str(fault)
    return ""


def numbered(witnesses: list[int]) -> list[Seen]:
    return [Seen(number, f"{number}", (), bytes([witness])) for number, witness in enumerate(witnesses, 1)]


class Stating:
    """A network of so many producers."""

    def __init__(self, seats: int) -> None:
        self.seats = seats

    def producers(self) -> list[Producer]:
        return [Producer(bytes([seat]), active=True, latest_block=0) for seat in range(self.seats)]

    def producer_key(self, address: bytes) -> bytes:
        return address


@pytest.mark.parametrize("seats", [1, 2, 3, 4, 9, 10, 20, 26, 27])
def test_the_count_is_java_trons(seats: int) -> None:
    """The height is that at index floor(n x 0.3) of the producers' newest blocks, whoever produces in whichever order."""
    chance = random.Random(seats)
    for _ in range(50):
        witnesses = [chance.randrange(seats) for _ in range(chance.randrange(1, 120))]
        newest = dict.fromkeys(range(seats), 0) | {who: number for number, who in enumerate(witnesses, 1)}
        expected = sorted(newest.values())[int(seats * 0.3)]
        assert Producers(Stating(seats)).solid(numbered(witnesses)) == expected


def test_who_is_no_producer_now_does_not_count() -> None:
    """Blocks of a producer that was voted out say nothing about what is built on them by those that sit now."""
    witnesses = [*range(40, 60), *range(18)]
    assert Producers(Stating(SEATS)).solid(numbered(witnesses)) == 0
    assert Producers(Stating(SEATS)).solid(numbered([*witnesses, 18])) == 21


@pytest.mark.parametrize("seats", [1, 3, SEATS])
def test_a_chain_of_any_size_is_followed(seats: int) -> None:
    """A deposit is detected, and credited when the node's height and its signatures show the block, not before."""
    world, _ = world_of(seats)
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit)
    world.settle()
    assert world.status(deposit.transaction.txid) == "detected"
    world.chain.mine(blocks=SOLID_LAG - 1)
    world.settle()
    assert world.balance() == 0
    world.chain.mine()
    world.settle()
    assert world.balance() == 5


def test_a_later_solid_height_credits_nothing() -> None:
    """A node that calls its head solid is believed as far as its blocks show it, and named after two rounds."""
    world, talker = world_of()
    hasty(talker)
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit, blocks=SOLID_LAG)
    world.settle()
    assert (world.balance(), world.story(deposit.transaction.txid)) == (0, [])
    world.chain.mine()
    world.settle()
    assert world.balance() == 5
    assert "by its producers' signatures" in named_within(world, 2 * SEATS + 1)
    assert world.cursors.rows[SOLID].number == world.chain.head().number - SOLID_LAG


def test_one_producer_alone_makes_nothing_solid() -> None:
    """A node with the key of one producer builds as many blocks as it likes on the chain: none is confirmed."""
    world, talker = world_of()
    world.chain.mine(blocks=2 * SEATS)
    world.settle()
    before = world.cursors.rows[SOLID]
    false = usdt_transfer(1, US, 10**12)
    with patch.object(world.chain, "signer", lambda number: world.chain.signers[3]):
        world.chain.mine(false, blocks=3 * SEATS)
    hasty(talker)
    for _ in range(10):
        try:
            world.observer.step()
        except SolidNotShown:
            break
        world.recorder.step()
    assert world.balance() == 0
    assert world.cursors.rows[SOLID].number < before.number + SEATS


def test_the_solid_view_s_block_must_be_the_one_that_was_counted() -> None:
    """Another block by a true producer in the place of a counted one is not confirmed."""
    world, talker = world_of()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit, blocks=SOLID_LAG)
    world.settle()
    world.chain.mine()
    true = world.chain.blocks[1]
    [false] = [usdt_transfer(2, US, 10**12)]
    swapped = made(
        1, bytes.fromhex(true.ref.parent_id), 5, tx_trie_root([false.transaction]), (false.transaction,),
        world.chain.signer(1),
    )  # fmt: skip
    talker.says["solid_block"] = lambda number: swapped if number == 1 else world.chain.solid_block(number)
    talker.says["solid_receipts"] = lambda number: [CHANGE(false.receipt, block_number=1)]
    for _ in range(5):
        with contextlib.suppress(ChainMismatch):  # how it ends where the false one was booked
            world.observer.step()
        world.recorder.step()
    assert world.cursors.rows[SOLID].number == 0
    talker.says.clear()
    world.settle()
    assert world.balance() == 5


def test_what_was_called_solid_and_forked_away_is_forgotten() -> None:
    """A node showed blocks as solid that no chain holds now: the scanner goes on with those that took their place."""
    world, talker = world_of()
    world.chain.mine(blocks=SEATS)
    world.settle()
    hasty(talker)
    world.chain.mine()
    world.settle()
    talker.says.clear()
    deposit = usdt_transfer(1, US, 5)
    world.chain.fork(2, [deposit])
    world.settle()
    world.chain.mine(blocks=SEATS)
    world.settle()
    assert world.balance() == 5
    assert world.cursors.rows[SOLID].number == world.chain.solid().number


def test_a_history_begins_at_a_block_that_is_shown_to_be_solid() -> None:
    """A node that calls its head solid when an installation is made, and forks it away, leaves nobody at a dead end."""
    world = World(start=None, seats=SEATS)
    world.node = talker = Talker(world.chain)
    hasty(talker)
    world.restart()
    world.chain.mine(blocks=60)
    with contextlib.suppress(NodeFault):
        world.observer.step()
    assert world.cursors.rows[SOLID].number == 60 - SOLID_LAG
    world.chain.fork(10)
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit, blocks=2 * SEATS)
    for _ in range(20):
        with contextlib.suppress(NodeFault):
            world.settle()
    assert world.balance() == 5


def test_a_history_begins_at_no_block_of_a_chain_of_one_producer() -> None:
    """Of many blocks that one producer alone has made, none is where a history begins."""
    world = World(start=None, seats=SEATS)
    world.chain.mine(blocks=SEATS)
    world.chain.signers = [world.chain.signers[0]] * SEATS
    world.chain.mine(blocks=READ_MAX)
    world.node = talker = Talker(world.chain)
    talker.says["producers"] = World(seats=SEATS).chain.producers
    world.restart()
    with pytest.raises(SolidNotShown, match="show none to be solid"):
        world.observer.step()
    assert SOLID not in world.cursors.rows


class Agreeing:
    """A second node that says the same as the first, whatever it says."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def test_a_block_that_does_not_fit_its_receipts_is_asked_for_again() -> None:
    """Nodes left a transaction out of a block once: it is not kept, so that the true one is read by the same process."""
    world, talker = world_of()
    world.opinion = Agreeing()  # type: ignore[assignment]
    world.restart()
    world.chain.mine(usdt_transfer(1, US, 5), usdt_transfer(2, THEM, 6), blocks=SEATS)
    cut = [CHANGE(world.chain.blocks[1], transactions=world.chain.blocks[1].transactions[1:])]
    talker.says["solid_block"] = lambda number: cut.pop() if number == 1 and cut else world.chain.solid_block(number)
    with contextlib.suppress(IncompleteReceipts):
        world.observer.step()
    assert not cut
    world.settle()
    assert world.balance() == 5


def test_a_stretch_is_caught_up_with_once() -> None:
    """Each block that was missed is asked for once, with its receipts, and the deposits in it are credited."""
    world, talker = world_of()
    deposits = [usdt_transfer(salt, US, 5) for salt in range(1, 11)]
    for deposit in deposits:
        world.chain.mine(deposit, blocks=20)
    world.settle()
    solid = world.chain.solid().number
    assert world.balance() == sum(5 for place in range(10) if 1 + 20 * place <= solid)
    # Block 0, where this history begins, is one more.
    assert (talker.asked["solid_block"], talker.asked["solid_receipts"]) == (solid + 1, solid)
    assert talker.asked["block"] == SOLID_LAG


def test_a_restart_asks_for_no_block_that_it_does_not_need() -> None:
    """After a restart the blocks above the cursor are read again, and what was solid is not."""
    world, talker = world_of()
    world.chain.mine(blocks=3 * SEATS)
    world.settle()
    before = talker.asked["solid_block"]
    world.restart()
    world.settle()
    world.chain.mine()
    world.settle()
    assert talker.asked["solid_block"] - before == 1


def test_a_long_pause_of_most_producers_ends_by_itself() -> None:
    """Nothing becomes solid while ten of 27 produce, for longer than blocks are announced; then all of it does."""
    world, _ = world_of()
    world.chain.mine(blocks=SEATS)
    world.settle()
    held = world.cursors.rows[SOLID].number
    deposit, late = usdt_transfer(1, US, 5), usdt_transfer(2, US, 7)
    with patch.object(world.chain, "signer", lambda number: world.chain.signers[number % 10]):
        world.chain.mine(deposit, blocks=UNSOLID_BLOCKS_MAX + HELD_MAX)
    world.chain.mine(late)
    world.chain.solid_lag = world.chain.head().number - held
    world.settle()
    assert world.balance() == 0
    world.chain.mine(blocks=SEATS)
    world.chain.solid_lag = SOLID_LAG
    world.settle()
    assert world.balance() == 12


def test_blocks_that_a_former_version_remembered_are_read_anew() -> None:
    """Of a head that was kept without its signers the announced deposits are neither lost nor orphaned."""
    world, _ = world_of()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit, blocks=3)
    world.settle()
    kept = world.cursors.rows[HEAD]
    branch = msgspec.json.decode(kept.unsolid, type=Branch)
    old = CHANGE(branch, blocks=tuple(CHANGE(seen, witness=b"") for seen in branch.blocks))
    world.cursors.save(HEAD, Cursor(kept.number, kept.block_id, msgspec.json.encode(old)))
    world.restart()
    world.chain.mine(blocks=SOLID_LAG)
    world.settle()
    assert world.story(deposit.transaction.txid) == ["Detected", "Confirmed"]


def test_an_old_solid_block_is_scanned_again_when_it_is_counted() -> None:
    """`scan` reports what lies below the cursor or is shown by the blocks above, and nothing that a node merely claims."""
    world, talker = world_of()
    world.chain.mine(blocks=3 * SEATS)
    world.settle()
    cursor = world.cursors.rows[SOLID].number
    assert [number for number, _ in world.observer.rescan(5, 9)] == [5, 6, 7, 8, 9]
    assert [number for number, _ in world.observer.rescan(cursor - 2, cursor)] == [cursor - 2, cursor - 1, cursor]
    hasty(talker)
    assert [number for number, _ in world.observer.rescan(cursor + 1, cursor + 5)] == []


BROKEN: dict[str, tuple[Callable[[], Any], Callable[[], None]]] = {
    "the node's word is enough": (
        lambda: patch.object(Observer, "_counted", lambda self, linked, solid: solid.number),
        test_a_later_solid_height_credits_nothing,
    ),
    "blocks are counted, not seats": (
        lambda: patch.object(Producers, "solid", lambda self, linked: max(0, linked[-1].number - 18) if linked else 0),
        test_one_producer_alone_makes_nothing_solid,
    ),
    "who was voted out counts": (
        lambda: patch.object(Producers, "_may_produce", lambda self, witness, number: True),
        test_who_is_no_producer_now_does_not_count,
    ),
    "any block of the solid view is taken": (
        lambda: patch.object(Branch, "id_at", lambda self, number: Anything()),
        test_the_solid_view_s_block_must_be_the_one_that_was_counted,
    ),
    "what was read ahead is kept whatever comes": (
        lambda: patch.object(Observer, "_solid_block", _held_first),
        test_what_was_called_solid_and_forked_away_is_forgotten,
    ),
    "nobody is named": (
        lambda: patch("scanners.claims.Claims.check", lambda *_: None),
        test_a_later_solid_height_credits_nothing,
    ),
    "a history begins where the node says": (
        lambda: patch("scanners.beginning._shown", lambda node, blocks, producers, claimed: claimed),
        test_a_history_begins_at_a_block_that_is_shown_to_be_solid,
    ),
    "following ends after an hour": (
        lambda: patch.object(Observer, "_follow_head", _short),
        test_a_long_pause_of_most_producers_ends_by_itself,
    ),
}


class Anything(str):
    """Equal to every id."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def _held_first(self: Observer, number: int, parent_id: str) -> Block:
    return self._held.get(number) or self._blocks.solid(number)


_whole = Observer._follow_head


def _short(self: Observer, solid: Cursor, claimed: BlockRef, head: BlockRef, branch: Branch) -> Branch:
    return branch if len(branch.blocks) >= UNSOLID_BLOCKS_MAX else _whole(self, solid, claimed, head, branch)


@pytest.mark.parametrize("name", BROKEN)
def test_without_its_guard_a_test_of_these_fails(name: str) -> None:
    """Each of these defects is noticed."""
    defect, test = BROKEN[name]
    with defect(), pytest.raises((AssertionError, pytest.fail.Exception, ChainMismatch)):
        test()
