"""The signer's own reading of the history: each row held against the seal that covers it, each seal against the one before.

What was sealed up to the newest checkpoint that is kept outside the database is held against that as well.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from core.ledger.events import CLASSES, Event, Recorded
from core.ledger.history import Raising, must_be_known, recorded
from core.ledger.seals import GENESIS, BrokenSeal, Sealed, SealedHistory, canonical, verify
from core.proofs.merkle import Frontier, leaf_hash

_RAISING: Final = frozenset(topic for topic, kind in CLASSES.items() if issubclass(kind, Raising))
"""Of these each is looked at: what stands behind it may be a newer program's."""


class KnownRoot(NamedTuple):
    """What a checkpoint says: the root of the tree over the first `size` events (core/proofs/merkle.py)."""

    size: int
    root: bytes


class SealedReading:
    """Reads on from where it is, in memory: a process that begins anew reads all of it, and believes no bookmark of a table."""

    def __init__(
        self, history: SealedHistory, kinds: frozenset[type[Event]], newest: Callable[[], KnownRoot | None]
    ) -> None:
        """`kinds`: the events that are wanted; the rest is hashed and not decoded. `newest`: the newest checkpoint that is kept
        outside the database. Once the reading has passed it, seals alone chain what comes to what was read.
        """
        self._history: Final = history
        self._kinds = kinds
        self._newest = newest
        self._known: KnownRoot | None = None
        self._tree = Frontier()
        self._wanted: dict[str, bool] = {}
        self._hash = GENESIS
        self.position = 0

    def read_on(self) -> list[Recorded] | None:
        """The wanted events of the next page; None at the end of the history. Raises BrokenSeal, NewerFormat, Unavailable."""
        if not self.position:
            self._known, self._tree = self._newest(), Frontier()
        page = self._history.read(self.position)
        if not page.seals:
            return None
        wanted = self._wanted
        for position, _, _, topic, state in page.records:
            if topic not in wanted or topic in _RAISING:
                wanted[topic] = must_be_known(position, topic, state) in self._kinds
        position = verify(page.records, page.seals, self.position, self._hash)
        self._hold_to_checkpoint(page.records)
        found = [recorded(*row) for row in page.records if wanted[row[3]]]
        self.position, self._hash = position, page.seals[-1].hash
        return found

    def _hold_to_checkpoint(self, records: Sequence[Sealed]) -> None:
        known = self._known
        if known is None:
            return
        for position, record in enumerate(records, start=self.position + 1):
            self._tree.add(leaf_hash(canonical(record)))
            if position == known.size:
                if self._tree.root() != known.root:
                    raise BrokenSeal(f"an event up to position {position} is not the one of the newest checkpoint")
                self._known = None
                return
