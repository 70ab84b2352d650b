"""The keys of one role's wallets, as the history has them: the one that plays it, and those that played it before."""

from collections.abc import Sequence
from typing import Final

from core.ledger.ledger import EventStore, state_of
from core.streams.treasury import Role, wallet_stream
from core.streams.wallet.rotation import NOBODY, RoleHistory
from core.tron.address import Address
from signers.keys.awaited import KeyOfAddress
from signers.keys.keys import Key, Keys


class RoleKeys:
    """`first` is the key that the process has opened; one that came later is opened where it first signs.

    Without `keys` there is no other: who is given none knows of no rotation.
    """

    def __init__(self, store: EventStore, role: Role, first: Key, keys: Keys | None = None) -> None:
        self._store = store
        self._stream: Final = wallet_stream(role)
        self._keys = keys
        self._by_address: dict[str, Key] = {first.address.base58: first}
        self.known: RoleHistory = NOBODY
        self.playing: Key = first

    def look(self) -> None:
        """Take in what was rotated since. Raises Unavailable."""
        if self._keys is None:
            return
        self.known = state_of(self._store, self._stream, NOBODY)
        for it in self.known.registered:
            if it.address not in self._by_address and it.key_id is not None:
                self._by_address[it.address] = KeyOfAddress(Address.from_base58(it.address), self._keys, it.key_id)
        if self.known.playing is not None:
            self.playing = self._by_address.get(self.known.playing.address, self.playing)

    def key_of(self, address: str) -> Key | None:
        """The key of a wallet that plays or has played the role."""
        return self._by_address.get(address)

    @property
    def retiring(self) -> str:
        """The address that is being emptied into the one that plays the role; "" where none is."""
        return self.known.begun.from_address if self.known.begun is not None else ""

    @property
    def former(self) -> Sequence[Address]:
        """Every address that played it before."""
        return [Address.from_base58(it) for it in self.known.former]

    @property
    def counted_as(self) -> str:
        """The name under which what leaves is counted: the first address of the role, so that a rotation resets nothing."""
        return self.known.registered[0].address if self.known.registered else self.playing.address.base58
