"""What lies above the hot wallet's ceiling goes to cold storage, once, and no more of it."""

from typing import Any

import msgspec
import pytest

from core.streams.instructions import SendToken
from signers.outcomes import append
from tests.support.treasury_world import COINS, RULES, SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]

LIMITED = msgspec.structs.replace(RULES, hot_floor_minor=500 * COINS, hot_ceiling_minor=1_500 * COINS)


def test_what_lies_above_the_ceiling_goes_to_cold_storage() -> None:
    """Once, down to the middle of floor and ceiling; then the hot wallet is left alone."""
    world = TreasuryWorld(rules=LIMITED, hot_usdt=1_400)
    world.give(world.hot, usdt=700)
    world.live(6 * SOLID_LAG)
    world.settle()
    assert [it.act for it in world.given("excess")] == [SendToken(world.cold.base58, 1_100 * COINS)]
    assert world.usdt_of(world.hot) == 1_000 * COINS
    assert world.usdt_of(world.cold) == 1_100 * COINS
    world.assert_books_are_the_chain()


def test_what_payouts_wait_for_is_no_excess() -> None:
    """Money that clients asked for stays, and their payouts are made."""
    world = TreasuryWorld(rules=LIMITED, hot_usdt=1_400)
    world.deposits(1_000)
    wished = world.pay_out("large", 600)
    world.give(world.hot, usdt=600)
    world.settle()
    world.live(6 * SOLID_LAG)
    assert world.payout(wished).state == "confirmed"
    assert not world.given("excess")
    world.assert_books_are_the_chain()


@pytest.mark.parametrize(("cold", "rules"), [(False, LIMITED), (True, RULES)], ids=["no cold wallet", "no ceiling"])
def test_nothing_is_excess_without_a_ceiling_or_a_place_for_it(cold: bool, rules: Any) -> None:
    """However much the hot wallet holds, it stays there."""
    world = TreasuryWorld(rules=rules, hot_usdt=5_000, cold=cold)
    world.live(3 * SOLID_LAG)
    assert not world.given("excess")
    assert world.usdt_of(world.hot) == 5_000 * COINS


def test_excess_that_cannot_leave_is_told_and_tried_again() -> None:
    """A hot wallet that cannot pay for it gives it back, rings, and sends it once it has some."""
    world = TreasuryWorld(rules=LIMITED, hot_usdt=1_400)
    price = world.node.chain_parameters()["getEnergyFee"]
    world.give(world.hot, usdt=700)
    world.mine()
    world.decree(getEnergyFee=500 * price)  # no fee limit reaches so far
    world.live(4 * SOLID_LAG)
    assert "excess_kept_back" in [name for name, _ in world.alarms]
    assert world.usdt_of(world.cold) == 0
    world.decree(getEnergyFee=price)
    world.live(6 * SOLID_LAG)
    world.settle()
    assert world.usdt_of(world.hot) == 1_000 * COINS
    world.assert_books_are_the_chain()


def test_two_workers_at_once_move_the_excess_once() -> None:
    """Each finds it at another height, before it knows of the other's: one transfer is given, the floor is kept."""
    world = TreasuryWorld(rules=LIMITED, hot_usdt=1_400, interval_ms=0)
    for excess in (200, 700):
        world.give(world.hot, usdt=excess)
        world.mine(SOLID_LAG + 1)
        world.work()
        found = []
        for _ in range(2):
            found += world.sweeps._planning().commands(world.node.head(), world.node.solid())
            world.mine()
        assert len(found) == 2
        append(world.ledger, found)
        world.settle()
        assert world.usdt_of(world.hot) == 1_000 * COINS
    assert len(world.given("excess")) == 2
    world.assert_books_are_the_chain()


def test_a_worker_that_has_not_heard_of_the_transfer_gives_no_second() -> None:
    """It stands in the history, and this worker has not read on: it looks it up before it gives another."""
    world = TreasuryWorld(rules=LIMITED, hot_usdt=1_400, interval_ms=0)
    world.give(world.hot, usdt=200)
    world.mine(SOLID_LAG + 1)
    world.work()
    for given in (1, 0):
        commands = world.sweeps._planning().commands(world.node.head(), world.node.solid())
        assert len(commands) == given
        world.ledger.execute(commands)


def test_what_was_given_long_ago_is_counted_all_the_same() -> None:
    """A worker that starts above everything the bookmark has left behind gives the next transfer, not the last again."""
    world = TreasuryWorld(rules=LIMITED, hot_usdt=1_400)
    for number in range(1, 6):
        world.give(world.hot, usdt=700)
        world.live(3 * SOLID_LAG)
        world.settle()
        assert len(world.given("excess")) == number
        world.bookmarks.save("sweeps", world.store.events[-1].position)
        world.start()
    assert world.usdt_of(world.hot) == 1_000 * COINS
    world.assert_books_are_the_chain()
