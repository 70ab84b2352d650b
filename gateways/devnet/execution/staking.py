"""Stake 2.0: TRX frozen for a resource, unfrozen within 14 days, withdrawn, or frozen again before.

A transaction that touches unfreezes also withdraws those that have expired. The rest of the network's stake is a number
that never moves; an account's adds to it in whole TRX.
"""

from typing import Final

import msgspec

from core.tron.transactions import RESOURCES
from gateways.devnet.execution.outcome import Context, Outcome, invalid, owner_account
from gateways.devnet.machine.machine import SUCCESS
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account, Unfreezing
from gateways.devnet.state.parameters import Parameters
from gateways.devnet.state.shares import SUN_PER_TRX, Share, Total
from gateways.devnet.state.state import Overlay, State
from gateways.devnet.state.transaction import Transaction

BANDWIDTH: Final = "BANDWIDTH"
ENERGY: Final = "ENERGY"
STAKED: Final = (BANDWIDTH, ENERGY)
UNFREEZES_MAX: Final = 32
DAY_MS: Final = 86_400_000

WEIGHTS_TRX: Final = {BANDWIDTH: 27_908_390_830, ENERGY: 16_307_698_552}
"""Stake of the whole network as mainnet had it in February 2025: what a stake's energy is a share of."""

_LIMITS: Final = {BANDWIDTH: "getTotalNetLimit", ENERGY: "getTotalEnergyCurrentLimit"}


def total(state: State, parameters: Parameters, resource: str) -> Total:
    """What the network gives of a resource, and the stake that it is divided by."""
    return Total(parameters[_LIMITS[resource]], state.get(("weight", resource)) or WEIGHTS_TRX[resource])


def share(account: Account, resource: str) -> Share:
    return account.energy if resource == ENERGY else account.bandwidth


def with_share(account: Account, resource: str, held: Share) -> Account:
    if resource == ENERGY:
        return msgspec.structs.replace(account, energy=held)
    return msgspec.structs.replace(account, bandwidth=held)


def save_stake(state: Overlay, before: Account, after: Account) -> None:
    """Keep an account whose frozen stake changed, and the network's weight with it."""
    for resource in STAKED:
        change = share(after, resource).weight_trx - share(before, resource).weight_trx
        if change:
            weight = state.get(("weight", resource)) or WEIGHTS_TRX[resource]
            state.set(("weight", resource), weight + change)
    accounts.save(state, after)


def expired(account: Account, now_ms: int) -> int:
    """Unfrozen stake that can be withdrawn at this time, in sun."""
    return sum(each.amount_sun for each in account.unfreezing if each.expires_ms <= now_ms)


def unfreezes_left(account: Account, now_ms: int) -> int:
    return UNFREEZES_MAX - sum(each.expires_ms > now_ms for each in account.unfreezing)


def freeze(state: Overlay, transaction: Transaction, _: Context) -> Outcome:
    owner = owner_account(state, transaction)
    amount_sun = transaction.parameter.get("frozen_balance", 0)
    if amount_sun <= 0:
        raise invalid("frozenBalance must be positive")
    if amount_sun < SUN_PER_TRX:
        raise invalid("frozenBalance must be greater than or equal to 1 TRX")
    if amount_sun > owner.balance_sun:
        raise invalid("frozenBalance must be less than or equal to accountBalance")
    resource = resource_of(transaction)
    if resource not in STAKED:
        raise invalid("ResourceCode error, valid ResourceCode[BANDWIDTH、ENERGY]")
    paid = msgspec.structs.replace(owner, balance_sun=owner.balance_sun - amount_sun)
    save_stake(state, owner, _frozen(paid, resource, amount_sun))
    return Outcome(SUCCESS)


def unfreeze(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    owner, now_ms = owner_account(state, transaction), context.parent_ms
    amount_sun, resource = transaction.parameter.get("unfreeze_balance", 0), resource_of(transaction)
    if resource not in STAKED:
        raise invalid("ResourceCode error.valid ResourceCode[BANDWIDTH、Energy]")
    frozen_sun = share(owner, resource).frozen_sun
    if not frozen_sun:
        raise invalid(f"no frozenBalance({'Energy' if resource == ENERGY else resource})")
    if not 0 < amount_sun <= frozen_sun:
        raise invalid(f"Invalid unfreeze_balance, [{amount_sun}] is error")
    if unfreezes_left(owner, now_ms) <= 0:
        raise invalid("Invalid unfreeze operation, unfreezing times is over limit")
    expires_ms = now_ms + context.parameters["getUnfreezeDelayDays"] * DAY_MS
    kept, withdrawn_sun = _withdrawn(owner, now_ms)
    waiting = (*kept.unfreezing, Unfreezing(resource, amount_sun, expires_ms))
    after = msgspec.structs.replace(_frozen(kept, resource, -amount_sun), unfreezing=waiting)
    save_stake(state, owner, after)
    return Outcome(SUCCESS, withdrawn_sun=withdrawn_sun)


def withdraw(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    owner = owner_account(state, transaction)
    after, withdrawn_sun = _withdrawn(owner, context.parent_ms)
    if withdrawn_sun <= 0:
        raise invalid("no unFreeze balance to withdraw ")
    accounts.save(state, after)
    return Outcome(SUCCESS, withdrawn_sun=withdrawn_sun)


def cancel(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    """Freeze again what has not expired, withdraw what has."""
    owner = owner_account(state, transaction)
    if not owner.unfreezing:
        raise invalid("No unfreezeV2 list to cancel")
    after, withdrawn_sun = _withdrawn(owner, context.parent_ms)
    cancelled_sun = dict.fromkeys(RESOURCES, 0)
    for each in after.unfreezing:
        after = _frozen(after, each.resource, each.amount_sun)
        cancelled_sun[each.resource] += each.amount_sun
    save_stake(state, owner, msgspec.structs.replace(after, unfreezing=()))
    return Outcome(SUCCESS, withdrawn_sun=withdrawn_sun, cancelled_sun=cancelled_sun)


def resource_of(transaction: Transaction) -> str:
    """The resource that a transaction names; "" for a code that is none."""
    code = transaction.parameter.get("resource", 0)
    return RESOURCES[code] if 0 <= code < len(RESOURCES) else ""


def _frozen(account: Account, resource: str, amount_sun: int) -> Account:
    held = share(account, resource)
    return with_share(account, resource, msgspec.structs.replace(held, frozen_sun=held.frozen_sun + amount_sun))


def _withdrawn(account: Account, now_ms: int) -> tuple[Account, int]:
    """The account with its expired unfreezes back in the balance, and how much that was."""
    amount_sun = expired(account, now_ms)
    waiting = tuple(each for each in account.unfreezing if each.expires_ms > now_ms)
    balance_sun = account.balance_sun + amount_sun
    return msgspec.structs.replace(account, balance_sun=balance_sun, unfreezing=waiting), amount_sun
