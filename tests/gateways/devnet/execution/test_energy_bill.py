"""Who pays for a call's energy: stake before TRX, bounded by fee_limit, the deployer's share; recorded receipts to the unit."""

import pytest

from core.tron.transactions import TRIGGER
from gateways.devnet.chain.genesis import USDT, Key
from gateways.devnet.execution import billing
from gateways.devnet.execution.billing import Allowance, Bill
from gateways.devnet.execution.staking import ENERGY, total
from gateways.devnet.machine.abi import of_address, of_uint, selector_of
from gateways.devnet.machine.machine import SUCCESS, Called
from gateways.devnet.state.shares import Total
from gateways.devnet.state.state import Overlay
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"
DAY_MS = 86_400_000


def network(devnet: Devnet) -> Total:
    return total(devnet.chain.state, devnet.chain.parameters, ENERGY)


def test_a_recorded_receipt_of_stake_and_trx(devnet: Devnet) -> None:
    """Mainnet's 0130dfde: 403 TRX of stake paid 4,475 of 130,285 energy, 125,810 were burned at 210 sun: 26,420,100."""
    devnet.node.decree({"getEnergyFee": 210, "getTotalEnergyCurrentLimit": 181_100_000_000})
    devnet.freeze(devnet.alice, 403)
    assert network(devnet).units(403 * TRX) == 4_475
    outcome = devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 1).outcome
    assert (outcome.energy_used, outcome.energy_staked, outcome.energy_penalty) == (130_285, 4_475, 100_635)
    assert (outcome.energy_fee_sun, outcome.fee_sun, outcome.net_used) == (26_420_100, 26_420_100, 345)


def test_two_energy_of_stake_were_enough_to_show(devnet: Devnet) -> None:
    """Mainnet's 46710419, in the same words: stake pays what it has, however little, and TRX the rest."""
    devnet.freeze(devnet.alice, 1)
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert (outcome.energy_staked, outcome.energy_fee_sun) == (11, (64_285 - 11) * 100)


def test_fee_limit_bounds_the_energy_of_stake(devnet: Devnet) -> None:
    """With energy for three calls, a fee_limit of 5 TRX allows 50,000 at 100 sun: the call runs out, and all of it is used."""
    devnet.freeze(devnet.alice, 20_000)
    balance_sun = devnet.trx(devnet.alice.address)
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1, fee_limit=5 * TRX).outcome
    assert (outcome.result, outcome.energy_used, outcome.energy_staked) == ("OUT_OF_ENERGY", 50_000, 50_000)
    assert outcome.energy_fee_sun == 0
    assert devnet.trx(devnet.alice.address) == balance_sun
    assert devnet.account(devnet.alice.address).energy.used == 50_000


def test_a_price_rise_takes_energy_away(devnet: Devnet) -> None:
    """A fee_limit that was enough at 100 sun is too little at 210, with all the stake one could wish for."""
    devnet.freeze(devnet.alice, 20_000)
    call = devnet.signed(devnet.alice, TRIGGER, usdt_transfer(devnet, devnet.bob), fee_limit=8 * TRX)
    assert devnet.node.broadcast(call).accepted
    devnet.node.decree({"getEnergyFee": 210})
    (included,) = devnet.node.mine().included
    assert (included.outcome.result, included.outcome.energy_used) == ("OUT_OF_ENERGY", 8 * TRX // 210)


def usdt_transfer(devnet: Devnet, to: Key) -> dict[str, bytes]:
    return {"contract_address": USDT, "data": devnet.data(TRANSFER, to.address.evm, 1)}


def test_the_machine_counts_whole_trx_of_stake(devnet: Devnet) -> None:
    """5,824.9 TRX show enough energy for a transfer; the machine grants what 5,824 TRX give, and without TRX it runs out."""
    deposit = Key("a test's", "deposit address")
    devnet.send_call(devnet.carol, TRANSFER, deposit.address.evm, 7)
    devnet.send_trx(devnet.carol, deposit.address, 1)
    devnet.node.decree({"getTotalEnergyCurrentLimit": 180_020_000_000})
    devnet.freeze(devnet.alice, 20_000)
    devnet.send(devnet.alice, 57, receiver_address=deposit.address, balance=5_823_900_000, resource=1)
    granted, shown = (give(5_823_900_000) for give in (network(devnet).units_in_machine, network(devnet).units))
    assert granted < 64_285 <= shown
    outcome = devnet.send_call(deposit, TRANSFER, devnet.carol.address.evm, 7).outcome
    assert (outcome.result, outcome.energy_used, outcome.fee_sun) == ("OUT_OF_ENERGY", granted, 0)


def test_used_energy_is_back_after_a_day(devnet: Devnet) -> None:
    """Half a day after a transfer half of its energy is back, after a day all of it."""
    devnet.freeze(devnet.alice, 6_000)
    sent = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert sent.energy_fee_sun == 0
    devnet.node.advance(DAY_MS // 2 - 3_000)
    share = devnet.account(devnet.alice.address).energy
    left = share.left(network(devnet), devnet.chain.context.slot)
    assert abs(left - (66_226 - 64_285 // 2)) <= 2
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert abs(outcome.energy_staked - left) <= 3
    devnet.node.advance(DAY_MS)
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert outcome.energy_staked == 64_285


def test_a_revert_uses_the_stake_it_used(devnet: Devnet) -> None:
    """A reverted call pays its energy from stake like any other, and no more."""
    devnet.freeze(devnet.alice, 6_000)
    outcome = devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 10**30).outcome
    assert (outcome.result, outcome.energy_staked, outcome.fee_sun) == ("REVERT", 8_624, 0)
    assert devnet.account(devnet.alice.address).energy.used == 8_624


@pytest.mark.parametrize(("amount", "result"), [(1, "SUCCESS"), (10**30, "REVERT")])
def test_success_and_failure_round_differently(devnet: Devnet, amount: int, result: str) -> None:
    """A call that succeeds brings the usage up to date before it adds to it, one that fails does both at once."""
    devnet.freeze(devnet.alice, 40_000)
    devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1)
    devnet.node.advance(193 * 3_000)  # a time after which the two differ
    before, slot = devnet.account(devnet.alice.address).energy, devnet.chain.context.slot
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, amount).outcome
    assert outcome.result == result
    twice, once = before.use(0, slot).use(outcome.energy_staked, slot), before.use(outcome.energy_staked, slot)
    assert twice != once
    assert devnet.account(devnet.alice.address).energy == (twice if result == "SUCCESS" else once)


def test_a_recorded_split_with_the_deployer(devnet: Devnet) -> None:
    """Mainnet's 0dc38b3f, of a contract whose callers pay 10 %: of 45,561 energy 4,557 were the caller's, 41,004 its own."""
    code = devnet.chain.machine.contracts[devnet.genesis.multisend]
    assert code.user_percent == 10
    granted, called = Allowance(limit=10**6, staked=0, origin_left=10**6), Called(SUCCESS, 45_561, 0)
    bill = billing.pay(Overlay(devnet.chain.state), devnet.alice.address, code, granted, called, devnet.chain.context)
    assert bill == Bill(staked=0, origin=41_004, fee_sun=4_557 * 100)


def test_the_deployer_pays_its_share(devnet: Devnet) -> None:
    """Of the energy 90 % are the deployer's, rounded down, from its stake; the caller burns for the rest."""
    owner, multisend = devnet.owner, devnet.genesis.multisend
    devnet.send_call(devnet.alice, "approve(address,uint256)", multisend.evm, 10**12)
    devnet.freeze(owner, 100_000)
    outcome = devnet.mined(devnet.signed(devnet.alice, TRIGGER, sending(devnet))).outcome
    assert outcome.result == "SUCCESS"
    assert outcome.origin_energy == outcome.energy_used * 90 // 100
    assert outcome.energy_fee_sun == (outcome.energy_used - outcome.origin_energy) * 100
    assert devnet.account(owner.address).energy.used == outcome.origin_energy


def test_a_deployers_stake_that_does_not_reach_is_used_up(devnet: Devnet) -> None:
    """Where the deployer has less than its share, it pays what it has and the caller the rest."""
    devnet.send_call(devnet.alice, "approve(address,uint256)", devnet.genesis.multisend.evm, 10**12)
    devnet.freeze(devnet.owner, 1_000)
    outcome = devnet.mined(devnet.signed(devnet.alice, TRIGGER, sending(devnet))).outcome
    assert (outcome.result, outcome.origin_energy) == ("SUCCESS", network(devnet).units(1_000 * TRX))
    assert outcome.energy_fee_sun == (outcome.energy_used - outcome.origin_energy) * 100


def test_a_deployer_without_stake_pays_nothing(devnet: Devnet) -> None:
    """Where the deployer has no energy, the caller pays all of it."""
    devnet.send_call(devnet.alice, "approve(address,uint256)", devnet.genesis.multisend.evm, 10**12)
    outcome = devnet.mined(devnet.signed(devnet.alice, TRIGGER, sending(devnet))).outcome
    assert (outcome.result, outcome.origin_energy) == ("SUCCESS", 0)
    assert outcome.energy_fee_sun == outcome.energy_used * 100


def sending(devnet: Devnet) -> dict[str, bytes]:
    """multisend.send(USDT, [bob], [1])."""
    data = selector_of("send(address,address[],uint256[])") + of_address(USDT.evm) + of_uint(96) + of_uint(160)
    data += of_uint(1) + of_address(devnet.bob.address.evm) + of_uint(1) + of_uint(1)
    return {"contract_address": devnet.genesis.multisend, "data": data}
