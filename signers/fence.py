"""The fence: nothing is signed, sent or given out by a store that is not the newest of its name (I16).

What a store cannot know of itself stands elsewhere: the high-water mark lies with the keys, the archive of checkpoints outside
the database. The mark names an append by its position and its seal; seals chain, so who has that seal there has the whole
history up to it. Before anything is signed the mark is moved to the head, and again before it is sent: of two stores with one
name and different histories, the second to move it finds one that is not of its own history, and stops.

    mark                          archive                what is done
    of this history               agrees, or is empty    signed
    of another, or beyond it      whatever it says       StoreIsOlder: only a newer store, or a restore, helps
    none, the store has no name   agrees, or is empty    the store is named, and the mark is made
    none, the store has a name    agrees                 the mark is made anew
    none, the store has a name    empty                  StoreIsOlder, until an operator tells the position
    copied with its folder        agrees, or is empty    StoreIsOlder, until an operator tells the position
"""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from core.ledger.ledger import EventStore, Ledger, state_of
from core.ports.alarm import Alarm, Condition
from core.ports.high_water import ArchiveSight, HighWater, Mark, MarkCopied, MarkMoved, Sight
from core.ports.unavailable import Unavailable
from core.streams.signing import SIGNING, Signing, StopOlderStore
from core.streams.store import STORE, ClaimStore, Doubt, NameStore, ProveStore, Store
from signers.outcomes import append

TRIES_MAX: Final = 20
"""How often others may move the mark in between; each time it was moved to where this store has been."""

log = logging.getLogger(__name__)


class _Doubted(NamedTuple):
    doubt: Doubt
    seen: int
    sentence: str


class Fence:
    """One signer's. `new_id` draws the name of a store that has none."""

    def __init__(
        self,
        ledger: Ledger,
        store: EventStore,
        high_water: HighWater,
        archive: ArchiveSight,
        actor: str,
        new_id: Callable[[], str],
        *,
        alarm: Alarm,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._high_water = high_water
        self._archive = archive
        self._actor = actor
        self._new_id = new_id
        self._older = Condition(alarm, "store_is_older", within=actor)
        self._rung: Doubt | None = None
        self.mark: Mark | None = None
        """As it was found last."""
        self.refusal = ""
        """Why nothing is signed, as a sentence; empty while the fence holds."""

    def holds(self) -> bool:
        """Whether mark and archive know of no later history than this one; if they do, that is recorded, and signing stops."""
        known, doubted = self._look()
        if doubted is not None:
            self._refuse(doubted)
            return False
        self._rung, self.refusal = None, ""
        self._older.stand({})
        if known.older is not None:
            append(self._ledger, [ProveStore(self._store.head(), self._actor)])
        return True

    def raise_mark(self) -> bool:
        """Move the mark to the head, for what is signed or sent next. False where the fence does not hold."""
        for _ in range(TRIES_MAX):
            if not self.holds():
                return False
            mark, head = self.mark, self._store.last_seal()
            assert mark is not None, "where there was none the fence has made one"
            if head is None or head.position <= mark.position:
                return True
            try:
                self._move(mark, Mark(mark.store_id, head.position, head.hash))
            except MarkMoved:
                continue
            return True
        raise Unavailable("the high-water mark is moved by others all the time: tried again later")

    def claim(self) -> bool:
        """Tell this store from every copy of it, and move the mark there: whoever runs one finds out when it looks next."""
        if not self.holds():
            return False
        append(self._ledger, [ClaimStore(self._store.head(), self._actor)])
        return self.raise_mark()

    # Looking

    def _look(self) -> tuple[Store, _Doubted | None]:
        """What is known of the store, and what is held against it. The mark is read first: what it names was durable then."""
        copied: str | None = None
        try:
            self.mark = self._high_water.load()
        except MarkCopied as error:
            self.mark, copied = None, str(error)
        sight = self._sight()
        known = self._known()
        if self.mark is not None:
            doubted = self._against_mark(self.mark, known)
            if doubted is None and sight.doubt is None and known.store_id is None:
                self._name(self.mark)
        else:
            lost = known.store_id is not None and (copied is not None or not sight.checkpoints)
            doubted = self._without_mark(known, copied) if lost else None
        if doubted is None and sight.doubt is not None:
            doubted = _Doubted(sight.doubt, sight.seen, sight.sentence)
        if doubted is None and self.mark is None:
            self._make(known)
        return known, doubted

    def _sight(self) -> Sight:
        """The mark alone is enough where it is of this history; without one, an archive that is silent is no answer."""
        try:
            return self._archive.look()
        except Unavailable as error:
            if self.mark is None:
                raise
            log.warning("the archive of checkpoints is left out of the look at this store: %s", error)
            return Sight(checkpoints=False)

    def _known(self) -> Store:
        return state_of(self._store, STORE, Store())

    def _against_mark(self, mark: Mark, known: Store) -> _Doubted | None:
        head = self._store.head()
        if known.store_id != mark.store_id and (known.store_id is not None or mark.position):
            sentence = (
                f"these keys have signed for the store {mark.store_id}, and this is {known.store_id or 'a new one'}"
            )
            return _Doubted("another_store", mark.position, sentence)
        if mark.position > head:
            sentence = f"it ends at position {head}, and these keys have signed at {mark.position}: it is an old copy"
            return _Doubted("behind", mark.position, sentence)
        if mark.position and self._store.seal_at(mark.position) != mark.seal:
            sentence = (
                f"at position {mark.position} it holds something else than the store that these keys signed for: it is an old"
                " copy that has gone on, or two copies run at once"
            )
            return _Doubted("differs", mark.position, sentence)
        return None

    def _without_mark(self, known: Store, copied: str | None) -> _Doubted | None:
        if known.told is not None:
            head = self._store.head()
            if known.told <= head:
                return None
            sentence = f"it ends at position {head}, and an operator says that the newest one reached {known.told}"
            return _Doubted("behind", known.told, sentence)
        if copied is not None:
            return _Doubted("copied", 0, copied)
        return _Doubted(
            "mark_lost",
            0,
            "the high-water mark is gone, and no archive of checkpoints says how far this store had come",
        )

    # Writing

    def _make(self, known: Store) -> None:
        """A mark where there is none that counts: at the head, or, of a store without a name, before everything."""
        head = self._store.last_seal()
        if known.store_id is None:
            made = Mark(self._new_id(), 0, "")
        elif head is None:
            made = Mark(known.store_id, 0, "")
        else:
            made = Mark(known.store_id, head.position, head.hash)
        try:
            self._move(None, made)
        except MarkMoved as moved:
            if moved.there is None:
                raise Unavailable("the high-water mark goes and comes: tried again") from moved
            self.mark = moved.there
        assert self.mark is not None
        if known.store_id is None:
            self._name(self.mark)

    def _name(self, mark: Mark) -> None:
        append(self._ledger, [NameStore(mark.store_id, self._actor)])

    def _move(self, before: Mark | None, after: Mark) -> None:
        self._high_water.move(before, after)
        self.mark = after

    def _refuse(self, doubted: _Doubted) -> None:
        head, self.refusal = self._store.head(), f"nothing is signed: {doubted.sentence}"
        if self._rung != doubted.doubt or not self._is_stopped():
            append(self._ledger, [StopOlderStore(head, doubted.seen, doubted.doubt, doubted.sentence, self._actor)])
        self._rung = doubted.doubt
        said = (
            f"nothing is signed and no address given out: {doubted.sentence}. Stop this installation, unless it is the"
            " only one: /docs/operate, an old copy"
        )
        self._older.stand({f"{self._actor} {doubted.doubt}": said})

    def _is_stopped(self) -> bool:
        return "store_is_older" in state_of(self._store, SIGNING, Signing()).causes
