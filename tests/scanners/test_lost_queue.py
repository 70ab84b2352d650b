"""The queue loses what it held: the observer tells again what nobody recorded, and no person has to do anything (I11)."""

import copy

import msgspec
import pytest

from scanners import facts
from scanners.observer import PATIENCE_BLOCKS, SENT_AGAIN_MAX
from tests.scanners.test_forks import Forking
from tests.scanners.test_notices import DEPRECATE, FEE_OFF, FEE_ON, HOT, PAUSE, UNPAUSE, black, causes, noticed, owned
from tests.scanners.world import KEY, US, World
from tests.support.chain import SOLID_LAG, token_call, usdt_transfer
from tests.support.chain import Included as Transaction
from tests.support.memory import Fuse

pytestmark = [pytest.mark.fast, pytest.mark.long]


def lose(world: World, *included: Transaction) -> None:
    """These become solid and are told, and the queue is purged before the recorder looks."""
    world.chain.mine(*included, blocks=SOLID_LAG + 1)
    while world.observer.step():
        pass
    world.queue.purge()


def wait(world: World, blocks: int = PATIENCE_BLOCKS) -> None:
    world.chain.mine(blocks=blocks)
    world.settle()


def test_a_lost_deposit_is_credited_all_the_same() -> None:
    """Not at once, since it may still be on its way; after two minutes, once, and then nothing is outstanding."""
    world = World()
    paid = usdt_transfer(1, US, 5)
    lose(world, paid)
    assert world.status(paid.transaction.txid) == "absent"
    wait(world, PATIENCE_BLOCKS - 1)
    assert world.status(paid.transaction.txid) == "absent"
    wait(world, 2)
    assert (world.story(paid.transaction.txid), world.balance()) == (["Confirmed"], 5)
    assert world.outstanding.rows == {}
    wait(world, 3 * PATIENCE_BLOCKS)
    assert world.balance() == 5


@pytest.mark.long
def test_a_queue_that_loses_everything_again_and_again_loses_nothing() -> None:
    """Each time it takes twice as long, to a bound."""
    world = World()
    paid = usdt_transfer(1, US, 5)
    lose(world, paid)
    waits = []
    for _ in range(8):
        before, told = world.chain.solid().number, len(world.queue.sent)
        while len(world.queue.sent) == told:
            world.chain.mine()
            world.observer.step()
        world.queue.purge()
        waits.append(world.chain.solid().number - before)
    assert waits == [40, 80, 160, 320, 640, 1280, 2560, 2560]
    wait(world, waits[-1] + 1)
    assert world.balance() == 5


def test_a_lost_orphan_is_told_again() -> None:
    """Coins that a fork took away do not stay announced for ever, although no solid block speaks of them."""
    world = Forking("lost orphan")
    world.mine(40)
    world.settle()
    txid = world.pay(5)
    world.mine()
    world.settle()
    assert world.status(txid) == "detected"
    world.reorg(2, [txid], vanish=True)
    while world.observer.step():
        pass
    world.queue.purge()
    world.recorder.step()
    assert world.status(txid) == "detected"
    world.finish()
    world.mine(2 * PATIENCE_BLOCKS)
    world.settle()
    assert world.status(txid) == "orphaned"
    assert world.outstanding.rows == {}
    world.client.close()


def test_a_lost_second_detection_does_not_keep_the_first_one_alive() -> None:
    """Seen in one block, then in another (lost), then in none: orphaned, although the recorder never heard of the other."""
    world = Forking("lost second detection")
    world.mine(40)
    world.settle()
    txid = world.pay(5)
    world.mine()
    world.settle()
    world.reorg(2)
    world.observer.step()
    world.queue.purge()
    world.reorg(3, [txid], vanish=True)
    assert world.story(txid) == ["Detected"]
    world.finish()
    world.mine(2 * PATIENCE_BLOCKS)
    world.settle()
    assert world.story(txid) == ["Detected", "Orphaned"]
    assert world.outstanding.rows == {}
    world.client.close()


def test_a_detection_is_not_told_when_its_height_is_solid() -> None:
    """It was confirmed or orphaned since: an old detection must not announce again what is over."""
    world = Forking("lost detection")
    world.mine(40)
    world.settle()
    txid = world.pay(5)
    world.mine()
    world.observer.step()
    world.queue.purge()
    world.reorg(2, [txid], vanish=True)
    world.finish()
    world.mine(2 * PATIENCE_BLOCKS)
    world.settle()
    assert world.story(txid) == []
    assert world.outstanding.rows == {}
    world.client.close()


def test_a_queue_that_outlives_its_database_announces_nothing() -> None:
    """What a database that was given up saw at the head nobody would take back; what stands there its successor sees itself."""
    world = Forking("a queue that outlives its database")
    world.mine(40)
    world.settle()
    copied = copy.deepcopy((world.cursors, world.log, world.outstanding))
    gone, stays = world.pay(5), world.pay(6)
    world.mine()
    world.observer.step()
    world.reorg(2, [gone], vanish=True)
    world.cursors, world.log, world.outstanding = copied
    world.restart()
    world.recorder.step()
    assert world.queue.depth() == 0
    world.settle()
    assert (world.story(gone), world.story(stays)) == ([], ["Detected"])
    world.finish()
    assert (world.story(gone), world.story(stays)) == ([], ["Detected", "Confirmed"])
    assert world.balance() == 6
    world.client.close()


@pytest.mark.parametrize(
    ("stopping", "ending"),
    [(PAUSE, UNPAUSE), (FEE_ON, FEE_OFF), (black(HOT), black(HOT, "RemovedBlackList"))],
    ids=["pause", "fee", "blacklist"],
)
def test_news_that_the_chain_has_taken_back_stops_nothing(stopping: object, ending: object) -> None:
    """The stop was lost, its end was recorded, the stop is told again: it is recorded, and signing goes on."""
    world = World()
    lose(world, token_call(1, stopping))  # type: ignore[arg-type]
    world.chain.mine(token_call(2, ending), blocks=SOLID_LAG + 1)  # type: ignore[arg-type]
    world.settle()
    assert len(noticed(world)) == 1
    wait(world)
    assert len(noticed(world)) == 2
    assert causes(world) == ()


def test_a_lost_end_ends_the_stop_that_was_recorded() -> None:
    """And a stop that the chain began after it goes on holding."""
    world = World()
    world.chain.mine(token_call(1, PAUSE), blocks=SOLID_LAG + 1)
    world.settle()
    lose(world, token_call(2, UNPAUSE))
    assert causes(world) == ("token_paused",)
    wait(world)
    assert causes(world) == ()
    lose(world, token_call(3, UNPAUSE))
    world.chain.mine(token_call(4, PAUSE), blocks=SOLID_LAG + 1)
    world.settle()
    wait(world)
    assert causes(world) == ("token_paused",)


@pytest.mark.parametrize("included", [token_call(1, DEPRECATE), owned(2, HOT)], ids=["successor", "theft"])
def test_a_lost_warning_stops_signing_late(included: Transaction) -> None:
    """What only a person can settle is not lost either."""
    world = World()
    lose(world, included)
    assert causes(world) == ()
    wait(world)
    assert len(causes(world)) == 1


@pytest.mark.parametrize("call", range(1, 40))
def test_a_crash_at_any_call_forgets_nothing(call: int) -> None:
    """Of the observer or the recorder, while a lost deposit is told again: credited once, nothing outstanding."""
    world = World()
    paid = usdt_transfer(1, US, 5)
    lose(world, paid)
    world.chain.mine(blocks=PATIENCE_BLOCKS)
    world.settle_through(Fuse(call))
    wait(world, 8 * PATIENCE_BLOCKS)
    assert world.balance() == 5
    assert world.outstanding.rows == {}


def test_many_lost_reports_come_back_in_steps() -> None:
    """More than one step tells again: the next one goes on at once."""
    world = World()
    world.chain.mine(*(usdt_transfer(salt, US, 1) for salt in range(SENT_AGAIN_MAX + 5)), blocks=SOLID_LAG + 1)
    while world.observer.step():
        pass
    world.queue.purge()
    wait(world)
    assert world.balance() == SENT_AGAIN_MAX + 5
    assert world.outstanding.rows == {}


def test_a_buried_report_is_settled() -> None:
    """A poison message lies among the dead letters, with an alarm; it does not come again by itself."""
    world = World()
    paid, altered = usdt_transfer(1, US, 5), 6
    lose(world, paid)
    wait(world)
    known = world.deposit(paid.transaction.txid).transfer
    assert known is not None
    lie = facts.Report("confirmed", msgspec.structs.replace(known, amount_minor=altered))
    message = facts.message(lie, KEY)
    world.outstanding.keep([message], 0)
    world.queue.send([msgspec.structs.replace(message, key="a lie")])
    world.settle()
    assert [name for name, _ in world.alarms] == ["deposit_facts_conflict"]
    assert world.outstanding.rows == {}
