"""The port `Staking` over HTTP: stake, delegations and resources as java-tron prints them, defaults and {} included."""

import json
from typing import Any

import pytest

from core.ports.unavailable import Unavailable
from core.tron.chain import AccountResources, Delegation, DelegationIndex, Permission, Unfreezing
from core.tron.transactions import DELEGATE, TRANSFER, UNDELEGATE
from gateways.tron.node import TronNode
from tests.support.chain import PAYER, USDT, person
from tests.support.http_server import Answered, Asked, HttpServer

OWNER, RECEIVER = bytes(PAYER), bytes(person(5))
ACCOUNT: dict[str, Any] = {
    "address": OWNER.hex(),
    "balance": 1793227200,
    "create_time": 1776933207000,
    "delegated_frozenV2_balance_for_bandwidth": 2000000,
    "account_resource": {
        "energy_window_size": 28800000,
        "energy_window_optimized": True,
        "delegated_frozenV2_balance_for_energy": 5000000,
        "acquired_delegated_frozenV2_balance_for_energy": 7000000,
    },
    "owner_permission": {"permission_name": "owner", "threshold": 1, "keys": [{"address": OWNER.hex(), "weight": 1}]},
    "active_permission": [
        {
            "type": "Active",
            "id": 2,
            "permission_name": "active",
            "threshold": 2,
            "operations": "0200000000000002" + "00" * 24,
            "keys": [{"address": OWNER.hex(), "weight": 1}, {"address": RECEIVER.hex(), "weight": 2}],
        }
    ],
    "frozenV2": [{"amount": 403000000}, {"type": "ENERGY", "amount": 9000000}, {"type": "TRON_POWER", "amount": 11}],
    "unfrozenV2": [
        {"unfreeze_amount": 1000000, "unfreeze_expire_time": 1778142807000},
        {"type": "ENERGY", "unfreeze_amount": 3000000, "unfreeze_expire_time": 1778142810000},
    ],
    "frozen": [{"frozen_balance": 13, "expire_time": 1}],
    "asset_optimized": True,
}


def says(server: HttpServer, answer: Any) -> None:
    server.answer = lambda asked: Answered(200, json.dumps(answer).encode())


def last(server: HttpServer) -> tuple[str, dict[str, Any]]:
    """What was asked last: the path, and the question without `visible`."""
    asked: Asked = server.asked[-1]
    question = json.loads(asked.body)
    assert question.pop("visible") is False
    return asked.path, question


def test_an_account_tells_every_sun_it_owns(server: HttpServer, node: TronNode) -> None:
    """Balance, stake by resource, delegated and acquired stake, unfreezes and what is left of Stake 1.0 are read apart."""
    says(server, ACCOUNT)
    account = node.account(OWNER)
    assert account is not None
    assert (account.balance_sun, account.created_ms) == (1793227200, 1776933207000)
    assert (account.bandwidth_stake_sun, account.energy_stake_sun, account.other_stake_sun) == (403000000, 9000000, 24)
    assert (account.delegated_bandwidth_sun, account.delegated_energy_sun) == (2000000, 5000000)
    assert (account.acquired_bandwidth_sun, account.acquired_energy_sun) == (0, 7000000)
    assert account.unfreezing == (
        Unfreezing("BANDWIDTH", 1000000, 1778142807000),
        Unfreezing("ENERGY", 3000000, 1778142810000),
    )
    assert account.staked_sun == 403000000 + 9000000 + 24 + 2000000 + 5000000
    assert account.owned_sun == account.balance_sun + account.staked_sun + 4000000


def _allows(permission: Permission, kind: int) -> bool:
    return bool(int.from_bytes(permission.operations, "little") >> kind & 1)


def test_permissions_tell_whose_keys_sign_what(server: HttpServer, node: TronNode) -> None:
    """Keys with their weights, the weight they must reach, and of an active one the types that its bits allow."""
    says(server, ACCOUNT)
    account = node.account(OWNER)
    assert account is not None
    assert account.owner == Permission(0, 1, ((OWNER, 1),))
    (active,) = account.actives
    assert [_allows(active, kind) for kind in (TRANSFER, DELEGATE, UNDELEGATE, 300)] == [True, True, False, False]
    weights = dict(active.keys)
    assert weights[RECEIVER] >= active.threshold
    assert weights.get(OWNER, 0) < active.threshold


def test_an_account_without_stake_has_empty_entries(server: HttpServer, node: TronNode) -> None:
    """frozenV2 lists every kind even when nothing is frozen: its entries then have no amount."""
    says(server, {"address": OWNER.hex(), "frozenV2": [{}, {"type": "ENERGY"}, {"type": "TRON_POWER"}]})
    account = node.account(OWNER)
    assert account is not None
    assert (account.staked_sun, account.owned_sun, account.unfreezing, account.owner) == (0, 0, (), None)


def test_recorded_resources(server: HttpServer, node: TronNode) -> None:
    """A mainnet account with 403 TRX staked for energy: limits, totals, weights and votes by their names."""
    says(
        server,
        {
            "freeNetLimit": 600,
            "freeNetUsed": 441,
            "TotalNetLimit": 43200000000,
            "TotalNetWeight": 27908390830,
            "tronPowerLimit": 403,
            "EnergyUsed": 448,
            "EnergyLimit": 4448,
            "TotalEnergyLimit": 180000000000,
            "TotalEnergyWeight": 16307698552,
        },
    )
    resources = node.resources(OWNER)
    assert resources == AccountResources(
        energy_limit=4448,
        energy_used=448,
        free_net_limit=600,
        free_net_used=441,
        total_energy_limit=180000000000,
        total_energy_weight=16307698552,
        total_net_limit=43200000000,
        total_net_weight=27908390830,
        tron_power_limit=403,
    )
    assert (resources.energy_left, resources.net_left, resources.free_net_left) == (4000, 0, 159)


@pytest.mark.parametrize("solid", [False, True])
def test_delegations_are_up_to_two_rows(server: HttpServer, node: TronNode, solid: bool) -> None:
    """The unlocked row has no expiry, the locked one has; both views are asked by the same name."""
    pair = {"from": OWNER.hex(), "to": RECEIVER.hex()}
    locked = {**pair, "frozen_balance_for_energy": 10**9, "expire_time_for_energy": 1700000000000}
    says(server, {"delegatedResource": [{**pair, "frozen_balance_for_bandwidth": 2}, locked]})
    assert node.delegations(OWNER, RECEIVER, solid=solid) == [
        Delegation(OWNER, RECEIVER, bandwidth_sun=2),
        Delegation(OWNER, RECEIVER, energy_sun=10**9, energy_locked_until_ms=1700000000000),
    ]
    view = "walletsolidity" if solid else "wallet"
    assert last(server) == (
        f"/{view}/getdelegatedresourcev2",
        {"fromAddress": OWNER.hex(), "toAddress": RECEIVER.hex()},
    )
    says(server, {})
    assert node.delegations(OWNER, RECEIVER, solid=solid) == []


def test_the_index_names_both_sides(server: HttpServer, node: TronNode) -> None:
    """toAccounts are those lent to, fromAccounts those who lend; an account with neither names itself only."""
    says(server, {"account": OWNER.hex(), "toAccounts": [RECEIVER.hex()], "fromAccounts": [bytes(USDT).hex()]})
    assert node.delegation_index(OWNER) == DelegationIndex((RECEIVER,), (bytes(USDT),))
    assert last(server) == ("/wallet/getdelegatedresourceaccountindexv2", {"value": OWNER.hex()})
    says(server, {"account": OWNER.hex()})
    assert node.delegation_index(OWNER, solid=True) == DelegationIndex()


def test_numbers_that_are_zero_are_left_out(server: HttpServer, node: TronNode) -> None:
    """{} is nothing to delegate, no unfreeze left, nothing to withdraw; else the number."""
    asks = {
        "max_size": lambda: node.delegatable_sun(OWNER, "ENERGY"),
        "count": lambda: node.unfreezes_left(OWNER),
        "amount": lambda: node.withdrawable_sun(OWNER, 1_778_142_807_000, solid=True),
    }
    for name, ask in asks.items():
        says(server, {})
        assert ask() == 0
        says(server, {name: 7})
        assert ask() == 7
    assert [(asked.path, json.loads(asked.body)) for asked in server.asked[::2]] == [
        ("/wallet/getcandelegatedmaxsize", {"owner_address": OWNER.hex(), "type": 1, "visible": False}),
        ("/wallet/getavailableunfreezecount", {"owner_address": OWNER.hex(), "visible": False}),
        (
            "/walletsolidity/getcanwithdrawunfreezeamount",
            {"owner_address": OWNER.hex(), "timestamp": 1_778_142_807_000, "visible": False},
        ),
    ]


def test_the_next_maintenance_is_told_or_unknown(server: HttpServer, node: TronNode) -> None:
    """A node that does not tell the time is no answer."""
    says(server, {"num": 1778148000000})
    assert node.next_maintenance_ms() == 1778148000000
    says(server, {})
    with pytest.raises(Unavailable, match="maintenance"):
        node.next_maintenance_ms()


def test_a_call_tells_its_penalty(server: HttpServer, node: TronNode) -> None:
    """The energy of a constant call includes the penalty, which is told apart."""
    says(server, {"result": {"result": True}, "energy_used": 64285, "energy_penalty": 49635, "constant_result": [""]})
    called = node.call(OWNER, bytes(USDT), b"")
    assert (called.energy_used, called.energy_penalty) == (64285, 49635)


def test_receipts_tell_who_paid_the_energy(server: HttpServer, node: TronNode) -> None:
    """A recorded mainnet receipt: 45,561 energy in all, 41,004 of it the origin's, 4,557 from the caller's stake."""
    usage = {"energy_usage": 4557, "origin_energy_usage": 41004, "energy_usage_total": 45561, "net_usage": 345}
    says(server, {"id": "ab" * 32, "blockNumber": 1, "receipt": {**usage, "result": "SUCCESS"}})
    receipt = node.receipt("ab" * 32)
    assert receipt is not None
    assert (receipt.energy_used, receipt.energy_staked, receipt.origin_energy) == (45561, 4557, 41004)


def test_receipts_tell_what_came_back(server: HttpServer, node: TronNode) -> None:
    """Cancelling unfreezes tells what is frozen again by resource, as java-tron prints a map, and what was withdrawn."""
    cancelled = [{"key": "BANDWIDTH", "value": 1}, {"key": "ENERGY", "value": 20}, {"key": "TRON_POWER", "value": 0}]
    says(server, {"id": "ab" * 32, "withdraw_expire_amount": 300, "cancel_unfreezeV2_amount": cancelled})
    receipt = node.receipt("ab" * 32)
    assert receipt is not None
    assert (receipt.withdrawn_sun, receipt.cancelled_sun, receipt.fee_sun) == (300, 21, 0)
