"""Delegation on the devnet: who gets what stake gives, how long, and what of its use comes back with it."""

from typing import Any

import pytest

from core.tron.transactions import DELEGATE, UNDELEGATE
from gateways.devnet.chain.genesis import Key
from gateways.devnet.execution import delegation
from gateways.devnet.execution.delegation import Lent
from gateways.devnet.execution.staking import ENERGY, WEIGHTS_TRX, total
from gateways.devnet.state.shares import WINDOW
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"
DAY_MS = 86_400_000


@pytest.fixture
def pool(devnet: Devnet) -> Devnet:
    """Alice has 20,000 TRX frozen for energy: 220,755 units a day."""
    devnet.freeze(devnet.alice, 20_000)
    return devnet


def lent(devnet: Devnet, to: bytes, *, locked: bool = False) -> Lent | None:
    return delegation.find(devnet.chain.state, devnet.alice.address, to, locked=locked)


def most(devnet: Devnet, holder: bytes) -> int:
    """What can be delegated of energy stake, in sun."""
    chain = devnet.chain
    account = devnet.account(holder)
    return delegation.delegatable(chain.state, account, ENERGY, chain.parameters, chain.head.timestamp_ms)


def used(devnet: Devnet, holder: bytes) -> int:
    return devnet.account(holder).energy.used_at(devnet.chain.context.slot)


def test_lent_stake_gives_its_energy_elsewhere(pool: Devnet) -> None:
    """The owner keeps the stake and its weight, the receiver gets what it gives; both sides are indexed."""
    outcome = pool.lend(pool.alice, pool.bob.address, 6_000).outcome
    mine, theirs = pool.account(pool.alice.address).energy, pool.account(pool.bob.address).energy
    assert (outcome.contract_ret, outcome.energy_used, outcome.net_used) == ("SUCCESS", 0, 279)
    assert (mine.frozen_sun, mine.delegated_sun, mine.weight_trx) == (14_000 * TRX, 6_000 * TRX, 20_000)
    assert (theirs.acquired_sun, theirs.frozen_sun, theirs.weight_trx) == (6_000 * TRX, 0, 0)
    network = total(pool.chain.state, pool.chain.parameters, ENERGY)
    assert network.weight == WEIGHTS_TRX[ENERGY] + 20_000
    assert network.units(theirs.stake_sun) == 66_226
    assert lent(pool, pool.bob.address) == Lent(energy_sun=6_000 * TRX)
    assert delegation.receivers(pool.chain.state, pool.alice.address) == [pool.bob.address]
    assert delegation.owners(pool.chain.state, pool.bob.address) == [pool.alice.address]


def test_a_sweep_by_delegation_burns_no_trx(pool: Devnet) -> None:
    """A deposit address with 1 sun and lent energy sends its USDT: energy from stake, free bytes, nothing burned."""
    deposit = Key("a test's", "deposit address")
    pool.send_call(pool.carol, TRANSFER, deposit.address.evm, 7)
    assert pool.refused(pool.alice, DELEGATE, receiver_address=deposit.address, balance=TRX, resource=1).endswith(
        "not exists"
    )
    pool.send_trx(pool.carol, deposit.address, 1)
    pool.lend(pool.alice, deposit.address, 5_825)
    outcome = pool.send_call(deposit, TRANSFER, pool.carol.address.evm, 7).outcome
    assert (outcome.result, outcome.energy_used, outcome.energy_staked, outcome.fee_sun) == (
        "SUCCESS",
        64_285,
        64_285,
        0,
    )
    assert (pool.trx(deposit.address), pool.usdt(deposit.address), outcome.net_used) == (1, 0, 345)


def test_used_energy_comes_back_with_the_stake(pool: Devnet) -> None:
    """Taking all stake back moves all of the receiver's usage to the owner: the pool is not refilled by lending it on."""
    pool.lend(pool.alice, pool.bob.address, 6_000)
    pool.send_call(pool.bob, TRANSFER, pool.carol.address.evm, 1)
    assert pool.account(pool.bob.address).energy.used == 64_285
    left = used(pool, pool.bob.address)
    pool.take_back(pool.alice, pool.bob.address, 6_000)
    mine, theirs = pool.account(pool.alice.address).energy, pool.account(pool.bob.address).energy
    assert (mine.used, theirs.used, theirs.acquired_sun) == (left, 0, 0)
    assert lent(pool, pool.bob.address) is None
    assert delegation.receivers(pool.chain.state, pool.alice.address) == []


def test_usage_comes_back_in_proportion(pool: Devnet) -> None:
    """A third of the stake takes a third of the usage along; own stake of the receiver keeps its part."""
    pool.freeze(pool.bob, 3_000)
    pool.lend(pool.alice, pool.bob.address, 6_000)
    pool.send_call(pool.bob, TRANSFER, pool.carol.address.evm, 1)
    before = used(pool, pool.bob.address)
    pool.take_back(pool.alice, pool.bob.address, 3_000)
    assert abs(used(pool, pool.alice.address) - before // 3) <= 2
    assert abs(used(pool, pool.bob.address) - before * 2 // 3) <= 4


def test_usage_that_comes_back_is_at_most_what_the_stake_gives(pool: Devnet) -> None:
    """A receiver that used more than its stake now gives sends back no more than the stake's own energy."""
    pool.freeze(pool.bob, 9_000)
    pool.lend(pool.alice, pool.bob.address, 1_000)
    pool.send_call(pool.bob, TRANSFER, pool.carol.address.evm, 1)
    pool.send(pool.bob, 55, unfreeze_balance=9_000 * TRX, resource=1)
    pool.take_back(pool.alice, pool.bob.address, 1_000)
    network = total(pool.chain.state, pool.chain.parameters, ENERGY)
    assert pool.account(pool.alice.address).energy.used == network.units(1_000 * TRX)
    assert used(pool, pool.bob.address) > 0


def test_the_owners_window_is_the_usages(pool: Devnet) -> None:
    """Usage that comes back recovers when it would have recovered at the receiver, not a day later."""
    pool.lend(pool.alice, pool.bob.address, 6_000)
    pool.send_call(pool.bob, TRANSFER, pool.carol.address.evm, 1)
    pool.node.advance(DAY_MS // 2)
    pool.take_back(pool.alice, pool.bob.address, 6_000)
    share = pool.account(pool.alice.address).energy
    assert abs(share.used - 64_285 // 2) < 10
    assert abs(share.window - WINDOW // 2) < 5_000
    pool.node.advance(DAY_MS // 2)
    assert used(pool, pool.alice.address) == 0


def test_the_pool_lends_as_much_as_it_has_left(pool: Devnet) -> None:
    """The owner's own usage holds the stake that stands behind it; it is free again after a day."""
    assert most(pool, pool.alice.address) == 20_000 * TRX
    pool.send_call(pool.alice, TRANSFER, pool.bob.address.evm, 1)
    left_sun = most(pool, pool.alice.address)
    assert 14_170 * TRX < left_sun < 14_180 * TRX  # 64,285 energy stand for 5,824 TRX
    request = {"receiver_address": pool.bob.address, "resource": 1}
    expected = "delegateBalance must be less than or equal to available FreezeEnergyV2 balance"
    assert pool.refused(pool.alice, DELEGATE, balance=left_sun + 1, **request) == expected
    pool.send(pool.alice, DELEGATE, balance=left_sun, **request)
    assert most(pool, pool.alice.address) < TRX
    pool.node.advance(DAY_MS)
    pool.lend(pool.alice, pool.bob.address, 5_820)


def test_acquired_stake_stands_behind_usage_first(pool: Devnet) -> None:
    """Usage that stake lent by others covers does not hold one's own."""
    pool.freeze(pool.bob, 6_000)
    pool.lend(pool.alice, pool.bob.address, 6_000)
    pool.send_call(pool.bob, TRANSFER, pool.carol.address.evm, 1)
    assert most(pool, pool.bob.address) == 6_000 * TRX


def test_a_lock_holds_until_its_time(pool: Devnet) -> None:
    """Locked stake cannot be taken back before its blocks have passed; then it joins what is free."""
    pool.lend(pool.alice, pool.bob.address, 10)
    began_ms = pool.chain.head.timestamp_ms
    pool.lend(pool.alice, pool.bob.address, 5, lock=True, lock_period=1_200)  # an hour
    assert lent(pool, pool.bob.address, locked=True) == Lent(energy_sun=5 * TRX, energy_expires_ms=began_ms + 3_600_000)
    request = {"receiver_address": pool.bob.address, "resource": 1, "balance": 11 * TRX}
    expected = "insufficient delegateFrozenBalance(Energy), request=11000000, unlock_balance=10000000"
    assert pool.refused(pool.alice, UNDELEGATE, **request) == expected
    pool.node.advance(began_ms + 3_600_000 - pool.chain.head.timestamp_ms)
    assert pool.refused(pool.alice, UNDELEGATE, **request) == expected  # it must be past, not reached
    pool.node.mine()
    pool.send(pool.alice, UNDELEGATE, **request)
    assert (lent(pool, pool.bob.address), lent(pool, pool.bob.address, locked=True)) == (Lent(energy_sun=4 * TRX), None)


def test_a_lock_without_a_period_is_three_days(pool: Devnet) -> None:
    """lock=true and no period means 86,400 blocks; an explicit period goes up to thirty days."""
    began_ms = pool.chain.head.timestamp_ms
    pool.lend(pool.alice, pool.bob.address, 5, lock=True)
    locked = lent(pool, pool.bob.address, locked=True)
    assert locked
    assert locked.energy_expires_ms == began_ms + 3 * DAY_MS
    pool.lend(pool.alice, pool.carol.address, 5, lock=True, lock_period=864_000)


def test_a_new_lock_may_not_be_shorter(pool: Devnet) -> None:
    """A lock that would end before the one there is, is refused; one that ends later moves both to its end."""
    pool.lend(pool.alice, pool.bob.address, 5, lock=True, lock_period=1_200)
    request = {"receiver_address": pool.bob.address, "resource": 1, "balance": TRX, "lock": True}
    left_ms = 3_600_000 - 3_000
    expected = (
        f"The lock period for ENERGY this time cannot be less than the remaining time[{left_ms}ms]"
        " of the last lock period for ENERGY!"
    )
    assert pool.refused(pool.alice, DELEGATE, **request, lock_period=1_198) == expected
    began_ms = pool.chain.head.timestamp_ms
    pool.send(pool.alice, DELEGATE, **request, lock_period=2_400)
    assert lent(pool, pool.bob.address, locked=True) == Lent(6 * TRX, 0, began_ms + 7_200_000)


def test_an_expired_lock_is_free_at_the_next_delegation(pool: Devnet) -> None:
    """Delegating again moves what is no longer locked to what is free, before it adds to it."""
    pool.lend(pool.alice, pool.bob.address, 5, lock=True, lock_period=10)
    pool.node.advance(60_000)
    pool.lend(pool.alice, pool.bob.address, 2)
    assert (lent(pool, pool.bob.address), lent(pool, pool.bob.address, locked=True)) == (Lent(energy_sun=7 * TRX), None)


def test_both_resources_share_a_pairs_delegation(pool: Devnet) -> None:
    """Energy and bandwidth of a pair stand in one delegation, which is gone when both are taken back."""
    pool.freeze(pool.alice, 500, resource=0)
    pool.lend(pool.alice, pool.bob.address, 10)
    pool.lend(pool.alice, pool.bob.address, 20, resource=0)
    assert lent(pool, pool.bob.address) == Lent(10 * TRX, 20 * TRX)
    pool.take_back(pool.alice, pool.bob.address, 10)
    assert lent(pool, pool.bob.address) == Lent(bandwidth_sun=20 * TRX)
    assert delegation.receivers(pool.chain.state, pool.alice.address) == [pool.bob.address]
    pool.take_back(pool.alice, pool.bob.address, 20, resource=0)
    assert delegation.receivers(pool.chain.state, pool.alice.address) == []


def test_lent_bandwidth_carries_the_receivers_bytes(pool: Devnet) -> None:
    """Bandwidth that was lent pays for the receiver's transactions, and its usage comes back with the stake."""
    pool.freeze(pool.alice, 1_000, resource=0)
    pool.lend(pool.alice, pool.bob.address, 400, resource=0)
    sent = pool.send_trx(pool.bob, pool.carol.address, 1).outcome
    assert (sent.net_used > 0, pool.account(pool.bob.address).free_net_used) == (True, 0)
    before = pool.account(pool.alice.address).bandwidth
    returned = pool.take_back(pool.alice, pool.bob.address, 400, resource=0).outcome
    after = pool.account(pool.alice.address).bandwidth
    assert pool.account(pool.bob.address).bandwidth.used == 0
    assert abs(after.used - before.used - sent.net_used - returned.net_used) <= 2


def test_receivers_are_told_in_the_order_of_the_last_time(pool: Devnet) -> None:
    """The index lists pairs by when they were last delegated to."""
    for receiver in (pool.bob, pool.carol, pool.bob):
        pool.lend(pool.alice, receiver.address, 1)
    assert delegation.receivers(pool.chain.state, pool.alice.address) == [pool.carol.address, pool.bob.address]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"balance": TRX - 1}, "delegateBalance must be greater than or equal to 1 TRX"),
        ({"resource": 2}, "ResourceCode error, valid ResourceCode[BANDWIDTH、ENERGY]"),
        (
            {"resource": 0},
            "delegateBalance must be less than or equal to available FreezeBandwidthV2 balance",
        ),
        ({"receiver_address": b""}, "Invalid receiverAddress"),
        ({"receiver_address": b"\x42" + bytes(20)}, "Invalid receiverAddress"),
        ({"receiver_address": "alice"}, "receiverAddress must not be the same as ownerAddress"),
        ({"receiver_address": STRANGER}, f"Account[{STRANGER.hex()}] not exists"),
        ({"receiver_address": "multisend"}, "Do not allow delegate resources to contract addresses"),
        (
            {"lock": True, "lock_period": 864_001},
            "The lock period of delegate resource cannot be less than 0 and cannot exceed 864000!",
        ),
        (
            {"lock": True, "lock_period": -1},
            "The lock period of delegate resource cannot be less than 0 and cannot exceed 864000!",
        ),
    ],
)
def test_refused_delegations(pool: Devnet, fields: dict[str, Any], message: str) -> None:
    """What java-tron refuses is refused in its words: no account, no stake, oneself, a contract, a lock too long."""
    named = {"alice": pool.alice.address, "multisend": pool.genesis.multisend}
    request = {"receiver_address": pool.bob.address, "balance": TRX, "resource": 1, **fields}
    request["receiver_address"] = named.get(request["receiver_address"], request["receiver_address"])
    assert pool.refused(pool.alice, DELEGATE, **request) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "delegated Resource does not exist"),
        ({"receiver_address": "carol", "balance": 0}, "unDelegateBalance must be more than 0 TRX"),
        ({"receiver_address": "carol", "resource": 2}, "ResourceCode error.valid ResourceCode[BANDWIDTH、Energy]"),
        (
            {"receiver_address": "carol", "resource": 0},
            "insufficient delegatedFrozenBalance(BANDWIDTH), request=1000000, unlock_balance=0",
        ),
        ({"receiver_address": "alice"}, "receiverAddress must not be the same as ownerAddress"),
    ],
)
def test_refused_undelegations(pool: Devnet, fields: dict[str, Any], message: str) -> None:
    """Nothing can be taken back that was not lent."""
    pool.lend(pool.alice, pool.carol.address, 1)
    named = {"alice": pool.alice.address, "carol": pool.carol.address}
    request = {"receiver_address": pool.bob.address, "balance": TRX, "resource": 1, **fields}
    request["receiver_address"] = named.get(request["receiver_address"], request["receiver_address"])
    assert pool.refused(pool.alice, UNDELEGATE, **request) == message
