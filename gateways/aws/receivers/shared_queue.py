"""One SQS queue that several readers follow, each of which is given every message: a call for all of them together.

Whoever comes first and finds nothing kept asks SQS for all, and the others wait for what that brings. A message is deleted
as soon as one of them is done with it: who is slower, or dies over it, holds up nobody, and has what it was given here; what
it was not given any more it takes from where messages only point at.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from core.ports.queues import Queue, Received
from gateways.aws.receivers.queue_over import QueueOver

KEPT_MAX: Final = 30
"""Messages that are kept for a reader who is slow; older ones it must do without."""


class SharedQueue:
    """A queue, and what came over it that not every reader has taken yet."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._kept: list[deque[Received]] = []
        self._changed = threading.Condition()
        self._asking = False
        self._rounds = 0
        self._in_flight: set[str] = set()

    def reader(self) -> "Reader":
        """One more who is given every message that comes from now on."""
        with self._changed:
            self._kept.append(deque(maxlen=KEPT_MAX))
            return Reader(self, len(self._kept) - 1)

    def receive(self, number: int, limit: int) -> list[Received]:
        """What is kept for this reader, at once; else what the next answer of the queue brings, which may be nothing."""
        kept = self._kept[number]
        with self._changed:
            if kept:
                return self._take(kept, limit)
            if self._asking:
                before = self._rounds
                self._changed.wait_for(lambda: self._rounds != before)
                return self._take(kept, limit)
            self._asking = True
        given: Sequence[Received] = ()
        try:
            given = self._queue.receive(limit)
        finally:
            with self._changed:
                self._in_flight |= {each.receipt for each in given}
                for each in self._kept:
                    each.extend(given)
                self._asking = False
                self._rounds += 1
                self._changed.notify_all()
        with self._changed:
            return self._take(kept, limit)

    def delete(self, receipts: Sequence[str]) -> None:
        """The first who says so deletes."""
        first = self._first(receipts)
        if first:
            self._queue.delete(first)

    def bury(self, receipt: str, reason: str) -> None:
        """The first who says so buries."""
        if self._first([receipt]):
            self._queue.bury(receipt, reason)

    @property
    def whole(self) -> Queue:
        """The queue itself."""
        return self._queue

    def _first(self, receipts: Sequence[str]) -> list[str]:
        with self._changed:
            first = [each for each in receipts if each in self._in_flight]
            self._in_flight.difference_update(first)
            return first

    @staticmethod
    def _take(kept: deque[Received], limit: int) -> list[Received]:
        return [kept.popleft() for _ in range(min(limit, len(kept)))]


class Reader(QueueOver[Queue]):
    """The port `Queue` as one of the readers sees it."""

    def __init__(self, shared: SharedQueue, number: int) -> None:
        super().__init__(shared.whole)
        self._shared = shared
        self._number = number

    def receive(self, limit: int) -> list[Received]:
        return self._shared.receive(self._number, limit)

    def delete(self, receipts: Sequence[str]) -> None:
        self._shared.delete(receipts)

    def release(self, receipts: Sequence[str]) -> None:
        """Nothing: the other readers have them."""

    def bury(self, receipt: str, reason: str) -> None:
        self._shared.bury(receipt, reason)
