"""Stake that is lent to a deposit address while no sweep knows of it: it comes back, and nothing counts on it."""

import pytest

from core.ledger.journal import derived_id
from core.streams.instructions import Delegate, GiveInstruction, Instruction
from core.tron.address import Address
from tests.support.history import ACTOR, execute
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]


def world_with_stray_stake(trx: int) -> tuple[TreasuryWorld, Address]:
    """And the deposit address that it is lent to, by hand or by a program that died."""
    world = TreasuryWorld(stake_trx=20_000)
    address = world.payin()
    world.give(address, trx=1)
    world.mine(SOLID_LAG + 1)
    lent = Delegate(address.base58, trx * COINS, "ENERGY")
    stray = Instruction(str(derived_id("instruction", "by hand", "1")), "loan", "", world.gas.base58, "gas", lent)
    execute(world.ledger, GiveInstruction(stray, ACTOR))
    world.live(2 * SOLID_LAG)
    return world, address


def test_stake_that_no_sweep_knows_of_is_taken_back() -> None:
    """Lent to a deposit address by hand, or by a program that died: read from the chain at the start (FAILURES 19)."""
    world, _ = world_with_stray_stake(5_000)
    world.start()
    world.live(3)
    world.settle()
    world.live(2 * SOLID_LAG)
    assert "stake_leaked" in [name for name, _ in world.alarms]
    assert not world.node.delegation_index(world.gas, solid=True).receivers
    world.assert_books_are_the_chain()


def test_no_sweep_counts_on_stake_that_is_being_taken_back() -> None:
    """Coins lie where stake does that nobody knows of: the sweep waits until that is gone, and none runs out of energy."""
    world, address = world_with_stray_stake(7_000)
    world.give(address, usdt=120)
    for _ in range(2 * SOLID_LAG):
        world.mine()
        world.work_but_sweeps()
    world.start()
    world.live(2 * SOLID_LAG)
    world.settle()
    assert "stake_leaked" in [name for name, _ in world.alarms]
    assert set(world.results()) == {"SUCCESS"}
    assert [world.sweep(it).state for it in world.orders()] == ["confirmed"]
