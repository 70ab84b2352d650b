"""The payouts that are not over, folded in memory from the event store: the payout worker's list.

Everything known of a payout is in the history, so the history is the list: no table repeats it, and a queue that is
lost, forged or purged takes nothing from it and adds nothing to it (I11, I14). Memory holds open payouts only. What
makes the start short is a low-water bookmark: the position before the first event of the oldest payout that is open.
Below it nothing can matter again, so a lost bookmark costs time and nothing else (I9).
"""

from collections.abc import Iterator
from typing import Final

from core.attempts import Attempt, PayoutOrder
from core.events import Recorded
from core.ledger import EventStore
from core.payouts import FINAL, Payout, PayoutPrepared
from core.ports import Bookmarks

BOOKMARK: Final = "payouts"
PAGE_EVENTS: Final = 5_000
SAVE_EVERY: Final = 1_000
"""How far the low-water mark moves between two writes of it."""
_STREAM: Final = "payout-"


class OpenPayout:
    """A payout as the history has it, and what this process remembers of its last attempt; forgetting it is harmless."""

    __slots__ = ("look_at", "order", "position", "send_at_ms", "state", "told")

    def __init__(self, position: int, order: PayoutOrder) -> None:
        self.position = position
        self.order = order
        self.state = Payout()
        self.look_at = 0
        """The solid height at which to look for a receipt again."""
        self.send_at_ms = 0
        """The chain time at which to broadcast again."""
        self.told: frozenset[str] = frozenset()
        """The alarms that were raised because it waits."""

    def evolve(self, recorded: Recorded) -> None:
        self.state = self.state.evolve(recorded.event)
        if isinstance(recorded.event, PayoutPrepared):
            self.look_at, self.send_at_ms, self.told = 0, 0, frozenset()

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that may still be mined."""
        return None if self.state.dead else self.state.attempt

    @property
    def unprepared(self) -> bool:
        """Nothing of it can be mined: it was only requested, or its last attempt is proven dead."""
        return self.attempt is None


class OpenPayouts:
    """Iterates over the open payouts in the order in which they were requested."""

    def __init__(self, store: EventStore, bookmarks: Bookmarks) -> None:
        self._store = store
        self._bookmarks = bookmarks
        self.behind = True
        """There may be more of the history than was folded: nothing is to be promised from this list yet."""
        self._read_to: int | None = None
        self._saved = 0
        self._open: dict[str, OpenPayout] = {}

    def read_on(self) -> int:
        """Fold the next page of the history; -> how many events it had."""
        if self._read_to is None:
            self._saved = self._read_to = self._bookmarks.load(BOOKMARK)
        page = self._store.read(self._read_to, PAGE_EVENTS)
        for recorded in page:
            if recorded.stream.startswith(_STREAM):
                self._fold(recorded)
        if page:
            self._read_to = page[-1].position
            self._save(self._read_to)
        self.behind = len(page) == PAGE_EVENTS
        return len(page)

    def __iter__(self) -> Iterator[OpenPayout]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def _fold(self, recorded: Recorded) -> None:
        known = self._open.get(recorded.stream)
        if known is None:
            order = getattr(recorded.event, "order", None)
            if order is None:
                return  # the end of a payout whose beginning lies below the bookmark
            known = self._open[recorded.stream] = OpenPayout(recorded.position, order)
        known.evolve(recorded)
        if known.state.state in FINAL:
            del self._open[recorded.stream]

    def _save(self, read_to: int) -> None:
        oldest = next(iter(self._open.values()), None)
        mark = read_to if oldest is None else oldest.position - 1
        if mark >= self._saved + SAVE_EVERY:
            self._bookmarks.save(BOOKMARK, mark)
            self._saved = mark
