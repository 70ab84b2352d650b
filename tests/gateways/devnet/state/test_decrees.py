"""The committee's decisions and the passing of time, by hand: kept, repeated and taken back like everything else."""

from pathlib import Path

import pytest

from core.tron.transactions import TRIGGER
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.state import committee
from gateways.devnet.state.decrees import BadDecree
from tests.gateways.devnet.world import START_MS, STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"
HOUR_MS = 3_600_000
CYCLE_MS = 6 * HOUR_MS


def test_a_price_change_counts_at_once(devnet: Devnet) -> None:
    """After the decree, parameters, estimates and bills have the new price; its history tells when it began."""
    block = devnet.node.decree({"getEnergyFee": 210})
    assert (devnet.chain.parameters["getEnergyFee"], block.included) == (210, ())
    assert committee.prices(devnet.chain.state, "energy").endswith(f":100,{block.timestamp_ms}:210")
    outcome = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).outcome
    assert outcome.energy_fee_sun == 64_285 * 210


def test_what_waits_meets_the_new_price(devnet: Devnet) -> None:
    """A transaction that was accepted at the old price is not in the decree's block, and pays the new one."""
    fields = {"contract_address": USDT, "data": devnet.data(TRANSFER, devnet.bob.address.evm, 1)}
    assert devnet.node.broadcast(devnet.signed(devnet.alice, TRIGGER, fields)).accepted
    assert devnet.node.decree({"getEnergyFee": 420}).included == ()
    (included,) = devnet.node.mine().included
    assert included.outcome.energy_fee_sun == 64_285 * 420


def test_every_price_can_change(devnet: Devnet) -> None:
    """Bandwidth, account creation and memo cost what was decreed."""
    devnet.node.decree(
        {
            "getTransactionFee": 10,
            "getCreateNewAccountFeeInSystemContract": 0,
            "getCreateAccountFee": 7,
            "getFreeNetLimit": 0,
            "getMemoFee": 3,
        }
    )
    assert devnet.send_trx(devnet.alice, STRANGER, 5).outcome.fee_sun == 7
    sent = devnet.send_trx(devnet.alice, STRANGER, 5, data=b"tea").outcome
    assert (sent.net_used, sent.fee_sun) == (0, sent.net_fee_sun + 3)
    assert sent.net_fee_sun % 10 == 0


@pytest.mark.parametrize(
    ("decrees", "message"),
    [
        ({}, "name a parameter"),
        ({"getEnergyPrice": 1}, "no chain parameter"),
        ({"getEnergyFee": 0}, "cannot be 0"),
        ({"getEnergyFee": -1}, "cannot be -1"),
        ({"getMemoFee": 2**63}, "cannot be"),
        ({"getMemoFee": 1.5}, "no whole number"),
        ({"getMemoFee": True}, "no whole number"),
        ({"factor:41zz": 1}, "factor:41zz"),
        ({f"ends:{USDT.hex()}": 2}, "neither OUT_OF_ENERGY"),
    ],
)
def test_bad_decrees_change_nothing(devnet: Devnet, decrees: dict[str, int], message: str) -> None:
    """What nobody could decide is refused with a sentence, and no block is made for it."""
    head = devnet.chain.head
    with pytest.raises(BadDecree, match=message):
        devnet.node.decree(decrees)
    assert devnet.chain.head is head


@pytest.mark.parametrize(("result", "name"), [(10, "OUT_OF_ENERGY"), (11, "OUT_OF_TIME")])
def test_a_call_ends_in_its_block_as_no_trial_said(kept: Path, result: int, name: str) -> None:
    """Trials and constant calls go well; in a block the call ends as decreed and pays its whole limit, also repeated."""
    before = Devnet(data_dir=kept)
    before.node.decree({f"ends:{USDT.hex()}": result})
    fields = {"contract_address": USDT, "data": before.data(TRANSFER, before.bob.address.evm, 1)}
    transaction = before.signed(before.alice, TRIGGER, fields, fee_limit=20_000_000)
    assert before.node.broadcast(transaction).accepted
    waiting = before.chain.pending(transaction.txid)
    assert waiting is not None
    assert waiting.trial.contract_ret == "SUCCESS"
    assert before.read(TRANSFER, before.bob.address.evm, 1).result == "SUCCESS"
    (included,) = before.node.mine().included
    assert (included.outcome.contract_ret, included.outcome.energy_fee_sun, included.outcome.logs) == (
        name,
        20_000_000,
        (),
    )
    before.node.decree({f"ends:{USDT.hex()}": 0})
    assert before.send_call(before.alice, TRANSFER, before.bob.address.evm, 1).outcome.contract_ret == "SUCCESS"
    before.node.close()
    assert Devnet(data_dir=kept).chain.blocks == before.chain.blocks


def test_decrees_survive_a_restart(kept: Path) -> None:
    """A kept chain repeats its decrees where they came, and what was billed between them."""
    before = Devnet(data_dir=kept)
    for price_sun in (210, 420):
        before.node.decree({"getEnergyFee": price_sun, f"factor:{USDT.hex()}": price_sun})
        before.send_call(before.alice, TRANSFER, before.bob.address.evm, 1)
    before.node.advance(2 * CYCLE_MS)
    before.node.close()
    after = Devnet(data_dir=kept)
    assert after.chain.blocks == before.chain.blocks
    assert after.chain.parameters == before.chain.parameters
    assert after.chain.parameters["getEnergyFee"] == 420
    assert committee.cycle(after.chain.state) == committee.cycle(before.chain.state)
    assert after.trx(after.alice.address) == before.trx(before.alice.address)


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_a_fork_brings_the_same_decrees(devnet: Devnet, blocks: int) -> None:
    """A branch in place of three blocks decides what they decided, in the same order, however long it is."""
    devnet.node.decree({"getEnergyFee": 210})
    devnet.node.mine()
    devnet.node.decree({"getEnergyFee": 420, "getMemoFee": 5})
    built = devnet.node.reorg(3, blocks=blocks)
    assert len(built) == blocks
    assert (devnet.chain.parameters["getEnergyFee"], devnet.chain.parameters["getMemoFee"]) == (420, 5)


def test_popping_takes_a_decree_back(devnet: Devnet) -> None:
    """Without its block a decree was never made: price, history and cycle are as before."""
    devnet.node.decree({"getEnergyFee": 210})
    devnet.chain.pop()
    assert devnet.chain.parameters["getEnergyFee"] == 100
    assert ":210" not in committee.prices(devnet.chain.state, "energy")


def test_solid_parameters_lag(devnet: Devnet) -> None:
    """The state of the solid block still has the old price."""
    devnet.node.decree({"getEnergyFee": 210})
    assert committee.parameters(devnet.chain.solid_state())["getEnergyFee"] == 100
    devnet.node.mine(20)
    assert committee.parameters(devnet.chain.solid_state())["getEnergyFee"] == 210


def test_a_day_passes_at_once(devnet: Devnet) -> None:
    """24 hours take four maintenance blocks and one at the end; heights have no gap, slots between are missed."""
    head = devnet.chain.head
    block = devnet.node.advance(24 * HOUR_MS)
    assert block.timestamp_ms >= devnet.now_ms + 24 * HOUR_MS
    assert block.timestamp_ms - devnet.now_ms - 24 * HOUR_MS < 3_000
    between = devnet.chain.blocks[head.number + 1 :]
    assert [each.timestamp_ms % CYCLE_MS for each in between[:-1]] == [0, 0, 0, 0]
    assert [each.number for each in between] == list(range(head.number + 1, head.number + 6))
    assert committee.cycle(devnet.chain.state) == 5


def test_time_passes_from_the_chains_own_time(devnet: Devnet) -> None:
    """Two travels add up, and the clock that stood meanwhile counts no second time."""
    for hours in (1, 2):
        devnet.node.advance(hours * HOUR_MS)
    assert 0 <= devnet.chain.head.timestamp_ms - (START_MS + 3 * HOUR_MS) < 6_000
    devnet.now_ms += 4 * HOUR_MS
    assert devnet.node.mine().timestamp_ms - START_MS < 4 * HOUR_MS + 6_000


def test_what_waits_is_mined_before_time_passes(devnet: Devnet) -> None:
    """A transaction in the pool does not expire on the way: it is in the first block of the travel."""
    transaction = devnet.signed(devnet.alice, 1, {"to_address": devnet.bob.address, "amount": 1})
    assert devnet.node.broadcast(transaction).accepted
    head = devnet.chain.head.number
    devnet.node.advance(30 * 24 * HOUR_MS)
    found = devnet.chain.find(transaction.txid)
    assert found
    assert found[0].number == head + 1


def test_old_references_hold_over_a_travel(devnet: Devnet) -> None:
    """TAPOS counts blocks, not time: a transaction on a block from before the travel is taken if it has not expired."""
    solid = devnet.chain.solid
    reference = {
        "ref_block_bytes": bytes.fromhex(solid.block_id[12:16]),
        "ref_block_hash": bytes.fromhex(solid.block_id[16:32]),
    }
    devnet.node.advance(14 * 24 * HOUR_MS)
    fields = {"to_address": devnet.bob.address, "amount": 1}
    devnet.mined(devnet.signed(devnet.alice, 1, fields, **reference))
    old = devnet.signed(devnet.alice, 1, {**fields, "amount": 2}, expiration=START_MS + HOUR_MS)
    assert devnet.node.broadcast(old).code == "TRANSACTION_EXPIRATION_ERROR"


def test_solidity_goes_on_after_a_travel(devnet: Devnet) -> None:
    """Nineteen producers' blocks later the blocks of the travel are solid."""
    travelled = devnet.node.advance(24 * HOUR_MS)
    devnet.node.mine(27)
    assert devnet.chain.solid.number >= travelled.number


def test_a_short_interval_makes_short_cycles(devnet: Devnet) -> None:
    """Maintenance follows the interval that is in force; the next one is told in advance."""
    devnet.node.decree({"getMaintenanceTimeInterval": 60_000})
    devnet.node.advance(CYCLE_MS)
    cycle = committee.cycle(devnet.chain.state)
    devnet.node.advance(10 * 60_000)
    assert committee.cycle(devnet.chain.state) == cycle + 10
    next_ms = committee.next_maintenance_ms(devnet.chain.state)
    assert 0 < next_ms - devnet.chain.head.timestamp_ms <= 60_000


def test_odd_block_intervals_travel_too() -> None:
    """Slots that do not divide a maintenance interval end no travel in a loop."""
    devnet = Devnet(block_ms=7_001)
    block = devnet.node.advance(48 * HOUR_MS)
    assert block.timestamp_ms % 7_001 == 0
    assert committee.cycle(devnet.chain.state) == 9
    assert devnet.trx(devnet.alice.address) == 1_000_000 * TRX
