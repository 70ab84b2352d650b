"""The sweeps that are not closed, folded in memory from the event store, with the instructions that each has given.

Beside them what planning needs of the history: what clients are still to be paid from the hot wallet, and what sweeps took
from the gas wallet within the last day.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from core.ledger.events import Event, Recorded
from core.ledger.ledger import EventStore
from core.ports.bookmarks import Bookmarks
from core.streams.instructions import (
    Delegate,
    Instruction,
    InstructionConfirmed,
    InstructionGiven,
    InstructionState,
    SendToken,
    SendTrx,
    Undelegate,
)
from core.streams.payouts import FINAL as PAYOUT_FINAL
from core.streams.payouts import Payout, PayoutRequested
from core.streams.sweeps import FINAL, Sweep, SweepOrder, SweepPlanned
from core.tron.chain import BlockRef
from signers.open_streams import OpenStreams

BOOKMARK: Final = "sweeps"
DAY_MS: Final = 86_400_000
_OF_GAS: Final = ("fuel", "loan", "loan_return")


def ended(known: InstructionState) -> str:
    """Why an instruction that is over moved nothing."""
    return str(getattr(known.end, "reason", "") or getattr(known.end, "failure_code", ""))


class OpenSweep:
    """A sweep as the history has it, and whether something happened that makes another look worth while."""

    def __init__(self, position: int, order: SweepOrder) -> None:
        self.position = position
        self.order = order
        self.sweep = Sweep()
        self.given: dict[str, InstructionState] = {}
        """Every instruction that serves it, by id, in order: those that the sweep gave, and returns of what was lent."""
        self.news = True
        self.look_at = 0
        """The solid height at which to look again without news."""
        self.said = ""
        self.lacks = ""
        """What it waits for now, as a sentence's end."""

    @property
    def last(self) -> InstructionState | None:
        """What the sweep gave last."""
        return self.given[self.sweep.given[-1]] if self.sweep.given else None

    @property
    def returns(self) -> list[InstructionState]:
        return [known for key, known in self.given.items() if key not in self.sweep.given]


class OpenSweeps(OpenStreams):
    """Iterates over the sweeps that are not closed, in the order in which they were planned."""

    def __init__(self, store: EventStore, bookmarks: Bookmarks) -> None:
        super().__init__(store, bookmarks, BOOKMARK)
        self._open: dict[str, OpenSweep] = {}
        self._serving: dict[str, OpenSweep] = {}
        """Instruction streams -> the sweep that each serves."""
        self._alone: dict[str, InstructionState] = {}
        """Open returns of stake that no sweep knew of, by stream."""
        self._owed: dict[str, tuple[int, Payout]] = {}
        self._leaving: dict[str, tuple[int, Instruction, InstructionState]] = {}
        """Open instructions to the hot wallet itself, by stream."""
        self.kept_back: str | None = None
        """Why the last transfer of the hot wallet's excess came to nothing; None once one went through."""
        self._spent: deque[tuple[int, int, int]] = deque()
        """(position, block time in ms, sun) of what sweeps took from the gas wallet."""

    def __iter__(self) -> Iterator[OpenSweep]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    @property
    def addresses(self) -> set[str]:
        """Addresses whose last sweep is not closed, and those that stake which no sweep knew of is being taken back from.

        No trial at those is to be believed: the energy that it finds there is about to go.
        """
        return {it.order.address for it in self} | {
            instruction.act.receiver
            for known in self._alone.values()
            if (instruction := known.instruction) is not None and isinstance(instruction.act, Undelegate)
        }

    @property
    def owed_minor(self) -> int:
        """USDT that clients asked for and the hot wallet has not paid yet."""
        orders = (payout.order for _, payout in self._owed.values())
        return sum(order.amount_minor for order in orders if order is not None)

    def under_way_minor(self, destination: str) -> int:
        """USDT that open sweeps will bring to a wallet."""
        return sum(
            it.order.amount_minor
            for it in self
            if it.order.destination == destination and it.order.currency == "USDT" and it.sweep.state != "confirmed"
        )

    @property
    def promised_minor(self) -> int:
        """USDT of payouts whose bytes may be mined."""
        payouts = (payout for _, payout in self._owed.values() if payout.attempts.alive is not None)
        return sum(payout.order.amount_minor for payout in payouts if payout.order is not None)

    def promised_by(self, hot: str) -> int:
        """USDT of payouts whose bytes this hot wallet made, and that may be mined."""
        return sum(
            payout.order.amount_minor
            for _, payout in self._owed.values()
            if payout.order is not None and (alive := payout.attempts.alive) and alive.from_address == hot
        )

    def is_making(self, address: str) -> bool:
        """Whether bytes of a wallet's payout, or of an instruction that is open here, may still be mined."""
        ordered = [known.attempts for it in self for known in it.given.values()]
        ordered += [known.attempts for known in self._alone.values()]
        ordered += [known.attempts for _, _, known in self._leaving.values()]
        ordered += [payout.attempts for _, payout in self._owed.values()]
        alive = (attempts.alive for attempts in ordered)
        return any(it is not None and it.from_address == address for it in alive)

    def is_expected(self, address: str) -> bool:
        """Whether a sweep is on its way to a wallet."""
        return any(it.order.to == address and it.sweep.state not in FINAL for it in self)

    @property
    def leaving_minor(self) -> int:
        """USDT that the hot wallet was ordered to send elsewhere and has not sent yet."""
        acts = (instruction.act for _, instruction, _ in self._leaving.values())
        return sum(act.amount_minor for act in acts if isinstance(act, SendToken))

    def spent_sun(self, head: BlockRef) -> int:
        """What sweeps took from the gas wallet within 24 hours of chain time, or are about to."""
        while self._spent and self._spent[0][1] < head.timestamp_ms - DAY_MS:
            self._spent.popleft()
        return sum(sun for _, _, sun in self._spent) + sum(sun for sun, _ in self.about_to_take())

    def about_to_take(self) -> Iterator[tuple[int, int]]:
        """(TRX, stake) in sun of every instruction to the gas wallet that was given and is not over."""
        for it in self:
            for known in it.given.values():
                if known.instruction is not None and known.instruction.wallet == "gas" and not known.over:
                    act = known.instruction.act
                    yield (
                        act.amount_sun if isinstance(act, SendTrx) else 0,
                        act.stake_sun if isinstance(act, Delegate) else 0,
                    )

    def _fold(self, recorded: Recorded) -> None:
        stream, happened = recorded.stream, recorded.event
        if isinstance(happened, SweepPlanned):
            self._open[stream] = OpenSweep(recorded.position, happened.sweep)
        elif isinstance(happened, InstructionGiven):
            self._given(recorded, happened)
        elif isinstance(happened, PayoutRequested):
            self._owed[stream] = (recorded.position, Payout())
        if stream in self._owed:
            self._pay(stream, happened)
        elif stream in self._leaving:
            self._leave(stream, happened)
        if isinstance(happened, InstructionConfirmed) and happened.instruction.purpose in _OF_GAS:
            act = happened.instruction.act
            sun = happened.burned_sun + (act.amount_sun if isinstance(act, SendTrx) else 0)
            self._spent.append((recorded.position, happened.block_timestamp_ms, sun))
        if stream in self._open:
            self._evolve(self._open[stream], stream, happened)
        elif stream in self._serving:
            it = self._serving[stream]
            key = stream.removeprefix("instruction-")
            it.given[key] = it.given.get(key, InstructionState()).evolve(happened)
            it.news = True
        elif stream in self._alone:
            known = self._alone[stream] = self._alone[stream].evolve(happened)
            if known.over:
                del self._alone[stream]

    def _given(self, recorded: Recorded, happened: InstructionGiven) -> None:
        stream, instruction = recorded.stream, happened.instruction
        if instruction.wallet == "hot":
            self._leaving[stream] = (recorded.position, instruction, InstructionState())
        if instruction.serves in self._open:
            self._serving[stream] = self._open[instruction.serves]
        elif instruction.purpose == "loan_return":
            self._alone[stream] = InstructionState()

    def _evolve(self, it: OpenSweep, stream: str, happened: Event) -> None:
        it.sweep = it.sweep.evolve(happened)
        it.news = True
        if it.sweep.closed:
            del self._open[stream]
            for key in it.given:
                self._serving.pop(f"instruction-{key}", None)

    def _pay(self, stream: str, happened: Event) -> None:
        position, payout = self._owed[stream]
        payout = payout.evolve(happened)
        if payout.state in PAYOUT_FINAL:
            del self._owed[stream]
        else:
            self._owed[stream] = (position, payout)

    def _leave(self, stream: str, happened: Event) -> None:
        position, instruction, known = self._leaving[stream]
        known = known.evolve(happened)
        if not known.over:
            self._leaving[stream] = (position, instruction, known)
            return
        del self._leaving[stream]
        if instruction.purpose == "excess":
            self.kept_back = None if known.state == "confirmed" else ended(known)

    def _oldest(self) -> int | None:
        oldest = [next((it.position for it in self), None), next((p for p, _ in self._owed.values()), None)]
        oldest += [self._spent[0][0] if self._spent else None, next((p for p, *_ in self._leaving.values()), None)]
        return min((position for position in oldest if position is not None), default=None)
