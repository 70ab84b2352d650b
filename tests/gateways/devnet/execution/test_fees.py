"""What transactions cost, to the sun: bandwidth, account creation, energy, failures."""

import pytest

from gateways.devnet.state import shares
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"
RECORDED_LIMIT = 78_572
"""The energy limit of mainnet transaction e63a324a, which ran out of it."""

RECORDED_MESSAGE = (
    "Not enough energy for 'SSTORE' operation executing: curInvokeEnergyLimit[78572], curOpEnergy[20000], "
    "penaltyEnergy[68000], usedEnergy[33567]"
)


@pytest.mark.parametrize(
    ("factor", "to_holder", "energy", "penalty"),
    [
        (12_000, True, 31_895, 17_245),
        (34_000, True, 64_285, 49_635),
        (34_000, False, 130_285, 100_635),
        (0, True, 14_650, 0),
    ],
)
def test_usdt_transfer(factor: int, to_holder: bool, energy: int, penalty: int) -> None:
    """A USDT transfer uses the recorded energy, burned at 100 sun, and 345 bytes of free bandwidth."""
    devnet = Devnet(factor=factor)
    receiver = devnet.bob.address if to_holder else STRANGER
    outcome = devnet.send_call(devnet.alice, TRANSFER, receiver.evm, 1_000_000).outcome
    assert (outcome.energy_used, outcome.energy_penalty) == (energy, penalty)
    assert (outcome.net_used, outcome.net_fee_sun) == (345, 0)
    assert outcome.fee_sun == outcome.energy_fee_sun == energy * 100


def test_emptied_address_is_new_again(devnet: Devnet) -> None:
    """An address that sent all its USDT away costs its next payer as much as one that never had any."""
    balance = devnet.usdt(devnet.bob.address)
    devnet.send_call(devnet.bob, TRANSFER, devnet.carol.address.evm, balance)
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert outcome.energy_used == 130_285


@pytest.mark.parametrize(
    ("words", "energy"),
    [((STRANGER.evm, 10**30), 8_624), ((bytes(20), 1), 7_896)],
    ids=["insufficient balance", "zero address"],
)
def test_revert_pays_for_what_was_used(devnet: Devnet, words: tuple[bytes, int], energy: int) -> None:
    """A reverted transfer pays the energy of its path and moves nothing."""
    before = devnet.usdt(devnet.alice.address)
    outcome = devnet.send_call(devnet.alice, TRANSFER, *words).outcome
    assert (outcome.result, outcome.message, outcome.logs) == ("REVERT", "REVERT opcode executed", ())
    assert (outcome.energy_used, outcome.fee_sun) == (energy, energy * 100)
    assert devnet.usdt(devnet.alice.address) == before


def test_running_out_burns_the_limit(devnet: Devnet) -> None:
    """Out of energy, the whole limit is billed as mainnet recorded it, penalty and message included."""
    outcome = devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 1, fee_limit=RECORDED_LIMIT * 100).outcome
    assert (outcome.result, outcome.energy_used, outcome.energy_penalty) == ("OUT_OF_ENERGY", RECORDED_LIMIT, 25_905)
    assert outcome.fee_sun == RECORDED_LIMIT * 100
    assert outcome.message == RECORDED_MESSAGE
    assert devnet.usdt(STRANGER) == 0


def test_balance_limits_energy_too(devnet: Devnet) -> None:
    """An owner with little TRX runs out of energy at what that TRX buys, and is left with the odd sun."""
    keep_sun = 1_000_050
    devnet.send_trx(devnet.bob, devnet.alice.address, devnet.trx(devnet.bob.address) - keep_sun)  # type: ignore[operator]
    devnet.now_ms += 86_400_000
    devnet.node.mine(2)
    outcome = devnet.send_call(devnet.bob, TRANSFER, devnet.carol.address.evm, 1).outcome
    assert (outcome.result, outcome.energy_used) == ("OUT_OF_ENERGY", keep_sun // 100)
    assert devnet.trx(devnet.bob.address) == 50


def test_creating_an_account(devnet: Devnet) -> None:
    """A TRX transfer that creates an account costs 1.1 TRX, 0.1 of it for bandwidth, and uses no free bandwidth."""
    outcome = devnet.send_trx(devnet.alice, STRANGER, 5).outcome
    assert (outcome.fee_sun, outcome.net_fee_sun, outcome.net_used) == (1_100_000, 100_000, 0)
    assert devnet.trx(STRANGER) == 5


def test_usdt_does_not_create_an_account(devnet: Devnet) -> None:
    """An address that received only USDT has no account."""
    devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 1)
    assert devnet.trx(STRANGER) is None


def test_bandwidth_is_all_or_nothing(devnet: Devnet) -> None:
    """The second USDT transfer of a day does not fit the rest of the 600 free bytes, so all its bytes are burned for."""
    devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1)
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert (outcome.net_used, outcome.net_fee_sun) == (0, 345_000)
    assert outcome.fee_sun == 6_428_500 + 345_000


@pytest.mark.parametrize(
    ("slots", "left"), [(0, 345), (14_400, 173), (28_799, 0), (28_800, 0)], ids=["now", "half a day", "almost", "a day"]
)
def test_bandwidth_recovers_over_a_day(slots: int, left: int) -> None:
    """Used bandwidth comes back linearly over 28,800 slots of three seconds."""
    assert abs(shares.decayed(345, 0, slots) - left) <= 1


def test_memo_costs_one_trx(devnet: Devnet) -> None:
    """A memo adds 1 TRX to the fee."""
    outcome = devnet.send_trx(devnet.alice, devnet.bob.address, 1, data=b"invoice 7").outcome
    assert outcome.fee_sun == TRX


def test_large_fee_limit_takes_a_byte_more(devnet: Devnet) -> None:
    """A fee limit of 268,435,456 sun or more needs a longer varint: 346 bytes."""
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1, fee_limit=268_435_456).outcome
    assert outcome.net_used == 346


def test_fees_leave_the_sender(devnet: Devnet) -> None:
    """The sender's TRX falls by exactly the receipt's fee."""
    before = devnet.trx(devnet.alice.address)
    outcome = devnet.send_call(devnet.alice, TRANSFER, STRANGER.evm, 1).outcome
    assert before is not None
    assert devnet.trx(devnet.alice.address) == before - outcome.fee_sun
