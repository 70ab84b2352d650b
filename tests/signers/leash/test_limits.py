"""What the signer lets go without an approval: so much by one payout, so much in an hour, so much in a day."""

import pytest

from core.ports.spent_totals import SLOT_S
from core.streams.payouts import PayoutSigned, PayoutWaiting
from signers.leash.limits import SignerLimits
from signers.outgoing.payouts import SAID_AFTER_MS
from tests.signers.leash.limited import LIMITS, Limited
from tests.signers.outgoing.world import COINS, LIFE_BLOCKS
from tests.support.devnet import BLOCK_MS, Fate
from tests.support.memory import MemorySpentTotals

pytestmark = pytest.mark.fast
MINUTE_BLOCKS = SAID_AFTER_MS // BLOCK_MS + 2


@pytest.fixture
def world() -> Limited:
    return Limited()


def test_what_is_above_a_payout_s_limit_waits_alone(world: Limited) -> None:
    """It says why, rings once, and the same account's other payouts are made meanwhile."""
    large, small = world.request("large", 101 * COINS), world.request("small", 100 * COINS)
    world.live(MINUTE_BLOCKS + LIFE_BLOCKS)
    assert world.paid == [100]
    assert world.payout(large).state == "requested"
    assert world.payout(small).state == "confirmed"
    [waiting] = world.events(PayoutWaiting)
    assert isinstance(waiting, PayoutWaiting)
    assert (waiting.payout_id, waiting.reason) == (large.payout_id, "above_signer_limit")
    assert world.alarms == ["above_signer_limit"]
    assert f"payouts approve {large.payout_id}" in world.sentences[0]


def test_an_hour_s_limit_ends_with_the_hour(world: Limited) -> None:
    """Two payouts of an hour's 250 go, the third when none of them lies within the last hour any more."""
    for name in ("one", "two", "three"):
        world.request(name, 100 * COINS)
    world.live(2 * LIFE_BLOCKS)
    assert world.paid == [100, 100]
    world.time.pass_(seconds=3_600)
    world.live()
    assert world.paid == [100, 100]
    world.time.pass_(seconds=SLOT_S)
    world.live()
    assert world.paid == [100, 100, 100]
    assert world.alarms == ["above_signer_limit"]


def test_a_day_s_limit_holds_whatever_the_hours(world: Limited) -> None:
    """Four times 100 are a day's 400, in as many hours; the fifth waits until a day has passed."""
    for number in range(5):
        world.request(f"p{number}", 100 * COINS)
    for _ in range(6):
        world.live()
        world.time.pass_(hours=2)
    assert world.paid == [100] * 4
    world.time.pass_(hours=14)
    world.live()
    assert world.paid == [100] * 5


def test_bytes_that_take_the_place_of_dead_ones_count_once(world: Limited) -> None:
    """A payout whose first bytes died signed is signed again, though nothing would be left for another."""
    world.limits = SignerLimits(hour_max=100 * COINS)
    world.start()
    world.node.fate = Fate(arrives=False)
    wished = world.request("p1", 100 * COINS)
    world.live()
    world.node.fate = Fate()
    world.live(2 * LIFE_BLOCKS)
    assert len(world.events(PayoutSigned)) == 2
    assert world.payout(wished).state == "confirmed"
    assert sum(world.kept.slots.values()) == 100 * COINS


def test_a_worker_that_begins_anew_counts_the_same(world: Limited) -> None:
    """From the history alone, the record beside the keys lost; and from that record alone, in an older store."""
    world.request("one", 100 * COINS)
    world.request("two", 100 * COINS)
    world.live()
    kept, world.totals = world.totals, MemorySpentTotals()
    world.start()
    world.request("three", 100 * COINS)
    world.live()
    assert world.paid == [100, 100]
    older = Limited()
    older.totals = kept
    older.start()
    older.request("three", 100 * COINS)
    older.live()
    assert older.paid == []


def test_a_crash_between_count_and_signature_counts_once(world: Limited) -> None:
    """The same bytes are signed after it, and no room is lost."""
    world.request("one", 100 * COINS)
    world.worker.step()
    died = world.worker._leash.reserve
    world.worker._leash.reserve = lambda *given: died(*given) and set()  # type: ignore[method-assign]
    world.worker.step()
    assert sum(world.kept.slots.values()) == 100 * COINS
    world.start()
    world.live()
    assert world.paid == [100]
    assert sum(world.kept.slots.values()) == 100 * COINS


def test_coins_of_an_adjustment_need_an_approval(world: Limited) -> None:
    """Whoever can append as the API can post one: what rests on it is above every limit, and waits."""
    bob = world.client("bob", 50 * COINS)
    wished = world.request("p1", 10 * COINS, account_id=bob)
    world.request("p2", 10 * COINS)
    world.live()
    assert world.paid == [10]
    assert world.payout(wished).state == "requested"
    assert "adjustment" in world.sentences[0]


def test_without_limits_nothing_is_counted(world: Limited) -> None:
    """A signer that has none asks for no record and writes none: an adjustment is paid out like anything else."""
    free = Limited(SignerLimits())
    free.request("p1", 900 * COINS, account_id=free.client("bob", 1_000 * COINS))
    free.live()
    assert free.paid == [900]
    assert free.totals.rows == {}
    assert LIMITS.any
