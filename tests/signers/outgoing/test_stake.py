"""Stake of the hot and the gas wallet: frozen, taken back after 14 days, in the books to the sun."""

import pytest

from core.ledger import books
from core.streams.instructions import Freeze, InstructionConfirmed, Unfreeze, WithdrawUnfrozen
from core.tron.address import SUN_PER_TRX
from tests.support.treasury_world import SOLID_LAG, TreasuryWorld

pytestmark = pytest.mark.fast

FORTNIGHT_MS = 14 * 86_400_000


@pytest.mark.parametrize("resource", ["ENERGY", "BANDWIDTH"])
@pytest.mark.parametrize("role", ["hot", "gas"])
def test_stake_is_made_and_taken_back(role: str, resource: str) -> None:
    """Freeze, unfreeze, wait, withdraw: each a transaction of that wallet, books and chain equal after each."""
    world = TreasuryWorld()
    wallet = world.hot if role == "hot" else world.gas
    before = world.sun_of(wallet)
    world.order_stake(role, Freeze(300 * SUN_PER_TRX, resource))  # type: ignore[arg-type]
    world.settle()
    account = world.node.account(wallet)
    assert account is not None
    assert account.staked_sun == 300 * SUN_PER_TRX
    assert world.balance(books.STAKED, "TRX") == 300 * SUN_PER_TRX
    world.assert_books_are_the_chain()
    world.order_stake(role, Unfreeze(200 * SUN_PER_TRX, resource))  # type: ignore[arg-type]
    world.settle()
    assert world.balance(books.STAKED, "TRX") == 300 * SUN_PER_TRX  # it waits, and is ours all the same
    world.assert_books_are_the_chain()
    world.now_ms += FORTNIGHT_MS
    world.live(2 * SOLID_LAG)
    world.order_stake(role, WithdrawUnfrozen())
    world.settle()
    assert world.balance(books.STAKED, "TRX") == 100 * SUN_PER_TRX
    assert world.sun_of(wallet) == before - 100 * SUN_PER_TRX - world.burned_sun
    assert len(world.events(InstructionConfirmed)) == 3
    world.assert_books_are_the_chain()
