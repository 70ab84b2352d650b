"""What is open in the history, folded in memory from the event store: the ground of open orders and open sweeps.

Everything known of it is in the history, so the history is the list: no table repeats it, and a queue that is lost, forged or
purged takes nothing from it and adds nothing to it (I11, I14). Memory holds what is open only. What makes the start short is
a low-water bookmark: the position before the first event that may still matter. Below it nothing can matter again, so a lost
bookmark costs time and nothing else (I9).
"""

from abc import ABC, abstractmethod
from typing import Final

from core.ledger.events import Recorded
from core.ledger.ledger import EventStore
from core.ports.bookmarks import Bookmarks

PAGE_EVENTS: Final = 5_000
SAVE_EVERY: Final = 1_000
"""How far the low-water mark moves between two writes of it."""


class OpenStreams(ABC):
    """Folds the history page by page. `bookmark` is the low-water mark's name."""

    def __init__(self, store: EventStore, bookmarks: Bookmarks, bookmark: str) -> None:
        self._store = store
        self._bookmarks = bookmarks
        self._bookmark = bookmark
        self.behind = True
        """There may be more of the history than was folded: nothing is to be promised from this yet."""
        self._read_to: int | None = None
        self._saved = 0

    @abstractmethod
    def _fold(self, recorded: Recorded) -> None:
        """Take an event into what is open."""

    @abstractmethod
    def _oldest(self) -> int | None:
        """The position of the first event that may still matter; None when nothing is open."""

    @property
    def position(self) -> int:
        """Up to where the history was folded."""
        return self._read_to or 0

    def read_on(self) -> int:
        """Fold the next page of the history; -> how many events it had."""
        if self._read_to is None:
            self._saved = self._read_to = self._bookmarks.load(self._bookmark)
        page = self._store.read(self._read_to, PAGE_EVENTS)
        for recorded in page:
            self._fold(recorded)
        if page:
            self._read_to = page[-1].position
            self._save(self._read_to)
        self.behind = len(page) == PAGE_EVENTS
        return len(page)

    def _save(self, read_to: int) -> None:
        oldest = self._oldest()
        mark = read_to if oldest is None else oldest - 1
        if mark >= self._saved + SAVE_EVERY:
            self._bookmarks.save(self._bookmark, mark)
            self._saved = mark
