"""Another key for the hot wallet, under running payouts: each is paid once, and the old address ends with nothing."""

from unittest.mock import patch

import pytest

from core.ledger.ledger import Refused
from core.streams.evacuation import BeginEvacuation
from core.streams.instructions import GiveInstruction, Instruction, SendToken
from core.streams.payouts import PayoutPrepared
from core.streams.wallet.rotation import AskWalletRotation, WalletRetired, WalletRotationGivenUp
from core.tron.address import Address
from signers.leash.limits import SignerLimits
from tests.support.history import ACTOR, execute
from tests.support.leash import leash
from tests.support.memory import MemorySpentTotals
from tests.support.treasury_world import COINS, SOLID_LAG, TreasuryWorld

pytestmark = [pytest.mark.fast, pytest.mark.long]


def until_retired(world: TreasuryWorld, role: str, blocks_max: int = 400) -> None:
    for _ in range(blocks_max):
        if world.role(role).retired:
            return
        world.live(1)
    raise AssertionError(f"not retired after {blocks_max} blocks: {world.given('rotation')} {world.alarms}")


def test_payouts_go_on_from_the_new_address_and_the_old_one_is_retired_empty() -> None:
    """What was on its way when it began is confirmed; what came later is paid by the other key; nothing is left behind."""
    world = TreasuryWorld(hot_usdt=1_000)
    world.deposits(900)
    before = [world.pay_out(f"before {number}", 10) for number in range(3)]
    world.live(2)
    world.rotate("hot")
    world.live(1)
    after = [world.pay_out(f"after {number}", 20) for number in range(3)]
    until_retired(world, "hot")
    world.settle()
    assert {world.payout(it).state for it in (*before, *after)} == {"confirmed"}
    old, new = world.addresses_of("hot")
    assert (world.usdt_of(old), world.sun_of(old)) == (0, 0)
    payers = [it.attempt.from_address for it in world.events(PayoutPrepared)]
    assert payers == [old.base58] * 3 + [new.base58] * 3
    assert world.results() == {"SUCCESS": sum(world.results().values())}
    world.assert_books_are_the_chain()


def test_a_second_rotation_waits_for_the_first() -> None:
    """Refused while one is asked for or under way, taken when the old wallet is retired; limits are counted as one."""
    world = TreasuryWorld(hot_usdt=100)
    world.rotate("hot")
    for _ in range(2):
        [outcome] = world.ledger.execute([AskWalletRotation("hot", ACTOR)])
        assert isinstance(outcome, Refused)
        assert outcome.refusal.code == "rotation_under_way"
        world.live(1)
    until_retired(world, "hot")
    first = world.addresses_of("hot")[0].base58
    world.rotate("hot")
    world.live(100)
    assert len(world.role("hot").retired) == 2
    assert world.payouts._wallets.counted_as == first
    world.assert_books_are_the_chain()


def test_a_key_that_is_none_changes_nothing() -> None:
    """One that another wallet of ours has, or the wallet's own, is given up with a reason, and rings."""
    world = TreasuryWorld(hot_usdt=100)
    for key in ("keystore:gas", "keystore:hot"):
        world.rotate("hot", key)
        world.live(1)
        assert "already" in world.role("hot").given_up
    assert len(world.events(WalletRotationGivenUp)) == 2
    assert [name for name, _ in world.alarms] == ["wallet_rotation_given_up"] * 2
    assert world.addresses_of("hot") == [world.hot]


def test_what_comes_to_a_retired_wallet_rings_and_is_moved_on() -> None:
    """It is booked like any coins, told once, and sent on with TRX of the gas wallet; a little stays where it is."""
    world = TreasuryWorld(hot_usdt=100)
    world.rotate("hot")
    until_retired(world, "hot")
    old, new = world.addresses_of("hot")
    world.give(old, usdt=1)
    world.live(3 * SOLID_LAG)
    assert world.usdt_of(old) == COINS
    assert [name for name, _ in world.alarms].count("retired_wallet_paid") == 1
    world.give(old, usdt=60)
    world.live(8 * SOLID_LAG)
    assert (world.usdt_of(old), world.usdt_of(new)) == (0, 161 * COINS)
    world.assert_books_are_the_chain()


def test_a_wallet_without_trx_is_given_what_its_coins_need() -> None:
    """All its TRX were burned on payouts: the gas wallet brings what the last transfer takes."""
    world = TreasuryWorld(hot_usdt=100, hot_trx=0)
    world.rotate("hot")
    until_retired(world, "hot")
    assert len(world.given("fuel")) == 1
    world.assert_books_are_the_chain()


def test_an_evacuation_takes_from_the_old_wallet_too() -> None:
    """What a rotation has not moved yet goes to cold storage, and nothing to the new hot wallet."""
    world = TreasuryWorld(hot_usdt=500)
    world.rotate("hot")
    world.live(1)
    execute(world.ledger, BeginEvacuation("a key may be stolen", ACTOR))
    world.live(10 * SOLID_LAG)
    old, new = world.addresses_of("hot")
    assert (world.usdt_of(old), world.usdt_of(new), world.usdt_of(world.cold)) == (0, 0, 500 * COINS)
    world.assert_books_are_the_chain()


def test_what_empties_a_wallet_goes_to_the_one_in_its_place_alone() -> None:
    """An instruction of the purpose rotation to any other address of ours is never prepared."""
    world = TreasuryWorld(hot_usdt=100)
    world.rotate("hot")
    world.live(1)
    old = world.addresses_of("hot")[0].base58
    astray = Instruction(
        "0" * 8 + "-0000-4000-8000-" + "0" * 12, "rotation", "", old, "hot", SendToken(world.gas.base58, 5)
    )
    assert not isinstance(world.ledger.execute([GiveInstruction(astray, ACTOR)])[0], Refused)
    until_retired(world, "hot")
    assert world.usdt_of(world.gas) == 0
    assert world.events(WalletRetired)


def test_a_wallet_in_other_hands_holds_up_nobody() -> None:
    """Nothing is signed for an old address that another key may sign for; it rings, and the new one pays what it has."""
    world = TreasuryWorld(hot_usdt=100)
    world.deposits(90)
    old = world.hot

    def stolen(_: object, address: Address, **__: bool) -> str:
        return f"somebody may sign for {address}" if address == old else ""

    with patch("signers.rotation.emptying.Permissions.difference", stolen):
        world.rotate("hot")
        world.live(2 * SOLID_LAG)
        assert [name for name, _ in world.alarms] == ["wallet_cannot_be_emptied"]
        assert not world.given("rotation")
        new = world.addresses_of("hot")[1]
        world.give(new, usdt=50, trx=100)
        paid = world.pay_out("paid by the new one", 40)
        world.live(4 * SOLID_LAG)
    assert world.payout(paid).state == "confirmed"
    assert not world.given("rotation")


def test_another_key_resets_no_limit() -> None:
    """What the day's limit has left is the role's: a payout that would not have been paid before is not paid after."""
    world = TreasuryWorld(hot_usdt=500)
    world.deposits(300)
    totals = MemorySpentTotals()
    world.payouts._leash = leash(world.store, world.ring, SignerLimits(day_max=100 * COINS), totals=totals)
    first = world.pay_out("first", 80)
    world.live(3 * SOLID_LAG)
    assert world.payout(first).state == "confirmed"
    world.rotate("hot")
    until_retired(world, "hot")
    small = world.pay_out("small", 20)
    second = world.pay_out("second", 80)
    world.live(5 * SOLID_LAG)
    assert (world.payout(second).state, world.payout(small).state) == ("requested", "confirmed")
    assert [name for name, _ in world.alarms] == ["above_signer_limit"]
    # A signer that lost what it had read counts by what is kept beside the keys, under the role's first address.
    assert world.payouts._wallets.counted_as == world.addresses_of("hot")[0].base58
    assert sum(totals.load(world.payouts._wallets.counted_as).slots.values()) == 100 * COINS
