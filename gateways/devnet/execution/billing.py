"""Who pays for a contract call's energy: stake first, then TRX; the contract's deployer takes its share where it said so.

What a call may use is decided before it runs, by the virtual machine, which counts stake in whole TRX; the same number is
what stake pays afterwards. So 0.9 TRX too much of stake gives a call nothing, though the account's resources show it.
"""

import msgspec

from core.tron.address import Address
from gateways.devnet.execution import staking
from gateways.devnet.execution.outcome import Context
from gateways.devnet.machine.machine import SUCCESS, Called, Code
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.shares import Total
from gateways.devnet.state.state import Overlay, State

ORIGIN_ENERGY_LIMIT = 10_000_000
"""The most that a deployer pays of one call; every contract of a devnet has the same."""


class Allowance(msgspec.Struct, frozen=True):
    """How much energy a call may use, and what stake is there to pay of it."""

    limit: int
    staked: int
    origin_left: int = 0


class Bill(msgspec.Struct, frozen=True):
    """Who paid what."""

    staked: int
    origin: int
    fee_sun: int


def allowance(
    state: State, caller: Account, code: Code, fee_limit_sun: int, value_sun: int, context: Context
) -> Allowance:
    """fee_limit bounds the energy of stake as well as what is burned."""
    price_sun, total = context.parameters["getEnergyFee"], _total(state, context)
    staked = caller.energy.left_in_machine(total, context.slot)
    affordable = staked + max(caller.balance_sun - value_sun, 0) // price_sun
    mine = min(affordable, fee_limit_sun // price_sun)
    origin, percent = _origin(state, context), code.user_percent
    if origin is None or origin.address == caller.address or percent >= 100:
        return Allowance(mine, staked)
    left = origin.energy.left_in_machine(total, context.slot)
    theirs = min(left, ORIGIN_ENERGY_LIMIT)
    if percent > 0:
        theirs = min(theirs, mine * (100 - percent) // percent)
    return Allowance(mine + theirs, staked, left)


def pay(state: Overlay, caller: Address, code: Code, granted: Allowance, called: Called, context: Context) -> Bill:
    """Charge what the call used. What was left of the caller's stake is known from before it ran."""
    succeeded, energy = called.result == SUCCESS, called.energy
    origin = _origin(state, context)
    theirs = 0
    if origin is not None and origin.address != caller:
        theirs = min(energy * max(0, 100 - code.user_percent) // 100, granted.origin_left, ORIGIN_ENERGY_LIMIT)
        if theirs or origin.energy.used:
            accounts.save(state, _using(origin, theirs, context, succeeded=succeeded))
    mine = energy - theirs
    staked = min(mine, granted.staked)
    fee_sun = (mine - staked) * context.parameters["getEnergyFee"]
    account = accounts.find(state, caller)
    assert account is not None, "a caller's account was there before the call, and none vanishes"
    accounts.spend(state, _using(account, staked, context, succeeded=succeeded), fee_sun)
    return Bill(staked, theirs, fee_sun)


def _using(account: Account, energy: int, context: Context, *, succeeded: bool) -> Account:
    """The account after its stake paid so much.

    java-tron brings the usage up to date before a call, which a failed call undoes: then it is done together with the
    payment, and rounds differently.
    """
    held = account.energy.use(0, context.slot) if succeeded else account.energy
    return msgspec.structs.replace(account, energy=held.use(energy, context.slot))


def _total(state: State, context: Context) -> Total:
    return staking.total(state, context.parameters, staking.ENERGY)


def _origin(state: State, context: Context) -> Account | None:
    return accounts.find(state, context.machine.origin)
