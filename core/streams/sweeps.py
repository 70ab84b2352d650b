"""Stream sweep-{id}: what a deposit address holds goes to the hot or the cold wallet, or TRX left there to the gas wallet.

    SweepPlanned -> (SweepFuelling | SweepFuelled)* -> SweepConfirmed | SweepFailed | SweepDeferred
                                                                     -> SweepReleased, where energy was lent

A sweep is a story of instructions (core/streams/instructions.py), one after the other: what its transfer needs is brought to
the address (fuelling: TRX, or energy lent), the transfer is ordered (fuelled), and energy is taken back. Its id follows from
the address and a number, so an address has one sweep at a time; the next is planned when the last is closed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Self

import msgspec

from core.ledger.events import Event, New, event
from core.ledger.guard import GuardKey
from core.ledger.journal import derived_id
from core.ledger.ledger import Past
from core.ledger.refusals import NotFound, Refusal, WrongState
from core.streams.instructions import (
    Delegate,
    Instruction,
    InstructionConfirmed,
    InstructionState,
    SendToken,
    SendTrx,
    giving,
    instruction_stream,
)
from core.streams.quarantine import Quarantine, quarantine_stream
from core.streams.treasury import Wallet, wallet_stream

State = Literal["absent", "planned", "fuelling", "fuelled", "confirmed", "failed", "deferred"]
FINAL: Final[frozenset[State]] = frozenset({"confirmed", "failed", "deferred"})
Method = Literal["own", "loan", "fuel"]
"""What pays for the transfer: what the address has, energy lent by the gas wallet's stake, or TRX sent for it."""
Destination = Literal["hot", "cold", "gas"]


def sweep_stream(sweep_id: str) -> str:
    return f"sweep-{sweep_id}"


def sweep_id(address: str, number: int) -> str:
    """The id of an address's n-th sweep, from 1."""
    return str(derived_id("sweep", address, str(number)))


def next_instruction_id(sweep_id: str, given: int) -> str:
    """The id of the instruction that a sweep gives after so many others."""
    return str(derived_id("instruction", sweep_id, str(given + 1)))


class SweepOrder(msgspec.Struct, frozen=True):
    """What was planned: all that the address held at a solid block, by which method and at what cost, prices of then."""

    sweep_id: str
    address: str
    number: int
    currency: Literal["USDT", "TRX"]
    amount_minor: int
    destination: Destination
    to: str
    method: Method
    cost_sun: int
    block_number: int

    @property
    def stream(self) -> str:
        return sweep_stream(self.sweep_id)


# Events: stored as they are for ever, so a change is a new version and an upcast


@event("sweep.planned", by="signer")
class SweepPlanned(Event, frozen=True, kw_only=True):
    sweep: SweepOrder


@event("sweep.fuelling", by="signer")
class SweepFuelling(Event, frozen=True, kw_only=True):
    """The address lacks something for its transfer: TRX, an account, or energy, which this instruction brings."""

    sweep_id: str
    method: Method
    instruction_id: str


@event("sweep.fuelled", by="signer")
class SweepFuelled(Event, frozen=True, kw_only=True):
    """The address has what its transfer needs at today's prices: this instruction is the transfer."""

    sweep_id: str
    instruction_id: str
    amount_minor: int
    needed_energy: int


@event("sweep.confirmed", by="signer")
class SweepConfirmed(Event, frozen=True, kw_only=True):
    """The coins have left the address, in a solid block. The entry stands with the instruction that moved them."""

    sweep_id: str
    txid: str
    amount_minor: int


@event("sweep.failed", by="signer")
class SweepFailed(Event, frozen=True, kw_only=True):
    """The transfer was mined and moved nothing."""

    sweep_id: str
    failure_code: str
    txid: str


@event("sweep.deferred", by="signer")
class SweepDeferred(Event, frozen=True, kw_only=True):
    """Not now, and nothing is lost: another sweep of the address may be planned later."""

    sweep_id: str
    reason: str


@event("sweep.released", by="signer")
class SweepReleased(Event, frozen=True, kw_only=True):
    """What was lent to the address is back with its owner."""

    sweep_id: str


# State


class Sweep(msgspec.Struct, frozen=True):
    """What decisions know of a sweep: its order, its state, the instructions it gave, and which of them lent energy."""

    state: State = "absent"
    order: SweepOrder | None = None
    given: tuple[str, ...] = ()
    loans: tuple[str, ...] = ()
    released: bool = False

    def evolve(self, happened: Event) -> Self:
        replace = msgspec.structs.replace
        match happened:
            case SweepPlanned():
                return replace(self, state="planned", order=happened.sweep)
            case SweepFuelling():
                given = (*self.given, happened.instruction_id)
                lent = (happened.instruction_id,) if happened.method == "loan" else ()
                return replace(self, state="fuelling", given=given, loans=(*self.loans, *lent))
            case SweepFuelled():
                return replace(self, state="fuelled", given=(*self.given, happened.instruction_id))
            case SweepConfirmed():
                return replace(self, state="confirmed")
            case SweepFailed():
                return replace(self, state="failed")
            case SweepDeferred():
                return replace(self, state="deferred")
            case SweepReleased():
                return replace(self, released=True)
        return self

    @property
    def closed(self) -> bool:
        """Nothing of it is under way any more, and nothing is lent: the address is free for its next sweep."""
        return self.state in FINAL and (self.released or not self.loans)


# Decisions


class PlanSweep(msgspec.Struct, frozen=True):
    """Begin a sweep. Refused while the address's last one is not closed, in quarantine, or to a wallet that is not ours."""

    order: SweepOrder
    actor: str

    def streams(self) -> list[str]:
        order = self.order
        before = [sweep_stream(sweep_id(order.address, order.number - 1))] if order.number > 1 else []
        return [order.stream, *before, wallet_stream(order.destination), quarantine_stream(order.address)]

    def guards(self) -> list[GuardKey]:
        return []

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        order = self.order
        if past.state(order.stream, Sweep()).order is not None:
            return ()
        if order.sweep_id != sweep_id(order.address, order.number):
            return WrongState(stream=order.stream, state="another sweep's", wish="planned")
        if order.number > 1:
            before = sweep_stream(sweep_id(order.address, order.number - 1))
            last = past.state(before, Sweep())
            if not last.closed:
                return WrongState(stream=before, state=last.state, wish="followed by another sweep")
        registered = past.state(wallet_stream(order.destination), Wallet()).registered
        if registered is None or registered.address != order.to:
            return NotFound(noun=f"{order.destination} wallet {order.to}")
        if past.state(quarantine_stream(order.address), Quarantine()).held is not None:
            return WrongState(stream=quarantine_stream(order.address), state="set aside", wish="swept")
        return [New(order.stream, SweepPlanned(occurred_at=now, actor=self.actor, sweep=order))]


class _SweepCommand(msgspec.Struct, frozen=True):
    """A later step of a sweep, or one that gives an instruction. `last` is the id of the one given last, if any."""

    order: SweepOrder
    last: str | None
    actor: str

    def streams(self) -> list[str]:
        return [self.order.stream, *([instruction_stream(self.last)] if self.last else [])]

    def guards(self) -> list[GuardKey]:
        return []

    def _sweep(self, past: Past) -> Sweep:
        return past.state(self.order.stream, Sweep())

    def _wrong(self, sweep: Sweep, wish: str) -> WrongState:
        return WrongState(stream=self.order.stream, state=sweep.state, wish=wish)

    def _idle(self, past: Past, sweep: Sweep) -> bool:
        """Open, and what was given last is over: the one moment in which something else may begin (I7)."""
        if sweep.order != self.order or sweep.state in FINAL or self.last != (sweep.given[-1] if sweep.given else None):
            return False
        return self.last is None or self._last(past).over

    def _last(self, past: Past) -> InstructionState:
        return past.state(instruction_stream(self.last or ""), InstructionState())


class _GivingCommand(_SweepCommand, frozen=True):
    """A step that gives the sweep's next instruction in the same breath."""

    instruction: Instruction

    def streams(self) -> list[str]:
        return [*super().streams(), self.instruction.stream]

    def _give(self, past: Past, now: datetime, step: Event) -> Sequence[New] | Refusal:
        sweep = self._sweep(past)
        if self.instruction.instruction_id in sweep.given:
            return ()
        expected = next_instruction_id(self.order.sweep_id, len(sweep.given))
        if not self._idle(past, sweep) or self.instruction.instruction_id != expected:
            return self._wrong(sweep, f"given {self.instruction.instruction_id}")
        given = giving(past, now, self.actor, self.instruction)
        return given if isinstance(given, Refusal) else [New(self.order.stream, step), *given]


class FuelSweep(_GivingCommand, frozen=True):
    """Bring the address what it lacks."""

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        step = SweepFuelling(
            occurred_at=now,
            actor=self.actor,
            sweep_id=self.order.sweep_id,
            method="loan" if isinstance(self.instruction.act, Delegate) else "fuel",
            instruction_id=self.instruction.instruction_id,
        )
        return self._give(past, now, step)


class SendSweep(_GivingCommand, frozen=True, kw_only=True):
    """Order the transfer itself: from the order's address to the order's destination, and nowhere else."""

    needed_energy: int

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        act = self.instruction.act
        if not isinstance(act, SendToken | SendTrx) or (self.instruction.owner, act.to) != (
            self.order.address,
            self.order.to,
        ):
            return self._wrong(self._sweep(past), "sent elsewhere")
        step = SweepFuelled(
            occurred_at=now,
            actor=self.actor,
            sweep_id=self.order.sweep_id,
            instruction_id=self.instruction.instruction_id,
            amount_minor=act.amount_minor if isinstance(act, SendToken) else act.amount_sun,
            needed_energy=self.needed_energy,
        )
        return self._give(past, now, step)


class ConfirmSweep(_SweepCommand, frozen=True):
    """Its transfer was confirmed."""

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        sweep = self._sweep(past)
        if sweep.state == "confirmed":
            return ()
        history = past.history(instruction_stream(self.last or ""))
        done = history[-1].event if history else None
        if sweep.state != "fuelled" or not self._idle(past, sweep) or not isinstance(done, InstructionConfirmed):
            return self._wrong(sweep, "confirmed")
        act = done.instruction.act
        assert isinstance(act, SendToken | SendTrx)
        confirmed = SweepConfirmed(
            occurred_at=now,
            actor=self.actor,
            sweep_id=self.order.sweep_id,
            txid=done.txid,
            amount_minor=act.amount_minor if isinstance(act, SendToken) else act.amount_sun,
        )
        return [New(self.order.stream, confirmed)]


class FailSweep(_SweepCommand, frozen=True, kw_only=True):
    """Its transfer was mined and failed."""

    failure_code: str
    txid: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        sweep = self._sweep(past)
        if sweep.state == "failed":
            return ()
        if sweep.state != "fuelled" or not self._idle(past, sweep) or self._last(past).state != "failed":
            return self._wrong(sweep, f"failed with {self.failure_code}")
        failed = SweepFailed(
            occurred_at=now,
            actor=self.actor,
            sweep_id=self.order.sweep_id,
            failure_code=self.failure_code,
            txid=self.txid,
        )
        return [New(self.order.stream, failed)]


class DeferSweep(_SweepCommand, frozen=True, kw_only=True):
    """Give it up for now."""

    reason: str

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        sweep = self._sweep(past)
        if sweep.state == "deferred":
            return ()
        moved = sweep.state == "fuelled" and self._last(past).state == "confirmed"
        if moved or not self._idle(past, sweep):
            return self._wrong(sweep, "deferred")
        deferred = SweepDeferred(occurred_at=now, actor=self.actor, sweep_id=self.order.sweep_id, reason=self.reason)
        return [New(self.order.stream, deferred)]


class ReleaseSweep(_SweepCommand, frozen=True):
    """What it borrowed is back."""

    def decide(self, past: Past, now: datetime) -> Sequence[New] | Refusal:
        sweep = self._sweep(past)
        if sweep.released:
            return ()
        if sweep.state not in FINAL or not sweep.loans:
            return self._wrong(sweep, "released")
        return [New(self.order.stream, SweepReleased(occurred_at=now, actor=self.actor, sweep_id=self.order.sweep_id))]
