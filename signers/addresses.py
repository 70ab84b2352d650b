"""Step: keep deposit addresses ready in the pool, so that the API gives them out without holding any key.

An address goes into the pool before anybody can learn it, and the scanner matches against the pool: no transfer to it
can be missed (I6). The same holds for the system wallets, whose addresses an event makes public.
"""

from collections.abc import Mapping
from typing import Final

from core.ledger import Accepted, Failed, Ledger, Refused, Repeated
from core.ports import AddressPool, ReadyAddress
from core.treasury import RegisterWallet, Role
from signers.derivation import DEPOSIT_ROOT, deposit_path
from signers.keys import Keys

ACTOR: Final = "system:addresses"
BATCH: Final = 500
_DERIVED: Final = "derived:"


class WrongKeys(Exception):
    """The keystore's keys are not those of the addresses already in use; the text says which and what to do."""


class Addresses:
    """Keeps `want` addresses ready, indexes without a gap. Two at once derive the same ones, which the pool keeps once."""

    def __init__(self, keys: Keys, pool: AddressPool, want: int) -> None:
        self._keys = keys
        self._pool = pool
        self._want = want
        self._recognised = False

    def step(self) -> bool:
        """Add up to BATCH addresses, if any is missing. Raises WrongKeys, KeyNotHeld without a deposit seed."""
        missing = self._want - self._pool.ready()
        if missing <= 0:
            return False
        first = self._pool.highest_index(f"{_DERIVED}{DEPOSIT_ROOT}/") + 1
        if first and not self._recognised:
            self._recognise(first - 1)
        self._recognised = True
        self._pool.add([self._derive(index) for index in range(first, first + min(missing, BATCH))])
        return True

    def _derive(self, index: int) -> ReadyAddress:
        key_id = _DERIVED + deposit_path(index)
        address = self._keys.key(key_id).address
        return ReadyAddress(base58=address.base58, hex=address.hex(), key_id=key_id)

    def _recognise(self, index: int) -> None:
        """Another seed would give the same key ids to other keys, and what was paid to the old ones could not be moved."""
        known = self._derive(index)
        if not self._pool.ours([bytes.fromhex(known.hex)[1:]]):
            raise WrongKeys(
                f"the keystore's seed gives {known.base58} for {known.key_id}, which the address pool does not know:"
                " open the keystore that this pool was filled from"
            )


def register_wallets(ledger: Ledger, pool: AddressPool, keys: Keys, wallets: Mapping[Role, str]) -> None:
    """Role -> key id: each wallet's address into the pool, then into the history; done before, it changes nothing.

    Raises WrongKeys if a role is already played by another address, or an address already plays another role.
    """
    commands = []
    for role, key_id in wallets.items():
        address = keys.key(key_id).address
        pool.add_wallet(role, address.base58, key_id)
        played = pool.ours([address.evm]).get(address.evm)
        if played != role:
            raise WrongKeys(f"{address} is a {played} address already: give the {role} wallet a key of its own")
        commands.append(RegisterWallet(role=role, address=address.base58, key_id=key_id, actor=ACTOR))
    for outcome in ledger.execute(commands):
        match outcome:
            case Refused(rejection=rejection):
                raise WrongKeys(f"{rejection.detail} Open the keystore that holds its key.")
            case Failed(error=error):
                raise error
            case Accepted() | Repeated():
                pass
