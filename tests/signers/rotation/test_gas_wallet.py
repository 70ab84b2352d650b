"""Another key for the gas wallet: lent energy and stake come back first, fourteen days for the stake."""

import pytest

from core.ledger import books
from core.streams.instructions import SendTrx, Unfreeze, WithdrawUnfrozen
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]

DAY_MS = 86_400_000


def test_lent_energy_stake_and_trx_end_with_the_new_key() -> None:
    """A sweep that was under way ends well, what was lent to it comes back to its lender, and no sun stays behind."""
    world = TreasuryWorld(stake_trx=200_000, gas_trx=5_000)
    world.deposits(300)
    world.until("fuelling")
    world.rotate("gas")
    world.live(12 * SOLID_LAG)
    old, new = world.addresses_of("gas")
    kinds = [type(it.act) for it in world.given("rotation")]
    assert kinds[0] is SendTrx
    assert Unfreeze in kinds
    assert WithdrawUnfrozen not in kinds
    assert world.role("gas").begun is not None
    assert world.sun_of(new) > 4_000 * COINS
    assert [world.sweep(it).state for it in world.orders()] == ["confirmed"]
    world.now_ms += 14 * DAY_MS
    world.live(12 * SOLID_LAG)
    assert world.role("gas").retired == (old.base58,)
    assert world.sun_of(old) == 0
    assert world.sun_of(new) > 204_000 * COINS
    assert world.balance(books.STAKED, "TRX") == 0
    world.assert_books_are_the_chain()


def test_sweeps_go_on_with_the_new_wallet() -> None:
    """What sweeps need comes from the wallet that plays the role now, and from no other."""
    world = TreasuryWorld(gas_trx=5_000)
    world.rotate("gas")
    world.live(6 * SOLID_LAG)
    world.deposits(300)
    world.settle()
    old, new = world.addresses_of("gas")
    assert [it.owner for it in world.given("fuel")] == [new.base58]
    assert world.role("gas").retired == (old.base58,)
    world.assert_books_are_the_chain()
