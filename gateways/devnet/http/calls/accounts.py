"""Accounts and their resources."""

from typing import Any, Final

from gateways.devnet.execution import bandwidth, others, staking
from gateways.devnet.execution.staking import BANDWIDTH, ENERGY
from gateways.devnet.http import parsing, rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.shares import SUN_PER_TRX, Total, slot_of

HEX_LENGTH: Final = 42
BASE58_LENGTH: Final = 34
BROKERAGE_PERCENT: Final = 20


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
    total = _total(ask, ENERGY)
    return {
        **_net(ask, account),
        **rendering.without_defaults(
            {
                "tronPowerLimit": others.power_sun(account) // SUN_PER_TRX,
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
    if len(text) not in (HEX_LENGTH, BASE58_LENGTH):
        return {"result": False, "message": "Length error"}
    if not parsing.address(text):
        return {"result": False, "message": "Invalid address"}
    return {"result": True, "message": "Base58check format" if text.startswith("T") else "Hex string format"}


def get_reward(_: Ask) -> Answer:
    """Nobody is rewarded here."""
    return {"reward": 0}


def get_brokerage(ask: Ask) -> Answer:
    """A producer's share of what its voters earn, in percent; 20 for whoever never set it."""
    return {"brokerage": BROKERAGE_PERCENT if parsing.address(ask.text("address")) else 0}
