"""Step: make the key that an operator asked for, prove that it signs, and name its address.

Who signs for a wallet makes its key, so no other process, and nobody who asks, ever holds it. Nothing is sent to an address
before its key has signed here once: a key that cannot sign would keep what it gets.
"""

from typing import Final, Protocol

from core.ledger.ledger import EventStore, Ledger, state_of
from core.ports.alarm import Alarm
from core.ports.wallets import AddressPool
from core.streams.treasury import wallet_stream
from core.streams.wallet.rotation import (
    NOBODY,
    BeginWalletRotation,
    GiveUpWalletRotation,
    RoleHistory,
    RotatedRole,
)
from core.tron.address import Address
from core.tron.secp256k1 import InvalidSignature, recover, sha256
from signers.fence import Fence
from signers.keys.keys import KeyNotHeld, Keys
from signers.keys.kms import SignatureUnproven, UnfitKey
from signers.outcomes import append

PROOF: Final = b"counterfoil: this key is to sign for a wallet, and this is no transaction: "


class WalletKeyMaker(Protocol):
    """Where the keys of system wallets come from."""

    def make(self, role: RotatedRole, number: int, wished: str) -> str:
        """The key of a role's n-th wallet -> its id; the same one whenever it is asked for.

        `wished` names one that is there already. Raises Unavailable, KeyNotHeld, UnfitKey.
        """


class BeginRotation:
    """Of one role."""

    def __init__(
        self,
        ledger: Ledger,
        store: EventStore,
        pool: AddressPool,
        keys: Keys,
        role: RotatedRole,
        maker: WalletKeyMaker,
        actor: str,
        *,
        alarm: Alarm,
        fence: Fence | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._pool = pool
        self._keys = keys
        self._role: Final = role
        self._maker = maker
        self._actor = actor
        self._alarm = alarm
        self._fence = fence

    def step(self) -> bool:
        """Whether a rotation was begun, or given up. Raises Unavailable."""
        known = state_of(self._store, wallet_stream(self._role), NOBODY)
        if known.asked is None or (self._fence is not None and not self._fence.holds()):
            return False  # an older store names no wallet (I16)
        try:
            key_id = self._maker.make(self._role, len(known.registered) + 1, known.asked.key)
            address = self._proven(key_id)
            self._must_be_new(known, address)
        except (KeyNotHeld, UnfitKey, SignatureUnproven) as error:
            self._alarm("wallet_rotation_given_up", f"the {self._role} wallet keeps its key: {error}")
            return bool(append(self._ledger, [GiveUpWalletRotation(self._role, self._actor, reason=str(error))]))
        self._pool.add_wallet(self._role, address.base58, key_id)  # watched before anybody can learn it (I6)
        begin = BeginWalletRotation(self._role, self._actor, address=address.base58, key_id=key_id)
        return bool(append(self._ledger, [begin]))

    def _proven(self, key_id: str) -> Address:
        """The address of a key that signs. Raises KeyNotHeld, UnfitKey, SignatureUnproven."""
        key = self._keys.key(key_id)
        digest = sha256(PROOF + key_id.encode())
        try:
            signer = recover(digest, key.sign_digest(digest))
        except InvalidSignature as error:
            raise SignatureUnproven(f"what {key_id} signs is no signature: {error}") from error
        if signer != key.address:
            raise SignatureUnproven(f"what {key_id} signs is {signer}'s, not {key.address}'s")
        return key.address

    def _must_be_new(self, known: RoleHistory, address: Address) -> None:
        """Raises UnfitKey for an address that plays a part already."""
        played = self._pool.ours([address.evm]).get(address.evm)
        if played not in (None, self._role) or address.base58 in {it.address for it in known.registered}:
            raise UnfitKey(f"{address} is a {played} address of ours already: another wallet needs a key of its own")
