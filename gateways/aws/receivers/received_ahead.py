"""A queue whose receiver has other work: what comes is waited for beside that work, and given at once when it is asked for."""

import threading
from collections.abc import Sequence

from core.ports.queues import Queue, Received
from gateways.aws.receivers.queue_over import QueueOver


class ReceivedAhead(QueueOver[Queue]):
    """The port `Queue` over one that waits. `receive` never does: one receive is under way, or its messages wait here."""

    def __init__(self, queue: Queue) -> None:
        super().__init__(queue)
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
