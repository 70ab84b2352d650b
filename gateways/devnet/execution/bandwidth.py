"""Bandwidth: who pays for a transaction's bytes. One source pays for all of them: stake, the free allowance, or TRX burned.

The allowance, an account's 600 bytes and the whole chain's, recovers linearly over 24 hours of chain time.
"""

from typing import Final

import msgspec

from gateways.devnet.execution import staking
from gateways.devnet.execution.outcome import Context
from gateways.devnet.state import accounts
from gateways.devnet.state.accounts import Account
from gateways.devnet.state.shares import decayed, slot_of
from gateways.devnet.state.state import Overlay
from gateways.devnet.state.transaction import Transaction

PUBLIC_NET_LIMIT: Final = 14_400_000_000
_PUBLIC: Final = ("public net",)


class Charge(msgspec.Struct, frozen=True):
    """What was paid: bytes of stake or of the allowance, or sun burned."""

    used: int = 0
    fee_sun: int = 0


def charge(
    state: Overlay, account: Account, transaction: Transaction, context: Context, *, creates: bool
) -> Charge | None:
    """Pay for the transaction's bytes; None when the account cannot. Creating an account never uses the free allowance."""
    size, parameters, now = transaction.bandwidth, context.parameters, context.slot
    account = msgspec.structs.replace(account, operated_ms=context.parent_ms)
    needed = size * parameters["getCreateNewAccountBandwidthRate"] if creates else size
    if needed <= account.bandwidth.left(staking.total(state, parameters, staking.BANDWIDTH), now):
        accounts.save(state, msgspec.structs.replace(account, bandwidth=account.bandwidth.use(needed, now)))
        return Charge(used=needed)
    if creates:
        return _burn(state, account, parameters["getCreateAccountFee"])
    used = decayed(account.free_net_used, account.free_net_slot, now)
    public_used, public_slot = state.get(_PUBLIC) or (0, 0)
    public_used = decayed(public_used, public_slot, now)
    if used + size <= parameters["getFreeNetLimit"] and public_used + size <= PUBLIC_NET_LIMIT:
        accounts.save(state, msgspec.structs.replace(account, free_net_used=used + size, free_net_slot=now))
        state.set(_PUBLIC, (public_used + size, now))
        return Charge(used=size)
    return _burn(state, account, size * parameters["getTransactionFee"])


def free_net_used(account: Account, head_ms: int) -> int:
    """Bytes of the free allowance in use at this time of the chain."""
    return decayed(account.free_net_used, account.free_net_slot, slot_of(head_ms))


def _burn(state: Overlay, account: Account, fee_sun: int) -> Charge | None:
    if account.balance_sun < fee_sun:
        return None
    accounts.spend(state, account, fee_sun)
    return Charge(fee_sun=fee_sun)
