"""Lending stake: whose it is does not change, whose energy or bandwidth it gives does, for as long as it is lent.

Taking it back moves the receiver's usage that belongs to it back to the owner: the pool's energy is used once a day,
however often it is lent. A pair has up to two delegations, one that can be taken back at any time and one that is locked.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from core.tron.address import Address
from core.tron.transactions import CONTRACT_TYPES, DELEGATE
from gateways.devnet.execution import staking
from gateways.devnet.execution.outcome import Context, Outcome, address_of, invalid, owner_account
from gateways.devnet.execution.staking import BANDWIDTH, ENERGY, STAKED, resource_of
from gateways.devnet.machine.machine import SUCCESS
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.parameters import Parameters
from gateways.devnet.state.shares import SUN_PER_TRX, WINDOW, Share, slot_of
from gateways.devnet.state.state import Overlay, State
from gateways.devnet.state.transaction import Transaction

BLOCK_MS: Final = 3_000
"""A lock period counts blocks, as if none were ever missed."""

LOCK_BLOCKS: Final = 86_400
"""Three days: a lock that names no period."""

_COST_BYTES: Final = 275
"""What java-tron takes a delegating transaction to weigh at least, when it says how much bandwidth can be lent."""


class Lent(msgspec.Struct, frozen=True):
    """One delegation of a pair; what is 0 is not lent, an expiry of 0 is no lock."""

    energy_sun: int = 0
    bandwidth_sun: int = 0
    energy_expires_ms: int = 0
    bandwidth_expires_ms: int = 0

    def amount(self, resource: str) -> int:
        return self.energy_sun if resource == ENERGY else self.bandwidth_sun

    def expires_ms(self, resource: str) -> int:
        return self.energy_expires_ms if resource == ENERGY else self.bandwidth_expires_ms

    def changed(self, resource: str, amount_sun: int, expires_ms: int) -> "Lent":
        if resource == ENERGY:
            return msgspec.structs.replace(self, energy_sun=amount_sun, energy_expires_ms=expires_ms)
        return msgspec.structs.replace(self, bandwidth_sun=amount_sun, bandwidth_expires_ms=expires_ms)


def find(state: State, owner: bytes, receiver: bytes, *, locked: bool) -> Lent | None:
    lent: Lent | None = state.get(("lent", owner, receiver, "locked" if locked else "free"))
    return lent


def receivers(state: State, owner: bytes) -> list[bytes]:
    """To whom this account lends, in the order of the last time."""
    return _in_order(state.get(("lends to", owner)))


def owners(state: State, receiver: bytes) -> list[bytes]:
    """Who lends to this account, in the order of the last time."""
    return _in_order(state.get(("borrows from", receiver)))


def delegatable(
    state: State, account: Account, resource: str, parameters: Parameters, now_ms: int, *, cautious: bool = False
) -> int:
    """The most that can be lent in sun: frozen stake, less what the owner's usage needs of it beyond acquired stake.

    `cautious` leaves room for the bandwidth of the delegating transaction itself, as a node does that is asked.
    """
    held = staking.share(account, resource)
    used = held.use(0, slot_of(now_ms)).used
    if cautious and resource == BANDWIDTH:
        used += _cost(held, parameters)
    needed_sun = max(0, staking.total(state, parameters, resource).stake(used) - held.acquired_sun)
    return held.frozen_sun - needed_sun


def delegate(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    parameter, resource, now_ms = transaction.parameter, resource_of(transaction), context.parent_ms
    owner, amount_sun = owner_account(state, transaction), parameter.get("balance", 0)
    if amount_sun < SUN_PER_TRX:
        raise invalid("delegateBalance must be greater than or equal to 1 TRX")
    if resource not in STAKED:
        raise invalid("ResourceCode error, valid ResourceCode[BANDWIDTH、ENERGY]")
    most_sun = delegatable(state, owner, resource, context.parameters, now_ms, cautious=context.building)
    if amount_sun > most_sun:
        name = "Energy" if resource == ENERGY else "Bandwidth"
        raise invalid(f"delegateBalance must be less than or equal to available Freeze{name}V2 balance")
    receiver_address = _receiver(transaction)
    receiver = accounts.find(state, receiver_address)
    if receiver is None:
        raise invalid(f"Account[{receiver_address.hex()}] not exists")
    expires_ms = _lock(state, transaction, context, receiver_address, resource) if parameter.get("lock") else 0
    if receiver.is_contract:
        raise invalid("Do not allow delegate resources to contract addresses")
    _unlock_expired(state, owner.address, receiver_address, now_ms)
    locked = bool(parameter.get("lock"))
    lent = find(state, owner.address, receiver_address, locked=locked) or Lent()
    lent = lent.changed(resource, lent.amount(resource) + amount_sun, expires_ms)
    _save(state, owner.address, receiver_address, lent, locked=locked)
    _index(state, owner.address, receiver_address, now_ms)
    _move(state, owner, receiver, resource, amount_sun)
    return Outcome(SUCCESS)


def undelegate(state: Overlay, transaction: Transaction, context: Context) -> Outcome:
    parameter, resource, now_ms = transaction.parameter, resource_of(transaction), context.parent_ms
    owner = owner_account(state, transaction)
    receiver_address = _receiver(transaction)
    free, locked = (find(state, owner.address, receiver_address, locked=locked) for locked in (False, True))
    if free is None and locked is None:
        raise invalid("delegated Resource does not exist")
    amount_sun = parameter.get("balance", 0)
    if amount_sun <= 0:
        raise invalid("unDelegateBalance must be more than 0 TRX")
    if resource not in STAKED:
        raise invalid("ResourceCode error.valid ResourceCode[BANDWIDTH、Energy]")
    available_sun = free.amount(resource) if free else 0
    if locked and locked.expires_ms(resource) < now_ms:
        available_sun += locked.amount(resource)
    if available_sun < amount_sun:
        name = "delegateFrozenBalance(Energy)" if resource == ENERGY else "delegatedFrozenBalance(BANDWIDTH)"
        raise invalid(f"insufficient {name}, request={amount_sun}, unlock_balance={available_sun}")
    receiver = accounts.find(state, receiver_address)
    assert receiver is not None, "stake is lent to accounts only, and none vanishes"
    receiver, usage, window = _with_less_usage(state, receiver, resource, amount_sun, context)
    if usage:
        held = staking.share(owner, resource).take_over(usage, window, context.slot)
        owner = staking.with_share(owner, resource, held)
    _unlock_expired(state, owner.address, receiver_address, now_ms)
    lent = find(state, owner.address, receiver_address, locked=False) or Lent()
    lent = lent.changed(resource, lent.amount(resource) - amount_sun, 0)
    _save(state, owner.address, receiver_address, lent, locked=False)
    if not any(find(state, owner.address, receiver_address, locked=locked) for locked in (False, True)):
        _index(state, owner.address, receiver_address, None)
    _move(state, owner, receiver, resource, -amount_sun)
    return Outcome(SUCCESS)


def _receiver(transaction: Transaction) -> Address:
    receiver = address_of(transaction.parameter.get("receiver_address", b""), "Invalid receiverAddress")
    if receiver == transaction.owner:
        raise invalid("receiverAddress must not be the same as ownerAddress")
    return receiver


def _lock(state: State, transaction: Transaction, context: Context, receiver: bytes, resource: str) -> int:
    """When a lock that this transaction asks for expires. A new lock may not end before the one there is."""
    blocks, most = (
        transaction.parameter.get("lock_period", 0) or LOCK_BLOCKS,
        context.parameters["getMaxDelegateLockPeriod"],
    )
    if not 0 <= blocks <= most:
        raise invalid(f"The lock period of delegate resource cannot be less than 0 and cannot exceed {most}!")
    lent = find(state, transaction.owner, receiver, locked=True)
    remaining_ms = lent.expires_ms(resource) - context.parent_ms if lent else 0
    if blocks * BLOCK_MS < remaining_ms:
        raise invalid(
            f"The lock period for {resource} this time cannot be less than the remaining time[{remaining_ms}ms]"
            f" of the last lock period for {resource}!"
        )
    return int(context.parent_ms + blocks * BLOCK_MS)


def _with_less_usage(
    state: State, receiver: Account, resource: str, amount_sun: int, context: Context
) -> tuple[Account, int, int]:
    """-> the receiver without the usage that goes with the stake, that usage, and what is left of its window."""
    held = staking.share(receiver, resource).use(0, context.slot)
    most = staking.total(state, context.parameters, resource).units(amount_sun)
    usage = min(most, int(held.used * (amount_sun / held.stake_sun)))
    held = msgspec.structs.replace(held, used=held.used - usage)
    return staking.with_share(receiver, resource, held), usage, held.window or WINDOW


def _unlock_expired(state: Overlay, owner: bytes, receiver: bytes, now_ms: int) -> None:
    """What is locked no longer joins what is free."""
    locked = find(state, owner, receiver, locked=True)
    if locked is None or min(locked.energy_expires_ms, locked.bandwidth_expires_ms) >= now_ms:
        return
    free = find(state, owner, receiver, locked=False) or Lent()
    for resource in STAKED:
        if locked.expires_ms(resource) < now_ms:
            free = free.changed(resource, free.amount(resource) + locked.amount(resource), 0)
            locked = locked.changed(resource, 0, 0)
    _save(state, owner, receiver, locked, locked=True)
    _save(state, owner, receiver, free, locked=False)


def _move(state: Overlay, owner: Account, receiver: Account, resource: str, amount_sun: int) -> None:
    """The stake itself; a negative amount comes back."""
    mine, theirs = staking.share(owner, resource), staking.share(receiver, resource)
    frozen_sun, delegated_sun = mine.frozen_sun - amount_sun, mine.delegated_sun + amount_sun
    mine = msgspec.structs.replace(mine, frozen_sun=frozen_sun, delegated_sun=delegated_sun)
    theirs = msgspec.structs.replace(theirs, acquired_sun=theirs.acquired_sun + amount_sun)
    accounts.save(state, staking.with_share(owner, resource, mine))
    accounts.save(state, staking.with_share(receiver, resource, theirs))


def _save(state: Overlay, owner: bytes, receiver: bytes, lent: Lent, *, locked: bool) -> None:
    kept = lent if lent.energy_sun or lent.bandwidth_sun else None
    state.set(("lent", owner, receiver, "locked" if locked else "free"), kept)


def _index(state: Overlay, owner: bytes, receiver: bytes, at_ms: int | None) -> None:
    """Note that the pair has a delegation since this time, or None that it has none any more."""
    for key, other in ((("lends to", owner), receiver), (("borrows from", receiver), owner)):
        known: Mapping[bytes, int] = state.get(key) or {}
        rest = {address: since_ms for address, since_ms in known.items() if address != other}
        state.set(key, ({**rest, other: at_ms} if at_ms is not None else rest) or None)


def _in_order(known: Mapping[bytes, int] | None) -> list[bytes]:
    return sorted(known, key=known.__getitem__) if known else []


def _cost(held: Share, parameters: Parameters) -> int:
    """The bytes that java-tron sets aside: as if all of the stake were lent with the longest lock."""
    message = CONTRACT_TYPES[DELEGATE]
    largest: dict[str, Any] = {"lock": True, "lock_period": parameters["getMaxDelegateLockPeriod"]}
    size = len(message.encode({"balance": held.frozen_sun, **largest}))
    return _COST_BYTES + max(0, size - len(message.encode({"balance": SUN_PER_TRX})))
