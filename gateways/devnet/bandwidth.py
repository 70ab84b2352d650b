"""Bandwidth: who pays for a transaction's bytes. One source pays for all of them: the free allowance, or TRX burned.

The allowance, an account's 600 bytes and the whole chain's, recovers linearly over 24 hours of chain time.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateways.devnet import accounts
from gateways.devnet.accounts import Account
from gateways.devnet.state import Overlay
from gateways.devnet.transaction import Transaction

SLOT_MS: Final = 3_000
"""Recovery counts slots of three seconds, whatever the devnet's block interval."""

WINDOW_SLOTS: Final = 28_800
PUBLIC_NET_LIMIT: Final = 14_400_000_000
_PRECISION: Final = 1_000_000
_PUBLIC: Final = ("public net",)


class Charge(msgspec.Struct, frozen=True):
    """What was paid: bytes of the allowance, or sun burned."""

    used: int = 0
    fee_sun: int = 0


def charge(
    state: Overlay,
    account: Account,
    transaction: Transaction,
    parameters: Mapping[str, int],
    parent_ms: int,
    *,
    creates: bool,
) -> Charge | None:
    """Pay for the transaction's bytes; None when the account cannot. Creating an account never uses the free allowance."""
    size = transaction.bandwidth
    now = parent_ms // SLOT_MS
    account = msgspec.structs.replace(account, operated_ms=parent_ms)
    if creates:
        return _burn(state, account, parameters["getCreateAccountFee"])
    used = recovered(account.free_net_used, account.free_net_slot, now)
    public_used, public_slot = state.get(_PUBLIC) or (0, 0)
    public_used = recovered(public_used, public_slot, now)
    if used + size <= parameters["getFreeNetLimit"] and public_used + size <= PUBLIC_NET_LIMIT:
        accounts.save(state, msgspec.structs.replace(account, free_net_used=used + size, free_net_slot=now))
        state.set(_PUBLIC, (public_used + size, now))
        return Charge(used=size)
    return _burn(state, account, size * parameters["getTransactionFee"])


def free_net_used(account: Account, head_ms: int) -> int:
    """Bytes of the free allowance in use at this time of the chain."""
    return recovered(account.free_net_used, account.free_net_slot, head_ms // SLOT_MS)


def recovered(used: int, slot: int, now: int) -> int:
    """What is left of a usage after the slots since: java-tron's `increase`, its rounding included."""
    average = -(-used * _PRECISION // WINDOW_SLOTS)
    passed = now - slot
    if passed >= WINDOW_SLOTS:
        return 0
    if passed:
        average = int(average * ((WINDOW_SLOTS - passed) / WINDOW_SLOTS) + 0.5)
    return average * WINDOW_SLOTS // _PRECISION


def _burn(state: Overlay, account: Account, fee_sun: int) -> Charge | None:
    if account.balance_sun < fee_sun:
        return None
    accounts.spend(state, account, fee_sun)
    return Charge(fee_sun=fee_sun)
