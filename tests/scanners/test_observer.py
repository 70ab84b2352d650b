"""The journey from chain to ledger: nothing missed, nothing twice, whatever the chain, the node or the process does."""

import contextlib

import msgspec
import pytest

from core.ports.scanning import Cursor
from core.ports.unavailable import Unavailable
from scanners.blocks import IncompleteReceipts, InvalidBlock, Unlinked
from scanners.checked_blocks import MissingBlock
from scanners.observer import BLOCKS_PER_STEP_MAX, SOLID, ChainMismatch
from tests.scanners.world import HOT, SPARE, THEM, US, World
from tests.support.chain import SOLID_LAG, Included, token_call, transfer_log, trx_transfer, usdt_transfer
from tests.support.memory import Crash, Fuse

pytestmark = pytest.mark.fast


def txid(included: Included) -> str:
    return included.transaction.txid


def test_detected_at_the_head_confirmed_when_solid() -> None:
    """A deposit is detected at once, not spendable, and confirmed and credited when its block is solid."""
    world = World()
    deposit = usdt_transfer(1, US, 12_500_000)
    world.chain.mine(deposit)
    world.settle()
    assert (world.status(txid(deposit)), world.balance()) == ("detected", 0)
    world.chain.mine(blocks=SOLID_LAG)
    world.settle()
    assert (world.status(txid(deposit)), world.balance()) == ("confirmed", 12_500_000)
    assert world.story(txid(deposit)) == ["Detected", "Confirmed"]


def test_a_restart_repeats_only_what_is_not_solid() -> None:
    """After a restart deposits that are not solid are told again, those that are confirmed are not, and none is orphaned."""
    world = World()
    world.chain.mine(usdt_transfer(1, US, 5))
    world.settle()
    world.chain.mine(blocks=2 * SOLID_LAG)
    world.settle()
    world.restart()
    world.settle()
    world.chain.mine(usdt_transfer(2, US, 5))
    world.settle()
    told = [message.key.split(":")[0] for message in world.queue.sent]
    assert told == ["detected", "confirmed", "detected"]
    world.restart()
    world.settle()
    assert [message.key for message in world.queue.sent[3:]] == [world.queue.sent[2].key]


def test_a_block_is_one_question_to_the_pool() -> None:
    """However many transfers a block holds, the pool is asked once, and not at all for a block without transfers."""
    world = World()
    world.chain.mine(*(usdt_transfer(salt, THEM, 5) for salt in range(1, 50)))
    world.settle()
    assert world.pool.questions == 1


def test_what_is_announced_and_what_only_booked() -> None:
    """Small deposits, TRX and coins for our wallets are not announced, and all are booked when solid."""
    world = World(announce_min_minor=1_000_000)
    small, enough = usdt_transfer(1, US, 999_999), usdt_transfer(2, US, 1_000_000)
    trx, hot, spare = trx_transfer(3, US, 5), usdt_transfer(4, HOT, 7_000_000), usdt_transfer(5, SPARE, 8_000_000)
    strangers = usdt_transfer(6, THEM, 9)
    world.chain.mine(small, enough, trx, hot, spare, strangers)
    world.settle()
    announced = [world.status(txid(each)) for each in (small, enough, hot, spare)]
    assert announced == ["absent", "detected", "absent", "detected"]
    assert world.status(txid(trx), None) == "absent"
    world.chain.mine(blocks=SOLID_LAG)
    world.settle()
    assert [world.status(txid(each)) for each in (small, enough, hot, spare)] == ["confirmed"] * 4
    assert world.status(txid(trx), None) == "confirmed"
    assert world.status(txid(strangers)) == "absent"
    assert world.balance() == 1_999_999
    assert world.deposit(txid(spare)).account_id == "treasury"


def test_two_equal_transfers_in_one_transaction_are_two_deposits() -> None:
    """Each log is a deposit of its own (FAILURES 11)."""
    world = World()
    twice = token_call(1, transfer_log(THEM, US, 5), transfer_log(THEM, US, 5))
    world.chain.mine(twice, blocks=SOLID_LAG + 1)
    world.settle()
    assert world.balance() == 10


def test_a_replaced_block_s_deposit_is_orphaned_and_found_again() -> None:
    """A deposit whose block is replaced is orphaned; in another block it is detected again, and credited once."""
    world = World()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(blocks=5)
    world.chain.mine(deposit)
    world.settle()
    world.chain.fork(1)
    world.settle()
    assert world.story(txid(deposit)) == ["Detected", "Orphaned"]
    world.chain.mine(deposit)
    world.settle()
    assert world.story(txid(deposit)) == ["Detected", "Orphaned", "Detected"]
    world.chain.mine(blocks=SOLID_LAG)
    world.settle()
    assert world.story(txid(deposit)) == ["Detected", "Orphaned", "Detected", "Confirmed"]
    assert world.balance() == 5


def test_a_transfer_that_the_new_branch_holds_too_is_not_orphaned() -> None:
    """A deposit that the replacing blocks hold as well moves to its new block and is never orphaned."""
    world = World()
    kept, lost = usdt_transfer(1, US, 5), usdt_transfer(2, US, 6)
    world.chain.mine(kept)
    world.chain.mine(lost, blocks=3)
    world.settle()
    world.chain.fork(4, [], [kept])
    world.settle()
    assert world.story(txid(kept)) == ["Detected", "Detected"]
    assert world.story(txid(lost)) == ["Detected", "Orphaned"]
    assert sum(message.key.startswith("orphaned") for message in world.queue.sent) == 1
    moved = world.deposit(txid(kept)).transfer
    assert moved is not None
    assert moved.block_id == world.chain.blocks[2].ref.block_id


def test_a_fork_to_a_block_of_the_same_height_is_noticed() -> None:
    """A head of the same height and another hash replaces what was seen there."""
    world = World()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit)
    world.settle()
    del world.chain.blocks[-1], world.chain.contents[-1]
    world.chain.mine()
    world.settle()
    assert world.status(txid(deposit)) == "orphaned"


def test_a_lagging_head_changes_nothing() -> None:
    """A backend that is a few blocks behind on the same chain orphans nothing."""
    world = World()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit)
    world.chain.mine(blocks=3)
    world.settle()
    del world.chain.blocks[-3:], world.chain.contents[-3:]
    world.settle()
    assert world.story(txid(deposit)) == ["Detected"]


def test_a_fork_while_the_process_was_down_is_told_afterwards() -> None:
    """What was announced before a restart and left the chain meanwhile is orphaned after it, also below the solid height."""
    for blocks in (0, 5, SOLID_LAG, 3 * SOLID_LAG):
        world = World()
        world.chain.mine(blocks=3)
        deposit = usdt_transfer(1, US, 5)
        world.chain.mine(deposit)
        world.settle()
        world.chain.fork(2)
        if blocks:
            world.chain.mine(blocks=blocks)
        world.restart()
        world.settle()
        assert world.story(txid(deposit)) == ["Detected", "Orphaned"], blocks


def test_a_fork_right_after_a_crash_is_told_afterwards() -> None:
    """Wherever the process dies, a deposit that leaves the chain while it is down is never left announced."""
    place = 0
    while True:
        world = World()
        world.chain.mine(blocks=3)
        world.settle()
        deposit = usdt_transfer(1, US, 5)
        world.chain.mine(deposit)
        fuse = Fuse(place)
        world.restart(fuse)
        with contextlib.suppress(Crash):
            world.settle()
        if not fuse.blown:
            break
        world.chain.fork(1)
        world.restart()
        world.settle()
        assert world.status(txid(deposit)) in ("absent", "orphaned"), place
        place += 1
    assert place > 20


def test_a_fork_right_after_a_failed_step_is_told_afterwards() -> None:
    """What a step announced before it failed is remembered by the next one, whatever left the chain in between."""
    world = World()
    world.chain.mine(blocks=3)
    world.settle()
    deposit, other = usdt_transfer(1, US, 5), usdt_transfer(2, US, 5)
    world.chain.mine(deposit)
    world.chain.mine(other)
    receipts = world.chain.contents.pop()
    world.chain.contents.append([])
    with pytest.raises(IncompleteReceipts):
        world.observer.step()
    world.chain.contents[-1] = receipts
    world.chain.fork(2, [other])
    world.settle()
    assert world.status(txid(deposit)) == "orphaned"
    assert world.status(txid(other)) == "detected"


def test_empty_receipts_hold_the_cursor() -> None:
    """While the node answers [] for a block that is not empty, the cursor waits, and nothing is lost (FAILURES 2)."""
    world = World()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit)
    world.chain.mine(blocks=SOLID_LAG)
    world.chain.empty_receipts = 3
    for _ in range(3):
        with pytest.raises(IncompleteReceipts):
            world.observer.step()
        assert world.cursors.rows[SOLID].number == 0
    world.settle()
    assert world.balance() == 5


def test_the_first_start_begins_at_the_solid_block_and_a_restart_at_the_cursor() -> None:
    """Without a start height only blocks above the first solid one are scanned; after a restart, all since (FAILURES 3)."""
    world = World(start=None)
    before = usdt_transfer(1, US, 5)
    world.chain.mine(before)
    world.chain.mine(blocks=SOLID_LAG)
    world.settle()
    assert world.status(txid(before)) == "absent"
    after = [usdt_transfer(salt, US, salt) for salt in range(100, 600)]
    for deposit in after:
        world.chain.mine(deposit)
    world.chain.mine(blocks=SOLID_LAG)
    world.restart()
    world.settle()
    assert world.balance() == sum(range(100, 600))


def test_a_start_height_in_the_future_is_waited_for() -> None:
    """A start above the solid height is unavailable until the chain is there."""
    world = World(start=10)
    with pytest.raises(Unavailable):
        world.observer.step()
    world.chain.mine(blocks=SOLID_LAG + 10)
    world.observer.step()
    assert world.cursors.rows[SOLID].number == 10


def test_a_step_is_bounded() -> None:
    """One step takes no more than its share of a long range, and says that there is more."""
    world = World()
    world.chain.mine(blocks=SOLID_LAG + 3 * BLOCKS_PER_STEP_MAX)
    assert world.observer.step()
    assert world.cursors.rows[SOLID].number == BLOCKS_PER_STEP_MAX


def test_another_chain_below_the_cursor_stops_the_scanner() -> None:
    """A node whose solid chain is not the one that was booked is an alarm: nothing is rewound, the cursor stays."""
    world = World()
    world.chain.mine(blocks=SOLID_LAG + 5)
    world.settle()
    cursor = world.cursors.rows[SOLID]
    world.chain.fork(SOLID_LAG + 2)
    for _ in range(2):
        with pytest.raises(ChainMismatch):
            world.observer.step()
        world.chain.mine()
    assert world.cursors.rows[SOLID] == cursor


def test_a_head_beside_the_solid_chain_is_not_followed() -> None:
    """A head that does not stand on the solid block is no news, and no alarm."""
    world = World()
    world.chain.mine(blocks=SOLID_LAG + 2)
    world.settle()
    world.cursors.save(SOLID, Cursor(1, world.cursors.rows[SOLID].block_id))
    world.restart()
    world.chain.solid_lag = len(world.chain.blocks)
    with pytest.raises(Unlinked):
        world.observer.step()


def test_a_block_that_is_not_its_id_is_not_booked() -> None:
    """A deposit in a block whose bytes do not hash to its id is not believed."""
    world = World()
    world.chain.mine(usdt_transfer(1, US, 5), blocks=SOLID_LAG + 1)
    honest = world.chain.blocks[1]
    world.chain.blocks[1] = msgspec.structs.replace(honest, transactions=())
    with pytest.raises(InvalidBlock):
        world.observer.step()
    world.chain.blocks[1] = honest
    world.settle()
    assert world.balance() == 5


def test_a_block_the_node_names_and_does_not_have_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """{} for a block below the node's own solid height is unavailable, not an empty block."""
    world = World()
    world.chain.mine(blocks=SOLID_LAG + 3)
    monkeypatch.setattr(world.chain, "solid_block", lambda number: None)
    with pytest.raises(MissingBlock):
        world.observer.step()


def test_a_block_of_another_height_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that answers another block than was asked for is not believed."""
    world = World()
    world.chain.mine(blocks=SOLID_LAG + 3)
    monkeypatch.setattr(world.chain, "solid_block", lambda number: world.chain.blocks[number + 1])
    with pytest.raises(MissingBlock):
        world.observer.step()


def test_scanning_again_changes_nothing() -> None:
    """Observing a range again, whole or beyond the solid height, adds no event."""
    world = World()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit, blocks=SOLID_LAG + 3)
    world.settle()
    events = list(world.store.events)
    world.queue.keys.clear()
    assert sum(facts for _, facts in world.observer.rescan(0, 10**9)) == 1
    world.settle()
    assert world.store.events == events


def test_scanning_again_finds_what_a_lost_queue_held() -> None:
    """When the queue is lost after the cursor moved, a scan of the range books it (I11)."""
    world = World()
    deposit = usdt_transfer(1, US, 5)
    world.chain.mine(deposit, blocks=SOLID_LAG + 1)
    world.observer.step()
    world.queue.purge()
    world.queue.keys.clear()
    world.settle()
    assert world.status(txid(deposit)) == "absent"
    list(world.observer.rescan(1, 1))
    world.settle()
    assert world.balance() == 5


def _eventful(fuse: Fuse | None) -> World:
    """Deposits, forks, and a process that dies at one of its calls, in one of three phases."""
    world = World()
    steady, moved, lost, late = (usdt_transfer(salt, US, 10**salt) for salt in range(1, 5))
    # The fuse counts on through the phases, so its places cover first start, fork and solidity.
    phases = (
        lambda: world.chain.mine(steady, moved) and world.chain.mine(lost, blocks=2),
        lambda: world.chain.fork(3, [steady], [moved, late]),
        lambda: world.chain.mine(blocks=SOLID_LAG + 2),
    )
    for phase in phases:
        phase()
        if fuse and not fuse.blown:
            world.settle_through(fuse)
        else:
            world.settle()
    assert [world.status(txid(each)) for each in (steady, moved, late)] == ["confirmed"] * 3
    assert world.status(txid(lost)) == "orphaned"
    assert world.balance() == 10**1 + 10**2 + 10**4
    assert world.story(txid(lost))[-1] == "Orphaned"
    for deposit in (steady, moved, late):
        assert world.story(txid(deposit)).count("Confirmed") == 1
    assert world.queue.depth() == 0
    assert not world.queue.buried
    return world


@pytest.mark.long
def test_a_crash_between_any_two_statements_loses_nothing() -> None:
    """Wherever observer or recorder die, before or after any call, every deposit ends as it should (FAILURES 4)."""
    counting = Fuse(at=10**9)
    _eventful(counting)
    assert counting.passed > 150
    for place in range(counting.passed):
        fuse = Fuse(place)
        _eventful(fuse)
        assert fuse.blown
