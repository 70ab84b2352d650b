"""A high-water mark and an archive in memory, and the world around a fence: stores that are copied, and what they sign."""

import copy
from collections.abc import Callable

from core.ledger.ledger import Ledger
from core.ports.high_water import Mark, MarkCopied, MarkMoved, Sight
from core.streams.signing import SIGNING, Signing
from core.streams.store import STORE, Store
from signers.fence import Fence
from tests.support.history import TickingClock, execute, register
from tests.support.memory import MemoryStore


class MemoryHighWater:
    """The port `HighWater`; `copied` is what a copied folder's mark says, `before_move` what others do in between."""

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self.copied = ""
        self.before_move: Callable[[], None] = lambda: None
        self.moves = 0

    def load(self) -> Mark | None:
        if self.copied:
            raise MarkCopied(self.copied)
        return self.mark

    def move(self, before: Mark | None, after: Mark) -> None:
        self.before_move()
        there = None if self.copied else self.mark
        if there == after:
            return
        if there != before:
            raise MarkMoved(there)
        self.mark, self.copied = after, ""
        self.moves += 1


class MemoryGivenIndexes:
    """The port `GivenIndexes`."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def load(self, prefix: str) -> int:
        return self.rows.get(prefix, 0)

    def reserve(self, prefix: str, least: int, count: int) -> int:
        first = max(self.load(prefix), least)
        self.rows[prefix] = first + count
        return first


class MemoryArchive:
    """The port `ArchiveSight`, which says what it is told."""

    def __init__(self) -> None:
        self.sight = Sight(checkpoints=False)

    def look(self) -> Sight:
        return self.sight


class Site:
    """One running store with a fence of its own, on a mark that others may share."""

    def __init__(
        self, water: MemoryHighWater, store: MemoryStore | None = None, fence: Callable[..., Fence] = Fence
    ) -> None:
        self.water = water
        self.store = store or MemoryStore()
        self.archive = MemoryArchive()
        self.ledger = Ledger(self.store, TickingClock())
        self.alarms: list[tuple[str, str]] = []
        self.classes = fence
        self.fence = self.signer()

    def signer(self) -> Fence:
        """Another process that signs for this store."""
        ring = lambda name, sentence: self.alarms.append((name, sentence))  # noqa: E731
        names = lambda: f"store-{id(self.store)}"  # noqa: E731
        return self.classes(self.ledger, self.store, self.water, self.archive, "system:test", names, alarm=ring)

    def copied(self, water: MemoryHighWater | None = None) -> "Site":
        """A copy as it is now, with the same mark unless another is given."""
        return Site(water or self.water, copy.deepcopy(self.store), self.classes)

    def happen(self, name: str) -> None:
        """Something is recorded that is another thing in every store."""
        execute(self.ledger, register(name, name))

    @property
    def state(self) -> Store:
        known = Store()
        for recorded in self.store.histories([STORE]).get(STORE, []):
            known = known.evolve(recorded.event)
        return known

    @property
    def stopped(self) -> bool:
        signing = Signing()
        for recorded in self.store.histories([SIGNING]).get(SIGNING, []):
            signing = signing.evolve(recorded.event)
        return "store_is_older" in signing.causes
