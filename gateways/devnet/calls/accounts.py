"""Accounts and their resources."""

from typing import Any

import msgspec

from gateways.devnet import accounts, bandwidth, parsing, rendering
from gateways.devnet.accounts import Account
from gateways.devnet.ask import Answer, Ask

TOTAL_NET_WEIGHT = 27_908_390_830
TOTAL_ENERGY_WEIGHT = 16_307_698_552
"""Stake of the whole network in TRX, as mainnet had it in February 2025: what an energy limit is a share of."""


def get_account(ask: Ask) -> Answer:
    account = accounts.find(ask.state, ask.address("address"))
    if account is None:
        return {}
    used = bandwidth.free_net_used(account, ask.top.timestamp_ms)
    return rendering.account(msgspec.structs.replace(account, free_net_used=used), visible=ask.visible)


def get_account_net(ask: Ask) -> Answer:
    account = accounts.find(ask.state, ask.address("address"))
    return {**_net(ask, account), "TotalNetWeight": TOTAL_NET_WEIGHT} if account else {}


def get_account_resource(ask: Ask) -> Answer:
    account = accounts.find(ask.state, ask.address("address"))
    if account is None:
        return {}
    return {
        **_net(ask, account),
        "TotalNetWeight": TOTAL_NET_WEIGHT,
        "TotalEnergyLimit": ask.chain.parameters["getTotalEnergyCurrentLimit"],
        "TotalEnergyWeight": TOTAL_ENERGY_WEIGHT,
    }


def _net(ask: Ask, account: Account) -> dict[str, Any]:
    parameters = ask.chain.parameters
    return rendering.without_defaults(
        {
            "freeNetUsed": bandwidth.free_net_used(account, ask.top.timestamp_ms),
            "freeNetLimit": parameters["getFreeNetLimit"],
            "TotalNetLimit": parameters["getTotalNetLimit"],
        }
    )


def validate_address(ask: Ask) -> Answer:
    text = ask.text("address")
    if not parsing.address(text):
        return {"result": False, "message": "Invalid address"}
    return {"result": True, "message": "Base58check format" if text.startswith("T") else "Hex string format"}
