"""The port `Staking` answered by a devnet: what treasury asks a node, head and solid, and java-tron's shapes of it."""

from typing import Any

import msgspec
import pytest

from core.tron.chain import Delegation, DelegationIndex, Unfreezing
from core.tron.resources import stake_for, units_of
from core.tron.transactions import CANCEL_UNFREEZES, DELEGATE, UNFREEZE, WITHDRAW_UNFROZEN
from gateways.devnet.chain.genesis import USDT
from gateways.devnet.http import door
from gateways.devnet.in_process import InProcess
from gateways.devnet.requests import NodeAnswer, Request
from gateways.tron.node import TronNode
from tests.gateways.devnet.world import STRANGER, TRX, Devnet

pytestmark = pytest.mark.fast

TRANSFER = "transfer(address,uint256)"
DAY_MS = 86_400_000
SOLID_LAG = 19


@pytest.fixture
def node(devnet: Devnet) -> TronNode:
    return TronNode("http://devnet", transport=InProcess(devnet.node))


def post(devnet: Devnet, path: str, **body: Any) -> Any:
    """What a call answers, as JSON."""
    answer = door.answer(devnet.node, Request("POST", path, {}, msgspec.json.encode(body), "http://devnet"))
    assert isinstance(answer, NodeAnswer)
    return msgspec.json.decode(answer.body)


def test_an_account_tells_its_stake(devnet: Devnet, node: TronNode) -> None:
    """Every sun is told where it stands, by the head at once and by the solid view when it is solid."""
    owned_sun = devnet.account(devnet.alice.address).balance_sun
    fees_sun = devnet.freeze(devnet.alice, 1_000).outcome.fee_sun
    fees_sun += devnet.freeze(devnet.alice, 500, resource=0).outcome.fee_sun
    fees_sun += devnet.lend(devnet.alice, devnet.bob.address, 300).outcome.fee_sun
    expires_ms = devnet.chain.head.timestamp_ms + 14 * DAY_MS
    fees_sun += devnet.send(devnet.alice, UNFREEZE, unfreeze_balance=7 * TRX, resource=0).outcome.fee_sun
    account = node.account(devnet.alice.address)
    assert account is not None
    assert (account.energy_stake_sun, account.bandwidth_stake_sun) == (700 * TRX, 493 * TRX)
    assert (account.delegated_energy_sun, account.delegated_bandwidth_sun) == (300 * TRX, 0)
    assert account.unfreezing == (Unfreezing("BANDWIDTH", 7 * TRX, expires_ms),)
    assert account.owned_sun == owned_sun - fees_sun
    assert account.created_ms > 0
    assert account.owner is not None
    for permission in (account.owner, account.actives[0]):
        assert permission.keys == ((devnet.alice.address, permission.threshold),)
    receiver = node.account(devnet.bob.address)
    assert receiver is not None
    assert receiver.acquired_energy_sun == 300 * TRX
    solid = node.solid_account(devnet.alice.address)
    assert solid is not None
    assert (solid.staked_sun, solid.unfreezing) == (0, ())
    devnet.node.mine(SOLID_LAG)
    assert node.solid_account(devnet.alice.address) == account


def test_resources_follow_use_and_time(devnet: Devnet, node: TronNode) -> None:
    """Limits, usage and totals are told as they are now; the estimates of core.tron.resources are within a unit of them."""
    devnet.freeze(devnet.alice, 10_000)
    fresh = node.resources(devnet.alice.address)
    limit, weight = fresh.total_energy_limit, fresh.total_energy_weight
    assert abs(fresh.energy_limit - units_of(10_000 * TRX, limit, weight)) <= 1
    assert (fresh.energy_used, fresh.tron_power_limit, fresh.free_net_used) == (0, 10_000, 254)
    devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1)
    began_ms = devnet.chain.head.timestamp_ms
    for hours in (0, 1, 11, 12):
        devnet.node.advance(hours * 3_600_000 + 1)
        resources = node.resources(devnet.alice.address)
        elapsed_ms = devnet.chain.head.timestamp_ms - began_ms
        expected = -(-64_285 * max(0, DAY_MS - elapsed_ms) // DAY_MS)  # it comes back within a day
        assert expected - 5 <= resources.energy_used <= expected
    assert resources.energy_left == resources.energy_limit


def test_stake_for_a_transfer_is_enough_for_it(devnet: Devnet, node: TronNode) -> None:
    """What core.tron.resources says a transfer needs, lent to an address without TRX to spare, carries it."""
    devnet.freeze(devnet.alice, 50_000)
    devnet.send_trx(devnet.carol, devnet.bob.address, 1)
    resources = node.resources(devnet.bob.address)
    estimate = node.call(devnet.bob.address, USDT, devnet.data(TRANSFER, STRANGER.evm, 1))
    stake_sun = stake_for(estimate.energy_used, resources.total_energy_limit, resources.total_energy_weight)
    devnet.send(devnet.alice, DELEGATE, receiver_address=devnet.bob.address, balance=stake_sun, resource=1)
    outcome = devnet.send_call(devnet.bob, TRANSFER, STRANGER.evm, 1).outcome
    assert (
        (estimate.energy_used, estimate.energy_penalty)
        == (outcome.energy_used, outcome.energy_penalty)
        == (130_285, 100_635)
    )
    assert (outcome.result, outcome.energy_staked, outcome.energy_fee_sun) == ("SUCCESS", 130_285, 0)


def test_delegations_and_their_index(devnet: Devnet, node: TronNode) -> None:
    """Free and locked rows, both sides of the index, head and solid."""
    alice, bob = devnet.alice.address, devnet.bob.address
    assert node.delegations(alice, bob) == []
    assert node.delegation_index(alice) == node.delegation_index(STRANGER) == DelegationIndex()
    devnet.freeze(devnet.alice, 1_000)
    devnet.lend(devnet.alice, bob, 5, lock=True, lock_period=1_200)
    locked_ms = devnet.chain.blocks[-2].timestamp_ms + 3_600_000
    devnet.lend(devnet.alice, bob, 7)
    rows = [Delegation(alice, bob, 7 * TRX), Delegation(alice, bob, 5 * TRX, energy_locked_until_ms=locked_ms)]
    assert node.delegations(alice, bob) == rows
    assert (node.delegation_index(alice), node.delegation_index(bob)) == (
        DelegationIndex(receivers=(bob,)),
        DelegationIndex(owners=(alice,)),
    )
    assert node.delegations(alice, bob, solid=True) == []
    assert node.delegation_index(alice, solid=True) == DelegationIndex()
    devnet.node.mine(SOLID_LAG + 2)
    assert node.delegations(alice, bob, solid=True) == rows


def test_the_most_that_can_be_delegated_can_be(devnet: Devnet, node: TronNode) -> None:
    """The number is taken as it is, for both resources; for energy a sun more is refused. Nobody has 0 to lend."""
    assert node.delegatable_sun(devnet.alice.address, "ENERGY") == node.delegatable_sun(STRANGER, "BANDWIDTH") == 0
    devnet.freeze(devnet.alice, 20_000)
    devnet.freeze(devnet.alice, 3_000, resource=0)
    devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1)
    for code, resource in ((1, "ENERGY"), (0, "BANDWIDTH")):
        most = node.delegatable_sun(devnet.alice.address, resource)  # type: ignore[arg-type]
        request = {"receiver_address": devnet.bob.address, "resource": code}
        if code:
            assert "available" in devnet.refused(devnet.alice, DELEGATE, balance=most + 1, **request)
        devnet.send(devnet.alice, DELEGATE, balance=most, **request)


def test_a_node_that_builds_is_more_careful(devnet: Devnet, node: TronNode) -> None:
    """Of bandwidth, what a node says and builds leaves room for the delegation's own bytes; a broadcast asks for none."""
    devnet.freeze(devnet.alice, 1_000, resource=0)
    said = node.delegatable_sun(devnet.alice.address, "BANDWIDTH")
    # 275 bytes, and what lock, period and a larger balance add: 283 bytes stand for 182.8 TRX
    assert said == 1_000 * TRX - int(283 * TRX * ((27_908_390_830 + 1_000) / 43_200_000_000))
    request: dict[str, Any] = {
        "owner_address": devnet.alice.address.base58,
        "receiver_address": devnet.bob.address.base58,
    }
    request |= {"visible": True, "resource": "BANDWIDTH"}
    assert "txID" in post(devnet, "/wallet/delegateresource", **request, balance=said)
    refusal = post(devnet, "/wallet/delegateresource", **request, balance=said + 1)
    assert refusal["Error"].endswith(
        "delegateBalance must be less than or equal to available FreezeBandwidthV2 balance"
    )
    devnet.send(devnet.alice, DELEGATE, receiver_address=devnet.bob.address, balance=said + 1, resource=0)


def test_unfreezes_are_counted_and_their_time_told(devnet: Devnet, node: TronNode) -> None:
    """How many may still wait, and how much could be withdrawn at any time asked for."""
    alice = devnet.alice.address
    assert (node.unfreezes_left(alice), node.unfreezes_left(STRANGER), node.withdrawable_sun(STRANGER, 10**14)) == (
        32,
        0,
        0,
    )
    devnet.freeze(devnet.alice, 100)
    for trx in (3, 4):
        devnet.send(devnet.alice, UNFREEZE, unfreeze_balance=trx * TRX, resource=1)
    first, second = devnet.account(alice).unfreezing
    assert node.unfreezes_left(alice) == 30
    times = (0, first.expires_ms - 1, first.expires_ms, second.expires_ms)
    assert [node.withdrawable_sun(alice, at_ms) for at_ms in times] == [0, 0, 3 * TRX, 7 * TRX]
    assert node.withdrawable_sun(alice, second.expires_ms, solid=True) == 0
    devnet.node.advance(14 * DAY_MS)
    assert node.unfreezes_left(alice) == 32


def test_receipts_tell_what_came_back(devnet: Devnet, node: TronNode) -> None:
    """Withdrawn and cancelled amounts stand in the receipt, zero for a kind included where java-tron prints a map."""
    devnet.freeze(devnet.alice, 100)
    devnet.send(devnet.alice, UNFREEZE, unfreeze_balance=3 * TRX, resource=1)
    devnet.node.advance(14 * DAY_MS)
    txid = devnet.send(devnet.alice, WITHDRAW_UNFROZEN).transaction.txid
    receipt = node.receipt(txid)
    assert receipt is not None
    assert (receipt.withdrawn_sun, receipt.cancelled_sun, receipt.result, receipt.succeeded) == (3 * TRX, 0, "", True)
    devnet.send(devnet.alice, UNFREEZE, unfreeze_balance=5 * TRX, resource=1)
    txid = devnet.send(devnet.alice, CANCEL_UNFREEZES).transaction.txid
    receipt = node.receipt(txid)
    assert receipt is not None
    assert (receipt.withdrawn_sun, receipt.cancelled_sun) == (0, 5 * TRX)
    printed = post(devnet, "/wallet/gettransactioninfobyid", value=txid)
    assert {"key": "ENERGY", "value": 5 * TRX} in printed["cancel_unfreezeV2_amount"]
    assert {"key": "TRON_POWER", "value": 0} in printed["cancel_unfreezeV2_amount"]
    assert "withdraw_expire_amount" not in printed


def test_receipts_tell_who_paid_the_energy(devnet: Devnet, node: TronNode) -> None:
    """Stake's part, TRX's part and the penalty add up to the energy used."""
    devnet.freeze(devnet.alice, 1_000)
    txid = devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1).transaction.txid
    receipt = node.receipt(txid)
    assert receipt is not None
    assert (receipt.energy_used, receipt.energy_staked, receipt.energy_penalty, receipt.origin_energy) == (
        64_285,
        11_037,
        49_635,
        0,
    )
    assert receipt.energy_fee_sun == (64_285 - 11_037) * 100
    assert receipt.fee_sun == receipt.energy_fee_sun + receipt.net_fee_sun


def test_a_contracts_energy_is_told_for_the_cycle_that_is(devnet: Devnet) -> None:
    """Factor and cycle are those that the next call will meet; there is none for an address without a contract."""

    def state() -> dict[str, Any]:
        return dict(post(devnet, "/wallet/getcontractinfo", value=USDT.hex())["contract_state"])

    assert (state()["energy_factor"], state()["update_cycle"]) == (34_000, 1)
    devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1)
    devnet.node.decree({f"world:{USDT.hex()}": 0})
    assert state()["energy_usage"] == 14_650
    devnet.node.advance(21_600_000)
    assert (state()["energy_factor"], state()["update_cycle"]) == (31_800, 2)
    assert "contract_state" not in post(devnet, "/wallet/getcontractinfo", value=STRANGER.hex())


def test_the_next_maintenance_is_told(devnet: Devnet, node: TronNode) -> None:
    """Prices hold until then; it is the next multiple of six hours, and moves on when it has passed."""
    next_ms = node.next_maintenance_ms()
    assert 0 < next_ms - devnet.chain.head.timestamp_ms <= 21_600_000
    assert next_ms % 21_600_000 == 0
    devnet.node.advance(next_ms - devnet.chain.head.timestamp_ms)
    assert node.next_maintenance_ms() == next_ms + 21_600_000


def test_prices_and_their_history(devnet: Devnet, node: TronNode) -> None:
    """A decree over HTTP changes parameters and history; what is wrong with one is said with status 400's sentence."""
    answer = post(devnet, "/devnet/parameters", getEnergyFee=210, getTransactionFee=900)
    assert answer["head"] == devnet.chain.head.number
    assert node.chain_parameters()["getEnergyFee"] == 210
    assert post(devnet, "/wallet/getenergyprices")["prices"].endswith(f",{devnet.chain.head.timestamp_ms}:210")
    assert post(devnet, "/walletsolidity/getenergyprices")["prices"].endswith(":100")
    assert post(devnet, "/wallet/getbandwidthprices")["prices"].endswith(":900")
    assert "getEnergyFee cannot be 0" in post(devnet, "/devnet/parameters", getEnergyFee=0)["error"]


def test_time_passes_over_http(devnet: Devnet, node: TronNode) -> None:
    """POST /devnet/time moves the chain's clock on; a time of nothing, or of years, is refused."""
    before_ms = node.head().timestamp_ms
    answer = post(devnet, "/devnet/time", advance_ms=DAY_MS)
    assert answer["head_timestamp_ms"] - before_ms >= DAY_MS
    for wrong in (0, -1, 401 * DAY_MS):
        assert "advance_ms must be between" in post(devnet, "/devnet/time", advance_ms=wrong)["error"]


def test_getaccount_prints_usage_and_windows(devnet: Devnet) -> None:
    """java-tron's field names: usage as of now, windows in thousandths of a slot, entries of 0 without their amount."""
    devnet.freeze(devnet.alice, 6_000)
    devnet.send_call(devnet.alice, TRANSFER, devnet.bob.address.evm, 1)
    devnet.node.advance(DAY_MS // 2)
    printed = post(devnet, "/wallet/getaccount", address=devnet.alice.address.hex())
    assert printed["frozenV2"] == [{}, {"type": "ENERGY", "amount": 6_000 * TRX}, {"type": "TRON_POWER"}]
    energy = printed["account_resource"]
    assert abs(energy["energy_usage"] - 64_285 // 2) <= 10
    assert abs(energy["energy_window_size"] - 14_400_000) <= 5_000
    assert energy["energy_window_optimized"] is True
    assert energy["latest_consume_time_for_energy"] < devnet.chain.head.timestamp_ms - DAY_MS // 2
    assert (printed["net_window_size"], "unfrozenV2" in printed) == (28_800_000, False)


BUILT = {
    "freezebalancev2": {"frozen_balance": TRX, "resource": "ENERGY"},
    "unfreezebalancev2": {"unfreeze_balance": TRX, "resource": "ENERGY"},
    "cancelallunfreezev2": {},
    "delegateresource": {"balance": TRX, "resource": "ENERGY", "lock": False},
    "undelegateresource": {"balance": TRX, "resource": "ENERGY"},
}
"""Calls that build a transaction, in an order in which each is possible after the one before it."""


def test_every_call_that_builds_builds_what_can_be_sent(devnet: Devnet) -> None:
    """What a node builds is signed and taken as it is; what would be refused is not built, in java-tron's words."""
    owner, receiver = devnet.alice, devnet.bob.address
    devnet.freeze(owner, 100)
    for call, fields in BUILT.items():
        pair = {"receiver_address": receiver.hex()} if "delegate" in call else {}
        built = post(devnet, f"/wallet/{call}", owner_address=owner.address.hex(), **pair, **fields)
        signature = owner.sign(bytes.fromhex(built["txID"])).hex()
        answer = post(devnet, "/wallet/broadcasttransaction", **built, signature=[signature])
        assert answer == {"result": True, "txid": built["txID"]}, call
        (included,) = devnet.node.mine().included
        assert (included.transaction.txid, included.outcome.contract_ret) == (built["txID"], "SUCCESS")


@pytest.mark.parametrize(
    ("call", "fields", "reason"),
    [
        ("unfreezebalancev2", {"unfreeze_balance": TRX, "resource": "ENERGY"}, "no frozenBalance(Energy)"),
        ("withdrawexpireunfreeze", {}, "no unFreeze balance to withdraw "),
        ("cancelallunfreezev2", {}, "No unfreezeV2 list to cancel"),
        (
            "undelegateresource",
            {"balance": TRX, "receiver_address": STRANGER.hex()},
            "delegated Resource does not exist",
        ),
        (
            "delegateresource",
            {"balance": TRX, "receiver_address": STRANGER.hex(), "resource": "ENERGY"},
            "delegateBalance must be less than or equal to available FreezeEnergyV2 balance",
        ),
    ],
)
def test_recorded_refusals_to_build(devnet: Devnet, call: str, fields: dict[str, Any], reason: str) -> None:
    """The refusals that Tron's documentation shows, letter by letter."""
    answer = post(devnet, f"/wallet/{call}", owner_address=devnet.alice.address.hex(), **fields)
    assert answer == {"Error": f"class org.tron.core.exception.ContractValidateException : {reason}"}
