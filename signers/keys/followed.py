"""The keystore of a process that runs while keys are added to it: it is opened again when somebody asks for one that is new."""

import secrets
from collections.abc import Callable
from typing import Final

from core.streams.wallet.rotation import RotatedRole
from signers.keys.keys import Key, KeyNotHeld
from signers.keys.keystore import DEPOSIT_SEED, Keystore

KEY_BYTES: Final = 32
SEED_BYTES: Final = 64


class FollowedKeystore:
    """The port `Keys`. `opening` opens the file as it is now."""

    def __init__(self, opening: Callable[[], Keystore]) -> None:
        """Raises KeystoreUnusable."""
        self._opening: Final = opening
        self._keystore = opening()

    def key(self, key_id: str) -> Key:
        """Raises KeyNotHeld, KeystoreUnusable."""
        try:
            return self._keystore.key(key_id)
        except KeyNotHeld:
            if not self._keystore.was_changed():
                raise
        self._keystore = self._opening()
        return self._keystore.key(key_id)

    def made(self, name: str, size: int) -> None:
        """Make a secret of this name and size, unless there is one. Raises KeystoreUnusable."""
        if self._keystore.was_changed():
            self._keystore = self._opening()
        if name not in self._keystore.names:
            self._keystore.add(name, secrets.token_bytes(size))


class KeystoreMaker:
    """The ports `WalletKeyMaker` and `SeedMaker` on one machine: a secret beside the one before, in the same file."""

    def __init__(self, keystore: FollowedKeystore) -> None:
        self._keystore = keystore

    def make(self, role: RotatedRole, number: int, wished: str) -> str:
        """Raises KeyNotHeld where one in KMS was wished, KeystoreUnusable."""
        if wished:
            raise KeyNotHeld(
                f"there is no KMS here that could hold {wished}: ask again without --kms, and a key is made"
            )
        name = f"{role}_{number}"
        self._keystore.made(name, KEY_BYTES)
        return f"keystore:{name}"

    def make_seed(self, number: int) -> str:
        """Raises KeystoreUnusable."""
        self._keystore.made(f"{DEPOSIT_SEED}_{number}", SEED_BYTES)
        return f"derived:{number}:"
