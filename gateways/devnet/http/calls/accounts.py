"""Accounts and their resources."""

from typing import Any

from gateways.devnet.execution import bandwidth, staking
from gateways.devnet.execution.staking import BANDWIDTH, ENERGY
from gateways.devnet.http import parsing, rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.shares import SUN_PER_TRX, Total, slot_of


def get_account(ask: Ask) -> Answer:
    account = accounts.find(ask.state, ask.address("address"))
    if account is None:
        return {}
    return rendering.account(account, ask.top.timestamp_ms, visible=ask.visible)


def get_account_net(ask: Ask) -> Answer:
    account = accounts.find(ask.state, ask.address("address"))
    return _net(ask, account) if account else {}


def get_account_resource(ask: Ask) -> Answer:
    account = accounts.find(ask.state, ask.address("address"))
    if account is None:
        return {}
    total, shares = _total(ask, ENERGY), (account.bandwidth, account.energy)
    return {
        **_net(ask, account),
        **rendering.without_defaults(
            {
                "tronPowerLimit": sum(share.frozen_sun + share.delegated_sun for share in shares) // SUN_PER_TRX,
                "EnergyUsed": account.energy.used_at(_now(ask)),
                "EnergyLimit": total.units(account.energy.stake_sun),
            }
        ),
        "TotalEnergyLimit": total.limit,
        "TotalEnergyWeight": total.weight,
    }


def _net(ask: Ask, account: Account) -> dict[str, Any]:
    total = _total(ask, BANDWIDTH)
    return rendering.without_defaults(
        {
            "freeNetUsed": bandwidth.free_net_used(account, ask.top.timestamp_ms),
            "freeNetLimit": ask.parameters["getFreeNetLimit"],
            "NetUsed": account.bandwidth.used_at(_now(ask)),
            "NetLimit": total.units(account.bandwidth.stake_sun),
            "TotalNetLimit": total.limit,
            "TotalNetWeight": total.weight,
        }
    )


def _total(ask: Ask, resource: str) -> Total:
    return staking.total(ask.state, ask.parameters, resource)


def _now(ask: Ask) -> int:
    return slot_of(ask.top.timestamp_ms)


def validate_address(ask: Ask) -> Answer:
    text = ask.text("address")
    if not parsing.address(text):
        return {"result": False, "message": "Invalid address"}
    return {"result": True, "message": "Base58check format" if text.startswith("T") else "Hex string format"}
