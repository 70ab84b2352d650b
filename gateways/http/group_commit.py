"""Group commit: one writer thread takes whatever commands came while the last commit ran, and commits them together.

No timer and no target size: a single caller waits for nobody, a crowd shares one fsync.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from core.ledger.ledger import Command, Failed, InvariantBroken, Ledger, Outcome
from core.ports.alarm import Alarm, Condition
from core.ports.unavailable import Unavailable
from gateways.telemetry.alarm_log import log_alarm

log = logging.getLogger(__name__)

BATCH_COMMANDS_MAX: Final = 500
WAITING_COMMANDS_MAX: Final = 2_000
"""More are refused at once: at some hundred commits a second they would wait for seconds."""


class Busy(Unavailable):
    """More commands wait than will be written soon: nothing was done, try again in a moment."""


class WritingEnded(Exception):
    """The books and the store contradict each other, or the process is ending: no command is taken any more."""


class _Waiting(NamedTuple):
    commands: Sequence[Command]
    answer: "asyncio.Future[Sequence[Outcome]]"


class GroupCommit:
    """Commands from the coroutines of one event loop, outcomes back to them after the commit that made them durable (I15).

    What comes in one turn of the loop is handed over at the turn's end: one wake-up of the writer for all of it.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        batch_max: int = BATCH_COMMANDS_MAX,
        waiting_max: int = WAITING_COMMANDS_MAX,
        alarm: Alarm = log_alarm,
    ) -> None:
        self._ledger = ledger
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._over = Condition(alarm, "writing_ended")
        self._arriving: list[_Waiting] = []
        self._waiting: deque[_Waiting] = deque()
        self._arriving_count = self._waiting_count = 0
        """Of their commands; the second is moved under the lock."""
        self._changed = threading.Condition()
        self._closing = False
        self._ended: str | None = None
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)

    def start(self) -> None:
        """From within the event loop that will submit."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Take no more, write what waits, and return when the last caller has its answer on the way."""
        self._closing = True
        self._hand_over()
        await asyncio.to_thread(self._thread.join)

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
        [outcome] = await self.submit_all([command])
        return outcome

    async def submit_all(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """The same of several commands, at most a batch of them: they are decided in their order and committed together."""
        if self._ended is not None or self._closing:
            raise WritingEnded(self._ended or "the process is ending")
        before = self._waiting_count + self._arriving_count
        if before and before + len(commands) > self._waiting_max:
            raise Busy(f"{before} commands wait to be written")
        waiting = _Waiting(commands, self._loop.create_future())
        self._arriving.append(waiting)
        self._arriving_count += len(commands)
        if len(self._arriving) == 1:
            self._loop.call_soon(self._hand_over)
        return await waiting.answer

    def _hand_over(self) -> None:
        with self._changed:
            self._waiting.extend(self._arriving)
            self._waiting_count += self._arriving_count
            self._changed.notify()
        self._arriving.clear()
        self._arriving_count = 0

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                batch = self._next_batch()
            if not batch:
                return
            self._write(batch)

    def _next_batch(self) -> list[_Waiting]:
        """Whatever waits, as far as a batch goes; what was handed over together stays together."""
        batch: list[_Waiting] = []
        count = 0
        while self._waiting and (not batch or count + len(self._waiting[0].commands) <= self._batch_max):
            batch.append(self._waiting.popleft())
            count += len(batch[-1].commands)
        self._waiting_count -= count
        return batch

    def _write(self, batch: list[_Waiting]) -> None:
        if self._ended is not None:
            self._end(batch, self._ended)
            return
        try:
            outcomes = iter(self._ledger.execute([command for waiting in batch for command in waiting.commands]))
        except Unavailable as error:
            self._answer(batch, [error] * len(batch))
        except InvariantBroken as error:
            self._end(batch, str(error))
            said = f"an invariant of the books is broken, no command is taken any more: {error}"
            self._over.begin("", said)
        except Exception as error:
            log.exception("a batch of %d commands failed as a whole", sum(len(waiting.commands) for waiting in batch))
            self._answer(batch, [[Failed(error)] * len(waiting.commands) for waiting in batch])
        else:
            self._answer(batch, [[next(outcomes) for _ in waiting.commands] for waiting in batch])
            self._over.end("")

    def _end(self, batch: list[_Waiting], reason: str) -> None:
        """From now on `submit` refuses, and what is handed over already is refused in its turn."""
        self._ended = reason
        self._answer(batch, [WritingEnded(reason)] * len(batch))

    def _answer(self, batch: list[_Waiting], results: "Sequence[Sequence[Outcome] | Exception]") -> None:
        """One wake-up of the event loop a batch."""
        self._loop.call_soon_threadsafe(_settle, batch, results)


def _settle(batch: list[_Waiting], results: "Sequence[Sequence[Outcome] | Exception]") -> None:
    for waiting, result in zip(batch, results, strict=True):
        if waiting.answer.done():  # its caller went away
            continue
        if isinstance(result, Exception):
            waiting.answer.set_exception(result)
        else:
            waiting.answer.set_result(result)
