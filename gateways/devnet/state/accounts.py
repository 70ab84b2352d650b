"""Accounts as the state holds them: TRX, resources, permissions. An address without an account has none of it."""

from typing import Final

import msgspec

from core.tron.address import Address
from gateways.devnet.state.shares import Share
from gateways.devnet.state.state import Overlay, State

OWNER_PERMISSION: Final = 0
FIRST_ACTIVE_PERMISSION: Final = 2
ALL_OPERATIONS: Final = bytes.fromhex("7fff1fc0033efb0f" + "00" * 24)
"""Contract types that a default active permission may use: bit t of byte t/8."""


class Permission(msgspec.Struct, frozen=True):
    """Who may sign: keys with weights, and the weight they must reach together."""

    id: int
    name: str
    threshold: int
    keys: tuple[tuple[bytes, int], ...]
    operations: bytes = b""


class Unfreezing(msgspec.Struct, frozen=True):
    """Stake that was unfrozen and can be withdrawn from `expires_ms` on."""

    resource: str
    amount_sun: int
    expires_ms: int


class Account(msgspec.Struct, frozen=True):
    """One activated address. `free_net_used` is as of `free_net_slot`, a slot of 3 s, and recovers from there."""

    address: bytes
    created_ms: int
    balance_sun: int = 0
    free_net_used: int = 0
    free_net_slot: int = 0
    operated_ms: int = 0
    is_contract: bool = False
    owner: Permission | None = None
    actives: tuple[Permission, ...] = ()
    bandwidth: Share = Share()
    energy: Share = Share()
    unfreezing: tuple[Unfreezing, ...] = ()
    name: bytes = b""

    def permission(self, permission_id: int) -> Permission | None:
        """The permission with this id, the default one where none was ever set."""
        if permission_id == OWNER_PERMISSION:
            return self.owner or default_owner(self.address)
        actives = self.actives if self.owner else (default_active(self.address),)
        return next((active for active in actives if active.id == permission_id), None)


def default_owner(address: bytes) -> Permission:
    return Permission(OWNER_PERMISSION, "owner", 1, ((address, 1),))


def default_active(address: bytes) -> Permission:
    return Permission(FIRST_ACTIVE_PERMISSION, "active", 1, ((address, 1),), ALL_OPERATIONS)


def find(state: State, address: bytes) -> Account | None:
    account: Account | None = state.get(("account", address))
    return account


def save(state: Overlay, account: Account) -> None:
    state.set(("account", account.address), account)


def spend(state: Overlay, account: Account, amount_sun: int) -> Account:
    """Take TRX from an account that is known to have it."""
    account = msgspec.structs.replace(account, balance_sun=account.balance_sun - amount_sun)
    save(state, account)
    return account


def credit(state: Overlay, address: Address, amount_sun: int, now_ms: int) -> None:
    """Give TRX to an address; it has an account from then on."""
    account = find(state, address) or Account(address, created_ms=now_ms)
    save(state, msgspec.structs.replace(account, balance_sun=account.balance_sun + amount_sun))
