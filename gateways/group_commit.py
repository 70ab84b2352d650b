"""Group commit: one writer thread takes whatever commands came while the last commit ran, and commits them together.

No timer and no target size: a single caller waits for nobody, a crowd shares one fsync.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from core.ledger import Command, Failed, InvariantBroken, Ledger, Outcome
from core.ports import Unavailable

log = logging.getLogger(__name__)

BATCH_COMMANDS_MAX: Final = 500
WAITING_COMMANDS_MAX: Final = 2_000
"""More are refused at once: at some hundred commits a second they would wait for seconds."""


class Busy(Unavailable):
    """More commands wait than will be written soon: nothing was done, try again in a moment."""


class WritingEnded(Exception):
    """The books and the store contradict each other, or the process is ending: no command is taken any more."""


class _Waiting(NamedTuple):
    command: Command
    answer: "asyncio.Future[Outcome]"
    loop: asyncio.AbstractEventLoop


class GroupCommit:
    """Commands from coroutines, outcomes back to them, after the commit that made them durable (I15)."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        batch_max: int = BATCH_COMMANDS_MAX,
        waiting_max: int = WAITING_COMMANDS_MAX,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._ended: str | None = None
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Take no more, write what waits, and return when the last caller has its answer on the way."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def ended(self) -> str | None:
        """Why no command is taken any more, or None while writing goes on."""
        if self._ended is None and not self._thread.is_alive():
            return "the writer is not running"
        return self._ended

    async def submit(self, command: Command) -> Outcome:
        """The command's outcome, once its commit is known. Raises Busy, Unavailable or WritingEnded: nothing was done.

        A caller that goes away does not take its command back.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        with self._changed:
            if self._ended is not None or self._closing:
                raise WritingEnded(self._ended or "the process is ending")
            if len(self._waiting) >= self._waiting_max:
                raise Busy(f"{len(self._waiting)} commands wait to be written")
            self._waiting.append(_Waiting(command, answer, loop))
            self._changed.notify()
        return await answer

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                batch = [self._waiting.popleft() for _ in range(min(self._batch_max, len(self._waiting)))]
            if not batch:
                return
            self._write(batch)

    def _write(self, batch: list[_Waiting]) -> None:
        self._on_batch(len(batch))
        try:
            outcomes: list[Outcome] = self._ledger.execute([waiting.command for waiting in batch])
        except Unavailable as error:
            _answer_all(batch, error)
        except InvariantBroken as error:
            log.critical("writing has ended: %s", error)
            self._end(batch, str(error))
        except Exception as error:
            log.exception("a batch of %d commands failed as a whole", len(batch))
            _answer(batch, [Failed(error)] * len(batch))
        else:
            _answer(batch, outcomes)

    def _end(self, batch: list[_Waiting], reason: str) -> None:
        with self._changed:
            self._ended = reason
            batch = [*batch, *self._waiting]
            self._waiting.clear()
        _answer_all(batch, WritingEnded(reason))


def _answer_all(batch: list[_Waiting], error: Exception) -> None:
    _answer(batch, [error] * len(batch))


def _answer(batch: list[_Waiting], results: "list[Outcome] | list[Exception] | list[Failed]") -> None:
    """One wake-up per event loop and batch, not per command."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Outcome], Outcome | Exception]]] = {}
    for waiting, result in zip(batch, results, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.answer, result))
    for loop, settled in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: "list[tuple[asyncio.Future[Outcome], Outcome | Exception]]") -> None:
    for answer, result in settled:
        if answer.done():  # its caller went away
            continue
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)
