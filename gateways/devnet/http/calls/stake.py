"""Stake: what is lent to whom, and what can be lent, unfrozen or withdrawn now."""

from typing import Any

from core.tron.transactions import RESOURCES
from gateways.devnet.execution import delegation, staking
from gateways.devnet.execution.delegation import Lent
from gateways.devnet.http import rendering
from gateways.devnet.http.ask import Answer, Ask
from gateways.devnet.state import accounts


def get_delegated_resource(ask: Ask) -> Answer:
    """Up to two rows, what can be taken back at any time first."""
    owner, receiver = ask.address("fromAddress"), ask.address("toAddress")
    found = (delegation.find(ask.state, owner, receiver, locked=locked) for locked in (False, True))
    pair = {"from": ask.shown(owner), "to": ask.shown(receiver)}
    rows = [{**pair, **_lent(lent)} for lent in found if lent]
    return {"delegatedResource": rows} if rows else {}


def get_delegation_index(ask: Ask) -> Answer:
    address = ask.address("value")
    return rendering.without_defaults(
        {
            "account": ask.shown(address),
            "fromAccounts": [ask.shown(each) for each in delegation.owners(ask.state, address)],
            "toAccounts": [ask.shown(each) for each in delegation.receivers(ask.state, address)],
        }
    )


def get_can_delegated_max_size(ask: Ask) -> Answer:
    """{} for nothing, as for a resource that there is not."""
    account, code = accounts.find(ask.state, ask.address("owner_address")), ask.integer("type")
    resource = RESOURCES[code] if 0 <= code < len(RESOURCES) else ""
    if account is None or resource not in staking.STAKED:
        return {}
    now_ms = ask.top.timestamp_ms
    most_sun = delegation.delegatable(ask.state, account, resource, ask.parameters, now_ms, cautious=True)
    return rendering.without_defaults({"max_size": max(0, most_sun)})


def get_available_unfreeze_count(ask: Ask) -> Answer:
    account = accounts.find(ask.state, ask.address("owner_address"))
    if account is None:
        return {}
    return rendering.without_defaults({"count": staking.unfreezes_left(account, ask.top.timestamp_ms)})


def get_can_withdraw_unfreeze_amount(ask: Ask) -> Answer:
    """What has expired at the time asked for."""
    account = accounts.find(ask.state, ask.address("owner_address"))
    if account is None:
        return {}
    return rendering.without_defaults({"amount": staking.expired(account, ask.integer("timestamp"))})


def _lent(lent: Lent) -> dict[str, Any]:
    return rendering.without_defaults(
        {
            "frozen_balance_for_bandwidth": lent.bandwidth_sun,
            "frozen_balance_for_energy": lent.energy_sun,
            "expire_time_for_bandwidth": lent.bandwidth_expires_ms,
            "expire_time_for_energy": lent.energy_expires_ms,
        }
    )
