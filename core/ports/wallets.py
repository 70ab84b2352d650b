"""What the wallets are asked for: addresses that are ready to give out, and what each address holds."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class ReadyAddress(msgspec.Struct, frozen=True):
    """A deposit address that the signer has made and nobody was given yet."""

    base58: str
    hex: str
    key_id: str


class AddressPool(Protocol):
    """All addresses that are ours. A row stands here before anybody can learn the address (I6)."""

    def take(self) -> ReadyAddress | None:
        """One ready address, given to nobody else; None when the pool is empty."""

    def add(self, addresses: Sequence[ReadyAddress]) -> None:
        """New ready deposit addresses; known ones stay as they are."""

    def keep(self, addresses: Sequence[ReadyAddress]) -> None:
        """New deposit addresses that are ours and given out to nobody here: a copy may have."""

    def add_wallet(self, role: str, base58: str, key_id: str | None) -> None:
        """A system wallet's address, watched like the others."""

    def ready(self) -> int:
        """How many wait to be taken."""

    def highest_index(self, prefix: str) -> int:
        """The highest derivation index among key ids that start with `prefix`, -1 when there is none."""

    def ours(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        """Which of these 20-byte addresses are ours, with their wallet role: payin, hot, cold, gas."""

    def key_ids(self, evm_addresses: Sequence[bytes]) -> Mapping[bytes, str]:
        """Which key signs for each of these, where one is known here."""


class AddressDoor(Protocol):
    """Whether ready addresses are given out. It is shut in every copy, and at every start of the server, until it is opened."""

    def is_open(self) -> bool:
        """In this run of the server."""

    def open(self) -> None:
        """Until it is shut, or this database runs in another server."""

    def shut(self) -> None: ...

    def given_up_to(self) -> int:
        """The last position at which the store was doubted and what was ready was given up for it, 0 without any."""

    def first_index(self) -> int:
        """Below it none is derived any more."""

    def give_up(self, doubted_at: int, first_index: int) -> None:
        """What is ready now is given out to nobody, and stays ours; the door is shut."""

    def give_up_used(self) -> None:
        """The same of those that hold coins, though nobody here was given them."""

    def chain_height(self) -> int | None:
        """The highest block that a node called solid since the server was started; None before any did."""

    def is_shown_to(self, position: int) -> bool:
        """Whether the view of holdings has everything up to a position."""


class Holding(msgspec.Struct, frozen=True):
    """What the events say a deposit address holds, and how many sweeps of it were ever planned."""

    address: str
    usdt_minor: int
    trx_sun: int
    sweeps: int


class Holdings(Protocol):
    """The deposit addresses by what they hold, as a view has it: a hint where to look, the chain is asked before anything."""

    def richest(self, usdt_minor: int, limit: int) -> Sequence[Holding]:
        """Those with at least so much USDT that are not set aside, the richest first."""

    def left_over(self, trx_sun: int, usdt_minor: int, limit: int) -> Sequence[Holding]:
        """Those with at least so many TRX and less USDT than this, not set aside, the richest first."""

    def set_aside(self) -> Sequence[str]:
        """Addresses in quarantine because the token's issuer blacklisted them."""
