"""Step: take another seed for deposit addresses when an operator has asked for it.

Those that were given out keep their keys for ever. Those that were ready are given to nobody any more (address_door.py).
"""

from typing import Final, Protocol

from core.ledger.ledger import EventStore, Ledger, state_of
from core.streams.deposit_seed import FIRST_SEED, SEED, RotateSeed
from signers.addresses import ACTOR, Addresses
from signers.outcomes import append


class SeedMaker(Protocol):
    """Where deposit seeds come from."""

    def make_seed(self, number: int) -> str | None:
        """The n-th seed -> what its key ids begin with; None while it is not here yet. The same one when asked again.

        Raises Unavailable.
        """


class SeedRotation:
    """Makes `addresses` derive from the seed of now."""

    def __init__(self, ledger: Ledger, store: EventStore, addresses: Addresses, maker: SeedMaker) -> None:
        self._ledger: Final = ledger
        self._store = store
        self._addresses = addresses
        self._maker = maker

    def step(self) -> bool:
        """Whether another seed was taken. Raises Unavailable."""
        known = state_of(self._store, SEED, FIRST_SEED)
        if known.rotated is not None:
            self._addresses.derive_from(known.rotated.prefix)
        if not known.asked:
            return False
        prefix = self._maker.make_seed(known.next_number)
        if prefix is None:
            return False
        append(self._ledger, [RotateSeed(known.next_number, prefix, ACTOR)])
        self._addresses.derive_from(prefix)
        return True
