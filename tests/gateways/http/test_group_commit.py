"""Group commit: who waits together is written together, and every caller gets its own outcome."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from core.ledger.ledger import Command, Failed, InvariantBroken, Outcome, Repeated
from core.ports.unavailable import Unavailable
from core.streams.treasury import RegisterWallet
from gateways.http.group_commit import Busy, GroupCommit, WritingEnded
from tests.support.patience import HANG_S

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def command(number: int) -> Command:
    return RegisterWallet(role="hot", address=str(number), key_id=None, actor="operator:test")


class LedgerDouble:
    """Answers each command with its own number as position; `gate` holds the first commit back."""

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.first = threading.Event()
        self.error = error

    def execute(self, commands: Sequence[RegisterWallet]) -> list[Outcome]:
        self.batches.append(len(commands))
        self.first.set()
        assert self.gate.wait(HANG_S)
        if self.error is not None:
            raise self.error
        return [Repeated(int(item.address), ()) for item in commands]


def run(ledger: LedgerDouble, count: int, **limits: int) -> list[Outcome | BaseException]:
    """Submit the first, and the others once its commit has begun; then let commits go on."""

    async def scenario() -> list[Outcome | BaseException]:
        writer = GroupCommit(ledger, **limits)  # type: ignore[arg-type]
        writer.start()
        first = asyncio.create_task(writer.submit(command(0)))
        await asyncio.to_thread(ledger.first.wait, 10)
        others = [asyncio.create_task(writer.submit(command(number))) for number in range(1, count)]
        await asyncio.sleep(0)
        ledger.gate.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        await writer.close()
        return results

    return asyncio.run(scenario())


def test_who_waits_is_committed_together() -> None:
    """Nineteen commands that come during one commit share the next, and each gets its own outcome."""
    ledger = LedgerDouble()
    results = run(ledger, 20)
    assert [item.position for item in results if isinstance(item, Repeated)] == list(range(20))
    assert ledger.batches == [1, 19]


def test_a_batch_is_bounded() -> None:
    """No batch is larger than the limit."""
    ledger = LedgerDouble()
    run(ledger, 11, batch_max=4)
    assert ledger.batches == [1, 4, 4, 2]


def test_a_crowd_is_refused_at_once() -> None:
    """Beyond the waiting limit a command is refused while the others still wait."""
    results = run(LedgerDouble(), 5, waiting_max=3)
    assert [type(item) for item in results] == [Repeated] * 4 + [Busy]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Unavailable("shut"), Unavailable), (InvariantBroken("guard lost rows"), WritingEnded)],
)
def test_errors_reach_every_caller(error: Exception, expected: type[Exception]) -> None:
    """A shut store and a broken invariant are told to everyone of the batch."""
    assert {type(item) for item in run(LedgerDouble(error), 3)} == {expected}


def test_a_defect_fails_its_batch_alone() -> None:
    """Another exception becomes Failed for its batch, and the writer goes on."""
    results = run(LedgerDouble(ZeroDivisionError()), 3)
    assert {type(item) for item in results} == {Failed}


def test_a_broken_invariant_ends_writing() -> None:
    """After it no command is taken, and `ended` says why (I1, I3, I5)."""

    async def scenario() -> None:
        ledger = LedgerDouble(InvariantBroken("guard lost rows"))
        ledger.gate.set()
        writer = GroupCommit(ledger)  # type: ignore[arg-type]
        writer.start()
        assert writer.ended is None
        with pytest.raises(WritingEnded):
            await writer.submit(command(1))
        with pytest.raises(WritingEnded, match="guard lost rows"):
            await writer.submit(command(2))
        assert writer.ended == "guard lost rows"
        assert ledger.batches == [1]
        await writer.close()

    asyncio.run(scenario())


def test_closing_writes_what_waits() -> None:
    """close() returns after the waiting commands were committed, and takes no more."""

    async def scenario() -> None:
        ledger = LedgerDouble()
        writer = GroupCommit(ledger)  # type: ignore[arg-type]
        writer.start()
        tasks = [asyncio.create_task(writer.submit(command(number))) for number in range(5)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(writer.close())
        ledger.gate.set()
        await closing
        assert [item.position for item in await asyncio.gather(*tasks)] == list(range(5))  # type: ignore[union-attr]
        with pytest.raises(WritingEnded, match="ending"):
            await writer.submit(command(6))

    asyncio.run(scenario())


def test_a_caller_that_goes_away_leaves_its_command() -> None:
    """A cancelled request's command is written all the same and disturbs nobody."""

    async def scenario() -> None:
        ledger = LedgerDouble()
        writer = GroupCommit(ledger)  # type: ignore[arg-type]
        writer.start()
        leaving = asyncio.create_task(writer.submit(command(0)))
        staying = asyncio.create_task(writer.submit(command(1)))
        await asyncio.to_thread(ledger.first.wait, 10)
        leaving.cancel()
        ledger.gate.set()
        assert (await staying).position == 1  # type: ignore[union-attr]
        assert sum(ledger.batches) == 2
        await writer.close()

    asyncio.run(scenario())
