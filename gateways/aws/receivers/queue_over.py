"""A queue over another one: whatever a kind of it does not do otherwise, the one below does."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from core.ports.queues import DeadLetter, Message, Queue

Q = TypeVar("Q", bound=Queue)


class QueueOver(Generic[Q]):
    """The port `Queue` but for `receive`, which each kind has of its own."""

    def __init__(self, queue: Q) -> None:
        self._queue = queue

    def send(self, messages: Sequence[Message]) -> None:
        self._queue.send(messages)

    def delete(self, receipts: Sequence[str]) -> None:
        self._queue.delete(receipts)

    def release(self, receipts: Sequence[str]) -> None:
        self._queue.release(receipts)

    def hold(self, receipts: Sequence[str]) -> AbstractContextManager[None]:
        return self._queue.hold(receipts)

    def bury(self, receipt: str, reason: str) -> None:
        self._queue.bury(receipt, reason)

    def dead(self, limit: int) -> Sequence[DeadLetter]:
        return self._queue.dead(limit)

    def redrive(self, ids: Sequence[str]) -> int:
        return self._queue.redrive(ids)

    def dead_depth(self) -> int:
        return self._queue.dead_depth()

    def depth(self) -> int:
        return self._queue.depth()

    def oldest_s(self) -> int | None:
        return self._queue.oldest_s()

    def purge(self) -> None:
        self._queue.purge()
