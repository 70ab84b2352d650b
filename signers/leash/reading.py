"""The signer's own reading of the history: each row held against the seal that covers it, each seal against the one before."""

from typing import Final

from core.ledger.events import CLASSES, Event, Recorded, UnknownTopic, read_as
from core.ledger.history import recorded
from core.ledger.seals import GENESIS, SealedHistory, verify


class SealedReading:
    """Reads on from where it is, in memory: a process that begins anew reads all of it, and believes no bookmark of a table."""

    def __init__(self, history: SealedHistory, kinds: frozenset[type[Event]]) -> None:
        """`kinds`: the events that are wanted; the rest is hashed and not decoded."""
        self._history: Final = history
        self._kinds = kinds
        self._wanted: dict[str, bool] = {}
        self._hash = GENESIS
        self.position = 0

    def read_on(self) -> list[Recorded] | None:
        """The wanted events of the next page; None at the end of the history. Raises BrokenSeal, UnknownTopic, Unavailable."""
        page = self._history.read(self.position)
        if not page.seals:
            return None
        wanted = self._wanted
        for topic in {row[3] for row in page.records}:
            if topic not in wanted:
                wanted[topic] = self._is_wanted(topic)
        position = verify(page.records, page.seals, self.position, self._hash)
        found = [recorded(*row) for row in page.records if wanted[row[3]]]
        self.position, self._hash = position, page.seals[-1].hash
        return found

    def _is_wanted(self, topic: str) -> bool:
        known = read_as(topic)
        if known is None:
            raise UnknownTopic(f"the event store holds {topic!r}, which this version cannot read: install a newer one")
        return CLASSES[known] in self._kinds
