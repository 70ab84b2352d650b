"""Step: keep deposit addresses ready in the pool, so that the API gives them out without holding any key.

An address goes into the pool before anybody can learn it, and the scanner matches against the pool: no transfer to it
can be missed (I6). The same holds for the system wallets, whose addresses an event makes public.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, Protocol, TypeVar

from core.ledger.ledger import Accepted, Failed, Ledger, Refused, Repeated
from core.ledger.refusals import NotSwitchedOn, StreamStopped
from core.ports.high_water import GivenIndexes
from core.ports.unavailable import Unavailable
from core.ports.wallets import AddressDoor, AddressPool, ReadyAddress
from core.streams.treasury import RegisterWallet, Role
from core.tron.address import Address
from signers.keys.derivation import DEPOSIT_ROOT, deposit_path
from signers.keys.keys import Keys

logger = logging.getLogger(__name__)

ACTOR: Final = "system:addresses"
BATCH: Final = 500
INDEXES_SKIPPED: Final = 10_000
"""Beside a pool's worth: so many addresses another copy may have given out that nobody here knows of."""
DERIVED: Final = "derived:"
"""What a derived key's id begins with on one machine; on AWS it names the seed, too."""


T = TypeVar("T")


class WalletStopped(Unavailable):
    """Whose wallet it is cannot be told until what stopped its stream is settled; the text says what that is."""


class WrongKeys(Exception):
    """The keystore's keys are not those of the addresses already in use; the text says which and what to do."""


class Addresses:
    """Keeps `want` addresses ready, indexes without a gap. Two at once derive the same ones, which the pool keeps once.

    `indexes` gives each index to one copy of the history alone, before the pool has its address. `skipped`: so many beside a
    pool's worth are passed over after a doubt, where nothing that is kept says how far another copy came.
    """

    def __init__(
        self,
        keys: Keys,
        pool: AddressPool,
        want: int,
        *,
        prefix: str = DERIVED,
        door: AddressDoor | None = None,
        indexes: GivenIndexes | None = None,
        skipped: int = INDEXES_SKIPPED,
    ) -> None:
        self._door = door
        self._indexes = indexes
        self._skipped = skipped
        self._keys = keys
        self._pool = pool
        self._want = want
        self._prefix = prefix
        self._recognised = False

    def step(self) -> bool:
        """Add up to BATCH addresses, if any is missing. Raises WrongKeys, KeyNotHeld without a deposit seed.

        What another copy may have come to is ours, too, and given out to nobody: coins that reach it are seen (I6).
        """
        missing = self._want - self._pool.ready()
        if missing <= 0:
            return False
        first = self.next_index()
        if first and not self._recognised:
            self._recognise(first - 1)
        self._recognised = True
        behind = max(self._door.first_index() if self._door is not None else 0, self._kept())
        if first < behind:
            self._pool.keep([self._derive(index) for index in range(first, min(behind, first + BATCH))])
            return True
        count = min(missing, BATCH)
        if self._indexes is None or self._indexes.reserve(self._prefix, first, count) == first:
            self._pool.add([self._derive(index) for index in range(first, first + count)])
        return True

    def first_free(self) -> int:
        """Behind every index that any copy may have come to. Raises Unavailable."""
        next_index, kept = self.next_index(), self._kept()
        return max(kept, next_index) if kept else next_index + self._want + self._skipped

    def _kept(self) -> int:
        return 0 if self._indexes is None else self._indexes.load(self._prefix)

    def derive_from(self, prefix: str) -> None:
        """Another seed, whose key ids begin so: from now on addresses are derived from it."""
        if prefix != self._prefix:
            self._prefix, self._recognised = prefix, False

    def next_index(self) -> int:
        """Behind every address that the pool has."""
        return self._pool.highest_index(f"{self._prefix}{DEPOSIT_ROOT}/") + 1

    def _derive(self, index: int) -> ReadyAddress:
        key_id = self._prefix + deposit_path(index)
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


class KeyMaker(Protocol):
    """Makes a key for each deposit address. Raises Unavailable."""

    def made(self) -> Iterable[tuple[str, Address]]:
        """(key id, address) of every key that was ever made for a deposit address, whoever made it."""

    def make(self) -> str:
        """A new key -> its id."""


class KeyedAddresses:
    """Keeps `want` addresses ready, each with a key of its own, which costs money: none that was made is left unused."""

    def __init__(
        self, maker: KeyMaker, keys: Keys, pool: AddressPool, want: int, *, door: AddressDoor | None = None
    ) -> None:
        self._door = door
        self._maker = maker
        self._keys = keys
        self._pool = pool
        self._want = want
        self._adopted = False

    def step(self) -> bool:
        """Add one address, if any is missing; the first step takes in what an earlier process made and did not add.

        In a store that was ever doubted another copy may have given that out: it is ours, and given out to nobody.
        """
        if not self._adopted:
            doubted = self._door is not None and self._door.given_up_to() > 0
            for made in batched(self._maker.made(), BATCH):
                known = self._pool.ours([address.evm for _, address in made])
                new = [self._ready(key_id) for key_id, address in made if address.evm not in known]
                (self._pool.keep if doubted else self._pool.add)(new)
            self._adopted = True
        if self._pool.ready() >= self._want:
            return False
        self._pool.add([self._ready(self._maker.make())])
        return True

    def _ready(self, key_id: str) -> ReadyAddress:
        """The address is the key's own, whatever it is called."""
        address = self._keys.key(key_id).address
        return ReadyAddress(base58=address.base58, hex=address.hex(), key_id=key_id)


def register_wallets(ledger: Ledger, pool: AddressPool, keys: Keys, wallets: Mapping[Role, str]) -> None:
    """Role -> key id: each wallet's address into the pool, then into the history; done before, it changes nothing.

    Raises WrongKeys if a role is already played by another address, or an address already plays another role; WalletStopped
    while a wallet's stream is.
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
            case Refused(refusal=NotSwitchedOn() as refusal):
                raise Unavailable(refusal.detail)
            case Refused(refusal=StreamStopped() as refusal):
                raise WalletStopped(refusal.detail)
            case Refused(refusal=refusal):
                raise WrongKeys(f"{refusal.detail} Open the keystore that holds its key.")
            case Failed(error=error):
                raise error
            case Accepted() | Repeated():
                pass


def wallet_registration(
    ledger: Ledger, pool: AddressPool, keys: Keys, wallets: Mapping[Role, str]
) -> Callable[[], bool]:
    """A step that registers the wallets once, as `register_wallets` does.

    A wallet whose stream is stopped keeps nobody from a deposit address: it is tried again at the next step.
    """
    registered = False

    def register() -> bool:
        nonlocal registered
        if not registered:
            try:
                register_wallets(ledger, pool, keys, wallets)
            except WalletStopped as stopped:  # which rings by itself: it stands under what is set aside
                logger.info("the system wallets are not registered yet: %s", stopped)
                return False
            registered = True
        return False

    return register


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` (itertools has it from Python 3.12)."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
