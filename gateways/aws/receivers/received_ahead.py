"""A queue whose receiver has other work: what comes is waited for beside that work, and given at once when it is asked for."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager

from core.ports.queues import DeadLetter, Message, Queue, Received


class ReceivedAhead:
    """The port `Queue` over one that waits. `receive` never does: one receive is under way, or its messages wait here."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._given: list[Received] = []
        self._failed: Exception | None = None

    def receive(self, limit: int) -> list[Received]:
        """Raises what the receive under way has raised."""
        with self._lock:
            if self._asking is not None:
                return []
            failed, self._failed = self._failed, None
            given, self._given = self._given[:limit], self._given[limit:]
            if not self._given:
                self._asking = threading.Thread(target=self._ask, args=(limit,), name="receive", daemon=True)
                self._asking.start()
        if failed is not None:
            raise failed
        return given

    def _ask(self, limit: int) -> None:
        given: Sequence[Received] = ()
        failed: Exception | None = None
        try:
            given = self._queue.receive(limit)
        except Exception as error:  # raised where it is asked for
            failed = error
        with self._lock:
            self._given, self._failed, self._asking = list(given), failed, None

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
