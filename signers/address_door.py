"""Step: open the pool of deposit addresses, and shut it while this store may not be the newest of its name (I16).

A copy has the same ready addresses as what it was copied from. So they are given out only once the fence holds (fence.py), and
what is known of the chain has reached what was seen of it since the start (caught_up.py). An address that holds coins by then
though nobody here was given it, was given out by a later store. After any doubt about the store all that were ready are given
up, and new ones come from indexes that no other copy has come to. Those of a seed that was replaced are given up, too.

Before the door is opened the store is claimed: of two copies that run at once the one that claims it later goes on, once the
other has looked and shut its own; and it gives up what was ready, since the other may have given it out until then.
"""

from collections.abc import Callable
from typing import Final

from core.ledger.ledger import EventStore
from core.ports.unavailable import Unavailable
from core.ports.wallets import AddressDoor, AddressPool
from core.streams.deposit_seed import SEED, SeedRotated
from core.streams.restores import StoreRestored
from core.streams.store import STORE, StoreIsOlder
from core.tron.chain import BlockRef
from signers.caught_up import CaughtUp
from signers.fence import Fence

LOOKS_BEFORE_OPENING: Final = 2
"""Of this process, a second or more apart, after it has claimed the store: every other one that runs has looked by then."""


class Doorkeeper:
    """`first_free` is behind every index that any copy may have come to, 0 where none is derived; `want` the pool's size."""

    def __init__(
        self,
        fence: Fence,
        caught_up: CaughtUp,
        store: EventStore,
        pool: AddressPool,
        door: AddressDoor,
        want: int,
        first_free: Callable[[], int],
    ) -> None:
        self._fence = fence
        self._caught_up = caught_up
        self._store = store
        self._pool = pool
        self._door = door
        self._want = want
        self._first_free = first_free
        self._read_to: int | None = None
        """The position of the last event when the chain was read: what the view must show."""
        self._looks: int | None = None
        """How many were made since the store was claimed; None: it is not."""
        self._is_new: bool | None = None
        """Whether nothing was under the mark at the first look: then no copy has given anything out, and one that begins now
        finds a mark that is not its own."""

    def step(self) -> bool:
        """Never anything that others wait for, so it is never busy. Raises Unavailable."""
        # What was given out is under the mark before more is: an older store then knows that it is one.
        try:
            holds = self._fence.holds()
        except Unavailable:
            if self._fence.refusal:  # it is known, and cannot be recorded now
                self._door.shut()
            raise
        if self._is_new is None and self._fence.mark is not None:
            self._is_new = not self._fence.mark.position
        if holds and self._pool.ready() < self._want:
            holds = self._fence.raise_mark()
        if not holds:
            self._door.shut()
            self._looks, self._is_new = None, False
            return False
        doubted_at = self._doubted_at()
        if doubted_at > self._door.given_up_to():
            self._door.give_up(doubted_at, self._first_free())
            self._read_to = None
        rotated_at = self._rotated_at()
        if rotated_at > self._door.given_up_to():  # what is ready is of the seed before
            self._door.give_up(rotated_at, self._door.first_index())
        if self._has_read() and (self._door.is_open() or self._has_claimed()):
            self._door.give_up_used()
            self._door.open()
        return False

    def _has_claimed(self) -> bool:
        """Whether nobody else gives out the same addresses."""
        if self._looks is None:
            if not self._fence.claim():
                return False
            if not self._is_new and (first_free := self._first_free()):
                self._door.give_up(self._store.head(), first_free)
            self._looks = LOOKS_BEFORE_OPENING if self._is_new else 0
        else:
            self._looks += 1
        return self._looks >= LOOKS_BEFORE_OPENING

    def _doubted_at(self) -> int:
        """The last position at which this store was found to be a copy, or was said to be one."""
        history = self._store.histories([STORE]).get(STORE, ())
        return max((it.position for it in history if isinstance(it.event, StoreIsOlder | StoreRestored)), default=0)

    def _rotated_at(self) -> int:
        """The position of the last event by which another seed was taken, 0 without any."""
        history = self._store.histories([SEED]).get(SEED, ())
        return max((it.position for it in history if isinstance(it.event, SeedRotated)), default=0)

    def _has_read(self) -> bool:
        """Whether the chain is read, and the view shows what was."""
        if self._caught_up.waits_for:
            height = self._door.chain_height()
            if height is None or not self._caught_up.look(BlockRef(height, "", "", 0)):
                return False
        if self._read_to is None:
            self._read_to = self._store.head()
        return self._door.is_shown_to(self._read_to)
