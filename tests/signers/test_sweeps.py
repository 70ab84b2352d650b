"""Sweeps on the devnet's real rules: every coin arrives, nothing runs out of energy, books and chain agree to the unit."""

import pytest

from core import books
from core.sweeps import SweepConfirmed
from tests.support.treasury_world import COINS, TreasuryWorld

pytestmark = pytest.mark.fast


def test_an_address_is_swept_by_trx_that_it_needs() -> None:
    """Without stake: TRX for this very transfer, the transfer, and the coins are in the hot wallet."""
    world = TreasuryWorld()
    [address] = world.deposits(120)
    world.settle()
    assert world.usdt_of(address) == 0
    assert world.usdt_of(world.hot) == 1_120 * COINS
    [order] = world.orders()
    assert (order.method, world.sweep(order).state) == ("fuel", "confirmed")
    assert len(world.events(SweepConfirmed)) == 1
    assert set(world.results()) == {"SUCCESS"}
    world.assert_books_are_the_chain()
    assert world.balance(books.HOT_WALLET) == 1_120 * COINS


def test_an_address_is_swept_by_energy_that_is_lent() -> None:
    """With stake: an account, the energy, the transfer, and the stake is back."""
    world = TreasuryWorld(stake_trx=20_000)
    [address] = world.deposits(120)
    world.settle()
    assert world.usdt_of(address) == 0
    [order] = world.orders()
    assert (order.method, world.sweep(order).state) == ("loan", "confirmed")
    assert world.sweep(order).closed
    assert not world.node.delegation_index(world.gas).receivers
    assert set(world.results()) == {"SUCCESS"}
    world.assert_books_are_the_chain()
