"""Who holds a private key: the port that a keystore, a derived key and KMS fulfil alike, and the software holder.

A key id names where a key lives: `keystore:hot`, `derived:m/44'/195'/0'/0/7`, later `kms:<key id>`. The ids stand in
events and views; the keys stand nowhere but in the signer process.
"""

from typing import Final, NoReturn, Protocol

import coincurve

from core.tron.address import Address
from core.tron.secp256k1 import CURVE_ORDER, address_of


class KeyNotHeld(LookupError):
    """No key of this id is held here; the text names the id."""


class Key(Protocol):
    """One private key, wherever it is. It signs what it is given: all checking is signers/transactions/signer.py's."""

    @property
    def address(self) -> Address: ...

    def sign_digest(self, digest: bytes) -> bytes:
        """32 bytes -> r(32) s(32) v(1), low s, v 0 or 1. May block and raise Unavailable where the key is remote."""


class Keys(Protocol):
    """Keys by id."""

    def key(self, key_id: str) -> Key:
        """Raises KeyNotHeld."""


class SoftwareKey:
    """A private key in this process's memory. It shows its address and nothing else (I13)."""

    __slots__ = ("_private", "address")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
            raise ValueError("a private key is 32 bytes, above zero and below the order of secp256k1")
        self._private: Final = coincurve.PrivateKey(secret)
        self.address: Final = address_of(self._private.public_key.format())

    def sign_digest(self, digest: bytes) -> bytes:
        """RFC 6979, low s, so that the same digest always has the same signature."""
        return self._private.sign_recoverable(digest, hasher=None)

    def __repr__(self) -> str:
        return f"SoftwareKey({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled")
