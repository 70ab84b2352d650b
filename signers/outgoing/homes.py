"""Where instructions may bring coins: to addresses whose keys this process holds, and to the cold wallet of its settings.

The address pool says which role an address plays, and whoever has the signer's database login can write a row there and give
an instruction. So a row is believed where its address is that of a key which this process can use itself (I17).
"""

from collections.abc import Mapping
from typing import Final, Literal

from core.ledger.ledger import EventStore, state_of
from core.ports.unavailable import Unavailable
from core.ports.wallets import AddressPool
from core.streams.instructions import Instruction
from core.streams.treasury import wallet_stream
from core.streams.wallet.rotation import NOBODY, ROTATED_ROLES
from core.tron.address import Address
from signers.keys.keys import KeyNotHeld, Keys
from signers.transactions.intents import receiver_of

ANY_COLD: Final = "any"


class Homes:
    """`wallets`: by role the address of each key; `keys` has those of deposit addresses, None where nothing goes to any.

    `cold`: the one cold address; None: nothing goes to cold storage; "any": whatever is registered, as on a test network.
    """

    def __init__(
        self,
        pool: AddressPool,
        wallets: Mapping[str, Address],
        keys: Keys | None,
        cold: Address | Literal["any"] | None,
        *,
        own: Keys | None = None,
        store: EventStore | None = None,
    ) -> None:
        """`own` has the keys of wallets that replace those, `store` says which were replaced: these are brought fuel alone."""
        self._pool = pool
        self._wallets = wallets
        self._keys = keys
        self._cold = cold
        self._own = own
        self._store = store

    def objection(self, instruction: Instruction) -> str | None:
        """Why this process brings nothing there; None where it may. Raises Unavailable where a key cannot be opened now."""
        to = receiver_of(instruction)
        if to is None:
            return None
        role = self._pool.ours([to.evm]).get(to.evm)
        if role == "cold":
            if self._cold in (ANY_COLD, to):
                return None
            return f"{to} is not the cold wallet of this signer's settings, SIGNER_COLD_ADDRESS"
        if role == "payin" and self._opens(self._keys, to):
            return None
        if role in ROTATED_ROLES and (self._wallets.get(role) == to or self._opens(self._own, to)):
            if instruction.purpose == "fuel" or not self._was_replaced(role, to):
                return None
            return f"another {role} wallet has replaced {to}"
        return f"{to} is no address whose key this signer holds, whatever the address pool says"

    def _was_replaced(self, role: str, to: Address) -> bool:
        return self._store is not None and to.base58 in state_of(self._store, wallet_stream(role), NOBODY).former

    def _opens(self, keys: Keys | None, to: Address) -> bool:
        """Whether the key that the pool names for it is here, and is its own."""
        key_id = self._pool.key_ids([to.evm]).get(to.evm)
        if keys is None or key_id is None:
            return False
        try:
            return keys.key(key_id).address == to
        except KeyNotHeld as error:
            raise Unavailable(f"the key of {to} cannot be opened now: {error}") from error
