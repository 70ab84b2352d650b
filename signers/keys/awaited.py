"""Keys that could not be opened at the start: the history knows their addresses, so that watching goes on meanwhile."""

from collections.abc import Callable, Mapping
from typing import Final

from core.tron.address import Address
from signers.keys.keys import Key, KeyNotHeld, Keys


class AwaitedKeys:
    """The port `Keys`, opened where one first signs. `known` has an address by key id."""

    def __init__(self, opening: Callable[[], Keys], known: Mapping[str, Address]) -> None:
        """`opening` may raise Unavailable, and is asked again each time until it does not."""
        self._opening = opening
        self._known = known
        self._opened: Keys | None = None

    def key(self, key_id: str) -> Key:
        if self._opened is None and key_id in self._known:
            return AwaitedKey(self, key_id, self._known[key_id])
        return self.opened().key(key_id)

    def opened(self) -> Keys:
        """Raises Unavailable."""
        if self._opened is None:
            self._opened = self._opening()
        return self._opened


class AwaitedKey:
    """One whose address the history says. What another key signs is not given out."""

    def __init__(self, keys: AwaitedKeys, key_id: str, address: Address) -> None:
        self._keys = keys
        self._key_id = key_id
        self.address: Final = address

    def sign_digest(self, digest: bytes) -> bytes:
        """Raises Unavailable; KeyNotHeld when the key that opens is another one."""
        key = self._keys.opened().key(self._key_id)
        if key.address != self.address:
            raise KeyNotHeld(f"{self._key_id} is the key of {key.address}, the history knows it as {self.address}'s")
        return key.sign_digest(digest)

    def __repr__(self) -> str:
        return f"AwaitedKey({self.address})"


class KeyOfAddress:
    """The key of an address that is known, which is opened where it signs: to open one may fail as signing may."""

    def __init__(self, address: Address, keys: Keys, key_id: str) -> None:
        self.address: Final = address
        self._keys = keys
        self._key_id = key_id

    def sign_digest(self, digest: bytes) -> bytes:
        """Raises Unavailable, KeyNotHeld."""
        return self._keys.key(self._key_id).sign_digest(digest)

    def __repr__(self) -> str:
        return f"KeyOfAddress({self.address})"
