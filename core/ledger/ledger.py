"""The write path: commands are decided in batches, purely, and appended in one transaction.

`Ledger.execute` takes any commands and gives one outcome each, in order. Where they come from (HTTP, a queue, a
worker) and how events are kept (the port EventStore) is nobody's business here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID, uuid4

import msgspec

from core.ledger.clock import CheckedClock
from core.ledger.events import DECLARATIONS, TOPICS, Event, New, Recorded, is_written, postings_of
from core.ledger.guard import LIABILITY_GROWS_BY, GuardKey, guard_deltas, guard_key
from core.ledger.history import Beside, stopped
from core.ledger.journal import TREASURY, check_balanced
from core.ledger.money import LINE_MAX, SUM_MAX
from core.ledger.refusals import AmountOutOfRange, NotSwitchedOn, Refusal, StreamStopped
from core.ports.unavailable import Unavailable

BATCH_COMMANDS_MAX = 2_000


class Command(Protocol):
    """A wish. It names what it must see, and decides over it without I/O.

    It is refused where a stream that it names is stopped (core/ledger/history.py), unless it has a true attribute `settles`.
    """

    def streams(self) -> Sequence[str]:
        """The streams the decision reads or writes; the first is the one whose history answers a repetition."""

    def guards(self) -> Sequence[GuardKey]:
        """Every guarded ledger account the decision looks at or posts to."""

    def decide(self, past: "Past", now: datetime) -> Sequence[New] | Refusal:
        """Events, or nothing when the wished state already holds, or a refusal. Never raises for what can be expected."""


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The command's events are durable; `position` is the last one's."""

    position: int
    events: tuple[Recorded, ...]


class Repeated(msgspec.Struct, frozen=True):
    """The wished state already held: the history of the command's first stream."""

    position: int
    events: tuple[Recorded, ...]


class Refused(msgspec.Struct, frozen=True):
    """Nothing came of it. That it was tried is an event where the ledger keeps refusals (core/streams/refused_commands.py)."""

    refusal: Refusal


class Overdrawn(AssertionError):
    """An event would make a balance negative that never may be (I5): a decision is wrong, or somebody wrote past them all."""


class Failed(msgspec.Struct, frozen=True):
    """A defect hit this command alone, or the store shut before its turn (Unavailable). Nothing was written for it."""

    error: Exception


Outcome = Accepted | Repeated | Refused | Failed


class Loaded(msgspec.Struct, frozen=True):
    """What the store read under the append lock: histories, guard balances (absent: no such row), the head position.

    `server_now` is the store's own clock, `last_at` the time of the last event; None where it knows none. `format_level` is
    what may be written (core/ledger/events.py); None: everything.
    """

    histories: dict[str, list[Recorded]]
    guards: dict[GuardKey, int]
    head: int
    server_now: datetime | None = None
    last_at: datetime | None = None
    format_level: int | None = None


class Decided(msgspec.Struct, frozen=True):
    """What is to be written: records at positions that follow the head without a gap (I3), and guard changes.

    The records are decided as they are taken, once, so that a store may write the first while the rest is being decided.
    Guard changes are complete when the records are exhausted.
    """

    records: Iterable[Recorded]
    deltas: dict[GuardKey, int]
    opened: list[GuardKey]


class LastSeal(NamedTuple):
    """The seal of the last append: the position where it ends, and its hash in hex."""

    position: int
    hash: str


class EventStore(Protocol):
    """The history. Every method may raise Unavailable; `append` raises it only when nothing was written (I15)."""

    def append(
        self,
        batch_id: UUID,
        streams: Sequence[str],
        guards: Sequence[GuardKey],
        decide: Callable[[Loaded], Decided],
    ) -> None:
        """One transaction under the append lock: read, decide, write, seal. In doubt is resolved before it returns."""

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        """Events with positions after `after`, in order, at most `limit`."""

    def histories(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        """Streams from their start; one that does not exist is absent or empty."""

    def head(self) -> int:
        """The last position, 0 when there is none."""

    def last_seal(self) -> LastSeal | None:
        """The seal of the last append, None before the first."""

    def seal_at(self, position: int) -> str | None:
        """The hash, in hex, of the seal of the append that ends at this position; None where none ends there."""


S = TypeVar("S", bound="State")


class State(Protocol):
    """What a decision knows of a stream: folded from its events."""

    def evolve(self, event: Any) -> Any:
        """The state after the event. Never raises, never logs: what happened, happened."""


def state_of(store: EventStore, stream: str, initial: S) -> S:
    """A stream's state as the store has it now, for who only looks; a decision has Past. Raises Unavailable."""
    known = initial
    for recorded in store.histories([stream]).get(stream, ()):
        known = known.evolve(recorded.event)
    return known


class Past:
    """What a decision may look at: the histories and guard balances, this batch's earlier decisions included."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._states: dict[tuple[str, type], tuple[Any, Any, int]] = {}
        """By stream and kind of state: what it was folded from, the state, and how many of the events are folded into it."""
        self._balances = dict(loaded.guards)
        self.accepted = 0
        self.deltas: dict[GuardKey, int] = {}
        self.opened: list[GuardKey] = []

    def history(self, stream: str) -> list[Recorded]:
        return self._loaded.histories.setdefault(stream, [])

    def state(self, stream: str, initial: S) -> S:
        """The stream's state, folded from `initial`; kept for the next command of the batch."""
        history = self._loaded.histories.get(stream)
        if not history:
            return initial
        key = stream, type(initial)
        begun, known, folded = self._states.get(key) or (initial, initial, 0)
        if begun is not initial and begun != initial:  # another beginning: nothing of the first fold holds for it
            known, folded = initial, 0
        if folded < len(history):
            for recorded in history[folded:]:
                if not isinstance(recorded.event, Beside):
                    known = known.evolve(recorded.event)
            self._states[key] = initial, known, len(history)
        return known

    def stopped(self, streams: Sequence[str]) -> str | None:
        """The first of these streams that holds an event which cannot be read, and is not settled."""
        histories = self._loaded.histories
        return next((stream for stream in streams if stream in histories and stopped(histories[stream])), None)

    def balance(self, key: GuardKey) -> int | None:
        """The guarded balance in minor units, None when no such liability account is open."""
        return self._balances.get(key)

    def writes(self, kind: type[Event]) -> bool:
        """Whether events of this kind may be written at the history's format level (I22)."""
        level = self._loaded.format_level
        return level is None or DECLARATIONS[kind].newest <= level

    def not_yet_written(self, news: Sequence[New]) -> str | None:
        """The topic of the first of these events that the history's format level has no form for (I22)."""
        level = self._loaded.format_level
        if level is None:
            return None
        return next((TOPICS[type(new.event)] for new in news if not is_written(new.event, level)), None)

    def exceeds(self, news: Sequence[New]) -> bool:
        """Whether the events bring about an amount or a client's sum that is out of range: one rule for all commands."""
        grown: dict[GuardKey, int] = {}
        for new in news:
            for line in postings_of(new.event):
                if line.amount_minor > LINE_MAX:
                    return True
                if line.book == TREASURY or line.side != LIABILITY_GROWS_BY:
                    continue
                key = guard_key(line.book, line.account, line.currency)
                balance = self._balances.get(key)
                if balance is not None:
                    grown[key] = grown.get(key, balance) + line.amount_minor
                    if grown[key] > SUM_MAX:
                        return True
        return False

    def trial(self, streams: Sequence[str], guards: Sequence[GuardKey]) -> "Past":
        """These streams and balances as they are now, for decisions that may come to nothing: what is accepted there is known
        there alone."""
        histories = {it: list(self._loaded.histories[it]) for it in streams if it in self._loaded.histories}
        balances = {it: self._balances[it] for it in guards if it in self._balances}
        return Past(Loaded(histories, balances, self._loaded.head, format_level=self._loaded.format_level))

    def accept(self, news: Sequence[New], declared: Sequence[GuardKey]) -> tuple[Recorded, ...]:
        """Give the events their positions and versions and move the guard. Checks I1 and that no guard was forgotten."""
        accepted = []
        position = self._loaded.head + self.accepted
        for new in news:
            check_balanced(postings_of(new.event))
            history = self.history(new.stream)
            position += 1
            recorded = Recorded(position, new.stream, len(history) + 1, new.event)
            history.append(recorded)
            self._move_guard(new.event, declared)
            accepted.append(recorded)
        self.accepted += len(accepted)
        return tuple(accepted)

    def _move_guard(self, event: Event, declared: Sequence[GuardKey]) -> None:
        balances, deltas = self._balances, self.deltas
        moved: list[GuardKey] = []
        for key, delta_minor, opens in guard_deltas(event):
            if key not in declared:
                raise AssertionError(f"{type(event).__name__} posts to {key}, which its command did not declare")
            if opens:
                balances[key] = 0
                self.opened.append(key)
            elif key in balances:
                balances[key] += delta_minor
                deltas[key] = deltas.get(key, 0) + delta_minor
                moved.append(key)
        for key in moved:  # at the event's end: its own lines may pass through zero
            if balances[key] < 0:
                raise Overdrawn(f"{type(event).__name__} would overdraw {key}: the decision missed it (I5)")


class NotedRefusals(Protocol):
    """The refusals of one append, as events of it."""

    def refused(self, command: Command, refusal: Refusal) -> Sequence[New]:
        """The event of a refusal, or nothing where it is only counted or is a process's own."""

    def counted(self) -> Sequence[New]:
        """What hours that are over have counted."""

    def done(self) -> None:
        """The append is durable."""


class RefusalLog(Protocol):
    """What a ledger keeps of refusals. Used from the one thread that appends."""

    def begin(self, now: datetime) -> NotedRefusals:
        """Of one append, which may fail: it counts once its `done` was called."""

    def end(self, now: datetime) -> NotedRefusals:
        """The same, of an hour that ends with the process."""


class Ledger:
    """Decides commands over a store. `clock` gives the time that the events of a batch carry; `refusals` are kept if given.

    `checked_clock`, if given, holds that time against the store's own (core/ledger/clock.py).
    """

    def __init__(
        self,
        store: EventStore,
        clock: Callable[[], datetime],
        refusals: RefusalLog | None = None,
        checked_clock: CheckedClock | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._refusals = refusals
        self._checked_clock = checked_clock

    def execute(self, commands: Sequence[Command]) -> list[Outcome]:
        """One outcome a command, in order. A command that fails is bisected out; its neighbours are written.

        Raises Unavailable when nothing was written because the store is shut. Where it shuts after a part was written,
        the commands behind that part have Failed with Unavailable (I15).
        """
        outcomes: list[Outcome] = []
        starts = range(0, len(commands), BATCH_COMMANDS_MAX)
        waiting = [commands[start : start + BATCH_COMMANDS_MAX] for start in reversed(starts)]
        while waiting:
            part = waiting.pop()
            try:
                outcomes += self._append(part)
            except AppendFailed as failure:
                if len(part) == 1:
                    outcomes.append(Failed(failure.error))
                else:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
            except Unavailable as error:
                if not outcomes:
                    raise
                outcomes += [Failed(error)] * (len(commands) - len(outcomes))
                break
        return outcomes

    def settle(self) -> None:
        """For a process that ends: refusals that were only counted become events. Raises Unavailable."""
        noted = None if self._refusals is None else self._refusals.end(self._clock())
        if noted is None or not (counts := noted.counted()):
            return

        def decide(loaded: Loaded) -> Decided:
            self._now(loaded)
            past = Past(loaded)
            return Decided(past.accept(counts, ()), past.deltas, past.opened)

        self._store.append(uuid4(), [], [], decide)
        noted.done()

    def _now(self, loaded: Loaded) -> datetime:
        """The time that the events carry. Raises Unavailable while no clock can be believed."""
        if self._checked_clock is None:
            return self._clock()
        return self._checked_clock.agreed(self._clock(), loaded.server_now, loaded.last_at)

    def _append(self, commands: Sequence[Command]) -> list[Outcome]:
        try:
            streams = list(dict.fromkeys(stream for command in commands for stream in command.streams()))
            declared = [command.guards() for command in commands]
            guards = list(dict.fromkeys(key for keys in declared for key in keys))
        except Exception as error:
            raise AppendFailed(error) from error
        outcomes: list[Outcome] = []
        noted: NotedRefusals | None = None

        def records(past: Past, now: datetime) -> Iterator[Recorded]:
            for command, keys in zip(commands, declared, strict=True):
                try:
                    outcome = _decide_one(command, keys, past, now)
                except Exception as error:
                    raise AppendFailed(error) from error
                outcomes.append(outcome)
                if type(outcome) is Accepted:
                    yield from outcome.events
                elif noted is not None and type(outcome) is Refused:
                    yield from past.accept(noted.refused(command, outcome.refusal), ())
            if noted is not None:
                yield from past.accept(noted.counted(), ())

        def decide(loaded: Loaded) -> Decided:
            nonlocal noted
            now = self._now(loaded)
            noted = None if self._refusals is None else self._refusals.begin(now)
            past = Past(loaded)
            return Decided(records(past, now), past.deltas, past.opened)

        self._store.append(uuid4(), streams, guards, decide)
        if noted is not None:
            noted.done()
        return outcomes


class InvariantBroken(AssertionError):
    """The books and the store contradict each other: writing must end until a person has looked (I1, I3, I5)."""


class AppendFailed(Exception):
    """Something in the batch is defective: nothing was written. The cause is in `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _decide_one(command: Command, guards: Sequence[GuardKey], past: Past, now: datetime) -> Outcome:
    if not getattr(command, "settles", False) and (stream := past.stopped(command.streams())) is not None:
        return Refused(StreamStopped(stream=stream))
    decision = command.decide(past, now)
    if isinstance(decision, Refusal):
        return Refused(decision)
    if not decision:
        history = past.history(command.streams()[0])
        return Repeated(history[-1].position if history else 0, tuple(history))
    if past.exceeds(decision):
        return Refused(AmountOutOfRange())
    if (kind := past.not_yet_written(decision)) is not None:
        return Refused(NotSwitchedOn(kind=kind))
    accepted = past.accept(decision, guards)
    return Accepted(accepted[-1].position, accepted)
