"""What the chain says of the system wallets: coins, energy, bandwidth and stake, at one solid height."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from core.streams.treasury import Role


class Floors(msgspec.Struct, frozen=True):
    """What a wallet should not fall below, for alarms; 0 is no floor. Minor units, sun, units of energy."""

    usdt_minor: int = 0
    trx_sun: int = 0
    energy: int = 0
    """Of the gas wallet: what its stake can lend now."""


class WalletNumbers(msgspec.Struct, frozen=True):
    """One wallet. Coins are those at the solid block; resources are the node's at its head, a few blocks later.

    `energy_lendable` is what the stake that can be delegated now would give, `staked_sun` all that is frozen, lent or not.
    """

    role: Role
    address: str
    block_number: int
    block_timestamp_ms: int
    usdt_minor: int
    trx_sun: int
    energy_left: int
    energy_limit: int
    energy_lendable: int
    bandwidth_left: int
    bandwidth_limit: int
    staked_sun: int
    delegated_sun: int
    unfreezing_sun: int
    usdt_floor_minor: int
    trx_floor_sun: int
    energy_floor: int


class WalletDifference(msgspec.Struct, frozen=True):
    """A wallet's account that books and chain do not agree about at a solid block: minor units, or sun.

    `address` is empty where the account is that of several addresses. `sentence` says what may be behind it.
    """

    account: str
    currency: str
    address: str
    booked: int
    found: int
    block_number: int
    sentence: str


class WalletBoard(Protocol):
    """The last numbers of each wallet, for those who ask no node."""

    def put(self, numbers: Sequence[WalletNumbers]) -> None:
        """Keep these in the place of the ones before. Raises Unavailable."""

    def put_former(self, numbers: Sequence[WalletNumbers]) -> None:
        """The same of wallets that were replaced: these, and no other. Raises Unavailable."""

    def differ(self, differences: Sequence[WalletDifference]) -> None:
        """These stand now, and no other. One that stood before keeps the time since when it does. Raises Unavailable."""


class AddressBoard(Protocol):
    """The deposit addresses that books and chain do not agree about."""

    def standing(self) -> Sequence[WalletDifference]:
        """All that stand. Raises Unavailable."""

    def differ_at(self, addresses: Sequence[str], differences: Sequence[WalletDifference]) -> None:
        """Of these addresses these differences stand now, and no other. Raises Unavailable."""
